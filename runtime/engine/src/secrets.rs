//! Reads the manifest's secrets from where they are. A missing one that a step needs is reported before anything runs, all of them at once. One
//! that nothing needs now is read where that is quiet, so that it is masked too.

use crate::carry::Secrecy;
use crate::prepare::Prepared;
use crate::{EngineError, Workspace};
use relrun_gate::{Masker, Secrets};
use relrun_graph::NodeId;
use relrun_manifest::{Capability, Mistake, SecretSource};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Reads the secrets that these steps need.
pub(crate) fn read(workspace: &Workspace, prepared: &Prepared, wanted: &dyn Fn(NodeId) -> bool) -> Result<Arc<Secrecy>, EngineError> {
    let loaded = &prepared.loaded;
    let needed = needed(prepared, wanted);
    let mut values = BTreeMap::new();
    let mut mistakes = Vec::new();
    for secret in &loaded.manifest.secrets {
        let is_needed = needed.contains(secret.name.value.as_str());
        if !is_needed && matches!(secret.from.value, SecretSource::Command(_) | SecretSource::Stdin) {
            // A vault may ask a person, and standard input may never end.
            continue;
        }
        match read_one(workspace, &loaded.directory, &secret.from.value) {
            Ok(value) => drop(values.insert(secret.name.value.clone(), value)),
            Err(_) if !is_needed => {}
            Err(reason) => mistakes.push(
                Mistake::new(
                    "relrun::secret::missing",
                    secret.from.span,
                    format!("secret \"{}\" cannot be read: {reason}", secret.name.value),
                )
                .help("set it where its `from` says, then run the same command again"),
            ),
        }
    }
    if !mistakes.is_empty() {
        return Err(loaded.mistakes(mistakes));
    }
    let secrets = Arc::new(Secrets::new(values));
    let masker = Masker::new(&secrets).map_err(|error| EngineError::input(error.to_string(), "shorten the secret"))?;
    let masker = Arc::new(masker);
    Ok(Arc::new(Secrecy { secrets, masker }))
}

fn needed<'p>(prepared: &'p Prepared, wanted: &dyn Fn(NodeId) -> bool) -> BTreeSet<&'p str> {
    let nodes = prepared.graph.topological().filter(|&node| wanted(node));
    let capabilities = nodes.flat_map(|node| &prepared.nodes[node.index()].capabilities);
    let name = |capability: &'p Capability| match capability {
        Capability::Secret(secret) => Some(secret.name.as_str()),
        Capability::Http(http) => http.tls.key.as_deref(),
        _ => None,
    };
    capabilities.filter_map(name).collect()
}

/// No secret is longer, in bytes: every form of it is looked for in all that is written.
pub const LONGEST: usize = 64 << 10;

/// Reads one secret; a file is relative to a directory.
pub(crate) fn read_one(workspace: &Workspace, directory: &Path, from: &SecretSource) -> Result<String, String> {
    let value = match from {
        SecretSource::Env(name) => workspace.variables.get(name).cloned().ok_or_else(|| format!("the variable {name} is not set"))?,
        SecretSource::File(path) => {
            let text = std::fs::read_to_string(directory.join(path)).map_err(|error| format!("{path}: {error}"))?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        SecretSource::Command(argv) => match &workspace.project.policy.refuse_unconfined {
            Some(file) => return Err(crate::policy::refused_command(file, argv)),
            None => ask(argv)?,
        },
        SecretSource::Stdin => workspace.stdin.clone()?,
    };
    match value.len() {
        0 => Err("it is empty".to_owned()),
        length if length > LONGEST => Err(format!("it has {length} bytes, and no secret is longer than {LONGEST}")),
        _ => Ok(value),
    }
}

/// Runs the user's own command, with the user's environment: this is the user's vault, not a step.
fn ask(argv: &[String]) -> Result<String, String> {
    let (program, args) = argv.split_first().ok_or("no command is named")?;
    let output = std::process::Command::new(program)
        .args(args)
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} ended with {}: {}", output.status, crate::text::cut(said.trim(), 200)));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| format!("{program} printed no UTF-8"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
