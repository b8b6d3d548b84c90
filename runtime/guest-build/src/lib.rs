//! Finds or makes a toolchain for wasm32-wasip2 guests, and builds them with it.
