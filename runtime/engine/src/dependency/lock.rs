//! Which version of a package is meant: chosen once for a release, from what is on record and from what the registries have.

use crate::command::{Tools, is_built, read, summaries};
use crate::{EngineError, Workspace};
use relrun_ledger::{Mark, Release, ReleaseId, Requirement, Status, Summary, Verdict};
use relrun_manifest::{Version, VersionSelector};
use std::collections::BTreeMap;

/// Chooses a version of every package that a release depends on. One that there is none of is left out: it is waited for.
pub(crate) async fn lock(tools: &Tools<'_>, requires: &BTreeMap<String, Requirement>) -> Result<BTreeMap<String, String>, EngineError> {
    let mut locked = BTreeMap::new();
    for (name, requirement) in requires {
        if let Some(version) = locked_of(tools, requirement).await? {
            locked.insert(name.clone(), version);
        }
    }
    Ok(locked)
}

/// Chooses a version for one requirement; none where there is none, or where it is no package.
pub(crate) async fn locked_of(tools: &Tools<'_>, requirement: &Requirement) -> Result<Option<String>, EngineError> {
    let Requirement::Package { package, version, .. } = requirement else { return Ok(None) };
    let Ok(selector) = version.parse::<VersionSelector>() else { return Ok(None) };
    let summaries = summaries(&tools.workspace, package)?;
    let own = choose(&tools.workspace, &summaries, package, &selector)?;
    let own = own.and_then(|id| Version::parse(&summaries.iter().find(|summary| summary.release == id)?.version).ok());
    if own.is_some() && matches!(selector, VersionSelector::Exact(_)) {
        return Ok(own.map(|version| version.to_string()));
    }
    let found = tools.find_package(package, &selector).await?;
    let found = found.and_then(|package| Version::parse(&package.record.version).ok());
    Ok(own.max(found).map(|version| version.to_string()))
}

/// Chooses the highest version on record that is built and good; of one version the last release.
pub(crate) fn choose(
    workspace: &Workspace,
    summaries: &[Summary],
    package: &str,
    selector: &VersionSelector,
) -> Result<Option<ReleaseId>, EngineError> {
    let version = |summary: &Summary| Version::parse(&summary.version).ok().filter(|version| selector.takes(version));
    let mut fitting: Vec<(Version, &Summary)> = summaries
        .iter()
        .filter(|summary| summary.kind.record().is_none() && is_good(summary, selector))
        .filter_map(|summary| Some((version(summary)?, summary)))
        .collect();
    fitting.sort_by(|(one, a), (other, b)| one.cmp(other).then(a.release.cmp(&b.release)));
    for (_, summary) in fitting.into_iter().rev() {
        let release: Release = read(workspace, package, summary.release)?;
        if is_built(&release) {
            return Ok(Some(summary.release));
        }
    }
    Ok(None)
}

/// Whether a release may be chosen: what failed elsewhere only where it is named.
fn is_good(summary: &Summary, selector: &VersionSelector) -> bool {
    let ended_well = matches!(summary.status, Status::Ended(Verdict::Succeeded | Verdict::Destroyed | Verdict::Waiting { .. }));
    !summary.marks.contains(&Mark::Bad) && (ended_well || matches!(selector, VersionSelector::Exact(_)))
}
