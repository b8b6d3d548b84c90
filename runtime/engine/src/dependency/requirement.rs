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

/// Returns what a manifest requires. `uses` are the providers that were named for this one release, by name.
///
/// # Errors
/// A name that nothing is consumed by.
pub(crate) fn requirements(loaded: &Loaded, uses: &BTreeMap<String, ProviderName>) -> Result<BTreeMap<String, Requirement>, EngineError> {
    let manifest = &loaded.manifest;
    let consumed = |name: &str| manifest.consumes.iter().any(|consumes| *consumes.alias == *name);
    if let Some(unknown) = uses.keys().find(|name| !consumed(name)) {
        let known: Vec<&str> = manifest.consumes.iter().map(|consumes| consumes.alias.value.as_str()).collect();
        let help = match (relrun_manifest::nearest(unknown, known.iter().copied()), known.as_slice()) {
            (Some(near), _) => format!("did you mean `--use {near}=…`?"),
            (None, []) => "leave `--use` out".to_owned(),
            (None, known) => format!("it consumes {}", crate::text::join(known)),
        };
        return Err(EngineError::input(format!("--use {unknown}: {} consumes nothing by this name", manifest.package.name.value), help));
    }
    let consumes = manifest.consumes.iter().map(|consumes| {
        let name = &consumes.alias.value;
        let provider = uses.get(name).or(consumes.from.as_ref().map(|from| &from.value)).map(ToString::to_string);
        (name.clone(), Requirement::Interface { interface: consumes.interface.value.clone(), provider })
    });
    let depends = manifest.depends.iter().map(|depends| {
        let set = depends.settings.iter().map(|setting| (setting.name.value.clone(), plain(&setting.value.value))).collect();
        let (package, version) = (depends.package.value.to_string(), depends.version.value.to_string());
        (depends.alias.value.clone(), Requirement::Package { package, version, set })
    });
    Ok(consumes.chain(depends).collect())
}
