//! Policy: what the platform lets any manifest grant, which plugins run, how much a step may use, who approves, when nothing is deployed.
//!
//! Several files may say something: the system's, the user's, the one that `RELRUN_POLICY` names, and the project's. They are joined so that each of
//! them holds ([`Policy::and`]); none can loosen another.

use crate::capability::glob_covers;
use crate::{Approvers, Capability, Freeze, Limits, PackageSigners};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the platform lets any manifest do. An absent policy bounds nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Capabilities beyond which nothing is granted; one of each file that has an `allow`, and all of them must cover.
    pub allow: Vec<Bound<Vec<Capability>>>,
    /// Which plugins run; one of each file that names any, and all of them must let a plugin through.
    pub plugins: Vec<Bound<Vec<PluginRule>>>,
    /// How much a step may use.
    pub limits: Vec<Bound<StepBounds>>,
    /// Which file refuses `confine="none"`.
    pub refuse_unconfined: Option<String>,
    /// Which file refuses `in-place=true`.
    pub refuse_in_place: Option<String>,
    /// Who approves which gate, with a signature.
    pub approvers: Vec<Approvers>,
    /// Who must have signed which packages.
    pub packages: Vec<PackageSigners>,
    /// When nothing is deployed where.
    pub freezes: Vec<Freeze>,
    /// Who must have signed which bundles of plugins, and how old they may be.
    pub bundles: Vec<Bound<BundleRule>>,
    /// Keys and components that are believed no longer.
    pub revoked: Vec<Bound<Revocation>>,
}

/// What one file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound<T> {
    /// The file, as messages name it.
    pub from: String,
    /// What it says.
    pub says: T,
}

/// A `plugin` line of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRule {
    /// Where it may come from: `bundled`, `bundled:deploy`, or what a manifest's `from` says; `*` stands for any run of characters.
    pub from: String,
    /// A file of allowed signers, one of whom must have signed the component.
    pub signers: Option<String>,
    /// Keys, one of which must have signed the component, or the bundle that it comes from.
    pub signed_by: Option<Trust>,
    /// A bundle that must vouch for the component.
    pub bundle: Option<String>,
}

/// A `trust` line of a policy: keys under a name, of which any does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// The name.
    pub name: String,
    /// The keys.
    pub keys: Vec<PolicyKey>,
}

/// A key that policy trusts, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyKey {
    /// The public key.
    pub key: String,
    /// What was signed earlier does not count.
    pub from: Option<Timestamp>,
    /// What was signed then or later does not count.
    pub until: Option<Timestamp>,
}

/// A `bundle` line of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleRule {
    /// The bundle's name.
    pub name: String,
    /// Who must have signed its index.
    pub signed_by: Trust,
    /// No index with a lower number is used.
    pub at_least: u64,
}

/// A `revoke` line of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Ids of keys, as 16 hexadecimal digits, or components, as `blake3:…`.
    pub what: Vec<String>,
    /// Why.
    pub reason: Option<String>,
}

/// A `limits` line of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepBounds {
    /// The longest that an attempt may take.
    pub timeout: Option<Duration>,
    /// What the manifest's `limits` may say at most.
    pub limits: Limits,
}

/// Why a step's limits go beyond a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beyond {
    /// What is too much: `timeout`, `memory`.
    pub what: &'static str,
    /// The most that is let through, as a person writes it.
    pub most: String,
    /// The file that says so.
    pub from: String,
}

impl Policy {
    /// Joins two policies: each of them holds. Of approvers for one gate, those of `self` count, which is the outer one.
    pub fn and(mut self, inner: Self) -> Self {
        self.allow.extend(inner.allow);
        self.plugins.extend(inner.plugins);
        self.limits.extend(inner.limits);
        self.refuse_unconfined = self.refuse_unconfined.or(inner.refuse_unconfined);
        self.refuse_in_place = self.refuse_in_place.or(inner.refuse_in_place);
        let known: Vec<String> = self.approvers.iter().map(|approvers| approvers.gate.value.clone()).collect();
        let is_bound = |gate: &str| known.iter().any(|known| known == gate || gate.split('/').next_back() == Some(known));
        self.approvers.extend(inner.approvers.into_iter().filter(|approvers| !is_bound(&approvers.gate.value)));
        self.packages.extend(inner.packages);
        self.freezes.extend(inner.freezes);
        self.bundles.extend(inner.bundles);
        self.revoked.extend(inner.revoked);
        self
    }

    /// Makes the paths of files absolute, which a policy outside the project names relative to itself.
    pub fn settle(&mut self, absolute: &dyn Fn(&str) -> String) {
        let rules = self.plugins.iter_mut().flat_map(|bound| &mut bound.says).filter_map(|rule| rule.signers.as_mut());
        let tokens = self.approvers.iter_mut().flat_map(|approvers| {
            let tokens = approvers.tokens.iter_mut().flat_map(|token| [token.keys.as_mut(), token.ca.as_mut()]);
            tokens.flatten().chain(approvers.signers.as_mut())
        });
        let packages = self.packages.iter_mut().map(|rule| &mut rule.signers);
        for path in rules.chain(tokens).chain(packages) {
            *path = absolute(path);
        }
    }

