//! Policy, in a `policy.kdl` and as `policy` of the project's `relrun.kdl`: which plugins run, what may be granted and used, who approves, when
//! nothing is deployed.

use super::phase::read_selector;
use super::tree::Node;
use super::{checked, step, supply, unique, words};
use crate::freeze::{self, Freeze};
use crate::{
    Approvers, Bound, ClaimRule, Diagnostics, Mistake, PackageSigners, PluginRule, Policy, Spanned, StepBounds, TokenRule, Trust, nearest,
};

/// Parses a `policy.kdl`.
///
/// # Errors
/// Every mistake in the file, at once: a policy that does not parse is an error, never a fallback.
pub fn parse_policy(file_name: &str, text: &str) -> Result<Policy, Diagnostics> {
    let mut mistakes = Vec::new();
    let policy = checked(text, words::POLICY_LINES, &mut mistakes).map(|nodes| read(&nodes, file_name, &mut mistakes));
    match policy {
        Some(policy) if mistakes.is_empty() => Ok(policy),
        _ => Err(Diagnostics::new(file_name, text, mistakes)),
    }
}

/// Reads the lines of a policy. `from` is the file that they stand in.
pub(super) fn read(nodes: &[Node], from: &str, out: &mut Vec<Mistake>) -> Policy {
    let named = |name: &'static str| nodes.iter().filter(move |node| node.name.value == name);
    let mut policy = Policy::default();
    let allow = named("allow").map(|allow| step::read_grants(&allow.children, out).into_iter().map(|line| line.value).collect());
    policy.allow = allow.map(|says| Bound { from: from.to_owned(), says }).collect();
    let trusts: Vec<(Spanned<String>, Trust)> = named("trust").filter_map(|child| supply::read_trust(child, out)).collect();
    unique(trusts.iter().map(|(name, _)| name), "lists of keys named", out);
    let rules: Vec<PluginRule> = named("plugin").filter_map(|child| supply::read_plugin(child, &trusts, out)).collect();
    let bundles = named("bundle").filter_map(|child| supply::read_bundle(child, &trusts, out));
    policy.bundles = bundles.map(|says| Bound { from: from.to_owned(), says }).collect();
    let revoked = named("revoke").map(|child| supply::read_revoke(child, out));
    policy.revoked = revoked.map(|says| Bound { from: from.to_owned(), says }).collect();
    if !rules.is_empty() {
        policy.plugins.push(Bound { from: from.to_owned(), says: rules });
    }
    policy.limits = named("limits").map(|child| Bound { from: from.to_owned(), says: read_bounds(child, out) }).collect();
    policy.approvers = named("approvers").filter_map(|child| read_approvers(child, out)).collect();
    policy.packages = named("packages").filter_map(|child| read_packages(child, out)).collect();
    policy.freezes = named("freeze").filter_map(|child| read_freeze(child, out)).collect();
    unique(policy.approvers.iter().map(|approvers| &approvers.gate), "lists of approvers for", out);
    for word in named("refuse").flat_map(Node::texts) {
        match word.as_str() {
            "unconfined" => policy.refuse_unconfined = Some(from.to_owned()),
            "in-place" => policy.refuse_in_place = Some(from.to_owned()),
            other => {
                let mistake = Mistake::new("relrun::manifest::policy", word.span, format!("a policy cannot refuse `{other}`"));
                out.push(mistake.help(match nearest(other, ["unconfined", "in-place"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "it can refuse `unconfined` and `in-place`; what it does not `allow` is refused anyway".to_owned(),
                }));
            }
        }
    }
    policy
}

fn read_bounds(node: &Node, out: &mut Vec<Mistake>) -> StepBounds {
    let timeout = node.prop_text("timeout").and_then(|text| step::read_duration(&text, out));
    StepBounds { timeout, limits: step::read_limits(node, out) }
}

/// The gate is its name, wherever it stands, or `PLACE/NAME` for one of them.
fn read_approvers(node: &Node, out: &mut Vec<Mistake>) -> Option<Approvers> {
    let gate = node.text(0)?;
    if gate.split('/').count() > 2 || !gate.split('/').all(crate::text::is_plain_name) {
        let mistake = Mistake::new("relrun::manifest::gate", gate.span, format!("`{}` is no gate", gate.value));
        out.push(
            mistake.help("write its name, `\"release-managers\"`, or with the environment or phase, `\"production/release-managers\"`"),
        );
    }
    let signers = node.prop_text("signers");
    if let Some(signers) = &signers {
        check_file(signers, out);
    }
    let principals: Vec<Spanned<String>> = node.all("principal").flat_map(Node::texts).collect();
    if let Some(principal) = principals.first().filter(|_| signers.is_none()) {
        let mistake =
            Mistake::new("relrun::manifest::signers", principal.span, "a principal is one of a file of allowed signers, and none is named");
        out.push(mistake.help("say `signers=\"FILE\"`; of an ID token, `claim` says whose it must be"));
    }
    if signers.is_none() && node.child("token").is_none() {
        let mistake = Mistake::new("relrun::manifest::signers", node.span, "nobody could pass this gate");
        out.push(mistake.help("say `signers=\"ops/allowed_signers\"`, or name a `token \"ISSUER\" audience=\"…\" { claim … }`"));
    }
    let tokens = node.all("token").filter_map(|child| read_token(child, out)).collect();
    let principals = principals.into_iter().map(|principal| principal.value).collect();
    Some(Approvers { gate, signers: signers.map(|signers| signers.value), principals, tokens })
}

fn read_packages(node: &Node, out: &mut Vec<Mistake>) -> Option<PackageSigners> {
    let packages = node.text(0)?;
    let signers = node.prop_text("signers")?;
    check_file(&signers, out);
    let principals = node.all("principal").flat_map(Node::texts).map(|principal| principal.value).collect();
    Some(PackageSigners { packages, signers: signers.value, principals })
}

fn check_file(signers: &Spanned<String>, out: &mut Vec<Mistake>) {
    if signers.value.is_empty() {
        let mistake = Mistake::new("relrun::manifest::signers", signers.span, "there is no file without a name");
        out.push(mistake.help("name a file of allowed signers, as git and ssh-keygen read it, relative to the project's root"));
    }
}

/// An issuer signs for everybody that it knows: without a claim that narrows it, anybody's token would do.
fn read_token(node: &Node, out: &mut Vec<Mistake>) -> Option<TokenRule> {
    let issuer = node.text(0)?;
    if !is_issuer(&issuer) {
        let mistake = Mistake::new("relrun::manifest::token", issuer.span, format!("`{}` issues no tokens", issuer.value));
        out.push(mistake.help("write the issuer's address as it stands in `iss`, with `https://`, such as `https://gitlab.example.com`"));
    }
    let audience = node.prop_text("audience")?;
    let claims: Vec<ClaimRule> = node
        .all("claim")
        .filter_map(|claim| Some(ClaimRule { name: claim.text(0)?, values: claim.texts().skip(1).map(|value| value.value).collect() }))
        .collect();
    if claims.is_empty() {
        let mistake = Mistake::new("relrun::manifest::token", node.span, format!("any token of {} would pass", issuer.value));
        out.push(mistake.help("say whose it must be: `claim \"repository\" \"acme/shop\"`"));
    }
    unique(claims.iter().map(|claim| &claim.name), "claims named", out);
    let text = |name| node.prop_text(name).map(|text| text.value);
    Some(TokenRule {
        issuer,
        audience: audience.value,
        keys: text("keys"),
        ca: text("ca"),
        principal: text("as").unwrap_or_else(|| "sub".to_owned()),
        claims,
    })
}

/// Over plain HTTP only this very machine is believed.
fn is_issuer(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else { return false };
    let is_here = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return false,
    };
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    is_plain && (url.scheme() == "https" || url.scheme() == "http" && is_here)
}

