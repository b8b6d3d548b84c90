//! `apply`: a release of what the manifest, the inputs and the work tree are now.

use super::again;
use super::due::{Asked, Gone, gone_of};
use super::same::{Same, Sought, find_same, find_same_at_rest};
use super::start::{Draft, MadeOf};
use super::{Taken, Tools};
use crate::carry::Aim;
use crate::dependency::{self, Needed, Uses, Wiring};
use crate::given::Given;
use crate::inputs::{Inputs, Values};
use crate::prepare::{LockFile, Prepared};
use crate::survey::Survey;
use crate::witness;
use crate::{EngineError, Loaded, Source, Workspace};
use relrun_graph::{Errands, Selection};
use relrun_ledger::{Digest, Files, Git, ReleaseId, ReleaseKind, RunKind, StepId, Summary};
use relrun_manifest::Version;
use relrun_report::{RunFinished, RunVerdict};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// What is asked of `apply` and `plan`.
#[derive(Clone, Debug, Default)]
pub struct ApplyRequest {
    /// `-e`: narrows which environments are expanded.
    pub environments: Vec<String>,
    /// `--phase`: narrows which phases run.
    pub phases: Vec<String>,
    /// `-i`.
    pub inputs: Given,
    /// `--deployment`.
    pub deployment: Option<String>,
    /// `--force`: a new id, and effects run again.
    pub force: bool,
    /// One line about it: the commit's first line.
    pub description: Option<String>,
    /// What git knows of the work tree.
    pub git: Option<Git>,
    /// Versions that are taken elsewhere: in the registry that it will be pushed to.
    pub taken: Vec<Version>,
    /// The identity that a saved plan was made for.
    pub planned: Option<Digest>,
    /// Which release this one follows, where `retry -i` makes it.
    pub follows: Option<ReleaseId>,
    /// `--use`: the providers that are meant, by the name under which they are consumed.
    pub uses: Uses,
    /// `--cascade`: what uses the outputs that changed is deployed again too.
    pub cascade: bool,
}

/// A manifest made ready for one request.
pub struct Applied {
    /// Its steps.
    pub prepared: Prepared,
    /// What they are made from.
    pub survey: Survey,
    /// The components.
    pub lock: LockFile,
    /// Which release it would be.
    pub sought: Sought,
    /// What it needs of others.
    pub(super) needed: Needed,
    /// What meets that now.
    pub(crate) wiring: Wiring,
}

/// Prepares a manifest for a request, and says which release it would be. Runs nothing.
pub async fn identity_of(workspace: &Workspace, loaded: Loaded, request: &ApplyRequest) -> Result<Applied, EngineError> {
    let inputs = inputs_of(workspace, &loaded, request)?;
    prepare(workspace, loaded, inputs, request).await
}

fn inputs_of(workspace: &Workspace, loaded: &Loaded, request: &ApplyRequest) -> Result<Inputs, EngineError> {
    let package = loaded.manifest.package.name.value.to_string();
    let set = super::settings::standing(&super::summaries(workspace, &package)?, &package, request.deployment.as_deref());
    Inputs::settle(loaded, Values::new(), &request.inputs, set, &request.environments)
}

async fn prepare(workspace: &Workspace, loaded: Loaded, inputs: Inputs, request: &ApplyRequest) -> Result<Applied, EngineError> {
    let prepared = Prepared::new(workspace, loaded, inputs, None, &whole(request)).await?;
    let steps = select(&prepared, request)?;
    let mut survey = Survey::new(workspace, &prepared, &|_| true)?;
    survey.look_at_included(workspace, &prepared)?;
    let lock = LockFile::of(&prepared.plugins);
    let environments = steps.as_ref().map(|steps| environments_of(&prepared, steps));
    let package = prepared.loaded.manifest.package.name.value.to_string();
    let declared = prepared.loaded.environments.iter().map(|environment| environment.name.value.clone()).collect();
    let identity = survey.identity(&prepared, &lock);
    let needed = Needed { requires: dependency::requirements(&prepared.loaded, &request.uses)?, ..Needed::default() };
    let mut sought = Sought { package, identity, steps, environments, standing: BTreeMap::new(), outdated: BTreeSet::new(), declared };
    let everywhere = || environments_of(&prepared, &prepared.graph.topological().map(|node| StepId(node.0)).collect());
    let looked = needed.look(workspace, &prepared, &sought.environments.clone().unwrap_or_else(everywhere))?;
    dependency::check(&looked.wiring)?;
    sought.outdated = looked.outdated;
    if !request.force && request.follows.is_none() {
        sought = Asked { workspace, prepared: &prepared, survey: &survey, lock: &lock }.leave_out_standing(sought)?;
    }
    Ok(Applied { prepared, survey, lock, sought, needed, wiring: looked.wiring })
}

