//! Policy, from wherever it stands: the system's, the user's, the one that a variable names, and the project's. All of them hold.
//!
//! A policy that cannot be read or does not parse is an error, never a fallback: whoever can break a file must not be able to loosen what it says.

use crate::prepare::Prepared;
use crate::{EngineError, Loaded, Workspace, approval};
use relrun_graph::NodeId;
use relrun_host::{CallLimits, ComponentBytes, ComponentSource};
use relrun_manifest::{Capability, Manifest, MissingBecause, Mistake, PluginRule, Policy, Secret, SecretSource, Step};
use std::path::{Path, PathBuf};

/// The namespace that components are signed for, as `ssh-keygen -Y sign -n` takes it.
const SIGNED_FOR: &str = "relrun-plugin";
/// What an SSH signature begins with.
const SSH_SIGNATURE: &str = "BEGIN SSH SIGNATURE";

/// A policy outside the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it must be there: somebody named it.
    pub needed: bool,
}

/// Joins the policies outside the project, the outermost first, with the project's own `policy.kdl` and what its `relrun.kdl` says.
pub(crate) fn join(outer: &[PolicyFile], root: &Path, project: Policy) -> Result<Policy, EngineError> {
    let mut joined = Policy::default();
    for file in outer {
        let shown = file.path.display().to_string();
        let Some(mut policy) = read(&file.path, &shown, file.needed)? else { continue };
        // Not what is beside the project, which is the one to be held: a relative path is of where relrun was started.
        let path = std::path::absolute(&file.path).map_err(|error| EngineError::io(format!("find the policy {shown}"), error))?;
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        policy.settle(&|path| folder.join(path).display().to_string());
        joined = joined.and(policy);
    }
    if let Some(policy) = read(&root.join("policy.kdl"), "policy.kdl", false)? {
        joined = joined.and(policy);
    }
    Ok(joined.and(project))
}

fn read(path: &Path, shown: &str, needed: bool) -> Result<Option<Policy>, EngineError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(relrun_manifest::parse_policy(shown, &text).map_err(Box::new)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !needed => Ok(None),
        Err(error) => Err(EngineError::input(
            format!("the policy {shown} cannot be read: {error}"),
            "nothing runs without it: make it readable, or take away what names it",
        )),
    }
}

/// Returns where a plugin comes from, as policies name it: a file by where it really lies, below the project's root (`file:./plugins/a.wasm`) or
/// elsewhere (`file:/opt/a.wasm`), and an address in its normal form. What a manifest wrote, with `..` in it or through a link, could name anything.
pub(crate) fn origin(workspace: &Workspace, loaded: &Loaded, name: &str, from: &str) -> String {
    if from == "bundled" {
        return format!("bundled:{name}");
    }
    match from.parse::<relrun_supply::Origin>() {
        Ok(relrun_supply::Origin::File(path)) => file_origin(&workspace.root, &loaded.directory.join(path)),
        Ok(origin) => origin.to_string(),
        Err(_) => from.to_owned(),
    }
}

fn file_origin(root: &Path, file: &Path) -> String {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| plainly(path));
    match real(file).strip_prefix(real(root)) {
        Ok(inside) => format!("file:./{}", inside.display()),
        Err(_) => format!("file:{}", real(file).display()),
    }
}

