//! `environment`, `host`, `approval`: the same in a manifest and in a project.

use super::tree::Node;
use super::{plain_name, scalar, unique};
use crate::{DeploymentDecl, Environment, Gate, HostAddress, HostDecl, Mistake, PackageName, Scalar, Setting, Spanned, VersionSelector};
use std::collections::BTreeMap;

pub(super) fn read(node: &Node, out: &mut Vec<Mistake>) -> Option<Environment> {
    let name = plain_name(node.text(0), "an environment", out);
    let labels = read_labels(node, out);
    let settings: Vec<_> = node.all("set").filter_map(|child| read_setting(child, out)).collect();
    let hosts: Vec<_> = node.all("host").filter_map(|child| read_host(child, out)).collect();
    let gates = read_gates(node, out);
    unique(settings.iter().map(|setting| &setting.name), "settings of", out);
    unique(hosts.iter().map(|host| &host.name), "hosts", out);
    let deployments: Vec<_> = node.all("deployment").filter_map(|child| read_deployment(child, out)).collect();
    unique(deployments.iter().map(|deployment| &deployment.name), "deployments", out);
    Some(Environment { name: name?, labels, settings, hosts, gates, deployments })
}

fn read_deployment(node: &Node, out: &mut Vec<Mistake>) -> Option<DeploymentDecl> {
    let name = plain_name(node.text(0), "a deployment", out);
    let package = node.prop_text("package").and_then(|text| read_package(&text, out));
    let version = read_version(node, out);
    Some(DeploymentDecl { name: name?, package: package?, version: version? })
}

pub(super) fn read_package(text: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<Spanned<PackageName>> {
    match text.value.parse::<PackageName>() {
        Ok(package) => Some(Spanned::new(package, text.span)),
        Err(error) => {
            let mistake = Mistake::new("relrun::manifest::package-name", text.span, error.to_string());
            out.push(mistake.help("write `owner/name`, in small letters"));
            None
        }
    }
}

/// Reads `version=`; by default the latest.
pub(super) fn read_version(node: &Node, out: &mut Vec<Mistake>) -> Option<Spanned<VersionSelector>> {
    match node.prop_text("version") {
        None => Some(Spanned::new(VersionSelector::Latest, node.span)),
        Some(text) => read_selector(&text, out),
    }
}

fn read_selector(text: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<Spanned<VersionSelector>> {
    if let Ok(version) = text.value.parse() {
        return Some(Spanned::new(version, text.span));
    }
    let mistake = Mistake::new("relrun::manifest::version", text.span, format!("`{}` selects no version", text.value));
    out.push(mistake.help("write an exact version (`1.4.2`), a line of them (`1.4.@`, `1.@`), or `latest`"));
    None
}

fn read_labels(node: &Node, out: &mut Vec<Mistake>) -> BTreeMap<String, String> {
    let pairs: Vec<_> = node.all("label").filter_map(|label| Some((plain_name(label.text(0), "a label", out)?, label.text(1)?))).collect();
    unique(pairs.iter().map(|(key, _)| key), "labels", out);
    for (_, value) in
        pairs.iter().filter(|(_, value)| value.is_empty() || value.contains([',', '=']) || value.contains(char::is_whitespace))
    {
        let mistake = Mistake::new("relrun::manifest::label", value.span, format!("`{}` cannot be selected by", value.value));
        out.push(mistake.help("write one word without `,` and `=`, because phases select by `environments=\"key=value,key=value\"`"));
    }
    pairs.into_iter().map(|(key, value)| (key.value, value.value)).collect()
}

/// A setting with several values is a list; with one, whatever its input is, which is settled where the input is known.
pub(super) fn read_setting(node: &Node, out: &mut Vec<Mistake>) -> Option<Setting> {
    let name = plain_name(node.text(0), "an input", out);
    if name.is_none() && !node.args.is_empty() && node.text(0).is_none() {
        let mistake = Mistake::new("relrun::manifest::type", node.args[0].span, "`set` wants an input's name first");
        out.push(mistake.help("write it like `set \"who\" \"Stage\"`"));
    }
    let mut values: Vec<_> = node.args.iter().skip(1).map(|arg| scalar::read_plain(arg, out)).collect();
    let value = if values.len() == 1 {
        values.remove(0)
    } else {
        Spanned::new(Scalar::List(values.into_iter().map(|value| value.value).collect()), node.span)
    };
    Some(Setting { name: name?, value })
}

fn read_host(node: &Node, out: &mut Vec<Mistake>) -> Option<HostDecl> {
    let name = node.text(0)?;
    let plain = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !plain {
        let mistake = Mistake::new("relrun::manifest::name", name.span, format!("`{}` is no name for a host", name.value));
        out.push(mistake.help("a host's name is made of letters, digits, `-`, `_` and `.`, and begins with a letter or a digit"));
    }
    let address = node.text(1).and_then(|address| read_address(&address, out));
    let labels = read_labels(node, out);
    let pairs: Vec<_> = node.all("set").filter_map(|set| Some((plain_name(set.text(0), "a setting", out)?, set.text(1)?))).collect();
    unique(pairs.iter().map(|(key, _)| key), "settings of a host", out);
    let settings = pairs.into_iter().map(|(key, value)| (key.value, value.value)).collect();
    plain.then_some(HostDecl { name, address: address?, labels, settings })
}

fn read_address(address: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<Spanned<HostAddress>> {
    let ssh = |text: &str| {
        url::Url::parse(text).is_ok_and(|url| url.host().is_some() && matches!(url.path(), "" | "/") && url.password().is_none())
    };
    let read = match address.split_once(':') {
        Some(("file", path)) if !path.is_empty() && !path.starts_with("//") => Some(HostAddress::Local(path.to_owned())),
        Some(("ssh", _)) if ssh(address) => Some(HostAddress::Ssh(address.value.clone())),
        _ => None,
    };
    if read.is_none() {
        let mistake = Mistake::new("relrun::manifest::address", address.span, format!("`{}` is no address of a host", address.value));
        out.push(mistake.help("write `ssh://user@host:port` without a password, or `file:PATH` for a directory of this machine"));
    }
    read.map(|read| Spanned::new(read, address.span))
}

pub(super) fn read_gates(node: &Node, out: &mut Vec<Mistake>) -> Vec<Gate> {
    let read = |child: &Node| {
        let not_author = child.prop_bool("not-author").unwrap_or_default();
        Some(Gate { name: plain_name(child.text(0), "a gate", out)?, not_author })
    };
    let gates: Vec<_> = node.all("approval").filter_map(read).collect();
    unique(gates.iter().map(|gate| &gate.name), "gates", out);
    gates
}
