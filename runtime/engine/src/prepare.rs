//! From a manifest to steps that could run: plugins found and described, configs checked against their schemas, needs asked, grants compared.
//!
//! Every mistake of every step is gathered before any is reported. Nothing here changes anything, and nothing here runs `apply`.

mod check;
mod plugins;

pub(crate) use plugins::{LockFile, Plugin, described, needs};

use crate::inputs::Inputs;
use crate::values::Known;
use crate::{EngineError, Loaded, Workspace};
use relrun_graph::{Graph, NodeId, Selection};
use relrun_host::{HostError, Needs};
use relrun_ledger::{Failure, FailureKind, StepKind};
use relrun_manifest::{Capability, Confine, Environment, Mistake, Phase, Step};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// A manifest whose steps could run.
pub struct Prepared {
    /// The manifest.
    pub loaded: Loaded,
    /// The inputs.
    pub inputs: Inputs,
    /// The DAG over all environments.
    pub graph: Graph,
    /// The steps, by [`NodeId`].
    pub nodes: Vec<PreparedNode>,
    by_name: HashMap<String, Vec<NodeId>>,
    /// The plugins that steps name.
    pub plugins: BTreeMap<String, Plugin>,
}

/// A step in its environment.
#[derive(Clone, Debug)]
pub struct PreparedNode {
    /// Its name for people: `web@staging`.
    pub label: String,
    /// Its phase in the manifest.
    pub phase: usize,
    /// Its place in the phase.
    pub step: usize,
    /// Its environment in [`Loaded::environments`].
    pub environment: Option<usize>,
    /// The deployment that it is part of.
    pub deployment: Option<String>,
    /// The config as far as it is known; a reference that is not known yet stands as its text.
    pub config: Value,
    /// Whether it is known whole.
    pub complete: bool,
    /// What the plugin says that it needs.
    pub needs: Needs,
    /// Pure, unless a grant lets something in that no fingerprint covers.
    pub kind: StepKind,
    /// Request ∩ grant ∩ policy.
    pub capabilities: Vec<Capability>,
}

impl Prepared {
    /// Prepares every step.
    ///
    /// # Errors
    /// Every mistake in the manifest at once, or the first plugin that could not be asked.
    pub async fn new(
        workspace: &Workspace,
        loaded: Loaded,
        inputs: Inputs,
        pins: Option<&LockFile>,
        selection: &Selection,
    ) -> Result<Self, EngineError> {
        let graph =
            Graph::expand(&loaded.manifest, &loaded.environments, selection).map_err(|errors| EngineError::graph(errors, &loaded))?;
        let plugins = plugins::find(workspace, &loaded, pins).await?;
        let mut by_name: HashMap<String, Vec<NodeId>> = HashMap::new();
        for node in graph.nodes() {
            by_name.entry(node.name.to_string()).or_default().push(node.id);
        }
        let mut prepared = Self { loaded, inputs, graph, nodes: Vec::new(), by_name, plugins };
        let mut asked = Asked::default();
        let mut mistakes = check::inputs_of_free_steps(&prepared.loaded);
        mistakes.extend(crate::policy::secrets(&workspace.project.policy, &prepared.loaded.manifest));
        let ids: Vec<NodeId> = prepared.graph.topological().collect();
        for id in ids {
            match prepared.prepare_node(workspace, id, &mut asked, &mut mistakes).await? {
                Some(node) => prepared.nodes.push(node),
                None => debug_assert!(!mistakes.is_empty(), "a node without mistakes is prepared"),
            }
        }
        mistakes.dedup();
        if mistakes.is_empty() { Ok(prepared) } else { Err(prepared.loaded.mistakes(mistakes)) }
    }

    /// Returns the node that a step's name means in an environment: that environment's, else the environment-free one.
    pub fn meant(&self, name: &str, environment: Option<&str>) -> Option<NodeId> {
        let nodes = self.by_name.get(name)?;
        let of = |wanted: Option<&str>| nodes.iter().copied().find(|&id| self.graph.node(id).environment_name.as_deref() == wanted);
        of(environment).or_else(|| of(None))
    }

    /// Returns the name under which its steps deploy; none where no step is bound to an environment.
    pub fn deployment(&self) -> Option<&str> {
        self.nodes.iter().find_map(|node| node.deployment.as_deref())
    }

    /// Returns the step of a node.
    pub fn step(&self, id: NodeId) -> &Step {
        let node = &self.nodes[id.index()];
        &self.phase(id).steps[node.step]
    }

    /// Returns the phase of a node.
    pub fn phase(&self, id: NodeId) -> &Phase {
        &self.loaded.manifest.phases[self.nodes[id.index()].phase]
    }

    /// Returns the environment of a node.
    pub fn environment(&self, id: NodeId) -> Option<&Environment> {
        self.nodes[id.index()].environment.map(|at| &self.loaded.environments[at])
    }

    /// Returns the plugin of a node.
    pub fn plugin(&self, id: NodeId) -> &Plugin {
        &self.plugins[&self.step(id).plugin.value]
    }

