//! `output`, `provides`, `consumes` and `depends`: what a package gives to others, and what it takes from them.

use super::links::Parts;
use super::tree::Node;
use super::{environment, plain_name, references, scalar, unique};
use crate::{Consumes, Depends, Mistake, Output, Package, Provides, Scalar, Spanned, Template};

/// What could be read of them.
#[derive(Default)]
pub(super) struct Dependencies {
    pub(super) outputs: Vec<Output>,
    pub(super) provides: Vec<Provides>,
    pub(super) consumes: Vec<Consumes>,
    pub(super) depends: Vec<Depends>,
}

impl Dependencies {
    pub(super) fn read(nodes: &[Node], out: &mut Vec<Mistake>) -> Self {
        let named = |name: &'static str| nodes.iter().filter(move |node| node.name.value == name);
        let read = Self {
            outputs: read_outputs(named("output"), out),
            provides: named("provides").filter_map(|node| read_provides(node, out)).collect(),
            consumes: named("consumes").filter_map(|node| read_consumes(node, out)).collect(),
            depends: named("depends").filter_map(|node| read_depends(node, out)).collect(),
        };
        unique(read.provides.iter().map(|provides| &provides.interface), "interfaces", out);
        let aliases = read.consumes.iter().map(|consumes| &consumes.alias).chain(read.depends.iter().map(|depends| &depends.alias));
        unique(aliases, "dependencies", out);
        read
    }

    /// Checks what the outputs refer to, and that nothing depends on itself.
    pub(super) fn check(&self, package: Option<&Package>, parts: &Parts, out: &mut Vec<Mistake>) {
        for template in self.outputs.iter().chain(self.provides.iter().flat_map(|provides| &provides.outputs)).filter_map(Output::template)
        {
            template.references().for_each(|reference| references::check_output(reference, parts, out));
        }
        let Some(package) = package else { return };
        for depends in self.depends.iter().filter(|depends| depends.package.value == package.name.value) {
            let message = format!("{} depends on itself", package.name.value);
            let mistake = Mistake::new("relrun::manifest::dependency", depends.package.span, message);
            out.push(mistake.help("name another package, or leave the line out"));
        }
    }
}

impl Output {
    fn template(&self) -> Option<&Template> {
        match &self.value.value {
            Scalar::String(template) => Some(template),
            _ => None,
        }
    }
}

fn read_outputs<'a>(nodes: impl Iterator<Item = &'a Node>, out: &mut Vec<Mistake>) -> Vec<Output> {
    let read = |node: &Node| {
        let name = plain_name(node.text(0), "an output", out);
        let value = scalar::read(node.args.get(1)?, out);
        Some(Output { name: name?, value })
    };
    let outputs: Vec<_> = nodes.filter_map(read).collect();
    unique(outputs.iter().map(|output| &output.name), "outputs", out);
    outputs
}

fn read_provides(node: &Node, out: &mut Vec<Mistake>) -> Option<Provides> {
    let interface = plain_name(node.text(0), "an interface", out);
    let outputs = read_outputs(node.all("output"), out);
    Some(Provides { interface: interface?, outputs })
}

fn read_consumes(node: &Node, out: &mut Vec<Mistake>) -> Option<Consumes> {
    let interface = plain_name(node.text(0), "an interface", out);
    let alias = alias(node, interface.as_ref(), out);
    let from = node.prop_text("from").and_then(|from| match from.value.parse() {
        Ok(name) => Some(Spanned::new(name, from.span)),
        Err(error) => {
            let mistake = Mistake::new("relrun::manifest::dependency", from.span, format!("{error}"));
            out.push(mistake.help("write a package, `acme/database`, or one deployment of it, `acme/database:blue`"));
            None
        }
    });
    Some(Consumes { interface: interface?, alias: alias?, from })
}

fn read_depends(node: &Node, out: &mut Vec<Mistake>) -> Option<Depends> {
    let package = node.text(0).and_then(|text| environment::read_package(&text, out));
    let version = environment::read_version(node, out);
    let name = package.as_ref().map(|package| Spanned::new(package.value.name.clone(), package.span));
    let alias = alias(node, name.as_ref(), out);
    let settings: Vec<_> = node.all("set").filter_map(|child| environment::read_setting(child, out)).collect();
    unique(settings.iter().map(|setting| &setting.name), "settings", out);
    Some(Depends { package: package?, version: version?, alias: alias?, settings })
}

/// Reads `as=`; by default it is `name`.
fn alias(node: &Node, name: Option<&Spanned<String>>, out: &mut Vec<Mistake>) -> Option<Spanned<String>> {
    match node.prop_text("as") {
        Some(alias) => plain_name(Some(alias), "a dependency", out),
        None => plain_name(name.cloned(), "a dependency", out),
    }
}