pub(super) fn environments_of(prepared: &Prepared, steps: &BTreeSet<StepId>) -> BTreeSet<String> {
    let environment = |step: &StepId| prepared.environment(relrun_graph::NodeId(step.0));
    steps.iter().filter_map(environment).map(|environment| environment.name.value.clone()).collect()
}

/// Everything is prepared, whatever is selected of it: what a release is does not depend on how far it is carried.
fn whole(request: &ApplyRequest) -> Selection {
    Selection { deployment: request.deployment.clone(), ..Selection::default() }
}

fn select(prepared: &Prepared, request: &ApplyRequest) -> Result<Option<BTreeSet<StepId>>, EngineError> {
    if request.environments.is_empty() && request.phases.is_empty() {
        return Ok(None);
    }
    let some = |names: &[String]| (!names.is_empty()).then(|| names.iter().cloned().collect::<BTreeSet<_>>());
    let selection = Selection { environments: some(&request.environments), phases: some(&request.phases), ..whole(request) };
    let loaded = &prepared.loaded;
    let narrow = relrun_graph::Graph::expand(&loaded.manifest, &loaded.environments, &selection)
        .map_err(|errors| EngineError::graph(errors, loaded))?;
    let nodes = narrow.nodes().iter().filter_map(|node| prepared.meant(&node.name, node.environment_name.as_deref()));
    Ok(Some(nodes.map(|node| StepId(node.0)).collect()))
}

/// Finds every mistake that can be found without running anything, also in what only runs when it is asked for: errands.
pub async fn check(workspace: &Workspace, loaded: Loaded, request: &ApplyRequest) -> Result<Applied, EngineError> {
    let inputs = inputs_of(workspace, &loaded, request)?;
    let selection = Selection { errands: Errands::All, ..whole(request) };
    Prepared::new(workspace, loaded.clone(), inputs, None, &selection).await?;
    identity_of(workspace, loaded, request).await
}

/// Says whether the ledger already has what a request asks for, where that can be seen without reading the manifest: everything that it was
/// made from was looked at and is as it was.
pub fn is_done(workspace: &Workspace, source: &Source, request: &ApplyRequest) -> Result<Option<RunFinished>, EngineError> {
    let began = Instant::now();
    let asks_more =
        request.force || request.cascade || request.planned.is_some() || !request.uses.is_empty() || !request.inputs.unreadable.is_empty();
    let recalled = if asks_more { None } else { witness::recall(workspace, source, request) };
    let Some((sought, summaries)) = recalled else { return Ok(None) };
    match find_same(workspace, &summaries, &sought)? {
        Same::Done(summary) if gone_for(&summaries, request, &sought).is_empty() => Ok(Some(nothing_to_do(&sought, &summary, began))),
        Same::Done(_) | Same::None(_) | Same::Goes(_) | Same::Unfinished(..) => Ok(None),
    }
}

/// Carries a release of what the manifest is now as far as it goes.
///
/// Then what stands in environments that are declared no longer is destroyed: whoever calls this must have shown it ([`super::gone`]).
pub async fn apply(mut tools: Tools<'_>, loaded: Loaded, request: &ApplyRequest) -> Result<RunFinished, EngineError> {
    let began = Instant::now();
    let applied = identity_of(&tools.workspace, loaded.clone(), request).await?;
    let gone = gone_for(&super::summaries(&tools.workspace, &applied.sought.package)?, request, &applied.sought);
    // What is laid into the work tree, and what others give, is looked at each time, so that it takes more than a witness to know that there
    // is nothing to do.
    if !again::is_laid_out(&applied.prepared) && applied.needed.requires.is_empty() {
        witness::keep(&tools.workspace, &applied, request);
    }
    tools.cascades |= request.cascade;
    let finished = carry(tools.again(), applied, request, began).await?;
    if !matches!(finished.verdict, RunVerdict::Succeeded | RunVerdict::NothingToDo) {
        return Ok(finished);
    }
    let finished = super::back::destroy_gone(tools.again(), &loaded, &gone, finished).await?;
    if request.cascade {
        return Box::pin(super::cascade(tools, &loaded, finished)).await;
    }
    if finished.verdict == RunVerdict::NothingToDo {
        tools.say_outdated(&loaded)?;
    }
    Ok(finished)
}

