//! `cache`: what the store of content holds.

use crate::args::{CacheCommand, Cli, Format};
use crate::open::{self, Access};
use crate::show;
use relrun_engine::{EngineError, Exit, Workspace, state};
use relrun_ledger::Digest;
use relrun_store::{GcMode, GcOptions, LocalBlobStore};
use std::collections::BTreeSet;
use std::path::Path;

pub(super) fn dispatch(cli: &Cli, asked: &CacheCommand) -> Result<Exit, EngineError> {
    let workspace = open::workspace(cli, Path::new("release.kdl"), Access::Write)?;
    let store = LocalBlobStore::open(&open::store_of(&workspace.state))?;
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
            let report = store.gc(&roots, &state::references, options)?;
            let verb = if *dry_run { "would remove" } else { "removed" };
            for blob in &report.swept {
                show::print(&format!("{verb} {} ({} bytes)\n", blob.digest, blob.size))?;
            }
            for package in relrun_engine::command::sweep_packages(&workspace, *keep_for, !*dry_run)? {
                let tags = |tags: &[relrun_registry::Tag]| tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                for (digest, named) in &package.swept.artifacts {
                    show::print(&format!("{verb} package {} {} ({digest})\n", package.package, tags(named)))?;
                }
                show::print(&format!("{verb} {} bytes of packages of {}\n", package.swept.bytes, package.package))?;
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
            roots.extend(state::named(workspace, &release)?);
        }
    }
    Ok(roots.into_iter().collect())
}
