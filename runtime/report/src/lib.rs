//! Reporters: one event stream, four ways to show it.
