//! A release that a command has taken: read under its locks, and nobody else's until it lets go.

use super::{check_blocked, read, summaries};
use crate::dependency::Uses;
use crate::journal::Journal;
use crate::locks::{Locks, Patience, deployment_key, release_key};
use crate::{EngineError, Workspace};
use relrun_ledger::{DeploymentKey, Event, Release, ReleaseId, RunKind, StepId};
use relrun_store::StreamId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A release about to be carried.
pub(super) struct Taken {
    pub(super) release: Release,
    pub(super) stream: StreamId,
    pub(super) steps: Option<BTreeSet<StepId>>,
    pub(super) locks: Locks,
    /// The journal of a new release, in which its run has begun already.
    pub(super) begun: Option<Journal>,
    /// What an adoption found for steps: their `previous`.
    pub(super) found: BTreeMap<StepId, serde_json::Value>,
    /// The providers that a person named when it was taken up again.
    pub(super) uses: Uses,
}

impl Taken {
    /// Takes up a release that is in the store: its stream is read again under its lock.
    pub(super) fn take_up(
        workspace: &Workspace,
        package: &str,
        id: ReleaseId,
        steps: Option<BTreeSet<StepId>>,
        patience: &Patience,
    ) -> Result<Self, EngineError> {
        let stream = StreamId { package: package.to_owned(), release: id };
        let before = read(workspace, package, id)?;
        let all: BTreeSet<StepId> = before.step_ids().collect();
        let places = places(&before, steps.as_ref().unwrap_or(&all));
        let locks = lock_run(workspace, &stream, &places, patience)?;
        check_blocked(&summaries(workspace, package)?, &places, Some(id))?;
        let release = read(workspace, package, id)?;
        Ok(Self { release, stream, steps, locks, begun: None, found: BTreeMap::new(), uses: Uses::new() })
    }

    /// Takes up a release for a person's word on it, whatever else blocks its environments.
    pub(super) fn take_up_blocked(workspace: &Workspace, package: &str, id: ReleaseId, patience: &Patience) -> Result<Self, EngineError> {
        let stream = StreamId { package: package.to_owned(), release: id };
        let locks = lock_run(workspace, &stream, &BTreeSet::new(), patience)?;
        let release = read(workspace, package, id)?;
        let steps = release.selected.clone();
        Ok(Self { release, stream, steps, locks, begun: None, found: BTreeMap::new(), uses: Uses::new() })
    }

    /// Holds a release to write a note beside its steps; no run begins.
    pub(super) fn hold(workspace: &Workspace, package: &str, id: ReleaseId) -> Result<Self, EngineError> {
        Self::take_up_blocked(workspace, package, id, &Duration::from_secs(2).into())
    }

    pub(super) fn resume(&self, workspace: &Workspace) -> Journal {
        let key = release_key(&self.stream);
        let fence = self.locks.fence(&key).unwrap_or_default();
        Journal::resume(Arc::clone(&workspace.runs), self.stream.clone(), (key, fence), self.release.clone())
    }

    pub(super) fn journal(&self, workspace: &Workspace, run: RunKind) -> Result<Journal, EngineError> {
        let mut journal = self.resume(workspace);
        let steps = self.steps.as_ref().map(|steps| steps.iter().copied().collect());
        journal.note(Event::RunStarted { run, actor: workspace.actor.clone(), steps })?;
        journal.flush_with_summary()?;
        Ok(journal)
    }

    pub(super) fn places(&self) -> BTreeSet<DeploymentKey> {
        let all: BTreeSet<StepId> = self.release.step_ids().collect();
        places(&self.release, self.steps.as_ref().unwrap_or(&all))
    }
}

/// Takes the locks that a run on this release needs, in one order: the release, then its deployments sorted.
pub(super) fn lock_run(
    workspace: &Workspace,
    stream: &StreamId,
    places: &BTreeSet<DeploymentKey>,
    patience: &Patience,
) -> Result<Locks, EngineError> {
    let mut locks = Locks::new(workspace);
    locks.take(workspace, &release_key(stream), Some(stream.release), patience)?;
    for place in places {
        let key = deployment_key(&stream.package, &place.environment, &place.deployment);
        locks.take(workspace, &key, Some(stream.release), patience)?;
    }
    Ok(locks)
}

/// Returns the deployments that these steps of a release work on.
pub(super) fn places(release: &Release, steps: &BTreeSet<StepId>) -> BTreeSet<DeploymentKey> {
    let place = |id: &StepId| {
        let decl = &release.start.steps[id.index()];
        Some(DeploymentKey { environment: decl.environment.clone()?, deployment: decl.deployment.clone()? })
    };
    steps.iter().filter_map(place).collect()
}
