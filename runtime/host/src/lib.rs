//! Runs a step plugin as a sandboxed component: capabilities, limits, confinement.
