//! What references may name, and where they may stand.

use super::links::{Declared, Parts};
use crate::{ConfigNode, Mistake, Namespace, Phase, ReadsFrom, Reference, Scalar, Span, Spanned, Step, Template, nearest};

impl ConfigNode {
    /// Returns the references of this node and all below it, in file order within each node.
    pub fn references(&self) -> Box<dyn Iterator<Item = &Reference> + '_> {
        let values = self.args.iter().chain(self.props.iter().map(|(_, value)| value));
        let own = values.filter_map(|value| match &value.value {
            Scalar::String(template) => Some(template),
            _ => None,
        });
        Box::new(own.flat_map(Template::references).chain(self.children.iter().flat_map(Self::references)))
    }
}

impl Step {
    /// Returns the references of the step: those of what it reads, then those of its config.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        let artifacts = self.reads.iter().filter_map(|reads| match &reads.from {
            ReadsFrom::Artifact(template) => Some(&template.value),
            ReadsFrom::Files(_) => None,
        });
        artifacts.flat_map(Template::references).chain(self.config.references())
    }
}

/// Reports a reference that stands where only plain text may.
pub(super) fn refused(reference: &Reference) -> Mistake {
    let mistake = Mistake::new("relrun::manifest::reference-place", reference.span, format!("`{reference}` cannot be referred to here"));
    mistake.help(match reference.namespace {
        Namespace::Secret => "a secret may be referred to only in a step's `config`, where it stays a handle".to_owned(),
        _ => format!("references stand in a step's `config` and `reads`; where the text itself is meant, write `${reference}`"),
    })
}

/// Reports the references in a text that may hold none. Whatever else has the form `${…}` is left as it is: a shell's own variables may be meant.
pub(super) fn refuse_in(text: &Spanned<String>, out: &mut Vec<Mistake>) {
    let mut rest = text.value.as_str();
    while let Some(at) = rest.find("${") {
        let escaped = rest[..at].ends_with('$');
        let end = rest[at..].find('}').map_or(rest.len(), |end| at + end + 1);
        if let (false, Ok(template)) = (escaped, Template::parse(&rest[at..end], "", text.span)) {
            out.extend(template.references().map(refused));
        }
        rest = &rest[at + 2..];
    }
}

/// Checks every reference of a phase.
pub(super) fn check(phase: &Phase, parts: &Parts, out: &mut Vec<Mistake>) {
    for step in &phase.steps {
        for reads in &step.reads {
            if let ReadsFrom::Artifact(template) = &reads.from {
                template.references().for_each(|reference| check_artifact(reference, parts, out));
            }
        }
        for reference in step.references() {
            check_one(reference, step, phase, parts, out);
        }
    }
}

/// Checks what a package's metadata refers to: no step that waits for another one is there.
pub(super) fn check_metadata(package: &crate::Package, parts: &Parts, out: &mut Vec<Mistake>) {
    let templates = package.metadata.iter().filter_map(|metadata| match &metadata.value.value {
        Scalar::String(template) => Some(template),
        _ => None,
    });
    for reference in templates.flat_map(Template::references) {
        match reference.namespace {
            Namespace::Input => check_declared(reference, &parts.declared.inputs, "input", out),
            Namespace::Release => check_field(reference, &["number", "version", "id"], out),
            Namespace::Package => check_field(reference, &["name", "owner", "version"], out),
            Namespace::Step => check_step_output(reference, &parts.declared, out),
            // Whatever else stands there was refused where it was read.
            _ => {}
        }
    }
}

/// Checks what an output refers to: it is known once a deployment stands.
pub(super) fn check_output(reference: &Reference, parts: &Parts, out: &mut Vec<Mistake>) {
    match reference.namespace {
        Namespace::Input => check_declared(reference, &parts.declared.inputs, "input", out),
        Namespace::Release => check_field(reference, &["number", "version", "id"], out),
        Namespace::Package => check_field(reference, &["name", "owner", "version"], out),
        Namespace::Step => check_step_output(reference, &parts.declared, out),
        Namespace::Environment => check_environment(reference, out),
        Namespace::Dep => check_dependency(reference, parts, out),
        Namespace::Secret | Namespace::Env | Namespace::Previous => out.push(nothing(
            reference.span,
            format!("`{reference}` has no place in an output"),
            "an output is made of steps, inputs, the release, the package, the environment and dependencies",
        )),
    }
}

