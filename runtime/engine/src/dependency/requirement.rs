//! What a manifest says that it needs, in the ledger's terms.

use crate::inputs::{Values, plain};
use crate::{EngineError, Loaded};
use relrun_ledger::{PartOf, Requirement};
use relrun_manifest::ProviderName;
use std::collections::BTreeMap;

/// A deployment that is brought as a part of another.
#[derive(Clone, Debug)]
pub struct Part {
    /// Of which.
    pub of: PartOf,
    /// The values of inputs that it is deployed with.
    pub set: Values,
}

/// The providers that a person names for one command, by the name under which they are consumed.
pub type Uses = BTreeMap<String, ProviderName>;

/// Returns what a manifest requires. `uses` are the providers that were named for this one release.
///
/// # Errors
/// A name that nothing is consumed by.
pub(crate) fn requirements(loaded: &Loaded, uses: &Uses) -> Result<BTreeMap<String, Requirement>, EngineError> {
    let manifest = &loaded.manifest;
    let consumes = manifest.consumes.iter().map(|consumes| {
        let provider = consumes.from.as_ref().map(|from| from.value.to_string());
        (consumes.alias.value.clone(), Requirement::Interface { interface: consumes.interface.value.clone(), provider })
    });
    let depends = manifest.depends.iter().map(|depends| {
        let set = depends.settings.iter().map(|setting| (setting.name.value.clone(), plain(&setting.value.value))).collect();
        let (package, version) = (depends.package.value.to_string(), depends.version.value.to_string());
        (depends.alias.value.clone(), Requirement::Package { package, version, set })
    });
    with_uses(consumes.chain(depends).collect(), uses)
}

/// Puts the providers that a person named in the place of what was required before.
///
/// # Errors
/// A name that nothing is consumed by.
pub(crate) fn with_uses(mut requires: BTreeMap<String, Requirement>, uses: &Uses) -> Result<BTreeMap<String, Requirement>, EngineError> {
    for (name, named) in uses {
        match requires.get_mut(name) {
            Some(Requirement::Interface { provider, .. }) => *provider = Some(named.to_string()),
            Some(Requirement::Package { .. }) | None => return Err(consumes_no(name, &requires)),
        }
    }
    Ok(requires)
}

fn consumes_no(name: &str, requires: &BTreeMap<String, Requirement>) -> EngineError {
    let consumed = requires.iter().filter(|(_, requirement)| matches!(requirement, Requirement::Interface { .. }));
    let known: Vec<&str> = consumed.map(|(name, _)| name.as_str()).collect();
    let help = match (relrun_manifest::nearest(name, known.iter().copied()), known.as_slice()) {
        (Some(near), _) => format!("did you mean `--use {near}=…`?"),
        (None, []) => "leave `--use` out".to_owned(),
        (None, known) => format!("what is consumed is {}", crate::text::join(known)),
    };
    EngineError::input(format!("--use {name}: nothing is consumed by this name"), help)
}
