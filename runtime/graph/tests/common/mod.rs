//! Manifests by a few words, for tests that need many steps and no text.

#![allow(dead_code, reason = "each test file uses a part of it")]

use relrun_graph::{Graph, GraphErrors, Selection};
use relrun_manifest::{
    ConfigNode, Environment, Limits, Manifest, Namespace, OnFailure, Package, PackageName, Part, Phase, Reads, ReadsFrom, Reference, Retry,
    Role, Scalar, Selector, Span, Spanned, Step, Template, VersionRule, Writes,
};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn at<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Span::default())
}

pub(crate) fn refer(step: &str, output: &str) -> Template {
    let path = vec![step.to_owned(), output.to_owned()];
    Template { parts: vec![Part::Ref(Reference { namespace: Namespace::Step, path, span: Span::default() })] }
}

fn config(name: &str) -> ConfigNode {
    ConfigNode { name: at(name.to_owned()), args: vec![], props: vec![], children: vec![] }
}

pub(crate) fn step(name: &str) -> Step {
    Step {
        name: at(name.to_owned()),
        role: Role::Step,
        plugin: at("build".to_owned()),
        reads: vec![],
        writes: vec![],
        grants: vec![],
        config: config("config"),
        needs: vec![],
        retry: Retry::default(),
        timeout: None,
        limits: Limits::default(),
        on_failure: OnFailure::Undo,
        span: Span::default(),
    }
}

pub(crate) trait StepExt: Sized {
    fn deploy(self) -> Self;
    fn needs(self, name: &str) -> Self;
    fn refers(self, name: &str) -> Self;
    fn reads(self, name: &str, artifact: &str) -> Self;
    fn writes(self, artifact: &str) -> Self;
}

impl StepExt for Step {
    fn deploy(mut self) -> Self {
        self.role = Role::Deploy;
        self
    }

    fn needs(mut self, name: &str) -> Self {
        self.needs.push(at(name.to_owned()));
        self
    }

    fn refers(mut self, name: &str) -> Self {
        let mut child = config("source");
        child.args.push(at(Scalar::String(refer(name, "out"))));
        self.config.children.push(child);
        self
    }

    fn reads(mut self, name: &str, artifact: &str) -> Self {
        self.reads.push(Reads { name: at(format!("{name}-{artifact}")), from: ReadsFrom::Artifact(at(refer(name, artifact))) });
        self
    }

    fn writes(mut self, artifact: &str) -> Self {
        self.writes.push(Writes { name: at(artifact.to_owned()), to: None });
        self
    }
}

pub(crate) fn phase(name: &str, steps: Vec<Step>) -> Phase {
    Phase { name: at(name.to_owned()), environments: None, after: None, gates: vec![], steps, implicit: false }
}

pub(crate) trait PhaseExt: Sized {
    fn labelled(self, key: &str, value: &str) -> Self;
    fn named(self, names: &[&str]) -> Self;
    fn everywhere(self) -> Self;
    fn after(self, names: &[&str]) -> Self;
}

impl PhaseExt for Phase {
    fn labelled(mut self, key: &str, value: &str) -> Self {
        self.environments = Some(at(Selector::Labels(BTreeMap::from([(key.to_owned(), value.to_owned())]))));
        self
    }

    fn named(mut self, names: &[&str]) -> Self {
        self.environments = Some(at(Selector::Names(names.iter().map(|&name| name.to_owned()).collect())));
        self
    }

    fn everywhere(mut self) -> Self {
        self.environments = Some(at(Selector::All));
        self
    }

    fn after(mut self, names: &[&str]) -> Self {
        self.after = Some(names.iter().map(|&name| at(name.to_owned())).collect());
        self
    }
}

pub(crate) fn environment(name: &str, tier: &str) -> Environment {
    let labels = BTreeMap::from([("tier".to_owned(), tier.to_owned())]);
    Environment { name: at(name.to_owned()), labels, settings: vec![], hosts: vec![], gates: vec![], deployments: vec![] }
}

pub(crate) fn three() -> Vec<Environment> {
    vec![environment("staging", "test"), environment("blue", "live"), environment("green", "live")]
}

pub(crate) fn manifest(phases: Vec<Phase>) -> Manifest {
    let name = PackageName { owner: "acme".to_owned(), name: "shop".to_owned() };
    let version = at(VersionRule::Exact(relrun_manifest::Version::new(1, 0, 0)));
    let package = Package { name: at(name), version, description: None, include: vec![], publish: None, metadata: vec![] };
    Manifest {
        package,
        phases,
        plugins: vec![],
        inputs: vec![],
        secrets: vec![],
        environments: vec![],
        notify: vec![],
        outputs: vec![],
        provides: vec![],
        consumes: vec![],
        depends: vec![],
    }
}

/// The contract's own example, a little longer.
pub(crate) fn shop() -> Manifest {
    manifest(vec![
        phase("build", vec![step("site").writes("dist"), step("check").reads("site", "dist")]),
        phase("roll-out", vec![step("smoke").needs("web"), step("web").deploy().refers("site")]).labelled("tier", "test"),
        phase("live", vec![step("web-live").deploy().refers("site"), step("watch").needs("web-live")]).labelled("tier", "live"),
        phase("tell", vec![step("mail")]),
    ])
}

pub(crate) fn only(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

pub(crate) fn expand(manifest: &Manifest) -> Result<Graph, GraphErrors> {
    Graph::expand(manifest, &three(), &Selection::default())
}

pub(crate) fn labels(graph: &Graph, ids: impl IntoIterator<Item = relrun_graph::NodeId>) -> String {
    ids.into_iter().map(|id| graph.node(id).label()).collect::<Vec<_>>().join(" ")
}
