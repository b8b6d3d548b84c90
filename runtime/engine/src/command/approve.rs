//! `approve`: a person passes a gate that a release waits at, with a signature where policy asks for one.

use super::{Taken, find, read};
use crate::approval::{self, Gate, NAMESPACE, Said};
use crate::plan::Plan;
use crate::{EngineError, Loaded, Source, Workspace};
use relrun_ledger::{Claims, Digest, Event, Release, ReleaseId, RunKind, Signature, Status, Verdict};
use relrun_manifest::Approvers;
use std::time::Duration;

/// What is asked of `approve`.
#[derive(Clone, Debug)]
pub struct ApprovalRequest {
    /// The release.
    pub release: ReleaseId,
    /// The gate: `PLACE/NAME`, or the part of it that is clear.
    pub gate: String,
    /// What is said with it.
    pub comment: Option<String>,
    /// The saved plan that was looked at: its file's text.
    pub plan: Option<String>,
    /// What proves who it is.
    pub proof: Proof,
}

/// What proves who passes a gate.
#[derive(Clone, Debug)]
pub enum Proof {
    /// Nothing but the user's name.
    Nothing,
    /// A private key in OpenSSH's form: it is used to sign, and not kept.
    Key(String),
    /// A signature that `ssh-keygen -Y sign` made.
    Signature(String),
    /// An ID token.
    Token(TokenFrom),
    /// An ID token that happens to be at hand: it is shown where policy takes one, and else counts for nothing.
    Offered(TokenFrom),
}

/// Where an ID token comes from.
#[derive(Clone)]
pub enum TokenFrom {
    /// It is at hand.
    Given(String),
    /// GitHub Actions gives one for an audience.
    Actions {
        /// Whom to ask.
        url: String,
        /// What the job proves itself with.
        bearer: String,
    },
}

/// Tokens are shown to nobody.
impl std::fmt::Debug for TokenFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Given(_) => "Given",
            Self::Actions { .. } => "Actions",
        })
    }
}

/// What proved who passed a gate.
enum Proved {
    Nothing,
    Signature(Signature),
    Claims(Claims),
}

/// Returns what is to be signed.
pub fn approval_text(workspace: &Workspace, package: &str, request: &ApprovalRequest) -> Result<String, EngineError> {
    let id = find(workspace, package, Some(request.release))?;
    let release = read(workspace, package, id)?;
    let gate = named(&release, &request.gate)?;
    let plan = plan_digest(&release, request.plan.as_deref())?;
    approval::text(workspace, &release, &Said { gate: &gate, comment: request.comment.as_deref(), plan })
}

/// Passes a gate. Returns it with its whole name.
pub async fn approve(workspace: &Workspace, loaded: &Loaded, request: &ApprovalRequest) -> Result<String, EngineError> {
    let package = loaded.manifest.package.name.value.to_string();
    let id = find(workspace, &package, Some(request.release))?;
    let taken = Taken::take_up_blocked(workspace, &package, id, &Duration::ZERO.into())?;
    let name = named(&taken.release, &request.gate)?;
    let plan = plan_digest(&taken.release, request.plan.as_deref())?;
    let gate = Gate { not_author: is_for_others(workspace, loaded, &taken.release, &name)?, name };
    let proved = prove(workspace, &taken.release, &gate, plan, request).await?;
    let who = match &proved {
        Proved::Nothing => &workspace.actor.user,
        Proved::Signature(signature) => &signature.principal,
        Proved::Claims(claims) => &claims.principal,
    };
    if gate.not_author {
        let claims = if let Proved::Claims(claims) = &proved { Some(claims) } else { None };
        approval::other_than_author(&taken.release, who, claims)
            .map_err(|why| EngineError::input(why, format!("ask somebody else to type `relrun approve {id} {}`", gate.name)))?;
    }
    let left: Vec<String> = waiting(&taken.release).into_iter().filter(|what| what.strip_prefix("approve ") != Some(&gate.name)).collect();
    let (signature, claims) = match proved {
        Proved::Nothing => (None, None),
        Proved::Signature(signature) => (Some(Box::new(signature)), None),
        Proved::Claims(claims) => (None, Some(Box::new(claims))),
    };
    let mut journal = taken.journal(workspace, RunKind::Settle)?;
    journal.note(Event::Approved {
        gate: gate.name.clone(),
        actor: workspace.actor.clone(),
        comment: request.comment.clone(),
        plan,
        signature,
        claims,
    })?;
    let on = if left.is_empty() { vec!["continue".to_owned()] } else { left };
    journal.note(Event::RunEnded { verdict: Verdict::Waiting { on } })?;
    journal.flush_with_summary()?;
    Ok(gate.name)
}

fn waiting(release: &Release) -> Vec<String> {
    match &release.status {
        Status::Ended(Verdict::Waiting { on }) => on.clone(),
        _ => Vec::new(),
    }
}

/// Finds the gate that is meant: by its whole name, its own, or its place's.
fn named(release: &Release, asked: &str) -> Result<String, EngineError> {
    let id = release.start.release;
    let waiting = waiting(release);
    let gates: Vec<&str> = waiting.iter().filter_map(|what| what.strip_prefix("approve ")).collect();
    if let Some(whole) = gates.iter().find(|gate| **gate == asked) {
        return Ok((*whole).to_owned());
    }
    let meant: Vec<&str> = gates.iter().copied().filter(|gate| gate.split('/').any(|part| part == asked)).collect();
    match meant.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => {
            let help =
                if gates.is_empty() { "type `relrun status`".to_owned() } else { format!("it waits for {}", crate::text::join(&gates)) };
            Err(EngineError::input(format!("{id} does not wait for a gate \"{asked}\""), help))
        }
        several => {
            let message = format!("\"{asked}\" is not clear: {id} waits for {}", crate::text::join(several));
            Err(EngineError::input(message, format!("name one of them: `relrun approve {id} {}`", several[0])))
        }
    }
}