/// Returns what a request is to destroy: only a whole one takes anything away.
fn gone_for(summaries: &[Summary], request: &ApplyRequest, sought: &Sought) -> Vec<Gone> {
    if request.is_whole() { gone_of(summaries, &sought.declared) } else { Vec::new() }
}

impl ApplyRequest {
    /// Whether it asks for everything that the manifest declares.
    pub fn is_whole(&self) -> bool {
        self.environments.is_empty() && self.phases.is_empty()
    }
}

/// Carries a release whose inputs are typed already.
pub(super) async fn apply_with(
    tools: Tools<'_>,
    loaded: Loaded,
    inputs: Inputs,
    request: &ApplyRequest,
) -> Result<RunFinished, EngineError> {
    let began = Instant::now();
    let applied = prepare(&tools.workspace, loaded, inputs, request).await?;
    carry(tools, applied, request, began).await
}

async fn carry(mut tools: Tools<'_>, applied: Applied, request: &ApplyRequest, began: Instant) -> Result<RunFinished, EngineError> {
    if request.planned.is_some_and(|planned| planned != applied.sought.identity) {
        return Err(EngineError::input(
            "what the plan saw has changed since: the manifest, an input, a plugin or a file that a step reads",
            "make a new plan: `relrun plan --out FILE`",
        ));
    }
    let same = if request.force { Same::None(usize::MAX) } else { find_same_at_rest(&tools, &applied.sought)? };
    if matches!(same, Same::Goes(_) | Same::None(_)) {
        let all = || applied.prepared.graph.topological().map(|node| StepId(node.0)).collect();
        let steps = applied.sought.steps.clone().unwrap_or_else(all);
        tools.check_freeze(&applied.prepared.loaded, &environments_of(&applied.prepared, &steps))?;
    }
    // A secret that is missing must be known before there is a release.
    let secrecy = || {
        let wanted = |node: relrun_graph::NodeId| applied.sought.steps.as_ref().is_none_or(|steps| steps.contains(&StepId(node.0)));
        crate::secrets::read(&tools.workspace, &applied.prepared, &wanted)
    };
    let (secrecy, taken) = match same {
        Same::Done(summary) => {
            again::lay_out(&mut tools, &applied, &summary)?;
            return Ok(nothing_to_do(&applied.sought, &summary, began));
        }
        Same::Unfinished(_, error) => return Err(*error),
        Same::Goes(id) => (
            secrecy()?,
            Taken::take_up(&tools.workspace, &applied.sought.package, id, applied.sought.steps.clone(), &tools.options.patience())?,
        ),
        Same::None(seen) => {
            let files = crate::travel::keep(&tools.workspace, &applied.prepared)?;
            let secrecy = secrecy()?;
            let locked = dependency::lock(&tools, &applied.needed.requires).await?;
            (secrecy, draft(&applied, request, files, locked).begin(&tools, seen)?)
        }
    };
    tools.carry(applied.prepared, applied.survey, taken, secrecy, (RunKind::Apply, Aim::Forward, "apply")).await
}

fn draft<'a>(applied: &'a Applied, request: &ApplyRequest, files: Option<Files>, locked: BTreeMap<String, String>) -> Draft<'a> {
    Draft {
        prepared: &applied.prepared,
        survey: &applied.survey,
        kind: request.follows.map_or(ReleaseKind::Apply, |of| ReleaseKind::Retry { of }),
        lock: applied.lock.clone(),
        identity: applied.sought.identity,
        steps: applied.sought.steps.clone(),
        record: None,
        version: None,
        description: request.description.clone(),
        made_of: MadeOf { git: request.git.clone(), files, taken_from: None, taken: request.taken.clone(), adopted: Vec::new() },
        needed: Needed { locked, ..applied.needed.clone() },
    }
}

fn nothing_to_do(sought: &Sought, summary: &Summary, began: Instant) -> RunFinished {
    RunFinished {
        package: sought.package.clone(),
        release: Some(summary.release.to_string()),
        version: Some(summary.version.clone()),
        verdict: RunVerdict::NothingToDo,
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        ..RunFinished::default()
    }
}
