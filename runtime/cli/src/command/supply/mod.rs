//! `plugin add|update|prefetch|list|push|sign|verify|key` and `bundle`: where plugins come from, and who vouches for them.

mod bundle;
mod keys;
mod manifest;
mod sign;

pub(super) use bundle::dispatch as bundle;

use crate::args::{Cli, SupplyCommand};
use relrun_engine::{EngineError, Exit};

pub(super) async fn dispatch(cli: &Cli, command: &SupplyCommand) -> Result<Exit, EngineError> {
    match command {
        SupplyCommand::Add { from, name, digest, manifest } => {
            manifest::add(cli, from, name.as_deref(), digest.as_deref(), &manifest.path).await
        }
        SupplyCommand::Update { names, accept, manifest } => manifest::update(cli, names, *accept, &manifest.path).await,
        SupplyCommand::Prefetch { manifest } => manifest::prefetch(cli, &manifest.path).await,
        SupplyCommand::List { manifest } => manifest::list(cli, &manifest.path),
        SupplyCommand::Push { component, to, facts, move_tag, key } => {
            sign::push(cli, component, to, (facts.as_deref(), *move_tag), key).await
        }
        SupplyCommand::Sign { what, key } => sign::sign(cli, what, key).await,
        SupplyCommand::Verify { what, trust } => sign::check(cli, what, trust).await,
        SupplyCommand::Key(command) => keys::dispatch(cli, command),
    }
}
