//! What stands on every object of ours: whose it is, and which rollout it belongs to.

use relrun_sdk::serde_json::{self, Value, json};
use relrun_sdk::{Error, ErrorKind, Result, context, kubernetes};

/// The annotation that holds the mark {ledger, release, fence}.
pub(crate) const MARK: &str = "relrun/mark";
/// The label that holds the inventory's name: what has it and is no longer in the manifests is pruned.
pub(crate) const INVENTORY: &str = "relrun/inventory";

/// A mark that is nobody's.
const NOBODYS: &str = "another rollout's";

/// Returns the mark of an object.
pub(crate) fn of(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][MARK].as_str()
}

/// Returns the release in a mark.
pub(crate) fn release(mark: &str) -> Option<String> {
    serde_json::from_str::<Value>(mark).ok()?["release"].as_str().map(ToOwned::to_owned)
}

/// Refuses an object of another ledger.
pub(crate) fn check(object: Option<&Value>, shown: &str) -> Result<String> {
    kubernetes::mark(object.and_then(of), shown)
}

/// Returns the rollout that an object belongs to, where it belongs to one.
pub(crate) fn rollout(object: &Value) -> Option<&str> {
    object["metadata"]["labels"][INVENTORY].as_str()
}

/// Returns whether an object belongs to this rollout. Whoever takes mark or label away takes the object out of it.
pub(crate) fn is_ours(object: &Value) -> bool {
    of(object).is_some() && rollout(object) == Some(&inventory())
}

/// Returns the rollout that has an object, where that is not this one.
pub(crate) fn other(object: Option<&Value>) -> Option<&str> {
    object.and_then(rollout).filter(|rollout| *rollout != inventory())
}

/// Refuses an object of another ledger, and one of another rollout of this ledger.
pub(crate) fn check_free(object: Option<&Value>, shown: &str) -> Result<String> {
    let mark = check(object, shown)?;
    let Some(other) = other(object) else { return Ok(mark) };
    // The host alone knows whether the user said `--adopt`, and lifts with it any mark that is not ours.
    match kubernetes::mark(Some(NOBODYS), shown) {
        Ok(_) => Ok(mark),
        Err(error) if error.kind() == ErrorKind::Denied => Err(Error::denied(format!(
            "{shown}: it belongs to the rollout {other}, and this one is {}; say --adopt to take it over",
            inventory()
        ))),
        Err(error) => Err(error),
    }
}

/// Puts mark and inventory on an object.
pub(crate) fn put(object: &mut Value, mark: &str, inventory: &str) {
    object["metadata"]["annotations"][MARK] = json!(mark);
    object["metadata"]["labels"][INVENTORY] = json!(inventory);
}

/// Returns the inventory's name: two steps never share one, nor do two environments in one namespace.
pub(crate) fn inventory() -> String {
    let parts =
        [context::package(), context::deployment().unwrap_or_default(), context::environment().unwrap_or_default(), context::step()];
    let whole = parts.join("\n");
    let readable: String = format!("{}.{}", parts[1].rsplit('/').next().unwrap_or_default(), parts[3])
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(48)
        .collect();
    format!("{}-{:08x}", readable.trim_matches('-'), fnv(whole.as_bytes()))
}

/// FNV-1a: the same in every version, which is all that is asked of it.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