/// Takes `.` and `..` out of the path of a file that is not there any more.
fn plainly(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(plain.pop()),
            std::path::Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

pub(crate) fn sign_help(origin: &str) -> String {
    let file = origin.strip_prefix("file:").unwrap_or("PLUGIN.wasm");
    format!("sign it with a key that the policy's file names: `ssh-keygen -Y sign -n {SIGNED_FOR} -f KEY {file}`, which writes {file}.sig")
}

/// Asks for the SSH signature of a component, where a rule wants one: the one beside its file, or one that was kept when a release was made with it.
pub(crate) fn is_signed(workspace: &Workspace, rule: &PluginRule, source: &ComponentSource) -> Result<(), String> {
    let Some(signers) = &rule.signers else { return Ok(()) };
    let bytes = crate::supply::bytes_of(source)?;
    let mut found = crate::supply::kept_signatures(workspace, source.digest);
    let mut why = "its signature is not there".to_owned();
    if let ComponentBytes::File(file) = &source.bytes {
        let mut beside = file.clone().into_os_string();
        beside.push(".sig");
        match std::fs::read_to_string(&beside) {
            Ok(signature) => found.insert(0, signature),
            Err(error) => why = format!("{}: {error}", Path::new(&beside).display()),
        }
    }
    for signature in found.iter().filter(|signature| signature.contains(SSH_SIGNATURE)) {
        match approval::signed_by(workspace, signers, SIGNED_FOR, &bytes, signature) {
            Ok(_) => {
                crate::supply::keep_signature(workspace, source.digest, signature);
                return Ok(());
            }
            Err(reason) => why = reason,
        }
    }
    // What is no SSH signature at all is said to be none.
    if let Some(other) = found.first().filter(|_| found.iter().all(|one| !one.contains(SSH_SIGNATURE))) {
        return approval::signed_by(workspace, signers, SIGNED_FOR, &bytes, other).map(drop);
    }
    Err(why)
}

/// Names each limit of a step that goes beyond a policy.
pub(crate) fn beyond(policy: &Policy, step: &Step) -> Vec<Mistake> {
    let one = |beyond: relrun_manifest::Beyond| {
        let message = format!("step \"{}\": the policy in {} bounds `{}` by {}", step.name.value, beyond.from, beyond.what, beyond.most);
        Mistake::new("relrun::policy::limit", step.name.span, message)
            .label("asks for more")
            .help(format!("write no more than {}", beyond.most))
    };
    policy.beyond(step.timeout, &step.limits).into_iter().map(one).collect()
}

/// Names each secret that a command outside every sandbox would have to be run for, where a policy refuses such commands.
pub(crate) fn secrets(policy: &Policy, manifest: &Manifest) -> Vec<Mistake> {
    let Some(file) = &policy.refuse_unconfined else { return Vec::new() };
    let one = |secret: &Secret| {
        let SecretSource::Command(argv) = &secret.from.value else { return None };
        let message = format!("secret \"{}\": {}", secret.name.value, refused_command(file, argv));
        Some(Mistake::new("relrun::policy::secret", secret.from.span, message).help("read it from `env:`, `file:` or `stdin`"))
    };
    manifest.secrets.iter().filter_map(one).collect()
}

/// Says that a policy refuses a secret's command.
pub(crate) fn refused_command(file: &str, argv: &[String]) -> String {
    format!("the policy in {file} refuses unconfined commands, and `{}` would be one", argv.join(" "))
}

/// Bounds what a step that says nothing gets.
pub(crate) fn bounded(policy: &Policy, limits: CallLimits) -> CallLimits {
    let bounds = policy.bounds();
    CallLimits {
        timeout: bounds.timeout.map_or(limits.timeout, |most| limits.timeout.min(most)),
        cpu: bounds.limits.cpu.map_or(limits.cpu, |most| limits.cpu.min(most)),
        memory: bounds.limits.memory.map_or(limits.memory, |most| limits.memory.min(most)),
        log: bounds.limits.log.map_or(limits.log, |most| limits.log.min(most)),
        output: bounds.limits.output.map_or(limits.output, |most| limits.output.min(most)),
        grace: limits.grace,
    }
}

/// What policy says of one step.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The step, `web@live`.
    pub step: String,
    /// Whether all of it is let through.
    pub passes: bool,
    /// One line each: what, by which file, or why not.
    pub lines: Vec<Line>,
}

/// One line of what policy says.
#[derive(Clone, Debug)]
pub struct Line {
    /// The plugin, the capability or the limit.
    pub what: String,
    /// Whether it is let through.
    pub passes: bool,
    /// By what, or why not.
    pub why: String,
}

