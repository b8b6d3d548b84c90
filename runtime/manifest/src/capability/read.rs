//! Capability lines into capabilities: of `grant` and `allow` blocks, and of plugins' `resolve`.

use super::cover::normal_path;
use super::{ArgPattern, Capability, Confine, HttpGrant, HttpTls, Origin, RunGrant, SecretGrant, SecretTarget};
use crate::parse::form;
use crate::parse::tree::{self, Node, Read};
use crate::parse::words::CAPABILITIES;
use crate::{Mistake, Span, Spanned};
use std::collections::BTreeSet;

const HOST_PATTERN: &str = "a pattern of host names, such as `web*`";

/// A line that is no capability.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{line}` is no capability: {why}")]
pub struct CapabilityError {
    /// The line.
    pub line: String,
    /// What is wrong with it.
    pub why: String,
}

impl Capability {
    /// Reads one line in the words of a `grant` block, as plugins' `resolve` answers them.
    pub fn parse(line: &str) -> Result<Self, CapabilityError> {
        let mut mistakes = Vec::new();
        let (Read::Whole(nodes) | Read::Part(nodes)) = tree::read(line, &mut mistakes);
        for node in &nodes {
            match CAPABILITIES.iter().find(|word| word.name == node.name.value) {
                Some(word) => form::check_node(node, word, &mut mistakes),
                None => mistakes.push(Mistake::new("relrun::manifest::unknown-node", node.name.span, "its first word names none")),
            }
        }
        let capability = match nodes.as_slice() {
            [node] if mistakes.is_empty() => read(node, &mut mistakes),
            _ => None,
        };
        capability.filter(|_| mistakes.is_empty()).ok_or_else(|| {
            let whys: Vec<_> = mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
            let why = if whys.is_empty() { "one line is one capability".to_owned() } else { whys.join("; ") };
            CapabilityError { line: line.trim().to_owned(), why }
        })
    }
}

/// Reads a node whose form was checked; what its values mean wrongly is reported here.
pub(crate) fn read(node: &Node, out: &mut Vec<Mistake>) -> Option<Capability> {
    match node.name.value.as_str() {
        "run" => read_run(node, out).map(Capability::Run),
        "http" => read_http(node, out).map(Capability::Http),
        "read" => read_path(node, out).map(Capability::Read),
        "write" => read_path(node, out).map(Capability::Write),
        "env" => read_variable(&node.text(0)?, out).map(Capability::Env),
        "secret" => read_secret(node, out).map(Capability::Secret),
        "host" => read_filled(&node.text(0)?, HOST_PATTERN, out).map(Capability::Host),
        "kubernetes" => {
            let context = read_filled(&node.prop_text("context")?, "a context", out);
            let namespace = read_filled(&node.prop_text("namespace")?, "a namespace", out);
            Some(Capability::Kubernetes { context: context?, namespace: namespace? })
        }
        "registry" => read_registry(&node.text(0)?, out).map(Capability::Registry),
        _ => None,
    }
}

fn wrong(out: &mut Vec<Mistake>, span: Span, message: impl Into<String>, help: &str) {
    out.push(Mistake::new("relrun::manifest::capability", span, message).help(help));
}

fn read_run(node: &Node, out: &mut Vec<Mistake>) -> Option<RunGrant> {
    let argv: Vec<_> = node.texts().collect();
    let program = argv.first()?;
    let before = out.len();
    if program.is_empty() || program.contains(['*', '\0']) || program.contains(char::is_whitespace) {
        wrong(
            out,
            program.span,
            "the program is named by a pattern or a whole command line",
            "name one program, then one pattern an argument: `run \"npm\" \"run\" \"*\"`",
        );
    }
    let last = argv.len() - 1;
    for (at, pattern) in argv.iter().enumerate().skip(1) {
        if pattern.contains("**") && (at < last || pattern.value != "**") {
            wrong(
                out,
                pattern.span,
                "`**` stands for all the rest, so only at the end and alone",
                "write `*` for one argument, and `\"**\"` last for all the rest",
            );
        }
    }
    let confine = match node.prop_text("confine") {
        None => Confine::Full,
        Some(word) if word.value == "full" => Confine::Full,
        Some(word) if word.value == "none" => Confine::None,
        Some(word) => {
            wrong(
                out,
                word.span,
                format!("`{}` is no way to confine", word.value),
                "write `confine=\"none\"`, or leave it out: commands are confined by default",
            );
            return None;
        }
    };
    let on = node.prop_text("on");
    let on = match &on {
        Some(pattern) => Some(read_filled(pattern, HOST_PATTERN, out)?),
        None => None,
    };
    if let Some(span) =
        on.as_ref().and_then(|_| node.prop_text("on")).filter(|_| node.prop_bool("in-place") == Some(true)).map(|on| on.span)
    {
        wrong(out, span, "no host has the work tree", "leave out `in-place`, or `on`");
    }
    let patterns = argv.iter().map(|pattern| match pattern.value.as_str() {
        "**" => ArgPattern::Rest,
        text => ArgPattern::Glob(text.to_owned()),
    });
    let flag = |name: &str| node.prop_bool(name).unwrap_or(false);
    (out.len() == before).then(|| RunGrant {
        argv: patterns.collect(),
        on,
        in_place: flag("in-place"),
        confine,
        readonly: flag("readonly"),
        network: flag("network"),
    })
}

