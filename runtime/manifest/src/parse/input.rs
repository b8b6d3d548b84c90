//! `input` and `secret`.

use super::tree::Node;
use super::{plain_name, plain_text, scalar};
use crate::{Input, InputType, Mistake, Scalar, Secret, SecretSource, Span, Spanned, nearest};

/// A string that says which ones it may be.
const ENUM: &str = "enum";

pub(super) fn read_input(node: &Node, out: &mut Vec<Mistake>) -> Option<Input> {
    let name = plain_name(node.text(0), "an input", out);
    let kind = match node.prop_text("type") {
        None => Some(InputType::String),
        Some(word) => read_type(&word, out),
    };
    let allowed: Vec<_> =
        node.child("allowed").map(|child| child.args.iter().map(|arg| scalar::read_plain(arg, out)).collect()).unwrap_or_default();
    if let Some(word) = node.prop_text("type").filter(|word| word.value == ENUM && allowed.is_empty()) {
        let mistake = Mistake::new("relrun::manifest::input-type", word.span, "an `enum` says which values it may have, and this does not");
        out.push(mistake.help("add them: `input \"size\" type=\"enum\" { allowed \"small\" \"large\" }`"));
    }
    let default = kind.and_then(|kind| read_default(node, kind, out));
    let help = plain_text(node.prop_text("help"), out).map(|text| text.value);
    let input = Input { name: name?, kind: kind?, default, allowed, help, release: node.prop_bool("release").unwrap_or(false) };
    for value in &input.allowed {
        if let Err(why) = input.element().check_type(value) {
            out.push(Mistake::new(
                "relrun::manifest::type",
                value.span,
                format!("input `{}` cannot have this value: {why}", input.name.value),
            ));
        }
    }
    if let Some(default) = &input.default {
        check_value(&input, default, out);
    }
    Some(input)
}

fn read_type(word: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<InputType> {
    if word.value == ENUM {
        return Some(InputType::String);
    }
    let known: Vec<&str> = InputType::ALL.iter().map(|(word, _)| *word).chain([ENUM]).collect();
    let kind = InputType::ALL.iter().find(|(known, _)| *known == word.value).map(|(_, kind)| *kind);
    if kind.is_none() {
        let mistake = Mistake::new("relrun::manifest::input-type", word.span, format!("there is no type `{}`", word.value));
        out.push(mistake.help(match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", super::form::list(&known)),
        }));
    }
    kind
}

/// A default is a property, or a child where it has several values.
fn read_default(node: &Node, kind: InputType, out: &mut Vec<Mistake>) -> Option<Spanned<Scalar>> {
    let (prop, child) = (node.prop("default"), node.child("default"));
    if let (Some(prop), Some(child)) = (prop, child) {
        let mistake = Mistake::new("relrun::manifest::duplicate", child.name.span, "the default is given twice");
        out.push(mistake.label("again here").also(prop.span, "first here").help("keep one of them"));
    }
    match (prop, child) {
        (Some(prop), _) => as_kind(vec![scalar::read_plain(prop, out)], prop.span, kind, out),
        (None, Some(child)) => {
            let values = child.args.iter().map(|arg| scalar::read_plain(arg, out)).collect();
            as_kind(values, child.span, kind, out)
        }
        (None, None) => None,
    }
}

/// Returns one value for a scalar type, and a list for a list.
fn as_kind(mut values: Vec<Spanned<Scalar>>, span: Span, kind: InputType, out: &mut Vec<Mistake>) -> Option<Spanned<Scalar>> {
    if kind == InputType::List {
        return Some(Spanned::new(Scalar::List(values.into_iter().map(|value| value.value).collect()), span));
    }
    if values.len() == 1 {
        return values.pop();
    }
    let mistake =
        Mistake::new("relrun::manifest::type", span, format!("{} has one value, and here are {}", kind.with_article(), values.len()));
    out.push(mistake.help("write one value, or make the input a `type=\"list\"`"));
    None
}

/// Checks a default or a setting against its input.
pub(super) fn check_value(input: &Input, value: &Spanned<Scalar>, out: &mut Vec<Mistake>) {
    if let Err(why) = input.check(&value.value) {
        out.push(
            Mistake::new("relrun::manifest::type", value.span, format!("input `{}` cannot have this value: {why}", input.name.value))
                .help(input.usage()),
        );
    }
}

pub(super) fn read_secret(node: &Node, out: &mut Vec<Mistake>) -> Option<Secret> {
    let name = plain_name(node.text(0), "a secret", out);
    let from = node.prop_text("from").and_then(|from| read_source(&from, out));
    Some(Secret { name: name?, from: from? })
}

pub(super) fn read_source(from: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<Spanned<SecretSource>> {
    let source = match from.split_once(':') {
        Some(("env", name)) if is_variable(name) => Some(SecretSource::Env(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => Some(SecretSource::File(path.to_owned())),
        Some(("cmd", line)) if !line.trim().is_empty() => Some(SecretSource::Command(line.split_whitespace().map(str::to_owned).collect())),
        None if from.value == "stdin" => Some(SecretSource::Stdin),
        _ => None,
    };
    if source.is_none() {
        let mistake = Mistake::new("relrun::manifest::secret-source", from.span, format!("no secret can come from `{}`", from.value));
        let help = "write `env:NAME`, `file:PATH`, `cmd:PROGRAM ARG…` or `stdin`; the secret itself never stands in a manifest";
        out.push(mistake.label("not a source").help(if is_variable(from) && from.value == from.to_uppercase() {
            format!("did you mean `env:{}`? {help}", from.value)
        } else {
            help.to_owned()
        }));
    }
    source.map(|source| Spanned::new(source, from.span))
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