/// Says what a policy makes of the steps of a name. `prepared` was prepared without it, so that a step that it refuses can be explained too.
pub async fn explain(workspace: &Workspace, prepared: &Prepared, policy: &Policy, step: &str) -> Vec<Explained> {
    let is_meant = |node: &NodeId| {
        let (label, name) = (&prepared.nodes[node.index()].label, &prepared.step(*node).name.value);
        label == step || name == step
    };
    let mut explained = Vec::new();
    for node in prepared.graph.topological().filter(is_meant) {
        explained.push(explain_one(workspace, prepared, policy, node).await);
    }
    explained
}

async fn explain_one(workspace: &Workspace, prepared: &Prepared, policy: &Policy, node: NodeId) -> Explained {
    let step = prepared.step(node);
    let mut lines = explain_plugin(workspace, prepared, policy, node).await;
    lines.extend(prepared.nodes[node.index()].capabilities.iter().map(|capability| explain_capability(policy, capability)));
    lines.extend(policy.beyond(step.timeout, &step.limits).into_iter().map(|beyond| Line {
        what: format!("limit {}", beyond.what),
        passes: false,
        why: format!("{} lets {} through at most", beyond.from, beyond.most),
    }));
    Explained { step: prepared.nodes[node.index()].label.clone(), passes: lines.iter().all(|line| line.passes), lines }
}

/// One line of the plugin for each rule that must let it through, and one for what was revoked.
async fn explain_plugin(workspace: &Workspace, prepared: &Prepared, policy: &Policy, node: NodeId) -> Vec<Line> {
    let plugin = prepared.plugin(node);
    let located = plugin.located();
    let origin = origin(workspace, &prepared.loaded, &prepared.step(node).plugin.value, &plugin.from);
    let line = |passes: bool, why: String| Line { what: format!("plugin {origin}"), passes, why };
    let mut lines = Vec::new();
    if let Some((file, reason)) = crate::supply::taken_back(policy, &located) {
        lines.push(line(false, format!("`revoke` in {file} names its component{reason}")));
    }
    match policy.plugin(&origin) {
        Ok(rules) if rules.is_empty() => lines.push(line(true, "no policy names any plugin".to_owned())),
        Ok(rules) => {
            for (file, rule) in rules {
                let asked = match is_signed(workspace, rule, &located.source) {
                    Ok(()) => crate::supply::vouched(workspace, policy, rule, &located).await.map_err(|(why, _)| why),
                    Err(why) => Err(why),
                };
                lines.push(match asked {
                    Ok(()) => line(true, format!("{} in {file}", rule_words(rule))),
                    Err(why) => line(false, format!("{} in {file}: {why}", rule_words(rule))),
                });
            }
        }
        Err(file) => lines.push(line(false, format!("{file} names others alone"))),
    }
    lines
}

fn rule_words(rule: &PluginRule) -> String {
    let words = [
        ("signers", rule.signers.as_deref()),
        ("signed-by", rule.signed_by.as_ref().map(|trust| trust.name.as_str())),
        ("bundle", rule.bundle.as_deref()),
    ];
    let words = words.into_iter().filter_map(|(word, value)| Some(format!(" {word}=\"{}\"", value?)));
    format!("`plugin \"{}\"{}`", rule.from, words.collect::<String>())
}

fn explain_capability(policy: &Policy, capability: &Capability) -> Line {
    let what = capability.to_string();
    match policy.check(capability) {
        Err(MissingBecause::NotGranted) => Line { what, passes: false, why: "the manifest does not grant it".to_owned() },
        Err(MissingBecause::NotAllowed(file)) => Line { what, passes: false, why: format!("{file} allows nothing that covers it") },
        Err(MissingBecause::Unconfined(file) | MissingBecause::InPlace(file)) => {
            Line { what, passes: false, why: format!("{file} refuses it") }
        }
        Ok(()) if policy.allow.is_empty() => Line { what, passes: true, why: "no policy bounds what is granted".to_owned() },
        Ok(()) => {
            let by = policy.allow.iter().filter_map(|bound| {
                let line = bound.says.iter().find(|allowed| allowed.covers(capability))?;
                Some(format!("`{line}` in {}", bound.from))
            });
            Line { what, passes: true, why: by.collect::<Vec<_>>().join(", ") }
        }
    }
}
