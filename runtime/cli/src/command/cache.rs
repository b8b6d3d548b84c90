//! `cache`: what the store of content holds.

use crate::args::{CacheCommand, Cli, Format};
use crate::open::{self, Access};
use crate::show;
use relrun_engine::{EngineError, Exit, Workspace};
use relrun_ledger::{Digest, Outcome, StepState};
use relrun_store::{GcMode, GcOptions, LocalBlobStore, Tree};
use std::collections::BTreeSet;
use std::path::Path;

pub(super) fn dispatch(cli: &Cli, asked: &CacheCommand) -> Result<Exit, EngineError> {
    let workspace = open::workspace(cli, Path::new("release.kdl"), Access::Write)?;
    let store = LocalBlobStore::open(&open::store_of(&workspace.root.join(".relrun")))?;
    match asked {
        CacheCommand::Stat => {
            let stat = store.stat()?;
            if show::format(cli) == Format::Json {
                show::print_json(&serde_json::json!({
                    "blobs": stat.blobs, "bytes": stat.bytes, "remembered": stat.remembered, "corrupt": stat.corrupt, "drafts": stat.drafts,
                }))?;
            } else {
                let text = format!(
                    "{} blobs, {} bytes, {} outcomes remembered, {} set aside",
                    stat.blobs, stat.bytes, stat.remembered, stat.corrupt
                );
                show::print(&format!("{text}\n"))?;
            }
            Ok(Exit::Done)
        }
        CacheCommand::Verify => {
            let report = store.verify()?;
            show::print(&format!("read {} blobs, {} bytes\n", report.checked, report.bytes))?;
            for digest in &report.corrupt {
                show::print(&format!("corrupt, set aside: {digest}\n"))?;
            }
            Ok(if report.corrupt.is_empty() { Exit::Done } else { Exit::Machine })
        }
        CacheCommand::Gc { keep_for, floor, dry_run } => {
            let roots = roots(&workspace)?;
            let mode = if *dry_run { GcMode::DryRun } else { GcMode::Remove };
            let options = GcOptions { keep_for: *keep_for, floor: *floor, mode };
            let report = store.gc(&roots, &references, options)?;
            let verb = if *dry_run { "would remove" } else { "removed" };
            for blob in &report.swept {
                show::print(&format!("{verb} {} ({} bytes)\n", blob.digest, blob.size))?;
            }
            for code in workspace.host.sweep_compiled(*keep_for, !*dry_run)? {
                show::print(&format!("{verb} machine code {} ({} bytes): {}\n", code.name, code.size, code.why))?;
            }
            show::print(&format!("{} bytes stay\n", report.kept))?;
            Ok(Exit::Done)
        }
    }
}

/// Everything that the releases on record name: manifests, locks, components, configs, artifacts.
fn roots(workspace: &Workspace) -> Result<Vec<Digest>, EngineError> {
    let mut roots = BTreeSet::new();
    for package in workspace.runs.packages()? {
        for summary in workspace.runs.summaries(&package)? {
            let release = relrun_engine::command::read(workspace, &package, summary.release)?;
            roots.extend([release.start.manifest, release.start.lock]);
            roots.extend(release.start.files.as_ref().map(|files| files.tree));
            roots.extend(components(&workspace.blobs.get(release.start.lock)?));
            for step in &release.steps {
                roots.extend(step.config);
                let outcome = match &step.state {
                    StepState::Succeeded(outcome) => Some(outcome),
                    _ => step.outcome.as_ref(),
                };
                roots.extend(outcome.into_iter().flat_map(|outcome| outcome.artifacts.values().copied()));
            }
        }
    }
    Ok(roots.into_iter().collect())
}

fn components(lock: &[u8]) -> Vec<Digest> {
    let json: serde_json::Value = serde_json::from_slice(lock).unwrap_or_default();
    let plugins = json["plugins"].as_object().cloned().unwrap_or_default();
    plugins.values().filter_map(|plugin| plugin["digest"].as_str()?.parse().ok()).collect()
}

/// What a blob or a remembered value refers to: a tree its files, an outcome its artifacts.
fn references(bytes: &[u8]) -> Vec<Digest> {
    if let Ok(tree) = Tree::decode(bytes) {
        return tree.blobs().collect();
    }
    serde_json::from_slice::<Outcome>(bytes).map(|outcome| outcome.artifacts.into_values().collect()).unwrap_or_default()
}
