//! KDL nodes into JSON. The rules stand in `docs/manifest.md`, under "How a config becomes JSON".

use super::guide::{Form, Guide};
use super::{Shaped, join};
use crate::{ConfigNode, Mistake, Reference, Scalar, Span, Spanned, scalar_to_json};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Returns the config as JSON. `schema` is the plugin's own; `resolve` gives the values of references, as far as they are known.
pub fn shape(node: &ConfigNode, schema: &Value, resolve: &dyn Fn(&Reference) -> Option<Value>) -> Shaped {
    let shaped = Shaped { json: Value::Null, spans: BTreeMap::new(), keys: BTreeMap::new(), unknown: Vec::new(), mistakes: Vec::new() };
    let mut shaper = Shaper { resolve, shaped };
    let whole = Occurrence { name: &node.name.value, args: &node.args, props: &node.props, children: &node.children, span: node.name.span };
    shaper.shaped.spans.insert(String::new(), node.name.span);
    let guide = Guide::root(schema);
    shaper.shaped.json = match guide.form() {
        Form::Map(values) => shaper.map(&[whole], values, ""),
        _ => shaper.object(&whole, guide, ""),
    };
    shaper.shaped
}

/// One time that a name is given: a node, or a property, which is a node with one argument.
#[derive(Clone, Copy)]
struct Occurrence<'a> {
    name: &'a str,
    args: &'a [Spanned<Scalar>],
    props: &'a [(Spanned<String>, Spanned<Scalar>)],
    children: &'a [ConfigNode],
    span: Span,
}

impl<'a> Occurrence<'a> {
    fn node(node: &'a ConfigNode) -> Self {
        Self { name: &node.name.value, args: &node.args, props: &node.props, children: &node.children, span: node.name.span }
    }

    fn prop((name, value): &'a (Spanned<String>, Spanned<Scalar>)) -> Self {
        Self { name: &name.value, args: std::slice::from_ref(value), props: &[], children: &[], span: name.span }
    }

    fn has_fields(&self) -> bool {
        !self.props.is_empty() || !self.children.is_empty()
    }

    /// Its properties and children, those of one name together, in the order of their first.
    fn fields(&self) -> Vec<(&'a str, Vec<Self>)> {
        group(self.props.iter().map(Self::prop).chain(self.children.iter().map(Self::node)).map(|one| (one.name, one)))
    }

    /// It without its first argument, under another name.
    fn rest(self, name: &'a str) -> Self {
        Self { name, args: self.args.get(1..).unwrap_or_default(), ..self }
    }
}

fn group<'a>(pairs: impl Iterator<Item = (&'a str, Occurrence<'a>)>) -> Vec<(&'a str, Vec<Occurrence<'a>>)> {
    let mut places = std::collections::HashMap::new();
    let mut groups: Vec<(&str, Vec<Occurrence<'_>>)> = Vec::new();
    for (name, one) in pairs {
        let place = *places.entry(name).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, group)) => group.push(one),
            None => groups.push((name, vec![one])),
        }
    }
    groups
}

struct Shaper<'r> {
    resolve: &'r dyn Fn(&Reference) -> Option<Value>,
    shaped: Shaped,
}