    async fn prepare_node(
        &self,
        workspace: &Workspace,
        id: NodeId,
        asked: &mut Asked,
        mistakes: &mut Vec<Mistake>,
    ) -> Result<Option<PreparedNode>, EngineError> {
        let at = self.graph.node(id);
        let step = &self.loaded.manifest.phases[at.phase_index].steps[at.step_index];
        let environment = at.environment.map(|at| &self.loaded.environments[at.index()]);
        let plugin = &self.plugins[&step.plugin.value];
        let known = Known {
            inputs: self.inputs.of(environment.map(|environment| environment.name.value.as_str())),
            environment,
            deployment: at.deployment.as_deref(),
            package: &self.loaded.manifest.package.name.value,
            release: None,
            variables: &workspace.variables,
            steps: &|_, _| None,
            previous: None,
            dependencies: None,
        };
        let shaped = relrun_manifest::shape(&step.config, &plugin.description.config_schema, &|reference| known.resolve(reference));
        let wrong = relrun_manifest::check(&shaped, &plugin.schema);
        if !wrong.is_empty() {
            mistakes.extend(wrong);
            return Ok(None);
        }
        let needs = match asked.needs(workspace, plugin, &shaped.json).await {
            Ok(needs) => needs,
            Err(HostError::Refused { reason, .. }) => {
                mistakes.push(
                    Mistake::new(
                        "relrun::config::refused",
                        step.config.name.span,
                        format!("{} refuses the config: {reason}", step.plugin.value),
                    )
                    .label("this config"),
                );
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let requests: Vec<Capability> = needs.requests.iter().map(|request| request.capability.clone()).collect();
        let grants: Vec<Capability> = step.grants.iter().map(|grant| grant.value.clone()).collect();
        let capabilities = match relrun_manifest::effective(&requests, &grants, &workspace.project.policy) {
            Ok(capabilities) => capabilities,
            Err(missing) => {
                mistakes.extend(check::missing_grants(step, &needs, &missing));
                return Ok(None);
            }
        };
        let kind = kind_of(&needs, &capabilities);
        let before = mistakes.len();
        mistakes.extend(crate::policy::beyond(&workspace.project.policy, step));
        check::purity(step, kind, &capabilities, mistakes);
        if kind == StepKind::Effect {
            check::secrets(step, &capabilities, mistakes);
        }
        if mistakes.len() > before {
            return Ok(None);
        }
        Ok(Some(PreparedNode {
            label: at.label(),
            phase: at.phase_index,
            step: at.step_index,
            environment: at.environment.map(relrun_graph::EnvironmentId::index),
            deployment: at.deployment.as_deref().map(str::to_owned),
            complete: shaped.unknown.is_empty(),
            config: shaped.json,
            needs,
            kind,
            capabilities,
        }))
    }
}

/// Returns what a step may do with a config that is whole. Where references were not known when it was prepared, the plugin is asked again:
/// it may need another command now, and that is compared with the same grants.
pub(crate) async fn capabilities_for(
    workspace: &Workspace,
    prepared: &Prepared,
    node: NodeId,
    config: &Value,
) -> Result<Vec<Capability>, Failure> {
    let at = &prepared.nodes[node.index()];
    if *config == at.config {
        return Ok(at.capabilities.clone());
    }
    let plugin = prepared.plugin(node);
    let needs = plugins::needs(workspace, plugin, config, &crate::fingerprint::canonical(config)).await;
    let needs = needs.map_err(|error| Failure { kind: FailureKind::Invalid, message: error.to_string() })?;
    let requests: Vec<Capability> = needs.requests.iter().map(|request| request.capability.clone()).collect();
    let grants: Vec<Capability> = prepared.step(node).grants.iter().map(|grant| grant.value.clone()).collect();
    let capabilities = relrun_manifest::effective(&requests, &grants, &workspace.project.policy).map_err(|missing| {
        let lines: Vec<String> = missing.iter().map(|missing| format!("{missing}: {}", missing.help())).collect();
        Failure { kind: FailureKind::Denied, message: lines.join("; ") }
    })?;
    if at.kind == StepKind::Pure && kind_of(&needs, &capabilities) == StepKind::Effect {
        let message = "with this config it is an effect, and it was prepared as a pure step".to_owned();
        return Err(Failure { kind: FailureKind::Denied, message });
    }
    Ok(capabilities)
}

/// What runs in the work tree itself, or unconfined, sees more than any fingerprint covers: it is recorded, and never served from the cache.
fn kind_of(needs: &Needs, capabilities: &[Capability]) -> StepKind {
    let open = |capability: &Capability| matches!(capability, Capability::Run(run) if run.in_place || run.confine == Confine::None);
    if capabilities.iter().any(open) { StepKind::Effect } else { needs.kind }
}

/// Answers of `resolve`, so that equal steps ask once.
#[derive(Default)]
struct Asked(HashMap<(relrun_ledger::Digest, String), Needs>);

impl Asked {
    async fn needs(&mut self, workspace: &Workspace, plugin: &Plugin, config: &Value) -> Result<Needs, HostError> {
        let key = (plugin.source.digest, crate::fingerprint::canonical(config));
        if let Some(needs) = self.0.get(&key) {
            return Ok(needs.clone());
        }
        let needs = plugins::needs(workspace, plugin, config, &key.1).await?;
        self.0.insert(key, needs.clone());
        Ok(needs)
    }
}
