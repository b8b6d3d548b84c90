//! Where the host's functions come from: the component's imports on WebAssembly, [`testing::Fake`](crate::testing::Fake) anywhere else.
//! Both give the same functions, so that nothing above knows which it talks to.

#[cfg(target_family = "wasm")]
mod imports;
#[cfg(target_family = "wasm")]
pub(crate) use imports::*;

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::*;
