//! Whether an approval counts: who may pass a gate, and what a signature under it says.
//!
//! Where policy takes ID tokens, the claims that were recorded are looked at with the policy as it is now. What was signed is made anew of the release and the event each time, and looked at with the allowed signers as they are now: a ledger that was
//! edited, or a key that was taken out since, opens nothing.

mod seal;
mod signers;
mod token;

use crate::{EngineError, Workspace};
use relrun_ledger::{Approval, Claims, Digest, Release, Signature};
use relrun_manifest::{Approvers, Environment, Phase};
pub(crate) use seal::{sign, sign_bytes};
use signers::Signers;
use ssh_key::{HashAlg, SshSig};
use std::collections::BTreeSet;
pub(crate) use token::{ask_for, verify as verify_token};

/// What SSH signatures under approvals are made for; one that was made for anything else is none.
pub(crate) const NAMESPACE: &str = "relrun-approval";

/// What keys of allowed signers sign provenances for.
pub(crate) const PROVENANCE: &str = "relrun-provenance";

/// A gate of an environment or a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    /// `ENVIRONMENT/NAME` or `PHASE/NAME`.
    pub(crate) name: String,
    /// Whether whoever made the release may not pass it.
    pub(crate) not_author: bool,
}

/// Returns the gates before a phase in an environment.
pub(crate) fn gates(environment: &Environment, phase: &Phase) -> Vec<Gate> {
    let mut gates = named(&environment.name.value, &environment.gates);
    for gate in gates_of_phase(phase) {
        match gates.iter_mut().find(|known| known.name == gate.name) {
            Some(known) => known.not_author |= gate.not_author,
            None => gates.push(gate),
        }
    }
    gates
}

/// Returns the gates of a phase alone.
pub(crate) fn gates_of_phase(phase: &Phase) -> Vec<Gate> {
    named(&phase.name.value, &phase.gates)
}

fn named(place: &str, gates: &[relrun_manifest::Gate]) -> Vec<Gate> {
    gates.iter().map(|gate| Gate { name: format!("{place}/{}", gate.name.value), not_author: gate.not_author }).collect()
}

/// What somebody says who passes a gate.
pub(crate) struct Said<'a> {
    pub(crate) gate: &'a str,
    pub(crate) comment: Option<&'a str>,
    pub(crate) plan: Option<Digest>,
}

/// Returns the text that is signed: one line a fact, so that a person can read what the signature is for.
pub(crate) fn text(workspace: &Workspace, release: &Release, said: &Said<'_>) -> Result<String, EngineError> {
    let start = &release.start;
    let place = said.gate.split('/').next().unwrap_or_default();
    let here = |decl: &&relrun_ledger::StepDecl| decl.environment.as_deref() == Some(place) || decl.phase == place;
    let environments: BTreeSet<&str> = start.steps.iter().filter(here).filter_map(|decl| decl.environment.as_deref()).collect();
    let environments: Vec<&str> = environments.into_iter().collect();
    // Quoted as JSON, a comment cannot look like a line of its own.
    let comment = said.comment.map_or_else(|| "-".to_owned(), |comment| serde_json::Value::from(comment).to_string());
    Ok(format!(
        "relrun approval 1\nledger: {}\npackage: {}\nrelease: {}\nversion: {}\nidentity: {}\nmanifest: {}\ngate: {}\nenvironments: {}\nplan: {}\ncomment: {comment}\n",
        workspace.runs.ledger_id()?,
        start.package,
        start.release,
        start.version,
        start.identity,
        start.manifest,
        said.gate,
        environments.join(" "),
        said.plan.map_or_else(|| "-".to_owned(), |plan| plan.to_string()),
    ))
}

/// Returns who approves a gate, where policy names them. A line for the very gate counts before one for its name.
pub(crate) fn approvers<'a>(workspace: &'a Workspace, gate: &str) -> Option<&'a Approvers> {
    let all = &workspace.project.policy.approvers;
    let name = gate.split('/').next_back().unwrap_or(gate);
    all.iter().find(|approvers| approvers.gate.value == gate).or_else(|| all.iter().find(|approvers| approvers.gate.value == name))
}

/// Says whether an approval counts now, or why it does not.
pub(crate) fn counts(workspace: &Workspace, release: &Release, gate: &Gate, approval: &Approval) -> Result<(), String> {
    let Some(approvers) = approvers(workspace, &gate.name) else {
        return if gate.not_author { other_than_author(release, &approval.actor.user, None) } else { Ok(()) };
    };
    if let Some(claims) = &approval.claims {
        token::still_holds(approvers, claims)?;
        return if gate.not_author { other_than_author(release, &claims.principal, Some(claims)) } else { Ok(()) };
    }
    let signature = approval.signature.as_ref().ok_or("policy asks for a signature or an ID token, and it has neither")?;
    let said = Said { gate: &gate.name, comment: approval.comment.as_deref(), plan: approval.plan };
    let text = text(workspace, release, &said).map_err(|error| error.to_string())?;
    let read = verify(workspace, approvers, &text, &signature.text)?;
    if gate.not_author { other_than_author(release, &read.principal, None) } else { Ok(()) }
}

