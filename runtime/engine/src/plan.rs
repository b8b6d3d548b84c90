//! What `apply` would do: its own path without its effects. No pure step that misses the cache is run; what depends on one is known after it.

mod needs;

pub use needs::{DependencyState, PlannedDependency};

use crate::ask::{Asker, Question, Silent};
use crate::command::{Applied, ApplyRequest, DeliverRequest, Delivery, Gone, brought, delivery, gone, identity_of, steps_of};
use crate::dependency::Wiring;
use crate::given::Given;
use crate::staging::Stage;
use crate::survey::{Made, Survey, recall, why};
use crate::values::{Known, output};
use crate::{EngineError, Loaded, Workspace};
use relrun_graph::NodeId;
use relrun_host::{Change, Operation, Reply};
use relrun_ledger::{
    DeploymentKey, Deployments, Digest, Outcome, PackageDigest, Provider, Release, ReleaseId, StepId, StepKind, StepState,
};
use relrun_manifest::{Capability, Confine, Part, SecretTarget};
use relrun_package::Package;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What `apply` would do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The version of this form.
    pub format: u32,
    /// The package.
    pub package: String,
    /// The manifest, as it was named; relative to the project's root.
    pub manifest: String,
    /// The package that is deployed, where it is no manifest that is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<PlannedPackage>,
    /// The identity that it is for.
    pub identity: Digest,
    /// What git knows of the work tree, where it knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
    /// What was asked.
    pub request: PlannedRequest,
    /// The steps, in the graph's order.
    pub steps: Vec<PlannedStep>,
    /// The environments that have what is asked for already, and by which release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub standing: BTreeMap<String, ReleaseId>,
    /// What it needs of others where it would be deployed, and what meets that now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<PlannedDependency>,
    /// What would be destroyed, because its environment is declared no longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destroys: Vec<PlannedDestroy>,
}

/// The package that a plan is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedPackage {
    /// Its name and version: `acme/shop@1.4.2`.
    pub reference: String,
    /// Its digest.
    pub digest: PackageDigest,
}

/// A deployment that would be destroyed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedDestroy {
    /// The environment.
    pub environment: String,
    /// The deployment.
    pub deployment: String,
    /// The release that stands there.
    pub release: ReleaseId,
}

pub use relrun_ledger::Git;

/// How a plan is made.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// Pure steps that miss the cache are run, so that what depends on them is known.
    pub build: bool,
    /// What git knows of the work tree.
    pub git: Option<Git>,
}

/// What was asked of a plan, kept so that `apply PLAN` asks the same.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PlannedRequest {
    /// `-e`.
    pub environments: Vec<String>,
    /// `--phase`.
    pub phases: Vec<String>,
    /// `-i`.
    pub inputs: Given,
    /// `--deployment`.
    pub deployment: Option<String>,
    /// `--use`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub uses: crate::dependency::Uses,
}

/// One step of a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its label.
    pub step: String,
    /// Its phase.
    pub phase: String,
    /// What would happen.
    pub action: Action,
    /// What it may do that a careful reader wants to see: unconfined, in place, a secret revealed, a network.
    pub open: Vec<String>,
}

/// What would happen to a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Its outcome is in the cache.
    Cached,
    /// It would run.
    Run {
        /// Why, one line a part that changed.
        why: Vec<String>,
    },
    /// It did, because the plan was to build; its outcome is in the cache now.
    Built {
        /// Why, one line a part that changed.
        why: Vec<String>,
    },
    /// It was to be built, and failed.
    Failed {
        /// Why, and the last that it said.
        reason: String,
    },
    /// It would change something.
    Change {
        /// What, as the plugin says.
        changes: Vec<Change>,
    },
    /// What it would do is known only after another step.
    KnownAfter {
        /// Which.
        step: String,
    },
    /// The plugin could not plan it.
    Unplannable {
        /// Why.
        reason: String,
    },
}

/// The form that this program writes and reads.
pub const PLAN_FORMAT: u32 = 1;