/// Whether the gate is for others than the author, as the release's manifest and the environments of today have it.
fn is_for_others(workspace: &Workspace, now: &Loaded, release: &Release, gate: &str) -> Result<bool, EngineError> {
    let text = String::from_utf8_lossy(&workspace.blobs.get(release.start.manifest)?).into_owned();
    let mut then = Loaded::new(workspace, Source::new(now.name.clone(), now.directory.clone(), text))?;
    then.take_environments(now, super::recorded_environments(workspace, release)?);
    let gates = then.environments.iter().flat_map(|environment| then.manifest.phases.iter().map(move |phase| (environment, phase)));
    Ok(gates.flat_map(|(environment, phase)| approval::gates(environment, phase)).any(|known| known.name == gate && known.not_author))
}

/// Returns the digest of a saved plan, which must be of this very release.
fn plan_digest(release: &Release, plan: Option<&str>) -> Result<Option<Digest>, EngineError> {
    let Some(text) = plan else { return Ok(None) };
    let plan: Plan = serde_json::from_str(text)
        .map_err(|error| EngineError::input(format!("this is no saved plan: {error}"), "make one: `relrun plan --out FILE`"))?;
    if plan.identity != release.start.identity {
        let message = format!("the plan is not of {}: another manifest, input, plugin or file", release.start.release);
        return Err(EngineError::input(message, "name the plan that the release was applied from"));
    }
    Ok(Some(Digest::of(text.as_bytes())))
}

/// Returns a signature or the claims of an ID token that count, where policy asks for one.
async fn prove(
    workspace: &Workspace,
    release: &Release,
    gate: &Gate,
    plan: Option<Digest>,
    request: &ApprovalRequest,
) -> Result<Proved, EngineError> {
    let Some(approvers) = approval::approvers(workspace, &gate.name) else {
        return match request.proof {
            Proof::Nothing | Proof::Offered(_) => Ok(Proved::Nothing),
            Proof::Key(_) | Proof::Signature(_) | Proof::Token(_) => Err(EngineError::input(
                format!("nobody could tell whose word it is: policy names no approvers of {}", gate.name),
                format!("name them in relrun.kdl: policy {{ approvers \"{}\" signers=\"FILE\" }}", gate.name),
            )),
        };
    };
    let help = how_to_prove(release.start.release, gate, approvers, request);
    match &request.proof {
        Proof::Token(_) if approvers.tokens.is_empty() => {
            Err(EngineError::input(format!("policy takes no ID token for {}", gate.name), help))
        }
        Proof::Token(from) | Proof::Offered(from) if !approvers.tokens.is_empty() => {
            let refused = |why: String| EngineError::input(format!("the ID token does not count: {why}"), help.clone());
            let token = approval::ask_for(approvers, from).await.map_err(refused)?;
            approval::verify_token(workspace, approvers, &token).await.map(Proved::Claims).map_err(refused)
        }
        Proof::Key(_) | Proof::Signature(_) => {
            let text = approval::text(workspace, release, &Said { gate: &gate.name, comment: request.comment.as_deref(), plan })?;
            let signed = match &request.proof {
                Proof::Key(key) => {
                    approval::sign(key, &text).map_err(|why| EngineError::input(format!("this key does not sign: {why}"), help.clone()))?
                }
                Proof::Signature(text) => text.clone(),
                _ => String::new(),
            };
            let signature = approval::verify(workspace, approvers, &text, &signed);
            signature.map(Proved::Signature).map_err(|why| EngineError::input(format!("the signature does not count: {why}"), help))
        }
        Proof::Nothing | Proof::Token(_) | Proof::Offered(_) => {
            let what = match (approvers.signers.is_some(), approvers.tokens.is_empty()) {
                (true, true) => "a signature",
                (true, false) => "a signature or an ID token",
                (false, _) => "an ID token",
            };
            Err(EngineError::input(format!("{} is passed with {what} alone", gate.name), help))
        }
    }
}

/// Says what to type, for whatever policy takes.
fn how_to_prove(id: ReleaseId, gate: &Gate, approvers: &Approvers, request: &ApprovalRequest) -> String {
    let token = || {
        let rule = approvers.tokens.first();
        let audience = rule.map_or("", |rule| &rule.audience);
        format!(
            "in a CI job, for the audience \"{audience}\": on GitHub with `permissions: id-token: write`, on GitLab with `id_tokens: RELRUN_ID_TOKEN: aud: {audience}`, \
             elsewhere with `relrun approve {id} {} --token env:NAME`",
            gate.name
        )
    };
    match (approvers.signers.is_some(), approvers.tokens.is_empty()) {
        (true, true) => how_to_sign(id, gate, request),
        (true, false) => format!("{}\nor {}", how_to_sign(id, gate, request), token()),
        (false, _) => token(),
    }
}

/// Returns the exact commands: an agent's key, a passphrase and a hardware key all work with them.
fn how_to_sign(id: ReleaseId, gate: &Gate, request: &ApprovalRequest) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let comment = request.comment.as_deref().map_or_else(String::new, |comment| format!(" --comment {}", quoted(comment)));
    let plan = if request.plan.is_some() { " --plan FILE" } else { "" };
    let approve = format!("relrun approve {id} {}{comment}{plan}", gate.name);
    format!(
        "type `{approve} --sign ~/.ssh/id_ed25519`, or where the key has a passphrase, is in an agent or in hardware:\n\
         {approve} --text | ssh-keygen -Y sign -f ~/.ssh/id_ed25519 -n {NAMESPACE} > approval.sig\n\
         {approve} --signature approval.sig"
    )
}
