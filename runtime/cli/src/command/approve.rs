//! `approve`: a person's word on a gate.

use super::run::Opened;
use crate::args::{Approval, Cli, ManifestArg};
use crate::open::Access;
use crate::show;
use relrun_engine::command::{self, ApprovalRequest, Proof};
use relrun_engine::{EngineError, Exit};
use relrun_ledger::ReleaseId;
use std::path::Path;

pub(super) fn approve(cli: &Cli, manifest: &ManifestArg, at: (ReleaseId, &str), word: &Approval) -> Result<Exit, EngineError> {
    let (release, gate) = at;
    let proof = match (&word.sign, &word.signature) {
        (Some(key), _) => Proof::Key(read(key)?),
        (None, Some(signature)) => Proof::Signature(read(signature)?),
        (None, None) => Proof::Nothing,
    };
    let plan = word.plan.as_deref().map(read).transpose()?;
    let request = ApprovalRequest { release, gate: gate.to_owned(), comment: word.comment.clone(), plan, proof };
    if word.text {
        let opened = Opened::new(cli, &manifest.path, Access::Read)?;
        show::print(&command::approval_text(&opened.workspace, &opened.package(), &request)?)?;
        return Ok(Exit::Done);
    }
    let opened = Opened::new(cli, &manifest.path, Access::Write)?;
    let gate = command::approve(&opened.workspace, &opened.loaded, &request)?;
    show::print(&format!("{gate} of {release} is approved\nhint: type `relrun continue {release}`\n"))?;
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<String, EngineError> {
    std::fs::read_to_string(path)
        .map_err(|error| EngineError::input(format!("{} cannot be read: {error}", path.display()), "name a file that is there"))
}
