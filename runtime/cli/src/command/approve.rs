//! `approve`: a person's word on a gate.

use super::run::Opened;
use crate::args::{Approval, Cli, ManifestArg};
use crate::open::Access;
use crate::show;
use relrun_engine::command::{self, ApprovalRequest, Proof, TokenFrom};
use relrun_engine::{EngineError, Exit};
use relrun_ledger::ReleaseId;
use std::path::Path;

pub(super) async fn approve(cli: &Cli, manifest: &ManifestArg, at: (ReleaseId, &str), word: &Approval) -> Result<Exit, EngineError> {
    let (release, gate) = at;
    let proof = match (&word.sign, &word.signature, &word.token) {
        (Some(key), _, _) => Proof::Key(read(key)?),
        (None, Some(signature), _) => Proof::Signature(read(signature)?),
        (None, None, Some(from)) => Proof::Token(token(from)?),
        (None, None, None) => at_hand().map_or(Proof::Nothing, Proof::Offered),
    };
    let plan = word.plan.as_deref().map(read).transpose()?;
    let request = ApprovalRequest { release, gate: gate.to_owned(), comment: word.comment.clone(), plan, proof };
    if word.text {
        let opened = Opened::new(cli, &manifest.path, Access::Read)?;
        show::print(&command::approval_text(&opened.workspace, &opened.package(), &request)?)?;
        return Ok(Exit::Done);
    }
    let opened = Opened::new(cli, &manifest.path, Access::Write)?;
    let gate = command::approve(&opened.workspace, &opened.loaded, &request).await?;
    show::print(&format!("{gate} of {release} is approved\nhint: type `relrun continue {release}`\n"))?;
    Ok(Exit::Done)
}

/// The variable that a CI system is told to put an ID token into.
const TOKEN: &str = "RELRUN_ID_TOKEN";

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What GitHub Actions gives to a job that may have ID tokens.
fn actions() -> Option<TokenFrom> {
    Some(TokenFrom::Actions { url: variable("ACTIONS_ID_TOKEN_REQUEST_URL")?, bearer: variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")? })
}

/// Returns the ID token of the CI job that runs this, where it has one.
fn at_hand() -> Option<TokenFrom> {
    variable(TOKEN).map(TokenFrom::Given).or_else(actions)
}

fn token(from: &str) -> Result<TokenFrom, EngineError> {
    if let Some(name) = from.strip_prefix("env:") {
        let missing = || EngineError::input(format!("--token {from}: the variable is not set"), "let the CI system put the token there");
        return variable(name).map(TokenFrom::Given).ok_or_else(missing);
    }
    if let Some(path) = from.strip_prefix("file:") {
        return read(Path::new(path)).map(TokenFrom::Given);
    }
    if from == "github" {
        let help = "give the job `permissions: id-token: write`";
        return actions().ok_or_else(|| EngineError::input("--token github: this job may not have ID tokens", help));
    }
    Err(EngineError::input(format!("--token {from}: a token does not come from there"), "say `env:NAME`, `file:PATH` or `github`"))
}

fn read(path: &Path) -> Result<String, EngineError> {
    std::fs::read_to_string(path)
        .map_err(|error| EngineError::input(format!("{} cannot be read: {error}", path.display()), "name a file that is there"))
}
