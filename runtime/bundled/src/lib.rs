//! The bundled step plugins, built from source and embedded.
