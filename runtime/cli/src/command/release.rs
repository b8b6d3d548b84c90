//! `release`: the whole cycle. What is built and tried is the engine's; here it is packed, pushed and tagged.

use super::package::{self, Sending};
use super::run::{Opened, carry};
use crate::args::{Cli, ReleaseArgs, StageWord};
use crate::open::{self, Access};
use crate::show;
use relrun_engine::command::{self, RehearseRequest, Skip};
use relrun_engine::{EngineError, Exit};
use relrun_ledger::ReleaseId;
use std::cell::RefCell;

pub(super) async fn release(cli: &Cli, args: &ReleaseArgs) -> Result<Exit, EngineError> {
    let skips = |stage: StageWord| args.skip.contains(&stage);
    let opened = Opened::new(cli, &args.manifest.path, Access::Write)?;
    let sending = if skips(StageWord::Push) || skips(StageWord::Package) {
        None
    } else {
        Some(Sending::new(&opened, args.to.as_deref(), &args.tag).await?)
    };
    let taken = match &sending {
        Some(sending) => command::versions(&*sending.repository).await?,
        None => Vec::new(),
    };
    let directory = opened.loaded.directory.clone();
    let request = RehearseRequest {
        inputs: open::inputs(&args.input),
        scratch: args.scratch.clone(),
        skip: args.skip.iter().filter_map(|stage| rehearsed(*stage)).collect(),
        force: args.force,
        description: args.description.clone().or_else(|| super::git::commit_line(&directory)),
        git: super::git::facts(&directory),
        taken,
    };
    let made: RefCell<Option<String>> = RefCell::default();
    let exit = carry(cli, opened, &args.run, false, async |tools, loaded| {
        let finished = command::rehearse(tools, loaded, &request).await?;
        made.borrow_mut().clone_from(&finished.release);
        Ok(finished)
    })
    .await?;
    let id: Option<ReleaseId> = made.into_inner().and_then(|id| id.parse().ok());
    let (Exit::Done, Some(id)) = (exit, id) else { return Ok(exit) };
    if skips(StageWord::Package) {
        return Ok(Exit::Done);
    }
    let opened = Opened::new(cli, &args.manifest.path, Access::Write)?;
    let packed = package::pack(&opened, Some(id), args.sign.as_deref())?;
    match &sending {
        Some(sending) => sending.send(cli, &opened, &packed, args.force, args.run.lock_wait).await?,
        None => package::keep(cli, &opened, &packed).await?,
    }
    if args.git_tag {
        let tag = format!("v{}", packed.record.version);
        super::git::tag(&directory, &tag)?;
        show::print(&format!("tagged {tag}\n"))?;
    }
    Ok(Exit::Done)
}

fn rehearsed(stage: StageWord) -> Option<Skip> {
    match stage {
        StageWord::Test => Some(Skip::Test),
        StageWord::Deploy => Some(Skip::Deploy),
        StageWord::Smoke => Some(Skip::Smoke),
        StageWord::Destroy => Some(Skip::Destroy),
        StageWord::Package | StageWord::Push => None,
    }
}
