//! `policy` of the project's `relrun.kdl`: what may be granted, who approves, when nothing is deployed.

use super::phase::read_selector;
use super::tree::Node;
use super::{step, unique};
use crate::freeze::{self, Freeze};
use crate::{Approvers, Mistake, Policy, Spanned, nearest};

pub(super) fn read(node: &Node, out: &mut Vec<Mistake>) -> Policy {
    let allow = node.child("allow").map(|allow| step::read_grants(&allow.children, out).into_iter().map(|line| line.value).collect());
    let mut policy = Policy { allow, ..Policy::default() };
    policy.approvers = node.all("approvers").filter_map(|child| read_approvers(child, out)).collect();
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
    let signers = node.prop_text("signers")?;
    if signers.value.is_empty() {
        let mistake = Mistake::new("relrun::manifest::signers", signers.span, "there is no file without a name");
        out.push(mistake.help("name a file of allowed signers, as git and ssh-keygen read it, relative to the project's root"));
    }
    let principals = node.all("principal").flat_map(Node::texts).map(|principal| principal.value).collect();
    Some(Approvers { gate, signers: signers.value, principals })
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
