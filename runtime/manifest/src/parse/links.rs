//! What nodes say about each other: names that stand twice, and names that stand for nothing.

use super::tree::Node;
use super::{input, references, unique};
use crate::{Environment, Input, InputType, Mistake, Phase, PluginDecl, Scalar, Secret, SecretSource, Setting, Spanned, Step, nearest};

/// Whatever could be read.
pub(super) struct Parts {
    pub(super) plugins: Vec<PluginDecl>,
    pub(super) inputs: Vec<Input>,
    pub(super) secrets: Vec<Secret>,
    pub(super) environments: Vec<Environment>,
    pub(super) phases: Vec<Phase>,
    pub(super) declared: Declared,
}

/// The names that are declared, even by nodes with mistakes in them: one mistake must not make ten others.
pub(super) struct Declared {
    pub(super) plugins: Vec<String>,
    pub(super) inputs: Vec<String>,
    pub(super) secrets: Vec<String>,
    pub(super) phases: Vec<String>,
    pub(super) steps: Vec<String>,
    pub(super) dependencies: Vec<String>,
}

impl Declared {
    pub(super) fn of(nodes: &[Node]) -> Self {
        let names = |wanted: &[&str]| {
            nodes.iter().filter(|node| wanted.contains(&node.name.value.as_str())).filter_map(name_of).collect::<Vec<_>>()
        };
        let inner = nodes.iter().filter(|node| node.name.value == "phase").flat_map(|phase| &phase.children);
        let mut steps = names(STEPS);
        steps.extend(inner.filter(|node| STEPS.contains(&node.name.value.as_str())).filter_map(name_of));
        Self {
            plugins: names(&["plugin"]),
            inputs: names(&["input"]),
            secrets: names(&["secret"]),
            phases: names(&["phase", "step", "deploy"]),
            steps,
            dependencies: nodes.iter().filter_map(dependency_of).collect(),
        }
    }
}

const STEPS: &[&str] = &["step", "deploy", "errand"];

fn name_of(node: &Node) -> Option<String> {
    node.text(0).map(|name| name.value)
}

/// Returns the name by which a dependency is referred to.
fn dependency_of(node: &Node) -> Option<String> {
    let name = match node.name.value.as_str() {
        "consumes" => name_of(node)?,
        "depends" => name_of(node)?.rsplit('/').next()?.to_owned(),
        _ => return None,
    };
    Some(node.prop_text("as").map_or(name, |alias| alias.value))
}

/// Checks all that needs more than one node.
pub(super) fn check(parts: &Parts, bundled: &[&str], out: &mut Vec<Mistake>) {
    unique(parts.plugins.iter().map(|plugin| &plugin.name), "plugins", out);
    unique(parts.inputs.iter().map(|input| &input.name), "inputs", out);
    unique(parts.secrets.iter().map(|secret| &secret.name), "secrets", out);
    if let Some(second) = parts.secrets.iter().filter(|secret| secret.from.value == SecretSource::Stdin).nth(1) {
        let mistake = Mistake::new("relrun::manifest::secret-source", second.from.span, "standard input is one secret's already");
        out.push(mistake.help("take this one from a variable, a file or a command"));
    }
    unique(parts.environments.iter().map(|environment| &environment.name), "environments", out);
    // Two lone steps of one name are two steps, and are named as that below: nobody wrote a phase.
    let mut lone = std::collections::HashSet::new();
    let phases = parts.phases.iter().filter(|phase| !phase.implicit || lone.insert(phase.name.value.as_str()));
    unique(phases.map(|phase| &phase.name), "phases", out);
    unique(parts.phases.iter().flat_map(|phase| &phase.steps).map(|step| &step.name), "steps", out);
    check_bundled(parts, bundled, out);
    for setting in parts.environments.iter().flat_map(|environment| &environment.settings) {
        check_setting(setting, parts, out);
    }
    for phase in &parts.phases {
        for name in phase.after.iter().flatten() {
            check_name(name, &parts.declared.phases, "phase", out);
        }
        for step in &phase.steps {
            check_step(step, parts, bundled, out);
        }
        references::check(phase, parts, out);
    }
}

fn check_bundled(parts: &Parts, bundled: &[&str], out: &mut Vec<Mistake>) {
    for plugin in parts.plugins.iter().filter(|plugin| bundled.contains(&plugin.name.value.as_str())) {
        let mistake = Mistake::new(
            "relrun::manifest::duplicate",
            plugin.name.span,
            format!("`{}` is the name of a bundled plugin", plugin.name.value),
        );
        out.push(mistake.help("give yours another name, or leave the line out to use the bundled one"));
    }
}

fn check_setting(setting: &Setting, parts: &Parts, out: &mut Vec<Mistake>) {
    check_name(&setting.name, &parts.declared.inputs, "input", out);
    let Some(input) = parts.inputs.iter().find(|input| input.name == setting.name) else { return };
    // One value cannot show that it is a list.
    let value = match &setting.value.value {
        Scalar::List(_) => setting.value.clone(),
        one if input.kind == InputType::List => Spanned::new(Scalar::List(vec![one.clone()]), setting.value.span),
        _ => setting.value.clone(),
    };
    input::check_value(input, &value, out);
}

fn check_step(step: &Step, parts: &Parts, bundled: &[&str], out: &mut Vec<Mistake>) {
    for name in &step.needs {
        check_name(name, &parts.declared.steps, "step", out);
    }
    let declared = &parts.declared;
    if !bundled.contains(&step.plugin.value.as_str()) && !declared.plugins.contains(&step.plugin.value) {
        let known = bundled.iter().copied().chain(declared.plugins.iter().map(String::as_str));
        let mistake = Mistake::new("relrun::manifest::plugin", step.plugin.span, format!("there is no plugin `{}`", step.plugin.value));
        out.push(mistake.label("neither declared nor bundled").help(match nearest(&step.plugin, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "declare it: `plugin \"{}\" from=\"./plugins/….wasm\"`; bundled are {}",
                step.plugin.value,
                super::form::list(bundled)
            ),
        }));
    }
    for grant in &step.grants {
        let secret = match &grant.value {
            crate::Capability::Secret(secret) => Some(&secret.name),
            crate::Capability::Http(http) => http.tls.key.as_ref(),
            _ => None,
        };
        if let Some(name) = secret {
            check_name(&Spanned::new(name.clone(), grant.span), &declared.secrets, "secret", out);
        }
    }
}

fn check_name(name: &Spanned<String>, known: &[String], what: &str, out: &mut Vec<Mistake>) {
    if known.contains(&name.value) {
        return;
    }
    let mistake = Mistake::new("relrun::manifest::unknown-name", name.span, format!("there is no {what} `{}`", name.value));
    out.push(mistake.label("stands for nothing").help(match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("the manifest declares no {what}"),
        None => format!("there are {}", super::form::list(&known.iter().map(String::as_str).take(8).collect::<Vec<_>>())),
    }));
}
