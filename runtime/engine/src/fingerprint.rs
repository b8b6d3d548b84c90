//! Fingerprints: what a step is made from, part by part, and the digest over it.
//!
//! This room is pure. A fingerprint covers all that can reach a pure step: component, world, operation, config, staged inputs, granted
//! variables, grants, programs. The parts are kept, so that `relrun why` can say which one changed.

use relrun_ledger::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a step is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// The component's digest, and the world it was built for.
    pub component: String,
    /// The config as canonical JSON, every reference resolved.
    pub config: String,
    /// The digests of the trees under `/in`, by name.
    pub inputs: BTreeMap<String, String>,
    /// The names under `/out`.
    pub outputs: Vec<String>,
    /// Granted variables.
    pub variables: BTreeMap<String, String>,
    /// Capabilities, as they are written.
    pub capabilities: Vec<String>,
    /// The digests of the programs that it may run.
    pub programs: BTreeMap<String, String>,
}

impl Parts {
    /// Returns the digest over all parts.
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("relrun 2026 step fingerprint v1");
        let mut field = |name: &str, value: &str| {
            // Lengths keep neighbouring fields apart.
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
            hasher.update(&(value.len() as u64).to_le_bytes()).update(value.as_bytes());
        };
        self.each(&mut field);
        hasher.finalize().into()
    }

    fn each(&self, field: &mut dyn FnMut(&str, &str)) {
        field("component", &self.component);
        field("config", &self.config);
        self.inputs.iter().for_each(|(name, digest)| field(&format!("input {name}"), digest));
        self.outputs.iter().for_each(|name| field("output", name));
        self.variables.iter().for_each(|(name, value)| field(&format!("variable {name}"), value));
        self.capabilities.iter().for_each(|line| field("capability", line));
        self.programs.iter().for_each(|(name, digest)| field(&format!("program {name}"), digest));
    }

    /// Says what differs from an earlier time, one line a part; empty where nothing does. Of two digests of an input `detail` may know which
    /// files differ.
    pub(crate) fn changes_since(&self, before: &Self, detail: &Detail<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        if self.component != before.component {
            lines.push("the plugin changed".to_owned());
        }
        if self.config != before.config {
            lines.extend(config_changes(&before.config, &self.config));
        }
        lines.extend(map_changes("input", &before.inputs, &self.inputs, detail));
        if self.outputs != before.outputs {
            lines.push("what it writes changed".to_owned());
        }
        lines.extend(map_changes("variable", &before.variables, &self.variables, &|_, _| None));
        if self.capabilities != before.capabilities {
            lines.push("what it may do changed".to_owned());
        }
        lines.extend(map_changes("program", &before.programs, &self.programs, &|_, _| None));
        lines
    }
}

/// What is known of the way from one value to another.
pub(crate) type Detail<'a> = dyn Fn(&str, &str) -> Option<String> + 'a;

fn map_changes(what: &str, before: &BTreeMap<String, String>, after: &BTreeMap<String, String>, detail: &Detail<'_>) -> Vec<String> {
    let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| format!("{what} {name} is gone"));
    let new = after.iter().filter_map(|(name, value)| match before.get(name) {
        None => Some(format!("{what} {name} is new")),
        Some(old) if old != value => {
            let detail = detail(old, value).map(|detail| format!(": {detail}")).unwrap_or_default();
            Some(format!("{what} {name} changed{detail}"))
        }
        Some(_) => None,
    });
    gone.chain(new).collect()
}

/// Names the fields of a config that differ, with both values where they are short.
fn config_changes(before: &str, after: &str) -> Vec<String> {
    let parse = |text: &str| serde_json::from_str::<serde_json::Map<String, Value>>(text).unwrap_or_default();
    let (before, after) = (parse(before), parse(after));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let short = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), |value| crate::text::cut(&value.to_string(), 60));
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| format!("config {name} changed from {} to {}", short(before.get(name)), short(after.get(name))))
        .collect()
}

/// Returns JSON in one form only: object keys sorted, no white space.
pub(crate) fn canonical(value: &Value) -> String {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    sorted.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts() -> impl Strategy<Value = Parts> {
        let map = || proptest::collection::btree_map("[a-z]{0,3}", "[a-z]{0,3}", 0..3);
        let list = || proptest::collection::vec("[a-z]{0,3}", 0..3);
        ("[a-z]{0,2}", "[a-z]{0,2}", map(), list(), map(), list(), map()).prop_map(
            |(component, config, inputs, outputs, variables, capabilities, programs)| Parts {
                component,
                config,
                inputs,
                outputs,
                variables,
                capabilities,
                programs,
            },
        )
    }

    proptest! {
        #[test]
        fn different_parts_have_different_digests(a in parts(), b in parts()) {
            prop_assert_eq!(a == b, a.digest() == b.digest());
        }

        #[test]
        fn why_is_never_silent_about_a_change(a in parts(), b in parts()) {
            // A config that is no object cannot be told apart field by field; real ones are objects.
            let (mut a, mut b) = (a, b);
            a.config = format!("{{\"k\":\"{}\"}}", a.config);
            b.config = format!("{{\"k\":\"{}\"}}", b.config);
            prop_assert_eq!(a == b, b.changes_since(&a, &|_, _| None).is_empty());
        }
    }

    #[test]
    fn canonical_json_sorts_keys() {
        let value: Value = serde_json::from_str(r#"{"b": 1, "a": {"d": 2, "c": [3]}}"#).expect("it is JSON");
        assert_eq!(canonical(&value), r#"{"a":{"c":[3],"d":2},"b":1}"#);
    }
}