impl Shaper<'_> {
    /// Shapes all that is given under one name.
    fn group(&mut self, group: &[Occurrence<'_>], guide: Guide<'_>, pointer: &str) -> Value {
        let [first, rest @ ..] = group else { return Value::Null };
        self.shaped.keys.insert(pointer.to_owned(), first.span);
        self.shaped.spans.insert(pointer.to_owned(), first.span);
        match guide.form() {
            Form::Scalars => self.scalars(group, pointer),
            Form::Rows => self.each(group, pointer, |shaper, one, pointer| shaper.scalars(&[*one], pointer)),
            Form::Objects(items) => self.each(group, pointer, |shaper, one, pointer| shaper.one_object(one, items, pointer)),
            Form::Map(values) => self.map(group, values, pointer),
            Form::Object if rest.is_empty() => self.one_object(first, guide, pointer),
            Form::Object => self.each(group, pointer, |shaper, one, pointer| shaper.one_object(one, guide, pointer)),
            Form::Natural if rest.is_empty() => self.natural(first, pointer),
            Form::Natural => self.each(group, pointer, Self::natural),
        }
    }

    fn each(&mut self, group: &[Occurrence<'_>], pointer: &str, shape: impl Fn(&mut Self, &Occurrence<'_>, &str) -> Value) -> Value {
        // A value that is an array already, such as a list input's, stands for all its items.
        if let [one] = group
            && let [arg] = one.args
            && !one.has_fields()
            && let list @ Value::Array(_) = self.scalar(arg, pointer)
        {
            return list;
        }
        let items = group.iter().enumerate().map(|(at, one)| {
            let pointer = join(pointer, &at.to_string());
            self.shaped.spans.insert(pointer.clone(), one.span);
            shape(self, one, &pointer)
        });
        items.collect()
    }

    /// All arguments of all occurrences. One that is an array, such as a list input's, is laid out.
    fn scalars(&mut self, group: &[Occurrence<'_>], pointer: &str) -> Value {
        let mut items = Vec::new();
        for one in group {
            for arg in one.args {
                match self.scalar(arg, &join(pointer, &items.len().to_string())) {
                    Value::Array(inner) => items.extend(inner),
                    value => items.push(value),
                }
            }
            if one.has_fields() {
                let fields = Occurrence { args: &[], ..*one };
                let value = self.natural(&fields, &join(pointer, &items.len().to_string()));
                items.push(value);
            }
        }
        Value::Array(items)
    }

    /// The first argument is the key; where there is none, properties and children are the entries.
    fn map(&mut self, group: &[Occurrence<'_>], values: Guide<'_>, pointer: &str) -> Value {
        if let [one] = group
            && let [arg] = one.args
            && !one.has_fields()
            && let object @ Value::Object(_) = self.scalar(arg, pointer)
        {
            return object;
        }
        let keys: Vec<Option<String>> = group.iter().map(|one| one.args.first().map(|arg| self.key(arg))).collect();
        let mut entries = Vec::new();
        for (one, key) in group.iter().zip(&keys) {
            match key {
                Some(key) => entries.push((key.as_str(), one.rest(key))),
                None => entries.extend(one.fields().into_iter().flat_map(|(name, group)| group.into_iter().map(move |one| (name, one)))),
            }
        }
        let mut object = Map::new();
        for (key, occurrences) in self::group(entries.into_iter()) {
            let pointer = join(pointer, key);
            object.insert(key.to_owned(), self.group(&occurrences, values, &pointer));
        }
        Value::Object(object)
    }

    fn key(&self, arg: &Spanned<Scalar>) -> String {
        match scalar_to_json(&arg.value, self.resolve) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// One argument alone may be the whole object by a reference, where the schema names no fields for arguments.
    fn one_object(&mut self, one: &Occurrence<'_>, guide: Guide<'_>, pointer: &str) -> Value {
        match one.args {
            [arg] if !one.has_fields() && guide.args().is_empty() => self.scalar(arg, pointer),
            _ => self.object(one, guide, pointer),
        }
    }

    /// Leading arguments fill the fields that `x-args` names; properties and children are fields.
    fn object(&mut self, one: &Occurrence<'_>, guide: Guide<'_>, pointer: &str) -> Value {
        let names = guide.args();
        if let Some(extra) = one.args.get(names.len()) {
            let message = format!("`{}` has no field for this argument", one.name);
            let help = match names.as_slice() {
                [] => "write it as a property or a child with the field's name".to_owned(),
                names => format!("its arguments are {}, in this order", names.join(", ")),
            };
            self.shaped.mistakes.push(Mistake::new("relrun::config::argument", extra.span, message).label("one too many").help(help));
        }
        let leading = names
            .into_iter()
            .zip(one.args)
            .map(|(name, arg)| (name, Occurrence { name, args: std::slice::from_ref(arg), props: &[], children: &[], span: arg.span }));
        let fields = one.fields().into_iter().flat_map(|(name, group)| group.into_iter().map(move |one| (name, one)));
        let mut object = Map::new();
        for (name, occurrences) in group(leading.chain(fields)) {
            let pointer = join(pointer, name);
            object.insert(name.to_owned(), self.group(&occurrences, guide.field(name), &pointer));
        }
        Value::Object(object)
    }

    fn natural(&mut self, one: &Occurrence<'_>, pointer: &str) -> Value {
        self.shaped.spans.insert(pointer.to_owned(), one.span);
        match one.args {
            _ if one.has_fields() => self.object(one, Guide::root(&Value::Null), pointer),
            [] => Value::Bool(true),
            [arg] => self.scalar(arg, pointer),
            _ => self.scalars(&[*one], pointer),
        }
    }

    fn scalar(&mut self, arg: &Spanned<Scalar>, pointer: &str) -> Value {
        self.shaped.spans.insert(pointer.to_owned(), arg.span);
        if let Scalar::String(template) = &arg.value {
            let unknown: Vec<_> = template.references().filter(|reference| (self.resolve)(reference).is_none()).collect();
            for reference in unknown {
                let entry = (pointer.to_owned(), reference.clone());
                if !self.shaped.unknown.contains(&entry) {
                    self.shaped.unknown.push(entry);
                }
            }
        }
        scalar_to_json(&arg.value, self.resolve)
    }
}
