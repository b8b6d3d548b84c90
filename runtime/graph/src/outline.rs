//! The manifest's steps before they are expanded: numbered in file order, with a wire for each other step that one of them names.

use crate::error::{GraphError, known};
use crate::node::Reason;
use relrun_manifest::{ConfigNode, Manifest, Namespace, Part, Phase, Reads, ReadsFrom, Role, Scalar, Span, Step, Template};
use std::collections::{HashMap, HashSet};

/// A step, by its place in file order.
pub(crate) type StepNo = usize;
/// A phase, by its place in file order.
pub(crate) type PhaseNo = usize;

/// One step waits for another because its text names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    pub(crate) from: StepNo,
    pub(crate) to: StepNo,
    pub(crate) reason: Reason,
    pub(crate) span: Span,
}

/// One phase waits for another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct After {
    pub(crate) from: PhaseNo,
    pub(crate) to: PhaseNo,
    pub(crate) span: Span,
}

/// The manifest's steps and what binds them.
pub(crate) struct Outline<'m> {
    pub(crate) phases: &'m [Phase],
    pub(crate) steps: Vec<(PhaseNo, usize, &'m Step)>,
    pub(crate) wires: Vec<Wire>,
    pub(crate) after: Vec<After>,
}

impl<'m> Outline<'m> {
    /// Numbers the steps and follows every name. Names are unique in a parsed manifest; of two equal ones the first is meant.
    pub(crate) fn of(manifest: &'m Manifest, errors: &mut Vec<GraphError>) -> Self {
        let phases = manifest.phases.as_slice();
        let numbered =
            phases.iter().enumerate().flat_map(|(no, phase)| phase.steps.iter().enumerate().map(move |(at, step)| (no, at, step)));
        let mut outline = Self { phases, steps: numbered.collect(), wires: Vec::new(), after: Vec::new() };
        outline.follow_steps(errors);
        outline.follow_phases(errors);
        outline
    }

    pub(crate) fn name(&self, step: StepNo) -> &'m str {
        &self.steps[step].2.name
    }

    pub(crate) fn phase_of(&self, step: StepNo) -> &'m Phase {
        &self.phases[self.steps[step].0]
    }

    pub(crate) fn verb(reason: Reason) -> &'static str {
        match reason {
            Reason::Reference => "refers to",
            Reason::Artifact => "reads from",
            Reason::Needs => "needs",
        }
    }

    fn follow_steps(&mut self, errors: &mut Vec<GraphError>) {
        let mut by_name: HashMap<&str, StepNo> = HashMap::with_capacity(self.steps.len());
        for (no, (_, _, step)) in self.steps.iter().enumerate() {
            by_name.entry(step.name.as_str()).or_insert(no);
        }
        let mut seen = HashSet::new();
        for (from, (phase, _, step)) in self.steps.iter().enumerate() {
            if step.role == Role::Deploy && self.phases[*phase].environments.is_none() {
                let (name, phase) = (step.name.value.clone(), self.phases[*phase].name.value.clone());
                errors.push(GraphError::UnboundDeploy { name, phase, span: step.name.span.into() });
            }
            for mention in mentions(step) {
                let Some(&to) = by_name.get(mention.name) else {
                    let help = known("steps", mention.name, self.steps.iter().map(|(_, _, step)| step.name.as_str()));
                    let (by, name) = (step.name.value.clone(), mention.name.to_owned());
                    errors.push(GraphError::UnknownStep { by, verb: Self::verb(mention.reason), name, help, span: mention.span.into() });
                    continue;
                };
                if self.steps[to].2.role == Role::Errand {
                    let (by, name) = (step.name.value.clone(), mention.name.to_owned());
                    errors.push(GraphError::WaitsForErrand { by, verb: Self::verb(mention.reason), name, span: mention.span.into() });
                    continue;
                }
                errors.extend(missing_artifact(step, self.steps[to].2, &mention));
                if seen.insert((from, to, mention.reason)) {
                    self.wires.push(Wire { from, to, reason: mention.reason, span: mention.span });
                }
            }
        }
    }

    fn follow_phases(&mut self, errors: &mut Vec<GraphError>) {
        let mut by_name: HashMap<&str, PhaseNo> = HashMap::with_capacity(self.phases.len());
        for (no, phase) in self.phases.iter().enumerate() {
            by_name.entry(phase.name.as_str()).or_insert(no);
        }
        for (from, phase) in self.phases.iter().enumerate() {
            let Some(after) = &phase.after else {
                // An errand stands where it likes: nothing waits for it.
                let is_errand = |phase: &Phase| phase.steps.iter().all(|step| step.role == Role::Errand) && !phase.steps.is_empty();
                if let Some(to) = (0..from).rev().find(|&to| !is_errand(&self.phases[to])) {
                    self.after.push(After { from, to, span: phase.name.span });
                }
                continue;
            };
            for name in after {
                if let Some(&to) = by_name.get(name.as_str()) {
                    self.after.push(After { from, to, span: name.span });
                } else {
                    let help = known("phases", name, self.phases.iter().map(|phase| phase.name.as_str()));
                    let (by, name, span) = (phase.name.value.clone(), name.value.clone(), name.span.into());
                    errors.push(GraphError::UnknownPhase { by, name, help, span });
                }
            }
        }
    }
}

/// A step's name in another step's text.
struct Mention<'m> {
    name: &'m str,
    output: Option<&'m str>,
    reason: Reason,
    span: Span,
}

fn mentions(step: &Step) -> Vec<Mention<'_>> {
    let mut found = Vec::new();
    in_config(&step.config, &mut found);
    for reads in &step.reads {
        if let Reads { from: ReadsFrom::Artifact(template), .. } = reads {
            in_template(template, Reason::Artifact, &mut found);
        }
    }
    found.extend(step.needs.iter().map(|name| Mention { name, output: None, reason: Reason::Needs, span: name.span }));
    found
}

fn in_config<'m>(node: &'m ConfigNode, found: &mut Vec<Mention<'m>>) {
    for value in node.args.iter().chain(node.props.iter().map(|(_, value)| value)) {
        in_scalar(value, found);
    }
    for child in &node.children {
        in_config(child, found);
    }
}

fn in_scalar<'m>(scalar: &'m Scalar, found: &mut Vec<Mention<'m>>) {
    match scalar {
        Scalar::String(template) => in_template(template, Reason::Reference, found),
        Scalar::List(items) => items.iter().for_each(|item| in_scalar(item, found)),
        Scalar::Null | Scalar::Bool(_) | Scalar::Integer(_) | Scalar::Float(_) => {}
    }
}

fn in_template<'m>(template: &'m Template, reason: Reason, found: &mut Vec<Mention<'m>>) {
    for part in &template.parts {
        if let Part::Ref(reference) = part
            && reference.namespace == Namespace::Step
            && let Some(name) = reference.path.first()
        {
            found.push(Mention { name, output: reference.path.get(1).map(String::as_str), reason, span: reference.span });
        }
    }
}

fn missing_artifact(by: &Step, of: &Step, mention: &Mention<'_>) -> Option<GraphError> {
    let artifact = mention.output.filter(|_| mention.reason == Reason::Artifact)?;
    if of.writes.iter().any(|writes| writes.name.as_str() == artifact) {
        return None;
    }
    let help = known(&format!("artifacts of \"{}\"", of.name.value), artifact, of.writes.iter().map(|writes| writes.name.as_str()));
    let (by, step) = (by.name.value.clone(), of.name.value.clone());
    Some(GraphError::UnknownArtifact { by, step, artifact: artifact.to_owned(), help, span: mention.span.into() })
}
