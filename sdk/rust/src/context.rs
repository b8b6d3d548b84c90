//! Which release this is. A pure step gets empty answers and an attempt of 1.

use crate::backend::context as host;
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Returns the package, `owner/name`.
pub fn package() -> String {
    host::package()
}

/// Returns the package's version, or its rule where none is claimed yet.
pub fn version() -> String {
    host::version()
}

/// Returns the release's id, `r7`.
pub fn release() -> String {
    host::release()
}

/// Returns the step's name.
pub fn step() -> String {
    host::step()
}

/// Returns the attempt, counted from 1.
pub fn attempt() -> u32 {
    host::attempt()
}

/// Returns the key that is stable over all retries of one step in one release: 64 hexadecimal digits.
pub fn idempotency_key() -> String {
    host::idempotency_key()
}

/// Returns the environment's name, where the step is bound to one.
pub fn environment() -> Option<String> {
    host::environment()
}

/// Returns the deployment's name; by default the package's.
pub fn deployment() -> Option<String> {
    host::deployment()
}

/// Returns the environment's labels.
pub fn labels() -> BTreeMap<String, String> {
    host::labels().into_iter().collect()
}

/// Returns what the environment sets under this name, as text.
pub fn setting(name: &str) -> Option<String> {
    host::setting(name)
}

/// Returns what this deployment's last `apply` left as its receipt.
pub fn previous<R: DeserializeOwned>() -> Result<Option<R>> {
    let Some(text) = host::previous() else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| Error::from(error).context("read the previous receipt"))
}

/// Returns the last checkpoint of an earlier attempt of this `apply` in this release, where it did not end well and was not undone: what stands
/// at the target is partly this release's own doing then.
pub fn unfinished<R: DeserializeOwned>() -> Result<Option<R>> {
    let Some(text) = host::unfinished() else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| Error::from(error).context("read what an earlier attempt left"))
}

/// Returns the moment the release began, in seconds since the Unix epoch; 0 for a pure step.
pub fn started_at() -> u64 {
    host::started_at()
}