/// Makes a plan.
pub async fn plan(workspace: &Workspace, loaded: Loaded, request: &ApplyRequest, options: PlanOptions) -> Result<Plan, EngineError> {
    let applied = identity_of(workspace, loaded, request).await?;
    let asker = {
        let wanted = |node: NodeId| applied.sought.steps.as_ref().is_none_or(|steps| steps.contains(&StepId(node.0)));
        Asker::new(workspace, &applied.prepared, &wanted)?
    };
    let build = options.build;
    let mut planner = Planner::new(asker, build, &applied.wiring);
    let dependencies = needs::planned_dependencies(&applied.wiring);
    let Applied { prepared, survey, sought, .. } = applied;
    let destroys = if request.is_whole() { gone(workspace, &prepared.loaded)? } else { Vec::new() };
    let planned_destroy =
        |gone: Gone| PlannedDestroy { environment: gone.place.environment, deployment: gone.place.deployment, release: gone.release };
    let destroys = destroys.into_iter().map(planned_destroy).collect();
    let planned = planner.steps(&prepared, &survey, sought.steps.as_ref()).await?;
    Ok(Plan {
        format: PLAN_FORMAT,
        package: prepared.loaded.manifest.package.name.value.to_string(),
        manifest: prepared.loaded.name.clone(),
        taken_from: None,
        identity: sought.identity,
        git: options.git,
        request: PlannedRequest {
            environments: request.environments.clone(),
            phases: request.phases.clone(),
            inputs: request.inputs.clone(),
            deployment: request.deployment.clone(),
            uses: request.uses.clone(),
        },
        steps: planned,
        standing: sought.standing,
        dependencies,
        destroys,
    })
}

/// Makes a plan of what `apply PACKAGE@WHICH` would do with a package that was pulled.
pub async fn plan_package(
    workspace: &Workspace,
    loaded: &Loaded,
    package: &Package,
    request: &DeliverRequest,
) -> Result<Plan, EngineError> {
    let Delivery { prepared, record, wiring, due, standing, .. } = delivery(workspace, loaded, package, request).await?;
    crate::dependency::check(&wiring)?;
    let wanted = steps_of(&prepared, &record, &due)?;
    let survey = Survey::beside(workspace, &prepared, &record)?;
    let identity = brought(workspace, &prepared, &survey, &record, ("apply", &due))?;
    let asker = Asker::new(workspace, &prepared, &|node: NodeId| wanted.contains(&StepId(node.0)))?;
    let mut planner = Planner::new(asker, false, &wiring);
    planner.take_record(&prepared, &record);
    let steps = planner.steps(&prepared, &survey, Some(&wanted)).await?;
    let start = &record.start;
    let taken_from = start.taken_from.clone();
    Ok(Plan {
        format: PLAN_FORMAT,
        package: start.package.clone(),
        manifest: prepared.loaded.name.clone(),
        taken_from: taken_from.map(|digest| PlannedPackage { reference: format!("{}@{}", start.package, start.version), digest }),
        identity,
        git: None,
        request: PlannedRequest {
            environments: request.environments.clone(),
            phases: Vec::new(),
            inputs: request.inputs.clone(),
            deployment: request.deployment.clone(),
            uses: request.uses.clone(),
        },
        steps,
        dependencies: needs::planned_dependencies(&wiring),
        standing: standing.into_iter().map(|(environment, there)| (environment, there.release)).collect(),
        destroys: Vec::new(),
    })
}

type Prepared = crate::prepare::Prepared;

/// Makes what pure steps give, or takes it from the cache: for whoever has to know it before there is a release.
pub(crate) async fn built(
    workspace: &Workspace,
    applied: &Applied,
    wanted: &BTreeSet<StepId>,
) -> Result<BTreeMap<NodeId, Outcome>, EngineError> {
    let asker = Asker::new(workspace, &applied.prepared, &|node: NodeId| wanted.contains(&StepId(node.0)))?;
    let mut planner = Planner::new(asker, true, &applied.wiring);
    for PlannedStep { step, action, .. } in planner.steps(&applied.prepared, &applied.survey, Some(wanted)).await? {
        let reason = match action {
            Action::Cached | Action::Built { .. } => continue,
            Action::Failed { reason } | Action::Unplannable { reason } => reason,
            Action::KnownAfter { step } => format!("it is known only after {step}"),
            Action::Run { .. } | Action::Change { .. } => "it changes something, and is not run for this".to_owned(),
        };
        return Err(EngineError::input(format!("{step}: {reason}"), "nothing was changed; what is read of it has to be known first"));
    }
    Ok(planner.outcomes)
}

struct Planner<'w> {
    asker: Asker<'w>,
    build: bool,
    /// What cached pure steps gave.
    outcomes: BTreeMap<NodeId, Outcome>,
    /// The first step, for each that cannot be known, that it waits for.
    missing: BTreeMap<NodeId, NodeId>,
    /// What is active at each place that was asked for.
    standing: BTreeMap<DeploymentKey, Option<Release>>,
    /// What meets the needs of each environment's steps.
    met: BTreeMap<String, BTreeMap<String, Provider>>,
}