    /// Returns the rules that must all let a plugin through, each with the file that says so; nothing where a file lets it through by none.
    pub fn plugin<'p>(&'p self, from: &str) -> Result<Vec<(&'p str, &'p PluginRule)>, &'p str> {
        let find = |bound: &'p Bound<Vec<PluginRule>>| {
            let rule = bound.says.iter().find(|rule| rule.covers(from));
            rule.map(|rule| (bound.from.as_str(), rule)).ok_or(bound.from.as_str())
        };
        self.plugins.iter().map(find).collect()
    }

    /// Returns what is too much of what a step asks for by itself.
    pub fn beyond(&self, timeout: Option<Duration>, limits: &Limits) -> Vec<Beyond> {
        let mut beyond = Vec::new();
        for Bound { from, says } in &self.limits {
            let mut more = |what, is_more: bool, most: String| {
                if is_more {
                    beyond.push(Beyond { what, most, from: from.clone() });
                }
            };
            for (what, asked, most) in [("timeout", timeout, says.timeout), ("cpu", limits.cpu, says.limits.cpu)] {
                if let (Some(asked), Some(most)) = (asked, most) {
                    more(what, asked > most, format!("{} s", most.as_secs_f64()));
                }
            }
            let sizes = [
                ("memory", limits.memory, says.limits.memory),
                ("log", limits.log, says.limits.log),
                ("output", limits.output, says.limits.output),
            ];
            for (what, asked, most) in sizes {
                if let (Some(asked), Some(most)) = (asked, most) {
                    more(what, asked > most, format!("{most} bytes"));
                }
            }
        }
        beyond
    }

    /// Returns the least that any file lets through.
    pub fn bounds(&self) -> StepBounds {
        fn least<T: Ord>(all: impl Iterator<Item = Option<T>>) -> Option<T> {
            all.flatten().min()
        }
        let says = || self.limits.iter().map(|bound| &bound.says);
        StepBounds {
            timeout: least(says().map(|says| says.timeout)),
            limits: Limits {
                memory: least(says().map(|says| says.limits.memory)),
                cpu: least(says().map(|says| says.limits.cpu)),
                log: least(says().map(|says| says.limits.log)),
                output: least(says().map(|says| says.limits.output)),
            },
        }
    }
}

impl PluginRule {
    /// Returns the rule that asks for nothing but where a plugin comes from.
    pub fn from(pattern: impl Into<String>) -> Self {
        Self { from: pattern.into(), signers: None, signed_by: None, bundle: None }
    }

    /// Returns whether it means a plugin that comes from there.
    pub fn covers(&self, from: &str) -> bool {
        let is_bundled = from == "bundled" || from.starts_with("bundled:");
        (self.from == "bundled" && is_bundled) || glob_covers(&self.from, from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run() {
        let holds = |pattern: &str, text: &str| PluginRule::from(pattern).covers(text);
        for (pattern, text) in [
            ("bundled", "bundled:deploy"),
            ("bundled:deploy", "bundled:deploy"),
            ("file:./plugins/*", "file:./plugins/a.wasm"),
            ("*", "x"),
            ("a*b*c", "a-b-b-c"),
            ("a*", "a"),
        ] {
            assert!(holds(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("bundled:deploy", "bundled:build"), ("file:./plugins/*", "file:./other/a.wasm"), ("a*b", "a-b-c"), ("", "x"), ("a*bb", "a-b")]
        {
            assert!(!holds(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn the_strictest_wins() {
        let limit = |from: &str, seconds: u64, memory: u64| Bound {
            from: from.to_owned(),
            says: StepBounds { timeout: Some(Duration::from_secs(seconds)), limits: Limits { memory: Some(memory), ..Limits::default() } },
        };
        let outer = Policy { limits: vec![limit("outer", 60, 100)], refuse_in_place: Some("outer".to_owned()), ..Policy::default() };
        let inner = Policy { limits: vec![limit("inner", 30, 200)], ..Policy::default() };
        let both = outer.and(inner);
        let bounds = both.bounds();
        assert_eq!((bounds.timeout, bounds.limits.memory), (Some(Duration::from_secs(30)), Some(100)));
        let beyond = both.beyond(Some(Duration::from_secs(45)), &Limits { memory: Some(150), ..Limits::default() });
        assert_eq!(beyond.iter().map(|one| (one.what, one.from.as_str())).collect::<Vec<_>>(), [("memory", "outer"), ("timeout", "inner")]);
        assert_eq!(both.refuse_in_place.as_deref(), Some("outer"));
    }

    #[test]
    fn a_plugin_passes_every_file_that_names_any() {
        let rules = |from: &str, patterns: &[&str]| Bound {
            from: from.to_owned(),
            says: patterns.iter().map(|pattern| PluginRule::from(*pattern)).collect(),
        };
        let policy = Policy { plugins: vec![rules("one", &["bundled", "file:*"]), rules("two", &["bundled"])], ..Policy::default() };
        assert_eq!(policy.plugin("bundled:deploy").unwrap().len(), 2);
        assert_eq!(policy.plugin("file:./a.wasm"), Err("two"));
        assert_eq!(Policy::default().plugin("file:./a.wasm"), Ok(Vec::new()));
    }
}
