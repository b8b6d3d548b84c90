//! Mistakes that only show once a plugin has said what it needs.

use crate::Loaded;
use relrun_host::Needs;
use relrun_ledger::StepKind;
use relrun_manifest::{Capability, Mistake, Namespace, Step};

/// Names each use of an input by an environment-free step where some environment sets it: which value is meant could not be said.
pub(super) fn inputs_of_free_steps(loaded: &Loaded) -> Vec<Mistake> {
    let setter = |input: &str| {
        loaded
            .environments
            .iter()
            .find(|environment| environment.settings.iter().any(|setting| *setting.name == *input))
            .map(|found| &found.name.value)
    };
    let free = loaded.manifest.phases.iter().filter(|phase| phase.environments.is_none()).flat_map(|phase| &phase.steps);
    let mut mistakes = Vec::new();
    for step in free {
        for reference in step.references().filter(|reference| reference.namespace == Namespace::Input) {
            let Some(environment) = reference.path.first().and_then(|name| setter(name)) else { continue };
            let message = format!(
                "step \"{}\" is bound to no environment, and environment \"{environment}\" sets \"{}\"",
                step.name.value, reference.path[0]
            );
            mistakes.push(
                Mistake::new("relrun::input::environment", reference.span, message)
                    .help("use another input here, or move the step into a phase with `environments=…`"),
            );
        }
    }
    mistakes
}

/// Names each missing capability with the line to add.
pub(super) fn missing_grants(step: &Step, needs: &Needs, missing: &[relrun_manifest::Missing]) -> Vec<Mistake> {
    let reason = |capability: &Capability| {
        needs.requests.iter().find(|request| request.capability == *capability).map_or("", |request| request.reason.as_str())
    };
    missing
        .iter()
        .map(|missing| {
            let message =
                format!("step \"{}\": {missing}, and {} needs it: {}", step.name.value, step.plugin.value, reason(&missing.request));
            Mistake::new("relrun::capability::missing", step.name.span, message).label("needs more than it is granted").help(missing.help())
        })
        .collect()
}

/// Names what a pure step may not use, because no fingerprint covers it.
pub(super) fn purity(step: &Step, kind: StepKind, capabilities: &[Capability], mistakes: &mut Vec<Mistake>) {
    if kind == StepKind::Effect {
        return;
    }
    for reference in step.references() {
        if matches!(reference.namespace, Namespace::Release | Namespace::Previous | Namespace::Secret) {
            let message = format!("step \"{}\" is pure, and may not depend on {}", step.name.value, namespace(reference.namespace));
            mistakes.push(
                Mistake::new("relrun::pure::reference", reference.span, message)
                    .help("a pure step's result depends on its inputs alone; use it in an effect, or make the step one"),
            );
        }
    }
    let reaching = |capability: &&Capability| match capability {
        Capability::Http(_)
        | Capability::Secret(_)
        | Capability::Host(_)
        | Capability::Kubernetes { .. }
        | Capability::Registry(_)
        | Capability::Read(_)
        | Capability::Write(_) => true,
        Capability::Run(run) => run.network,
        Capability::Env(_) => false,
    };
    for capability in capabilities.iter().filter(reaching) {
        let message = format!("step \"{}\" is pure, and may not use `{capability}`", step.name.value);
        mistakes.push(
            Mistake::new("relrun::pure::capability", step.name.span, message)
                .help("stage what it needs with `reads`, or make the step an effect"),
        );
    }
}

/// Names each secret that a config refers to and its plugin does not ask for: the plugin would see no more than the secret's name.
pub(super) fn secrets(step: &Step, capabilities: &[Capability], mistakes: &mut Vec<Mistake>) {
    let asked = |name: &str| capabilities.iter().any(|capability| matches!(capability, Capability::Secret(secret) if secret.name == name));
    for reference in step.references().filter(|reference| reference.namespace == Namespace::Secret) {
        let name = reference.path.first().map_or("", String::as_str);
        if !asked(name) {
            let message = format!(
                "plugin \"{}\" does not ask for the secret \"{name}\", so it would get its name and not its bytes",
                step.plugin.value
            );
            mistakes.push(Mistake::new("relrun::secret::unasked", reference.span, message).help(format!(
                "where the plugin is `build` or `deploy`, its commands get it with `secret \"${{secret.{name}}}\" env=\"VARIABLE\"` in the \
                         config; any other has to take a secret here"
            )));
        }
    }
}

fn namespace(namespace: Namespace) -> &'static str {
    match namespace {
        Namespace::Release => "the release's number or version",
        Namespace::Previous => "what was deployed before",
        Namespace::Secret => "a secret",
        _ => "this",
    }
}