fn read_http(node: &Node, out: &mut Vec<Mistake>) -> Option<HttpGrant> {
    let origin = read_origin(&node.text(0)?, out);
    let methods = match node.prop_text("methods") {
        None => Some(["GET", "HEAD"].map(str::to_owned).into()),
        Some(words) => read_methods(&words, out),
    };
    let text = |name: &str| node.prop_text(name);
    let (ca, cert, key) = (text("ca"), text("cert"), text("key"));
    if let Some(alone) = cert.as_ref().xor(key.as_ref()) {
        wrong(
            out,
            alone.span,
            "a client's certificate goes with its key",
            "write both: `cert=\"client.pem\"`, a file, and `key=\"NAME\"`, the secret that is its key",
        );
        return None;
    }
    let origin = origin?;
    if let (Some(given), "http") = (ca.as_ref().or(cert.as_ref()), origin.scheme.as_str()) {
        wrong(out, given.span, "there is no TLS with an `http` origin", "write the origin with `https://`, or leave this out");
        return None;
    }
    let plain = |text: Option<Spanned<String>>| text.map(|text| text.value);
    let tls = HttpTls { ca: plain(ca), cert: plain(cert), key: plain(key) };
    Some(HttpGrant { origin, methods: methods?, private: node.prop_bool("private").unwrap_or(false), tls })
}

fn read_methods(words: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<BTreeSet<String>> {
    let methods: BTreeSet<_> = words.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_ascii_uppercase).collect();
    let plain = methods.iter().all(|method| method.len() <= 32 && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-'));
    if methods.is_empty() || !plain {
        wrong(out, words.span, format!("`{}` are no HTTP methods", words.value), "write them with spaces between: `methods=\"GET POST\"`");
        return None;
    }
    Some(methods)
}

/// Reads an origin.
pub(crate) fn read_origin(text: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<Origin> {
    match Origin::parse(text) {
        Ok(origin) => Some(origin),
        Err(why) => {
            let mistake = Mistake::new("relrun::manifest::origin", text.span, format!("`{}` is no origin: {why}", text.value));
            out.push(mistake.help("an origin is a scheme, a host and, where it is not the usual one, a port: `https://api.example.com`, `https://*.example.com`, `http://[::1]:8080`"));
            None
        }
    }
}

fn read_path(node: &Node, out: &mut Vec<Mistake>) -> Option<String> {
    let path = node.text(0)?;
    let normal = normal_path(&path);
    if normal.is_none() {
        wrong(
            out,
            path.span,
            format!("`{}` cannot be granted", path.value),
            "write a path relative to the project's root, or an absolute one, without `..`",
        );
    }
    normal
}

fn read_variable(name: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<String> {
    let plain =
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !plain {
        wrong(
            out,
            name.span,
            format!("`{}` is no name of a variable", name.value),
            "write one name, made of letters, digits and `_`; each variable is granted by its own line",
        );
    }
    plain.then(|| name.value.clone())
}

fn read_filled(text: &Spanned<String>, what: &str, out: &mut Vec<Mistake>) -> Option<String> {
    let filled = !text.trim().is_empty();
    if !filled {
        wrong(out, text.span, "this is empty", &format!("write {what}"));
    }
    filled.then(|| text.value.clone())
}

fn read_registry(text: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<String> {
    let bare = text.strip_prefix("oci://").unwrap_or(text).trim_end_matches('/');
    let fits = bare.split_once('/').is_some_and(|(host, repository)| !host.is_empty() && !repository.is_empty())
        && !bare.contains("://")
        && !bare.contains(|c: char| c.is_whitespace() || c.is_control() || c == '*');
    if !fits {
        wrong(
            out,
            text.span,
            format!("`{}` is no repository", text.value),
            "write the registry and the repository: `registry \"registry.example.com/shop\"`",
        );
    }
    fits.then(|| bare.to_owned())
}

fn read_secret(node: &Node, out: &mut Vec<Mistake>) -> Option<SecretGrant> {
    let name = node.text(0)?;
    let (to, command, env) = (node.prop_text("to"), node.prop_text("to-command"), node.prop_text("env"));
    let (sign, reveal) = (node.prop_bool("sign") == Some(true), node.prop_bool("reveal") == Some(true));
    let help = "write one of `to=\"https://…\"`, `to-command=\"npm\" env=\"NPM_TOKEN\"`, `sign=#true` and `reveal=#true`; a second target is a second line";
    if [to.is_some(), command.is_some(), sign, reveal].iter().filter(|given| **given).count() != 1 {
        wrong(out, node.name.span, "a secret is granted for one target", help);
        return None;
    }
    if let (Some(env), None) = (&env, &command) {
        wrong(out, env.span, "`env=` names a command's variable, and no command is named", help);
        return None;
    }
    let target = match (to, command) {
        (Some(to), _) => SecretTarget::Http(read_origin(&to, out)?),
        (_, Some(program)) => {
            let env = env.map(|env| read_variable(&env, out).ok_or(())).transpose().ok()?;
            SecretTarget::Command { program: read_filled(&program, "the program that gets it", out)?, env }
        }
        _ if sign => SecretTarget::Sign,
        _ => SecretTarget::Reveal,
    };
    Some(SecretGrant { name: name.value, target })
}