impl<'w> Planner<'w> {
    fn new(asker: Asker<'w>, build: bool, wiring: &Wiring) -> Self {
        let (outcomes, missing, standing) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { asker, build, outcomes, missing, standing, met: needs::met(wiring) }
    }

    /// Takes what a record has of the steps that are bound to no environment: of them nothing is run.
    fn take_record(&mut self, prepared: &Prepared, record: &Release) {
        for node in prepared.graph.topological().filter(|&node| prepared.environment(node).is_none()) {
            let step = record.find(&prepared.step(node).name.value, None);
            if let Some(StepState::Succeeded(outcome)) = step.map(|step| &record.step(step).state) {
                self.outcomes.insert(node, outcome.clone());
            }
        }
    }

    /// Plans the steps that are wanted: all, where it is not said which.
    async fn steps(
        &mut self,
        prepared: &Prepared,
        survey: &Survey,
        wanted: Option<&BTreeSet<StepId>>,
    ) -> Result<Vec<PlannedStep>, EngineError> {
        let mut planned = Vec::new();
        for node in prepared.graph.topological() {
            if wanted.is_some_and(|steps| !steps.contains(&StepId(node.0))) {
                continue;
            }
            planned.push(PlannedStep {
                step: prepared.nodes[node.index()].label.clone(),
                phase: prepared.phase(node).name.value.clone(),
                action: self.action(prepared, survey, node).await?,
                open: open(&prepared.nodes[node.index()].capabilities),
            });
        }
        Ok(planned)
    }

    async fn action(&mut self, prepared: &Prepared, survey: &Survey, node: NodeId) -> Result<Action, EngineError> {
        if let Some(after) = self.unknown(prepared, node) {
            self.missing.insert(node, after);
            return Ok(Action::KnownAfter { step: prepared.nodes[after.index()].label.clone() });
        }
        if let Some(name) = self.unmet(prepared, node) {
            return Ok(Action::KnownAfter { step: format!("what it needs as \"{name}\"") });
        }
        let config = self.config(prepared, node);
        let artifact = |template: &relrun_manifest::Template| match template.parts.as_slice() {
            [Part::Ref(reference)] => self.known(prepared, node, |known| known.resolve(reference))?.as_str()?.parse().ok(),
            _ => None,
        };
        let made = match survey.make(self.asker.workspace, prepared, node, config, &artifact) {
            Ok(made) => made,
            Err(failure) => return Ok(Action::Unplannable { reason: failure.message }),
        };
        if prepared.nodes[node.index()].kind == StepKind::Pure {
            if let Some(outcome) = recall(self.asker.workspace, made.parts.digest())? {
                self.outcomes.insert(node, outcome);
                return Ok(Action::Cached);
            }
            let why = why(self.asker.workspace, prepared, node, &made);
            if !self.build {
                return Ok(Action::Run { why });
            }
            return Ok(match self.asker.build(prepared, node, &made).await {
                Ok(outcome) => {
                    self.outcomes.insert(node, outcome);
                    Action::Built { why }
                }
                Err(failure) => Action::Failed { reason: failure.message },
            });
        }
        Ok(self.ask(prepared, node, made).await)
    }

    /// Returns the step after which this one's config or inputs are known, where they are not known now.
    fn unknown(&self, prepared: &Prepared, node: NodeId) -> Option<NodeId> {
        let environment = prepared.environment(node).map(|environment| environment.name.value.as_str());
        let step = prepared.step(node);
        step.references()
            .filter(|reference| reference.namespace == relrun_manifest::Namespace::Step)
            .filter_map(|reference| prepared.meant(reference.path.first()?, environment))
            .find(|other| !self.outcomes.contains_key(other))
            .map(|other| self.missing.get(&other).copied().unwrap_or(other))
    }

    /// Returns the name of a dependency that the step refers to and that is not there yet.
    fn unmet(&self, prepared: &Prepared, node: NodeId) -> Option<String> {
        let environment = prepared.environment(node)?;
        let references = prepared.step(node).references().filter(|reference| reference.namespace == relrun_manifest::Namespace::Dep);
        let met = |name: &String| self.met.get(&environment.name.value).is_some_and(|met| met.contains_key(name));
        references.filter_map(|reference| reference.path.first()).find(|name| !met(name)).cloned()
    }

