//! `package` and `plugin`.

use super::tree::Node;
use super::{plain_name, plain_text, references, scalar, unique};
use crate::{Metadata, Mistake, Namespace, Package, PackageName, PluginDecl, PluginSource, Reference, Scalar, Spanned, VersionRule, text};

pub(super) fn read(node: &Node, out: &mut Vec<Mistake>) -> Option<Package> {
    let name = node.text(0).and_then(|name| read_name(&name, out));
    let version = node.prop_text("version").and_then(|version| read_version(&version, out));
    let description = plain_text(node.child("description").and_then(|child| child.text(0)), out).map(|text| text.value);
    let include: Vec<_> = node.all("include").flat_map(Node::texts).collect();
    for glob in &include {
        check_glob(glob, glob.strip_prefix('!').unwrap_or(glob), out);
    }
    let publish = node.child("publish").and_then(|child| child.text(0));
    if let Some(publish) = &publish {
        check_publish(publish, out);
    }
    let metadata: Vec<_> = node.all("metadata").filter_map(|child| read_metadata(child, out)).collect();
    unique(metadata.iter().map(|metadata| &metadata.name), "metadata", out);
    Some(Package { name: name?, version: version?, description, include, publish, metadata })
}

fn read_metadata(node: &Node, out: &mut Vec<Mistake>) -> Option<Metadata> {
    let name = plain_name(node.text(0), "metadata", out)?;
    let value = scalar::read(node.args.get(1)?, out);
    if let Scalar::String(template) = &value.value {
        let known = |reference: &&Reference| {
            matches!(reference.namespace, Namespace::Step | Namespace::Input | Namespace::Release | Namespace::Package)
        };
        out.extend(template.references().filter(|reference| !known(reference)).map(references::refused));
    }
    Some(Metadata { name, value })
}

fn read_name(name: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<Spanned<PackageName>> {
    if let Ok(parsed) = name.parse::<PackageName>() {
        return Some(Spanned::new(parsed, name.span));
    }
    let mistake = Mistake::new("relrun::manifest::package-name", name.span, format!("`{}` is no package name", name.value));
    out.push(mistake.label("not `owner/name`").help(
        "write `owner/name`, such as `\"acme/shop\"`; both parts are made of small letters, digits, `-`, `_` and `.`, and begin with a letter or a digit",
    ));
    None
}

fn read_version(version: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<Spanned<VersionRule>> {
    if let Ok(rule) = version.parse::<VersionRule>() {
        return Some(Spanned::new(rule, version.span));
    }
    let mistake = Mistake::new("relrun::manifest::version", version.span, format!("`{}` is no version rule", version.value));
    out.push(if version.value == "latest" {
        mistake.label("names a version that exists").help(
            "a release makes a new version: write an exact one such as `1.4.2`, or `1.4.@` for the next free number in the last place",
        )
    } else {
        mistake
            .label("not a version")
            .help(format!("write an exact version such as `1.4.2`, or `{}` for the next free number in the last place", near_rule(version)))
    });
    None
}

/// The rule that was most likely meant: two numbers and an `@`.
fn near_rule(version: &str) -> String {
    let numbers: Vec<_> = version.trim_start_matches(['v', '=', '^', '~']).split('.').map_while(|part| part.parse::<u64>().ok()).collect();
    match numbers.as_slice() {
        [major, minor, ..] => format!("{major}.{minor}.@"),
        [major] => format!("{major}.0.@"),
        [] => "1.4.@".to_owned(),
    }
}

/// Checks a glob of files; `bare` is what of it is a path below the folder that it is relative to.
pub(super) fn check_glob(glob: &Spanned<String>, bare: &str, out: &mut Vec<Mistake>) {
    if let Some(why) = text::leaves_tree(bare) {
        let mistake = Mistake::new("relrun::manifest::path", glob.span, format!("`{}` cannot be read: {why}", glob.value));
        out.push(mistake.label("outside").help(
            "write a glob relative to the manifest's directory; what lies elsewhere comes in by a step's artifact or a `read` grant",
        ));
    } else if let Some(why) = text::bad_glob(bare) {
        let mistake = Mistake::new("relrun::manifest::glob", glob.span, format!("`{}` is no glob: {why}", glob.value));
        out.push(mistake.help("`*` and `?` match within a directory, `**` any depth, `[ab]` one of these, `{a,b}` either; write `[*]` for the character itself"));
    }
}

fn check_publish(publish: &Spanned<String>, out: &mut Vec<Mistake>) {
    let repository = publish.strip_prefix("oci://").and_then(|rest| rest.split_once('/'));
    if !repository.is_some_and(|(host, path)| !host.is_empty() && !path.is_empty() && !path.contains(char::is_whitespace)) {
        let mistake = Mistake::new("relrun::manifest::publish", publish.span, format!("`{}` is nowhere to push to", publish.value));
        out.push(mistake.help("write a registry and a repository: `publish \"oci://registry.example.com/acme/shop\"`"));
    }
}

pub(super) fn read_plugin(node: &Node, out: &mut Vec<Mistake>) -> Option<PluginDecl> {
    let name = plain_name(node.text(0), "a plugin", out);
    let from = node.prop_text("from").and_then(|from| read_source(&from, out));
    let digest = node.prop_text("digest");
    if let Some(digest) = &digest {
        check_digest(digest, out);
    }
    if let (Some(from), None) = (from.as_ref().filter(|from| matches!(from.value, PluginSource::Https(_))), &digest) {
        let mistake = Mistake::new("relrun::manifest::plugin-digest", from.span, "what comes from there could be anything");
        out.push(mistake.label("without a digest").help("say what it must be: `digest=\"sha256:…\"`, as `sha256sum FILE` prints it"));
    }
    Some(PluginDecl { name: name?, from: from?, digest })
}

fn check_digest(digest: &Spanned<String>, out: &mut Vec<Mistake>) {
    let digits = ["blake3:", "sha256:"].iter().find_map(|prefix| digest.strip_prefix(prefix));
    if !digits.is_some_and(|digits| digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))) {
        let mistake =
            Mistake::new("relrun::manifest::plugin-digest", digest.span, format!("`{}` is no digest of a component", digest.value));
        out.push(mistake.help("write `blake3:` or `sha256:` and 64 small hexadecimal digits"));
    }
}

fn read_source(from: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<Spanned<PluginSource>> {
    let rest_of = |scheme: &str| from.strip_prefix(scheme).filter(|rest| !rest.is_empty());
    let source = if rest_of("oci://").is_some() {
        PluginSource::Oci(from.value.clone())
    } else if rest_of("https://").is_some() {
        PluginSource::Https(from.value.clone())
    } else if rest_of("bundle:").is_some() {
        PluginSource::Bundle(from.value.clone())
    } else if let Some(path) = rest_of("file:") {
        PluginSource::File(path.to_owned())
    } else if !from.is_empty() && !from.contains("://") {
        PluginSource::File(from.value.clone())
    } else {
        let mistake = Mistake::new("relrun::manifest::plugin-source", from.span, format!("no plugin can come from `{}`", from.value));
        out.push(mistake.help(
            "write a file (`./plugins/notify.wasm`), `oci://registry.example.com/plugins/notify:1.2`, `https://…` or `bundle:NAME/PLUGIN`",
        ));
        return None;
    };
    Some(Spanned::new(source, from.span))
}
