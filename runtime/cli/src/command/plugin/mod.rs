//! `plugin`: for who writes plugins, and for who decides which of them run.

mod build;
mod check;
mod dev;
mod find;
mod inspect;
mod new;
mod test;

use crate::args::{Cli, PluginCommand};
use crate::show;
use relrun_engine::{EngineError, Exit};
use std::future::Future;
use std::time::Duration;

/// Does what was asked.
pub(super) async fn dispatch(cli: &Cli, command: &PluginCommand) -> Result<Exit, EngineError> {
    match command {
        PluginCommand::New { name, lang, dir } => new::new(cli, name, *lang, dir.as_deref()),
        PluginCommand::Vendor { dir } => new::vendor(cli, dir),
        PluginCommand::Build { dir } => build::build(cli, dir).await,
        PluginCommand::Test { what, update, no_build, cases } => {
            let meant = test::Meant::new(what, cases.as_deref(), *update)?;
            Box::pin(test::test(cli, &meant, *no_build)).await
        }
        PluginCommand::Dev { what, update } => Box::pin(dev::dev(cli, &test::Meant::new(what, None, *update)?)).await,
        PluginCommand::Check { what, config } => Box::pin(check::check(cli, what, config.as_deref())).await,
        PluginCommand::Inspect { what, manifest } => Box::pin(inspect::inspect(cli, what, &manifest.path)).await,
        PluginCommand::Supply(command) => super::supply::dispatch(cli, command).await,
    }
}

/// A component that was never used here takes up to 15 s to compile: who waits is told.
const PATIENCE: Duration = Duration::from_millis(500);

/// Waits for a component to be ready.
async fn ready<T>(size: usize, work: impl Future<Output = T>) -> Result<T, EngineError> {
    tokio::pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return Ok(done);
    }
    show::note(&format!("compiling {} of WebAssembly, once for this machine …\n", inspect::size(size)))?;
    Ok(work.await)
}
