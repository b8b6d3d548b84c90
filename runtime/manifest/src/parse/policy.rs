//! `policy` of the project's `relrun.kdl`: what may be granted, who approves, when nothing is deployed.

use super::phase::read_selector;
use super::tree::Node;
use super::{step, unique};
use crate::freeze::{self, Freeze};
use crate::{Approvers, ClaimRule, Mistake, PackageSigners, Policy, Spanned, TokenRule, nearest};

pub(super) fn read(node: &Node, out: &mut Vec<Mistake>) -> Policy {
    let allow = node.child("allow").map(|allow| step::read_grants(&allow.children, out).into_iter().map(|line| line.value).collect());
    let mut policy = Policy { allow, ..Policy::default() };
    policy.approvers = node.all("approvers").filter_map(|child| read_approvers(child, out)).collect();
    policy.packages = node.all("packages").filter_map(|child| read_packages(child, out)).collect();
    policy.freezes = node.all("freeze").filter_map(|child| read_freeze(child, out)).collect();
    unique(policy.approvers.iter().map(|approvers| &approvers.gate), "lists of approvers for", out);
    for word in node.all("refuse").flat_map(Node::texts) {
        match word.as_str() {
            "unconfined" => policy.refuse_unconfined = true,
            "in-place" => policy.refuse_in_place = true,
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