fn check_dependency(reference: &Reference, parts: &Parts, out: &mut Vec<Mistake>) {
    let name = &reference.path[0];
    let known = &parts.declared.dependencies;
    if reference.path.len() < 2 {
        out.push(shape(reference, &format!("${{dep.{name}.OUTPUT}}")));
    } else if !known.contains(name) {
        out.push(nothing(reference.span, format!("there is no dependency `{name}`"), help_for(name, known, "dependency")));
    }
}

fn check_one(reference: &Reference, step: &Step, phase: &Phase, parts: &Parts, out: &mut Vec<Mistake>) {
    let names = &reference.path;
    match reference.namespace {
        Namespace::Input => check_declared(reference, &parts.declared.inputs, "input", out),
        Namespace::Secret => check_declared(reference, &parts.declared.secrets, "secret", out),
        Namespace::Env if names.len() != 1 => out.push(shape(reference, "${env.NAME}")),
        Namespace::Env => check_variable(reference, step, out),
        Namespace::Step => check_step(reference, step, &parts.declared, out),
        Namespace::Release => check_field(reference, &["number", "version", "id"], out),
        Namespace::Package => check_field(reference, &["name", "owner", "version"], out),
        Namespace::Environment | Namespace::Previous => check_bound(reference, phase, out),
        Namespace::Dep => {
            check_dependency(reference, parts, out);
            check_bound(reference, phase, out);
        }
    }
    if reference.namespace == Namespace::Input && phase.environments.is_none() {
        check_free(reference, parts, out);
    }
}

fn nothing(span: Span, message: String, help: impl Into<String>) -> Mistake {
    Mistake::new("relrun::manifest::reference", span, message).label("refers to nothing").help(help)
}

fn shape(reference: &Reference, right: &str) -> Mistake {
    nothing(reference.span, format!("`{reference}` names too much or too little"), format!("write `{right}`"))
}

fn check_declared(reference: &Reference, known: &[String], what: &str, out: &mut Vec<Mistake>) {
    let [name] = reference.path.as_slice() else {
        return out.push(shape(reference, &format!("${{{what}.NAME}}")));
    };
    if !known.contains(name) {
        out.push(nothing(reference.span, format!("there is no {what} `{name}`"), help_for(name, known, what)));
    }
}

fn help_for(name: &str, known: &[String], what: &str) -> String {
    match (nearest(name, known.iter().map(String::as_str)), what) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, "secret") => format!("declare it: `secret \"{name}\" from=\"env:NAME\"`"),
        (None, "input") => format!("declare it: `input \"{name}\" type=\"string\"`"),
        (None, "dependency") => format!("declare it: `consumes \"{name}\"`, or `depends \"OWNER/{name}\" version=\"1.@\"`"),
        (None, _) if known.is_empty() => format!("the manifest has no {what}"),
        (None, _) => format!("there are {}", super::form::list(&known.iter().map(String::as_str).take(8).collect::<Vec<_>>())),
    }
}

fn check_variable(reference: &Reference, step: &Step, out: &mut Vec<Mistake>) {
    let name = &reference.path[0];
    let granted = step.grants.iter().any(|grant| matches!(&grant.value, crate::Capability::Env(granted) if granted == name));
    if !granted {
        let mistake = Mistake::new(
            "relrun::manifest::capability",
            reference.span,
            format!("the variable `{name}` is not granted to step `{}`", step.name.value),
        );
        out.push(mistake.label("not granted").help(format!("add `grant {{ env \"{name}\" }}` to the step")));
    }
}