fn read_freeze(node: &Node, out: &mut Vec<Mistake>) -> Option<Freeze> {
    let environments = node.prop_text("environments").map(|text| read_selector(&text, out).map(|selector| selector.value));
    let timezone = node.prop_text("timezone");
    let (from, to) = (node.text(0)?, node.text(1)?);
    let zone = timezone.as_ref().map_or("UTC", |name| name.as_str());
    match freeze::Window::read(&from, &to, zone) {
        Ok(window) => {
            Some(Freeze { window, environments: environments.flatten(), reason: node.prop_text("reason").map(|text| text.value) })
        }
        Err(wrong) => {
            let (place, what, help) = match wrong {
                freeze::Wrong::From => (&from, "no moment", MOMENTS),
                freeze::Wrong::To => (&to, "no moment", MOMENTS),
                freeze::Wrong::Mixed => (&to, "not of the same kind as the beginning", "give two weekdays with times, or two dates"),
                freeze::Wrong::Order => (&to, "not after the beginning", "give the beginning first"),
                freeze::Wrong::Zone => {
                    let place: &Spanned<String> = timezone.as_ref().unwrap_or(&from);
                    (place, "no time zone", "write one of the IANA database, like `Europe/Berlin`; without one it is UTC")
                }
            };
            out.push(Mistake::new("relrun::manifest::freeze", place.span, format!("`{}` is {what}", place.value)).help(help));
            None
        }
    }
}

const MOMENTS: &str = "write a weekday and a time, `\"Fri 16:00\"`, which comes each week, or a date, `\"2026-12-20\"`, `\"2026-12-20 18:00\"`, `\"2026-12-20T18:00:00Z\"`";
