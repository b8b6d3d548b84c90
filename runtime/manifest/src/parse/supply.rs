//! The lines of a policy that say which plugins run, who must have signed them, and whom nobody believes any more.

use super::tree::{Node, Value};
use crate::{BundleRule, Mistake, PluginRule, PolicyKey, Revocation, Spanned, Trust, nearest};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The lists of keys of one file: what it says holds for itself alone, so that no file can change what another means.
type Trusts = [(Spanned<String>, Trust)];

pub(super) fn read_trust(node: &Node, out: &mut Vec<Mistake>) -> Option<(Spanned<String>, Trust)> {
    let name = super::plain_name(node.text(0), "a list of keys", out)?;
    let keys: Vec<PolicyKey> = node.all("key").filter_map(|child| read_key(child, out)).collect();
    if node.child("key").is_none() {
        let mistake = Mistake::new("relrun::manifest::trust", node.span, format!("nobody could sign for `{}`", name.value));
        out.push(mistake.help("name a key: `key \"RW…\"`, as `relrun plugin key new FILE` prints it"));
    }
    let trust = Trust { name: name.value.clone(), keys };
    Some((name, trust))
}

fn read_key(node: &Node, out: &mut Vec<Mistake>) -> Option<PolicyKey> {
    let key = node.text(0)?;
    let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/');
    if !(key.starts_with("RW") && key.len() == 56 && letters(&key)) {
        let mistake = Mistake::new("relrun::manifest::key", key.span, format!("`{}` is no public key", key.value));
        out.push(mistake.help("write the second line of a `.pub` file of minisign's: 56 letters that begin with `RW`"));
        return None;
    }
    let mut time = |name: &str| node.prop_text(name).and_then(|text| read_time(&text, out));
    Some(PolicyKey { key: key.value.clone(), from: time("from"), until: time("until") })
}

fn read_time(text: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<Timestamp> {
    let midnight = |text: &str| text.parse::<jiff::civil::Date>().map(DateTime::from).ok();
    let day = || midnight(text).and_then(|time| time.to_zoned(TimeZone::UTC).ok()).map(|time| time.timestamp());
    let found = text.parse::<Timestamp>().ok().or_else(day);
    if found.is_none() {
        let mistake = Mistake::new("relrun::manifest::time", text.span, format!("`{}` is no time", text.value));
        out.push(mistake.help("write a date, `2027-01-01`, which is its first moment in UTC, or a time, `2027-01-01T08:00:00Z`"));
    }
    found
}

pub(super) fn read_plugin(node: &Node, trusts: &Trusts, out: &mut Vec<Mistake>) -> Option<PluginRule> {
    let from = node.text(0)?;
    let text = |name: &str| node.prop_text(name).map(|text| text.value);
    let rule = PluginRule {
        from: from.value.clone(),
        signers: text("signers"),
        signed_by: node.prop_text("signed-by").map(|name| trust_of(&name, trusts, out)),
        bundle: text("bundle"),
    };
    let known = ["bundled", "bundle:", "file:", "oci://", "https://", "*"];
    if !known.iter().any(|known| from.starts_with(known)) {
        let mistake = Mistake::new("relrun::manifest::policy", from.span, format!("no plugin comes from `{}`", from.value));
        out.push(mistake.help("write `bundled`, `bundled:NAME`, `bundle:NAME/*`, `file:./plugins/*`, `oci://HOST/*` or `https://HOST/*`"));
    }
    if from.starts_with("bundled") && (rule.signers.is_some() || rule.signed_by.is_some() || rule.bundle.is_some()) {
        let mistake = Mistake::new("relrun::manifest::policy", from.span, "what is bundled is part of relrun, and signed by nobody else");
        out.push(mistake.help("leave `signers`, `signed-by` and `bundle` out of this line"));
    }
    Some(rule)
}

/// A name that stands for no keys is a mistake, and until it is mended a list of none, which lets nothing pass.
fn trust_of(name: &Spanned<String>, trusts: &Trusts, out: &mut Vec<Mistake>) -> Trust {
    if let Some((_, trust)) = trusts.iter().find(|(known, _)| known.value == name.value) {
        return trust.clone();
    }
    let mistake = Mistake::new("relrun::manifest::trust", name.span, format!("there is no `trust \"{}\"` in this file", name.value));
    out.push(mistake.help(match nearest(&name.value, trusts.iter().map(|(known, _)| known.value.as_str())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add it: `trust \"{}\" {{ key \"RW…\" }}`", name.value),
    }));
    Trust { name: name.value.clone(), keys: Vec::new() }
}

pub(super) fn read_bundle(node: &Node, trusts: &Trusts, out: &mut Vec<Mistake>) -> Option<BundleRule> {
    let name = node.text(0)?;
    let signed_by = node.prop_text("signed-by")?;
    let at_least = match node.prop("at-least").map(|value| &value.value) {
        Some(Value::Integer(number)) => u64::try_from(*number).unwrap_or_default(),
        _ => 0,
    };
    Some(BundleRule { name: name.value, signed_by: trust_of(&signed_by, trusts, out), at_least })
}

/// A line that is not understood would revoke nothing, and nobody would notice.
pub(super) fn read_revoke(node: &Node, out: &mut Vec<Mistake>) -> Revocation {
    let what: Vec<Spanned<String>> = node.texts().collect();
    for text in &what {
        let hex = |text: &str, count: usize, upper: bool| {
            let known =
                |byte: u8| byte.is_ascii_digit() || if upper { (b'A'..=b'F').contains(&byte) } else { (b'a'..=b'f').contains(&byte) };
            text.len() == count && text.bytes().all(known)
        };
        if !(hex(text, 16, true) || text.strip_prefix("blake3:").is_some_and(|digits| hex(digits, 64, false))) {
            let mistake =
                Mistake::new("relrun::manifest::revoke", text.span, format!("`{}` is neither a key's id nor a component", text.value));
            out.push(mistake.help("write the id of a key, 16 hexadecimal digits as `relrun plugin key id` prints them, or `blake3:…`"));
        }
    }
    let reason = node.prop_text("reason").map(|reason| reason.value);
    Revocation { what: what.into_iter().map(|text| text.value).collect(), reason }
}