/// Checks a reference to a step from outside of all steps.
fn check_step_output(reference: &Reference, declared: &Declared, out: &mut Vec<Mistake>) {
    let name = &reference.path[0];
    if reference.path.len() < 2 {
        out.push(shape(reference, &format!("${{step.{name}.OUTPUT}}")));
    } else if !declared.steps.contains(name) {
        out.push(nothing(reference.span, format!("there is no step `{name}`"), help_for(name, &declared.steps, "step")));
    }
}

fn check_step(reference: &Reference, step: &Step, declared: &Declared, out: &mut Vec<Mistake>) {
    let name = &reference.path[0];
    if reference.path.len() >= 2 && *name == step.name.value {
        let message = format!("step `{name}` refers to itself");
        out.push(
            Mistake::new("relrun::manifest::reference", reference.span, message)
                .help("a step's own outputs are not there before it is done; refer to another step"),
        );
    } else {
        check_step_output(reference, declared, out);
    }
}

/// What is staged must be captured; other outputs are known to the plugin alone.
fn check_artifact(reference: &Reference, parts: &Parts, out: &mut Vec<Mistake>) {
    let [name, artifact] = reference.path.as_slice() else {
        return out.push(shape(reference, "${step.NAME.ARTIFACT}"));
    };
    let Some(step) = parts.phases.iter().flat_map(|phase| &phase.steps).find(|step| step.name.value == *name) else { return };
    let written: Vec<_> = step.writes.iter().map(|writes| writes.name.value.clone()).collect();
    if !written.contains(artifact) {
        let help = match nearest(artifact, written.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `${{step.{name}.{near}}}`?"),
            None => format!("add `writes \"{artifact}\"` to step `{name}`"),
        };
        out.push(nothing(reference.span, format!("step `{name}` writes no artifact `{artifact}`"), help).also(step.name.span, "this step"));
    }
}

fn check_field(reference: &Reference, known: &[&str], out: &mut Vec<Mistake>) {
    let word = reference.namespace.word();
    match reference.path.as_slice() {
        [field] if known.contains(&field.as_str()) => {}
        [field, ..] => {
            let help = match nearest(field, known.iter().copied()) {
                Some(near) => format!("did you mean `${{{word}.{near}}}`?"),
                None => format!("`{word}` has {}", super::form::list(known)),
            };
            out.push(nothing(reference.span, format!("`{reference}` is nothing"), help));
        }
        [] => {}
    }
}

fn check_bound(reference: &Reference, phase: &Phase, out: &mut Vec<Mistake>) {
    if phase.environments.is_none() {
        let message = format!("`{reference}` stands in a step that has no environment");
        let help = if phase.implicit {
            "put the step into a phase with `environments=…`".to_owned()
        } else {
            format!("give phase `{}` an `environments=…`, or move the step to one that has", phase.name.value)
        };
        out.push(nothing(reference.span, message, help));
    } else if reference.namespace == Namespace::Environment {
        check_environment(reference, out);
    }
}

fn check_environment(reference: &Reference, out: &mut Vec<Mistake>) {
    match reference.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["name" | "deployment"] | ["labels", _] => {}
        _ => out.push(nothing(
            reference.span,
            format!("`{reference}` is nothing"),
            "write `${environment.name}`, `${environment.labels.NAME}` or `${environment.deployment}`",
        )),
    }
}

/// A value that depends on the environment has no place in a step that has none.
fn check_free(reference: &Reference, parts: &Parts, out: &mut Vec<Mistake>) {
    let name = &reference.path[0];
    let setting = parts.environments.iter().flat_map(|environment| &environment.settings).find(|setting| setting.name.value == *name);
    if let Some(setting) = setting {
        let message = format!("input `{name}` depends on the environment, and this step has none");
        let mistake = Mistake::new("relrun::manifest::environment-free", reference.span, message).label("used without an environment");
        out.push(
            mistake.also(setting.name.span, "set here").help("use another input here, or move the step to a phase with `environments=…`"),
        );
    }
}
