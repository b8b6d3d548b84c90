//! One function a command: words in, exit code out.

mod approve;
mod cache;
mod converge;
mod doctor;
mod drift;
mod events;
mod git;
mod inspect;
mod lock;
mod package;
mod plan;
mod plan_page;
mod plugin;
mod policy;
mod release;
mod releases;
mod run;
mod settings;
mod state;
mod supply;

pub(crate) use doctor::{completions, doctor};

use crate::args::{Cli, Command};
use relrun_engine::{EngineError, Exit};

/// Does what was asked.
pub(crate) async fn dispatch(cli: &Cli) -> Result<Exit, EngineError> {
    match &cli.command {
        Command::Apply(args) => run::apply(cli, args).await,
        Command::Retry { at, run, input, providers } => run::retry(cli, at, run, (input, providers)).await,
        Command::Continue { at, run, providers } => run::resume(cli, at, run, providers).await,
        Command::Cancel { at, run } => run::cancel(cli, at, run).await,
        Command::Undo { at, environment, run } => run::undo(cli, at, environment, run).await,
        Command::Adopt { place, done, input, manifest, run } => {
            let request = relrun_engine::command::AdoptRequest {
                environment: place.environment.clone(),
                inputs: crate::open::inputs(input),
                deployment: place.deployment.clone(),
                done: done.clone(),
            };
            run::adopt(cli, manifest, &request, run).await
        }
        Command::Rollback { place, to, manifest, run, providers } => {
            let request = relrun_engine::command::RollbackRequest {
                environment: place.environment.clone(),
                to: *to,
                deployment: place.deployment.clone(),
                uses: run::uses(providers)?,
            };
            run::rollback(cli, manifest, &request, run).await
        }
        Command::Promote { release, from, to, deployment, manifest, run, providers } => {
            let request = relrun_engine::command::PromoteRequest {
                release: *release,
                from: from.clone(),
                to: to.clone(),
                deployment: deployment.clone(),
                uses: run::uses(providers)?,
                ..Default::default()
            };
            run::promote(cli, manifest, &request, run).await
        }
        Command::Converge { environment, now, manifest, run } => {
            let request = relrun_engine::command::ConvergeRequest { environments: environment.clone(), now: *now };
            converge::converge(cli, manifest, &request, run).await
        }
        Command::Errand { name, place, manifest, run } => {
            let request = relrun_engine::command::ErrandRequest {
                name: name.clone(),
                environment: place.environment.clone(),
                deployment: place.deployment.clone(),
            };
            run::errand(cli, manifest, &request, run).await
        }
        Command::Release(args) => release::release(cli, args).await,
        Command::Package { at, out, sign } => package::package(cli, at, out.as_deref(), sign.as_deref()).await,
        Command::Push { at, to, tag, sign, force, lock_wait } => {
            package::push(cli, at, to.as_deref(), tag, (sign.as_deref(), *force), *lock_wait).await
        }
        Command::Pull { package, from } => package::pull(cli, package, from.as_deref()).await,
        Command::Destroy { place, force, manifest, run } => {
            let request = relrun_engine::command::BackRequest {
                release: None,
                environments: vec![place.environment.clone()],
                deployment: place.deployment.clone(),
                force: *force,
            };
            run::destroy(cli, manifest, &request, run).await
        }
        Command::Settle { release, step, done, manifest, .. } => run::settle(cli, manifest, *release, step, *done),
        Command::Approve { release, gate, word, manifest } => approve::approve(cli, manifest, (*release, gate), word).await,
        Command::Plan(args) => Box::pin(plan::plan(cli, args)).await,
        Command::Check { target, inputs, providers } => plan::check(cli, target, providers, *inputs).await,
        Command::Graph { target, out } => plan::graph(cli, target, out.as_deref()),
        Command::Why { step, target } => inspect::why(cli, step, target).await,
        Command::Status { environment, deployment, verify, manifest } => {
            let only = inspect::Only { environment: environment.as_deref(), deployment: deployment.as_deref() };
            if *verify { drift::status(cli, only, manifest).await } else { inspect::status(cli, only, manifest) }
        }
        Command::Logs { release, step, events, manifest } => inspect::logs(cli, release.as_deref(), step.as_deref(), *events, manifest),
        Command::Env(command) => settings::dispatch(cli, command).await,
        Command::Releases(command) => releases::dispatch(cli, command),
        Command::Lock(command) => lock::dispatch(cli, command),
        Command::State(command) => state::dispatch(cli, command),
        Command::Cache(command) => cache::dispatch(cli, command),
        Command::Plugin(command) => Box::pin(plugin::dispatch(cli, command)).await,
        Command::Policy(command) => policy::dispatch(cli, command).await,
        Command::Bundle(command) => supply::bundle(cli, command).await,
        Command::Doctor => doctor(cli),
        Command::Completions { shell } => completions(*shell),
    }
}
