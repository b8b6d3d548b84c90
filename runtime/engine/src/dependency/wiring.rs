//! What a release or a draft of one needs, looked for in all its environments.

use super::{Board, Seeker, Uses, Wiring, requirements, wanted, with_uses};
use crate::prepare::Prepared;
use crate::{EngineError, Loaded, Workspace};
use relrun_ledger::{DeploymentKey, PartOf, Provider, Release, Requirement};
use std::collections::{BTreeMap, BTreeSet};

/// What is needed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needed {
    pub(crate) requires: BTreeMap<String, Requirement>,
    pub(crate) locked: BTreeMap<String, String>,
    pub(crate) part_of: Option<PartOf>,
}

impl Needed {
    /// Returns what a record needs that is brought somewhere: as its manifest says, with the versions that it was built against.
    pub(crate) fn of_record(loaded: &Loaded, record: &Release, part_of: Option<PartOf>, uses: &Uses) -> Result<Self, EngineError> {
        let requires = requirements(loaded, uses)?;
        Ok(Self { requires, locked: record.locked.clone(), part_of })
    }

    /// Returns what a release needs that is taken up again.
    pub(crate) fn of_release(release: &Release, uses: &Uses) -> Result<Self, EngineError> {
        let requires = with_uses(release.start.requires.clone(), uses)?;
        Ok(Self { requires, locked: release.locked.clone(), part_of: release.start.part_of.clone() })
    }

    /// Looks for it in these environments, beside what stands there now. Nothing is read where nothing is needed.
    pub(crate) fn look(&self, workspace: &Workspace, prepared: &Prepared, environments: &BTreeSet<String>) -> Result<Looked, EngineError> {
        if self.requires.is_empty() {
            return Ok(Looked::default());
        }
        let board = Board::read(workspace)?;
        let package = prepared.loaded.manifest.package.name.value.to_string();
        let deployment = prepared.deployment().unwrap_or_default().to_owned();
        let place = |environment: &str| DeploymentKey { environment: environment.to_owned(), deployment: deployment.clone() };
        let before = |environment: &str| board.met_at(&package, &place(environment)).cloned().unwrap_or_default();
        let wiring = self.wire(&board, prepared, environments, &before);
        let differs = |environment: &&String| board.differs(&package, &place(environment), &wiring);
        let outdated = environments.iter().filter(differs).cloned().collect();
        Ok(Looked { wiring, outdated })
    }

    fn wire(
        &self,
        board: &Board,
        prepared: &Prepared,
        environments: &BTreeSet<String>,
        before: &dyn Fn(&str) -> BTreeMap<String, Provider>,
    ) -> Wiring {
        let package = prepared.loaded.manifest.package.name.value.to_string();
        let deployment = prepared.deployment().unwrap_or_default();
        let look = |environment: &String| {
            let wanted = wanted(prepared, environment);
            let Self { requires, locked, .. } = self;
            let seeker = Seeker { board, package: &package, deployment, requires, locked, wanted: &wanted };
            (environment.clone(), seeker.look(environment, &before(environment)))
        };
        environments.iter().map(look).collect()
    }
}

/// What was found for a draft.
#[derive(Default)]
pub(crate) struct Looked {
    /// What meets each requirement, or why nothing does.
    pub(crate) wiring: Wiring,
    /// The environments where what stands was deployed with other values than are there now.
    pub(crate) outdated: BTreeSet<String>,
}

/// Looks for what meets a release's requirements, in every environment that it has steps in. What met one before counts, its own first, then that
/// of the release that stood there.
pub(crate) fn wiring_of(
    workspace: &Workspace,
    prepared: &Prepared,
    release: &Release,
    previous: &BTreeMap<String, Option<Release>>,
    uses: &Uses,
) -> Result<Wiring, EngineError> {
    let needed = Needed::of_release(release, uses)?;
    if needed.requires.is_empty() {
        return Ok(Wiring::new());
    }
    let before = |environment: &str| {
        let own = release.met_in(environment);
        let earlier = previous.get(environment).and_then(Option::as_ref).map(|earlier| earlier.met_in(environment));
        if own.is_empty() { earlier.unwrap_or(own).clone() } else { own.clone() }
    };
    let environments = release.environments().into_iter().map(str::to_owned).collect();
    Ok(needed.wire(&Board::read(workspace)?, prepared, &environments, &before))
}