    fn config(&self, prepared: &Prepared, node: NodeId) -> serde_json::Value {
        let schema = &prepared.plugin(node).description.config_schema;
        self.known(prepared, node, |known| {
            relrun_manifest::shape(&prepared.step(node).config, schema, &|reference| known.resolve(reference)).json
        })
    }

    fn known<T>(&self, prepared: &Prepared, node: NodeId, then: impl FnOnce(&Known<'_>) -> T) -> T {
        let environment = prepared.environment(node);
        let name = environment.map(|environment| environment.name.value.as_str());
        then(&Known {
            inputs: prepared.inputs.of(name),
            environment,
            deployment: prepared.nodes[node.index()].deployment.as_deref(),
            package: &prepared.loaded.manifest.package.name.value,
            release: None,
            variables: &self.asker.workspace.variables,
            steps: &|step, path| self.outcomes.get(&prepared.meant(step, name)?).and_then(|outcome| output(outcome, path)),
            previous: None,
            dependencies: name.and_then(|name| self.met.get(name)),
        })
    }

    async fn ask(&mut self, prepared: &Prepared, node: NodeId, made: Made) -> Action {
        let stage = match Stage::set(self.asker.workspace, &prepared.loaded.directory, &made.inputs, &[]) {
            Ok(stage) => stage,
            Err(failure) => return Action::Unplannable { reason: failure.message },
        };
        let previous = self.previous(prepared, node);
        let question = Question { prepared, node, operation: Operation::Plan, config: made.config, release: "next", previous };
        match self.asker.ask_in(&stage, question, Arc::new(Silent)).await {
            Ok(Reply::Changes(changes)) => Action::Change { changes },
            Ok(_) => Action::Unplannable { reason: "the plugin answered another operation".to_owned() },
            Err(failure) => Action::Unplannable { reason: failure.message },
        }
    }

    fn previous(&mut self, prepared: &Prepared, node: NodeId) -> Option<serde_json::Value> {
        let package = prepared.loaded.manifest.package.name.value.to_string();
        let environment = prepared.environment(node)?.name.value.clone();
        let deployment = prepared.nodes[node.index()].deployment.clone()?;
        let place = DeploymentKey { environment, deployment };
        let workspace = self.asker.workspace;
        let release = self.standing.entry(place.clone()).or_insert_with(|| standing(workspace, &package, &place)).as_ref()?;
        let step = release.find(&prepared.step(node).name.value, Some(&place.environment))?;
        release.step(step).receipt.clone()
    }
}

/// Returns the release that is active at a place.
fn standing(workspace: &Workspace, package: &str, place: &DeploymentKey) -> Option<Release> {
    let deployments = Deployments::of(&crate::command::summaries(workspace, package).ok()?);
    crate::command::read(workspace, package, deployments.active(place)?.release).ok()
}

/// Names what a careful reader wants to see before saying yes.
fn open(capabilities: &[Capability]) -> Vec<String> {
    let shown = |capability: &&Capability| match capability {
        Capability::Run(run) => run.in_place || run.confine == Confine::None || run.network,
        Capability::Secret(secret) => secret.target == SecretTarget::Reveal,
        Capability::Http(http) => http.private,
        Capability::Write(_) => true,
        _ => false,
    };
    capabilities.iter().filter(shown).map(ToString::to_string).collect()
}

impl Plan {
    /// Returns the digest that approvals bind to.
    pub fn digest(&self) -> Digest {
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Returns the request that `apply` makes of this plan, where it is a package's.
    pub fn as_delivery(&self) -> Option<DeliverRequest> {
        let package = self.taken_from.as_ref()?;
        Some(DeliverRequest {
            reference: package.reference.clone(),
            environments: self.request.environments.clone(),
            inputs: self.request.inputs.clone(),
            deployment: self.request.deployment.clone(),
            force: false,
            planned: Some(self.identity),
            part: None,
            uses: self.request.uses.clone(),
        })
    }

    /// Returns the request that `apply` makes of this plan.
    pub fn as_request(&self) -> ApplyRequest {
        ApplyRequest {
            environments: self.request.environments.clone(),
            phases: self.request.phases.clone(),
            inputs: self.request.inputs.clone(),
            deployment: self.request.deployment.clone(),
            uses: self.request.uses.clone(),
            planned: Some(self.identity),
            ..ApplyRequest::default()
        }
    }
}
