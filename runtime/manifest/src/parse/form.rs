//! Checks nodes against the table of words: what is unknown, missing, too many, of the wrong type. What passes here is read without
//! further questions about its form; what fails is reported here and nowhere else.

use super::tree::{Node, Value};
use super::words::{Args, Children, Kind, MANIFEST, PROJECT, Repeat, Word};
use crate::{Mistake, Span, Spanned, nearest};

/// Checks the nodes of a block.
pub(crate) fn check_block(nodes: &[Node], words: &'static [&'static Word], owner: Option<&Node>, out: &mut Vec<Mistake>) {
    check_nodes(nodes, words, owner, out);
    for word in words {
        let mut found = nodes.iter().filter(|node| node.name.value == word.name);
        let first = found.next();
        match (word.repeat, first) {
            (Repeat::Required, None) => {
                let span = owner.map_or(Span { start: 0, len: 0 }, |owner| owner.name.span);
                let mistake = Mistake::new("relrun::manifest::missing-node", span, format!("there is no `{}`", word.name));
                out.push(mistake.help(format!("add a line such as `{}`", word.example)));
            }
            (Repeat::Once | Repeat::Required, Some(first)) => {
                for again in found {
                    let message = format!("`{}` stands here twice", word.name);
                    let mistake = Mistake::new("relrun::manifest::duplicate", again.name.span, message);
                    out.push(mistake.label("again here").also(first.name.span, "first here").help("keep one of them"));
                }
            }
            _ => {}
        }
    }
}

/// Checks nodes of a block of which others may be missing.
pub(crate) fn check_nodes(nodes: &[Node], words: &'static [&'static Word], owner: Option<&Node>, out: &mut Vec<Mistake>) {
    for node in nodes {
        match words.iter().find(|word| word.name == node.name.value) {
            Some(word) => check_node(node, word, out),
            None => out.push(unknown_node(node, words, owner)),
        }
    }
}

/// Checks a node and all below it.
pub(crate) fn check_node(node: &Node, word: &'static Word, out: &mut Vec<Mistake>) {
    check_args(node, word, out);
    check_props(node, word, out);
    match word.children {
        Children::Free => {}
        Children::Of(words) => check_block(&node.children, words, Some(node), out),
        Children::No => {
            for child in &node.children {
                out.push(unknown_node(child, &[], Some(node)).label("not here"));
            }
        }
    }
}

fn check_args(node: &Node, word: &Word, out: &mut Vec<Mistake>) {
    let Args { min, max, kind, what } = word.args;
    let usage = || format!("write it like `{}`", word.example);
    if node.args.len() < min {
        let message = format!("`{}` wants {what}", word.name);
        out.push(Mistake::new("relrun::manifest::missing-argument", node.name.span, message).help(usage()));
    }
    for extra in node.args.iter().skip(max) {
        let message =
            if max == 0 { format!("`{}` takes no argument", word.name) } else { format!("`{}` wants {what}, and no more", word.name) };
        out.push(Mistake::new("relrun::manifest::extra-argument", extra.span, message).label("one too many").help(usage()));
    }
    for arg in node.args.iter().take(max) {
        if let Some(mistake) = check_kind(arg, kind, word.name) {
            out.push(mistake.help(usage()));
        }
    }
}

fn check_props(node: &Node, word: &Word, out: &mut Vec<Mistake>) {
    if matches!(word.children, Children::Free) {
        return;
    }
    for (key, value) in &node.props {
        match word.props.iter().find(|prop| prop.name == key.value) {
            Some(prop) => {
                if let Some(mistake) = check_kind(value, prop.kind, prop.name) {
                    out.push(mistake.help(format!("write it like `{}`", word.example)));
                }
            }
            None => out.push(unknown_prop(key, word)),
        }
    }
    for prop in word.props.iter().filter(|prop| prop.required && node.prop(prop.name).is_none()) {
        let message = format!("`{}` wants `{}=`", word.name, prop.name);
        out.push(
            Mistake::new("relrun::manifest::missing-property", node.name.span, message).help(format!("write it like `{}`", word.example)),
        );
    }
}

fn check_kind(value: &Spanned<Value>, kind: Kind, of: &str) -> Option<Mistake> {
    let (fits, wanted) = match kind {
        Kind::Any => (true, ""),
        Kind::Text => (matches!(value.value, Value::Text(..)), "a text in quotes"),
        Kind::Bool => (matches!(value.value, Value::Bool(_)), "`#true` or `#false`"),
        Kind::Count => (matches!(value.value, Value::Integer(n) if n >= 0), "a whole number"),
    };
    let message = || format!("`{of}` wants {wanted}, and this is {}", describe(&value.value));
    (!fits).then(|| Mistake::new("relrun::manifest::type", value.span, message()).label(format!("not {wanted}")))
}

/// Says what a value is, for messages.
pub(crate) fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "`#null`",
        Value::Bool(_) => "`#true` or `#false`",
        Value::Integer(n) if *n < 0 => "a number below 0",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Text(..) => "a text",
    }
}

fn unknown_prop(key: &Spanned<String>, word: &Word) -> Mistake {
    let mistake = Mistake::new("relrun::manifest::unknown-property", key.span, format!("`{}` has no property `{}`", word.name, key.value));
    let known: Vec<_> = word.props.iter().map(|prop| prop.name).collect();
    let child = children_of(word).iter().find(|child| child.name == key.value);
    mistake.label("unknown property").help(match (nearest(&key.value, known.iter().copied()), child) {
        (_, Some(child)) => format!("it is a node of its own: `{}` inside the braces", child.example),
        (Some(near), None) => format!("did you mean `{near}`?"),
        (None, None) if known.is_empty() => format!("it has none; write it like `{}`", word.example),
        (None, None) => format!("it has {}", list(&known)),
    })
}

fn unknown_node(node: &Node, words: &[&Word], owner: Option<&Node>) -> Mistake {
    let name = &node.name.value;
    let place = owner.map_or("at the top of the file".to_owned(), |owner| format!("in `{}`", owner.name.value));
    let mistake = Mistake::new("relrun::manifest::unknown-node", node.name.span, format!("there is no `{name}` {place}"));
    let known: Vec<_> = words.iter().map(|word| word.name).collect();
    let homes = homes(name);
    mistake.label("unknown here").help(match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if !homes.is_empty() => format!("`{name}` stands in {}", list(&homes)),
        None if known.is_empty() => format!("{} has no block", owner.map_or("this".to_owned(), |owner| format!("`{}`", owner.name.value))),
        None => format!("what may stand {} is {}", if owner.is_some() { "there" } else { "here" }, list(&known)),
    })
}

fn children_of(word: &Word) -> &'static [&'static Word] {
    match word.children {
        Children::Of(words) => words,
        Children::No | Children::Free => &[],
    }
}

/// Returns the words of the manifest whose blocks a node may stand in.
fn homes(name: &str) -> Vec<&'static str> {
    fn collect(name: &str, words: &'static [&'static Word], out: &mut Vec<&'static str>) {
        for word in words {
            let children = children_of(word);
            if children.iter().any(|child| child.name == name) && !out.contains(&word.name) {
                out.push(word.name);
            }
            collect(name, children, out);
        }
    }
    let mut out = Vec::new();
    collect(name, MANIFEST, &mut out);
    collect(name, PROJECT, &mut out);
    out
}

/// Writes `a`, `b` and `c`.
pub(crate) fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [init @ .., last] => format!("{} and `{last}`", init.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")),
    }
}