/// Refuses whoever made the release: by the user's name, or by a principal that is it or begins with it before an `@`. Where a CI job made it, that is
/// whoever started the job; where nobody knows who did, it is everybody.
pub(crate) fn other_than_author(release: &Release, who: &str, claims: Option<&Claims>) -> Result<(), String> {
    let subject = claims.and_then(|claims| claims.claims.get("sub")?.as_str());
    if subject == Some(who) {
        return Err("this gate is for somebody else than the author (`not-author`), and the token's `sub` names a job: let policy's `token` line say `as=`, a claim that names a person".to_owned());
    }
    let (actor, made) = (&release.start.actor, release.start.release);
    let is_author =
        |author: &str| who.eq_ignore_ascii_case(author) || who.split('@').next().is_some_and(|user| user.eq_ignore_ascii_case(author));
    if let Some(author) = std::iter::once(&actor.user).chain(&actor.person).find(|author| is_author(author)) {
        return Err(format!("{author}@{} made {made}, and this gate is for somebody else (`not-author`)", actor.host));
    }
    match (&actor.job, &actor.person) {
        (Some(job), None) => Err(format!(
            "{made} was made by the job {job}, and nobody knows who started that; this gate is for somebody else (`not-author`)"
        )),
        _ => Ok(()),
    }
}

/// Looks at a signature with the allowed signers as they are now. Returns it with whose it is.
pub(crate) fn verify(workspace: &Workspace, approvers: &Approvers, text: &str, signature: &str) -> Result<Signature, String> {
    let name = approvers.signers.as_deref().ok_or("policy names nobody who signs for this gate: it takes an ID token alone")?;
    let signed = Signed {
        namespace: NAMESPACE,
        bytes: text.as_bytes(),
        signature,
        kind: "an approval",
        what: "this release, gate, comment and plan",
    };
    let (principal, key) = signed.by(workspace, name, &approvers.principals)?;
    Ok(Signature { principal, key, text: signature.trim().to_owned() + "\n" })
}

/// Returns who signed some bytes, of those that a file of allowed signers names.
pub(crate) fn signed_by(workspace: &Workspace, signers: &str, namespace: &str, bytes: &[u8], signature: &str) -> Result<String, String> {
    Signed { namespace, bytes, signature, kind: "a plugin", what: "this component" }
        .by(workspace, signers, &[])
        .map(|(principal, _)| principal)
}

/// Something signed.
struct Signed<'s> {
    namespace: &'s str,
    bytes: &'s [u8],
    signature: &'s str,
    /// What kind of thing it is, and which one, for people.
    kind: &'s str,
    what: &'s str,
}

impl Signed<'_> {
    /// Looks at the signature with the allowed signers as they are now. Returns whose it is, and the key's fingerprint.
    fn by(&self, workspace: &Workspace, name: &str, wanted: &[String]) -> Result<(String, String), String> {
        let namespace = self.namespace;
        let parsed = SshSig::from_pem(self.signature).map_err(|error| format!("it is no SSH signature: {error}"))?;
        if parsed.namespace() != namespace {
            return Err(format!("it was signed for `{}`, and {} is signed for `{namespace}`", parsed.namespace(), self.kind));
        }
        let key = ssh_key::PublicKey::from(parsed.public_key().clone());
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let signers = signers_in(workspace, name)?;
        let principal = signers
            .principal(key.key_data(), namespace, workspace.now, wanted)
            .map_err(|why| format!("{name} {why}").replace("{key}", &fingerprint))?;
        if !seal::holds(&parsed, namespace, self.bytes)? {
            return Err(format!("the signature of {principal} is for something else than {}", self.what));
        }
        Ok((principal, fingerprint))
    }
}

fn signers_in(workspace: &Workspace, file: &str) -> Result<Signers, String> {
    let lines = std::fs::read_to_string(workspace.root.join(file)).map_err(|error| format!("{file} cannot be read: {error}"))?;
    Signers::read(&lines).map_err(|wrong| format!("{file}:{wrong}"))
}

/// Returns whose signature is over these bytes, among the allowed signers of a file as they are now.
pub(crate) fn signer_of(
    workspace: &Workspace,
    (file, principals): (&str, &[String]),
    namespace: &str,
    bytes: &[u8],
    signature: &[u8],
) -> Result<String, String> {
    let signers = signers_in(workspace, file)?;
    let Some(key) = signers.keys().find(|key| seal::holds_bytes(key, bytes, signature)) else {
        return Err(format!("none of the keys of {file} signed it"));
    };
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    let principal = signers.principal(key, namespace, workspace.now, principals);
    principal.map_err(|why| format!("{file} {why}").replace("{key}", &fingerprint))
}

/// Whether a name fits a pattern, in which `*` stands for any run of characters and `?` for one.
pub(crate) fn matches_pattern(pattern: &str, name: &str) -> bool {
    signers::matches(pattern.as_bytes(), name.as_bytes())
}
