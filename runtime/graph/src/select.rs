//! Which environments a phase is for, and what of it a person chose.

use crate::error::{GraphError, known};
use crate::node::EnvironmentId;
use crate::outline::{Outline, StepNo, Wire};
use relrun_manifest::{Environment, Phase, Role, Selector};
use std::collections::BTreeSet;

/// What a person chose. The default chooses everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// `-e`: narrows the environments of every phase, never widens them.
    pub environments: Option<BTreeSet<String>>,
    /// `--phase`: these phases, and the steps elsewhere that theirs name, directly or not.
    pub phases: Option<BTreeSet<String>>,
    /// `--deployment`: the deployments' name instead of the package's.
    pub deployment: Option<String>,
    /// Which errands are among the steps.
    pub errands: Errands,
}

/// Which errands are expanded beside the steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Errands {
    /// None: the way of every release.
    #[default]
    None,
    /// One, by name.
    One(String),
    /// All, to check them.
    All,
}

impl Errands {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::One(one) => one == name,
            Self::All => true,
        }
    }
}

/// The environments of each phase; `None` for one without a selector.
pub(crate) type Places = Vec<Option<Vec<EnvironmentId>>>;

/// Returns which environments each phase is for, before anybody narrows them.
pub(crate) fn places(phases: &[Phase], environments: &[Environment], errors: &mut Vec<GraphError>) -> Places {
    phases.iter().map(|phase| place(phase, environments, errors)).collect()
}

fn place(phase: &Phase, environments: &[Environment], errors: &mut Vec<GraphError>) -> Option<Vec<EnvironmentId>> {
    let selector = phase.environments.as_ref()?;
    let matched: Vec<EnvironmentId> = (0_u32..)
        .zip(environments)
        .filter(|(_, environment)| selector.value.selects(environment))
        .map(|(no, _)| EnvironmentId(no))
        .collect();
    if let Selector::Names(names) = &selector.value {
        for name in names.iter().filter(|name| environments.iter().all(|environment| environment.name.value != **name)) {
            let help = known("environments", name, environments.iter().map(|environment| environment.name.as_str()));
            let (phase, name) = (phase.name.value.clone(), name.clone());
            errors.push(GraphError::UnknownEnvironment { phase, name, help, span: selector.span.into() });
        }
    } else if matched.is_empty() {
        let help = nothing_matches(&selector.value, environments);
        errors.push(GraphError::MatchesNothing { phase: phase.name.value.clone(), help, span: selector.span.into() });
    }
    Some(matched)
}

fn nothing_matches(selector: &Selector, environments: &[Environment]) -> String {
    let Selector::Labels(wanted) = selector else {
        return "declare one: environment \"staging\" { … }, here or in relrun.kdl".to_owned();
    };
    let wanted: Vec<String> = wanted.iter().map(|(key, value)| format!("label \"{key}\" \"{value}\"")).collect();
    let had: Vec<String> = environments.iter().map(labels_of).collect();
    let had = if had.is_empty() { "there are no environments".to_owned() } else { format!("environments: {}", had.join("; ")) };
    format!("give one {}; {had}", wanted.join(" and "))
}

fn labels_of(environment: &Environment) -> String {
    let labels: Vec<String> = environment.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let labels = if labels.is_empty() { "no labels".to_owned() } else { labels.join(", ") };
    format!("{} ({labels})", environment.name.value)
}

/// Returns which steps are chosen: those of the chosen phases and, through `wires`, what they name.
pub(crate) fn chosen_steps(selection: &Selection, outline: &Outline<'_>, errors: &mut Vec<GraphError>) -> Vec<bool> {
    let mut chosen = chosen_by_phase(selection, outline, errors);
    for (chosen, (_, _, step)) in chosen.iter_mut().zip(&outline.steps) {
        *chosen &= step.role != Role::Errand || selection.errands.has(&step.name);
    }
    chosen
}

fn chosen_by_phase(selection: &Selection, outline: &Outline<'_>, errors: &mut Vec<GraphError>) -> Vec<bool> {
    let Some(names) = &selection.phases else { return vec![true; outline.steps.len()] };
    for name in names.iter().filter(|name| outline.phases.iter().all(|phase| phase.name.value != **name)) {
        let help = known("phases", name, outline.phases.iter().map(|phase| phase.name.as_str()));
        errors.push(GraphError::NoSuchPhase { name: name.clone(), help });
    }
    let mut chosen = vec![false; outline.steps.len()];
    let mut open: Vec<StepNo> = (0..chosen.len()).filter(|&step| names.contains(&outline.phase_of(step).name.value)).collect();
    let pairs: Vec<(u32, Wire)> = outline.wires.iter().map(|wire| (crate::expand::small(wire.from), *wire)).collect();
    let wires = crate::csr::Csr::of(outline.steps.len(), &pairs);
    while let Some(step) = open.pop() {
        if !std::mem::replace(&mut chosen[step], true) {
            open.extend(wires.row(step).iter().map(|wire| wire.to));
        }
    }
    chosen
}

/// Narrows the places to the environments that were chosen.
pub(crate) fn narrow(
    places: &mut Places,
    selection: &Selection,
    outline: &Outline<'_>,
    environments: &[Environment],
    errors: &mut Vec<GraphError>,
) {
    let Some(names) = &selection.environments else { return };
    let mut used = vec![false; environments.len()];
    for (phase, place) in outline.phases.iter().zip(places.iter_mut()) {
        let Some(place) = place else { continue };
        place.retain(|id| names.contains(&environments[id.index()].name.value));
        if selection.phases.as_ref().is_none_or(|phases| phases.contains(&phase.name.value)) {
            for id in place {
                used[id.index()] = true;
            }
        }
    }
    for name in names {
        let found = environments.iter().position(|environment| environment.name.value == *name);
        if found.is_none() {
            let help = known("environments", name, environments.iter().map(|environment| environment.name.as_str()));
            errors.push(GraphError::NoSuchEnvironment { name: name.clone(), help });
        } else if found.is_some_and(|at| !used[at]) {
            errors.push(GraphError::NothingThere {
                name: name.clone(),
                help: "-e narrows what the phases' `environments` choose; it never widens it".into(),
            });
        }
    }
}
