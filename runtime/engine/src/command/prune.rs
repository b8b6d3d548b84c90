//! `releases prune`: which records nothing needs any more. Never one that is active or pinned, never one that a person still has to do
//! something about, and never one whose record another stands for.

use crate::locks::{Locks, Patience};
use crate::{EngineError, Workspace};
use relrun_ledger::{Deployments, EnvironmentState, Mark, ReleaseId, Status, Summary, Verdict};
use relrun_store::{LockKey, StreamId};
use std::collections::BTreeSet;
use std::time::Duration;

/// Forgets what can be spared, or only says what it would be.
pub fn prune(workspace: &Workspace, package: &str, keep: usize, dry_run: bool) -> Result<Vec<ReleaseId>, EngineError> {
    if dry_run {
        return Ok(spared(&super::summaries(workspace, package)?, keep));
    }
    // Under this lock no release comes to be that would stand for one of these.
    let mut locks = Locks::new(workspace);
    locks.take(workspace, &LockKey::Package(package.to_owned()), None, &Patience::from(Duration::from_secs(2)))?;
    let gone = spared(&super::summaries(workspace, package)?, keep);
    for id in &gone {
        workspace.runs.forget(&StreamId { package: package.to_owned(), release: *id })?;
    }
    Ok(gone)
}

/// Returns the releases that can be forgotten, oldest first. In each environment the active one and `keep` before it stay.
fn spared(summaries: &[Summary], keep: usize) -> Vec<ReleaseId> {
    let deployments = Deployments::of(summaries);
    let mut stays: BTreeSet<ReleaseId> = summaries.iter().rev().take(keep.max(1)).map(|summary| summary.release).collect();
    for (key, _) in deployments.all() {
        stays.extend(deployments.history(key).iter().rev().take(keep.saturating_add(1)).map(|deployed| deployed.release));
    }
    stays.extend(summaries.iter().filter(|summary| is_wanted(summary)).map(|summary| summary.release));
    // A rollback or a promotion has its build from the record that it brought, which may have it from another.
    for summary in summaries.iter().rev() {
        if stays.contains(&summary.release) {
            stays.extend(summary.kind.record());
        }
    }
    summaries.iter().map(|summary| summary.release).filter(|release| !stays.contains(release)).collect()
}

/// Whether a person pinned it, or has still to do something about it.
fn is_wanted(summary: &Summary) -> bool {
    use EnvironmentState as State;
    let is_settled = match &summary.status {
        Status::Running => false,
        Status::Ended(verdict) => !matches!(verdict, Verdict::Waiting { .. } | Verdict::Cancelled | Verdict::Staged),
    };
    let is_clean = |state: State| matches!(state, State::Untouched | State::Deployed | State::Undone | State::Destroyed);
    summary.marks.contains(&Mark::Pinned) || !is_settled || !summary.environments.values().all(|there| is_clean(there.state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use relrun_ledger::{Actor, Digest, EnvironmentSummary, ReleaseKind, Timestamp};
    use std::collections::BTreeMap;

    /// A release that was deployed to each of these, in the second of its number.
    fn release(number: u32, places: &[&str]) -> Summary {
        let at = Timestamp::from_second(1_760_000_000 + i64::from(number)).expect("it is this century");
        let there = EnvironmentSummary {
            state: EnvironmentState::Deployed,
            deployments: BTreeSet::from(["shop".to_owned()]),
            set: BTreeMap::new(),
            deployed_at: Some(at),
            destroyed_at: None,
            met: BTreeMap::new(),
            offer: relrun_ledger::Offer::default(),
        };
        Summary {
            release: ReleaseId(number),
            version: format!("1.4.{number}"),
            kind: ReleaseKind::Apply,
            identity: Digest::of(&number.to_le_bytes()),
            status: Status::Ended(Verdict::Succeeded),
            free_done: true,
            environments: places.iter().map(|name| ((*name).to_owned(), there.clone())).collect(),
            marks: BTreeSet::new(),
            created: at,
            actor: Actor::default(),
            description: None,
            metadata: BTreeMap::new(),
            broke_glass: false,
            commit: None,
            part_of: None,
        }
    }

    fn numbers(summaries: &[Summary], keep: usize) -> Vec<u32> {
        spared(summaries, keep).into_iter().map(|release| release.0).collect()
    }

    #[test]
    fn each_environment_keeps_its_own() {
        let mut all = vec![release(1, &["live"]), release(2, &["live"])];
        all.extend((3..=12).map(|number| release(number, &["staging"])));
        // However much happened in staging since, live keeps what it has.
        assert_eq!(numbers(&all, 0), [1, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(numbers(&all, 1), [3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(numbers(&all, 100), [0; 0]);
        assert_eq!(numbers(&all, usize::MAX), [0; 0]);
    }

    #[test]
    fn what_is_pinned_or_unfinished_stays() {
        let mut all: Vec<Summary> = (1..=6).map(|number| release(number, &["live"])).collect();
        all[0].marks.insert(Mark::Pinned);
        all[1].status = Status::Ended(Verdict::Waiting { on: vec!["approve live/us".to_owned()] });
        all[2].environments.get_mut("live").expect("it is there").state = EnvironmentState::UndoFailed;
        all[3].status = Status::Ended(Verdict::Staged);
        assert_eq!(numbers(&all, 0), [5]);
        all[0].marks.clear();
        assert_eq!(numbers(&all, 0), [1, 5]);
    }

    #[test]
    fn what_another_stands_for_stays_however_far_back() {
        let mut all: Vec<Summary> = (1..=5).map(|number| release(number, &["live"])).collect();
        all[2].kind = ReleaseKind::Promote { of: ReleaseId(1), from: None };
        all[4].kind = ReleaseKind::Rollback { to: ReleaseId(3) };
        assert_eq!(numbers(&all, 0), [2, 4]);
    }

    #[test]
    fn nothing_is_spared_of_nothing() {
        assert_eq!(numbers(&[], 0), [0; 0]);
        assert_eq!(numbers(&[release(1, &[])], 0), [0; 0]);
    }
}
