//! Values of the file into the model's scalars, and configs into their nodes.

use super::tree::{Node, Value};
use crate::{ConfigNode, Mistake, Scalar, Spanned, Template};

/// Reads a value that may hold references.
pub(super) fn read(value: &Spanned<Value>, out: &mut Vec<Mistake>) -> Spanned<Scalar> {
    let scalar = match &value.value {
        Value::Null => Scalar::Null,
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Integer(value) => Scalar::Integer(*value),
        Value::Float(value) => Scalar::Float(*value),
        Value::Text(text, raw) => Scalar::String(Template::parse(text, raw, value.span).unwrap_or_else(|mistakes| {
            out.extend(mistakes);
            Template::default()
        })),
    };
    Spanned::new(scalar, value.span)
}

/// Reads a value that may hold none.
pub(super) fn read_plain(value: &Spanned<Value>, out: &mut Vec<Mistake>) -> Spanned<Scalar> {
    let read = read(value, out);
    let (Scalar::String(template), Value::Text(text, _)) = (&read.value, &value.value) else { return read };
    let before = out.len();
    out.extend(template.references().map(super::references::refused));
    // What was refused stands as text, so that its type makes no second mistake.
    if out.len() == before { read } else { Spanned::new(Scalar::String(Template::text(text.clone())), value.span) }
}

/// Reads a `config` block, or a node in one.
pub(super) fn read_config(node: &Node, out: &mut Vec<Mistake>) -> ConfigNode {
    ConfigNode {
        name: node.name.clone(),
        args: node.args.iter().map(|arg| read(arg, out)).collect(),
        props: node.props.iter().map(|(key, value)| (key.clone(), read(value, out))).collect(),
        children: node.children.iter().map(|child| read_config(child, out)).collect(),
    }
}
