//! The commands that carry releases.

use crate::args::{ApplyArgs, Cli, ManifestArg, Providers, Release, Run, Target};
use crate::open::{self, Access, is_ci};
use crate::show;
use relrun_engine::command::{
    self, AdoptRequest, ApplyRequest, BackRequest, ErrandRequest, Gone, PromoteRequest, Promotion, Resume, RollbackRequest, RunOptions,
    Tools, Uses, Word,
};
use relrun_engine::plan::{PLAN_FORMAT, Plan};
use relrun_engine::{EngineError, Exit, Loaded, Source, Stop, Workspace};
use relrun_ledger::{ReleaseId, Summary};
use relrun_manifest::PackageName;
use relrun_report::{ReportEvent, Reporter, RunFinished};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A workspace and a manifest.
pub(super) struct Opened {
    pub(super) workspace: Arc<Workspace>,
    pub(super) loaded: Loaded,
    // Held for its drop.
    _place: Option<open::Place>,
}

impl Opened {
    pub(super) fn new(cli: &Cli, manifest: &Path, access: Access) -> Result<Self, EngineError> {
        if let Some(reference) = super::package::named(manifest)? {
            let message = format!("{reference} is a package, and a manifest is meant here");
            return Err(EngineError::input(message, format!("to deploy it, type `relrun apply {reference} -e ENV`")));
        }
        if !manifest.exists() {
            return Self::of_record(cli, manifest, access);
        }
        let place = open::place(cli, manifest, access)?;
        let workspace = Arc::clone(&place.workspace);
        let loaded = Loaded::new(&workspace, Source::read(manifest)?)?;
        Ok(Self { workspace, loaded, _place: Some(place) })
    }

    /// Opens a project by whatever manifest there is: for what its environments say, and not what is released.
    pub(super) fn any(cli: &Cli, manifest: &Path) -> Result<Self, EngineError> {
        if manifest.exists() {
            return Self::new(cli, manifest, Access::Write);
        }
        let place = open::place(cli, manifest, Access::Write)?;
        let workspace = Arc::clone(&place.workspace);
        let loaded = Loaded::of_project(&workspace)?;
        Ok(Self { workspace, loaded, _place: Some(place) })
    }

    /// Where there is no manifest, a package was deployed here: the one that is named, or the only one there is.
    fn of_record(cli: &Cli, manifest: &Path, access: Access) -> Result<Self, EngineError> {
        let named: Option<PackageName> = manifest.to_str().and_then(|text| text.parse().ok());
        let place = open::place(cli, if named.is_some() { Path::new("release.kdl") } else { manifest }, access)?;
        let workspace = Arc::clone(&place.workspace);
        let packages = workspace.runs.packages()?;
        let package = match (named.map(|name| name.to_string()), packages.as_slice()) {
            (Some(name), _) if packages.contains(&name) => name,
            (None, [only]) => only.clone(),
            _ => return Err(no_manifest(manifest, &packages)),
        };
        let loaded = command::manifest_on_record(&workspace, &package)?;
        Ok(Self { workspace, loaded, _place: Some(place) })
    }

    /// Takes what is open already.
    pub(super) fn with(workspace: Arc<Workspace>, loaded: Loaded) -> Self {
        Self { workspace, loaded, _place: None }
    }

    pub(super) fn package(&self) -> String {
        self.loaded.manifest.package.name.value.to_string()
    }
}

fn no_manifest(manifest: &Path, packages: &[String]) -> EngineError {
    let help = match packages {
        [] => "name the manifest: `relrun apply release.kdl`".to_owned(),
        some => format!("name the manifest, or a package that was deployed here: `-m {}`", some.join("`, `-m ")),
    };
    EngineError::input(format!("there is no file {}", manifest.display()), help)
}

pub(super) fn request(target: &Target) -> ApplyRequest {
    ApplyRequest {
        environments: target.environment.clone(),
        phases: target.phase.clone(),
        inputs: open::inputs(&target.input),
        deployment: target.deployment.clone(),
        ..ApplyRequest::default()
    }
}

/// Carries a release with a reporter watching, stoppable by signals.
pub(super) async fn carry<F>(cli: &Cli, opened: Opened, run: &Run, no_cache: bool, body: F) -> Result<Exit, EngineError>
where
    F: AsyncFnOnce(Tools<'_>, Loaded) -> Result<RunFinished, EngineError>,
{
    let (finished, mut reporter) = watch(cli, opened, run, no_cache, body).await?;
    let exit = show::finished(&mut *reporter, finished);
    if let Err(error) = reporter.finish() {
        tracing::debug!(%error, "the reporter could not end");
    }
    Ok(exit)
}

/// Does something with a reporter watching, stoppable by signals. The reporter comes back for the end of it.
pub(super) async fn watch<T, F>(
    cli: &Cli,
    opened: Opened,
    run: &Run,
    no_cache: bool,
    body: F,
) -> Result<(T, Box<dyn Reporter>), EngineError>
where
    F: AsyncFnOnce(Tools<'_>, Loaded) -> Result<T, EngineError>,
{
    refuse_local_ledger_in_ci(&opened)?;
    relrun_engine::sweep(&opened.workspace)?;
    let mut reporter = show::reporter(cli, || mermaid(&opened.loaded));
    let (sender, stop) = watch::channel(Stop::Go);
    let signals = tokio::spawn(listen(sender));
    let options = RunOptions { no_cache, ..options(run, stop) };
    let mut emit = |event: ReportEvent| show::tell(&mut *reporter, &event);
    let packages = Arc::new(super::package::Registries::new(&opened.workspace));
    let tools = Tools::new(Arc::clone(&opened.workspace), options, packages, &mut emit);
    // A run's future is large; it lives on the heap.
    let result = Box::pin(body(tools, opened.loaded)).await;
    signals.abort();
    match result {
        Ok(done) => Ok((done, reporter)),
        Err(error) => {
            if let Err(error) = reporter.finish() {
                tracing::debug!(%error, "the reporter could not end");
            }
            Err(error)
        }
    }
}

/// Returns how a command runs.
pub(super) fn options(run: &Run, stop: watch::Receiver<Stop>) -> RunOptions {
    RunOptions {
        jobs: run.jobs.map_or_else(|| std::thread::available_parallelism().map_or(2, std::num::NonZero::get), usize::from),
        no_cache: false,
        adopt: run.adopt,
        lock_wait: run.lock_wait,
        break_glass: run.break_glass.clone(),
        stop,
    }
}

/// Draws the DAG for a CI system's page. A DAG with mistakes has none; they are reported where they matter.
fn mermaid(loaded: &Loaded) -> Option<String> {
    let selection = relrun_graph::Selection::default();
    relrun_graph::Graph::expand(&loaded.manifest, &loaded.environments, &selection).ok().map(|graph| graph.to_mermaid())
}

/// The first signal asks the run to stop; the second ends the process at once: what was begun is in the ledger.
async fn listen(sender: watch::Sender<Stop>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else { return };
    for second in [false, true] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if second {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
        sender.send_replace(Stop::Halt);
    }
}

/// A runner's disk is thrown away, and the ledger with it: deploying from there must be meant.
fn refuse_local_ledger_in_ci(opened: &Opened) -> Result<(), EngineError> {
    let deploys = opened.loaded.manifest.phases.iter().any(|phase| phase.environments.is_some());
    if deploys { refuse_to_deploy_in_ci(opened) } else { Ok(()) }
}

pub(super) fn refuse_to_deploy_in_ci(opened: &Opened) -> Result<(), EngineError> {
    if is_ci() && opened.workspace.project.state.is_none() {
        return Err(EngineError::input(
            "this would deploy from CI with a ledger that lies in the work tree, and a runner's disk is not kept",
            "keep `.relrun/` between runs and say so in relrun.kdl: state \"local\"",
        ));
    }
    Ok(())
}

pub(super) async fn apply(cli: &Cli, args: &ApplyArgs) -> Result<Exit, EngineError> {
    if let Some(asked) = super::package::named(&args.target.manifest)? {
        return super::package::apply(cli, args, asked).await;
    }
    let plan = saved_plan(&args.target.manifest)?;
    if let Some(plan) = &plan
        && let (Some(package), Some(request)) = (&plan.taken_from, plan.as_delivery())
    {
        check_unchanged(&args.target)?;
        return super::package::apply_plan(cli, args, package, &request).await;
    }
    let (manifest, mut request) = match plan {
        Some(plan) => (PathBuf::from(&plan.manifest), of_plan(&plan, &args.target)?),
        None => (args.target.manifest.clone(), request(&args.target)),
    };
    request.force = args.force;
    request.cascade = args.cascade;
    request.uses.extend(uses(&args.providers)?);
    let workspace = open::workspace(cli, &manifest, Access::Write)?;
    let source = Source::read(&manifest)?;
    // The way of every run with nothing to do: no manifest is read, and no worker started.
    if let Some(finished) = command::is_done(&workspace, &source, &request)? {
        return Ok(show::finished(&mut *show::reporter(cli, || None), finished));
    }
    let opened = Opened { loaded: Loaded::new(&workspace, source)?, workspace, _place: None };
    let description = args.description.clone().or_else(|| super::git::commit_line(&opened.loaded.directory));
    request.description = description.and_then(|text| one_line(&text));
    request.git = super::git::facts(&opened.loaded.directory);
    let gone = if request.is_whole() { command::gone(&opened.workspace, &opened.loaded)? } else { Vec::new() };
    if !gone.is_empty() && !may_destroy(&opened, &gone, &args.run)? {
        return Ok(Exit::Declined);
    }
    carry(cli, opened, &args.run, args.no_cache, async |tools, loaded| command::apply(tools, loaded, &request).await).await
}

/// Reads `--use NAME=PROVIDER`.
pub(super) fn uses(providers: &Providers) -> Result<Uses, EngineError> {
    let read = |text: &String| {
        let (name, provider) = text.split_once('=')?;
        Some((name.to_owned(), provider.parse().ok()?))
    };
    let one = |text: &String| {
        read(text).ok_or_else(|| {
            let help = "write the name under which it is consumed, and a package or one deployment of it: `--use db=acme/database`, `--use db=acme/database:blue`";
            EngineError::input(format!("--use {text}: this names no provider"), help)
        })
    };
    providers.uses.iter().map(one).collect()
}

/// Takes a text's first line, without what a terminal would act on; none where nothing is left.
fn one_line(text: &str) -> Option<String> {
    let line = text.trim().lines().next()?.chars().filter(|letter| !letter.is_control()).take(200).collect::<String>();
    (!line.is_empty()).then_some(line)
}

/// A plan is carried as it was made: what narrows or changes it now would be something else than what was looked at.
fn of_plan(plan: &Plan, target: &Target) -> Result<ApplyRequest, EngineError> {
    check_unchanged(target)?;
    Ok(plan.as_request())
}

fn check_unchanged(target: &Target) -> Result<(), EngineError> {
    let changed = !target.environment.is_empty() || !target.input.is_empty() || !target.phase.is_empty() || target.deployment.is_some();
    if changed {
        let message = "a saved plan is carried as it was made, without -e, -i, --phase and --deployment";
        return Err(EngineError::input(message, "leave them out, or make another plan with them: `relrun plan --out FILE`"));
    }
    Ok(())
}

/// Reads a plan that was saved; a manifest is none.
fn saved_plan(path: &Path) -> Result<Option<Plan>, EngineError> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(None) };
    if !text.trim_start().starts_with('{') {
        return Ok(None);
    }
    let plan: Plan = serde_json::from_str(&text)
        .map_err(|error| EngineError::input(format!("{} is no plan: {error}", path.display()), "make one: `relrun plan --out FILE`"))?;
    if plan.format != PLAN_FORMAT {
        let message = format!("{} has plan format {}, and this relrun knows {PLAN_FORMAT}", path.display(), plan.format);
        return Err(EngineError::input(message, "make the plan with this relrun: `relrun plan --out FILE`"));
    }
    Ok(Some(plan))
}

/// Returns the release that is meant, where it or its deployment is named.
fn which(opened: &Opened, at: &Release) -> Result<Option<ReleaseId>, EngineError> {
    let Some(deployment) = &at.deployment else { return Ok(at.id) };
    command::find_of(&opened.workspace, &opened.package(), at.id, Some(deployment)).map(Some)
}

pub(super) async fn retry(cli: &Cli, at: &Release, run: &Run, (input, providers): (&[String], &Providers)) -> Result<Exit, EngineError> {
    let given = open::inputs(input);
    let uses = uses(providers)?;
    let opened = Opened::new(cli, &at.manifest.path, Access::Write)?;
    let id = which(&opened, at)?;
    carry(cli, opened, run, false, async |tools, loaded| {
        if given.is_empty() {
            command::resume(tools, loaded, id, Resume::Retry, &uses).await
        } else {
            command::retry_with(tools, loaded, id, (&given, &uses)).await
        }
    })
    .await
}

pub(super) async fn resume(cli: &Cli, at: &Release, run: &Run, providers: &Providers) -> Result<Exit, EngineError> {
    let uses = uses(providers)?;
    let opened = Opened::new(cli, &at.manifest.path, Access::Write)?;
    let id = which(&opened, at)?;
    carry(cli, opened, run, false, async |tools, loaded| command::resume(tools, loaded, id, Resume::Continue, &uses).await).await
}

pub(super) async fn cancel(cli: &Cli, at: &Release, run: &Run) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &at.manifest.path, Access::Write)?;
    let id = which(&opened, at)?;
    let exit = carry(cli, opened, run, false, async |tools, loaded| Box::pin(command::cancel(tools, loaded, id)).await).await?;
    // For this command a cancelled release is what was asked for.
    Ok(if exit == Exit::Interrupted { Exit::Done } else { exit })
}

pub(super) async fn undo(cli: &Cli, at: &Release, environments: &[String], run: &Run) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &at.manifest.path, Access::Write)?;
    let request =
        BackRequest { release: at.id, environments: environments.to_vec(), deployment: at.deployment.clone(), ..BackRequest::default() };
    carry(cli, opened, run, false, async |tools, loaded| Box::pin(command::undo(tools, loaded, &request)).await).await
}

pub(super) async fn adopt(cli: &Cli, manifest: &ManifestArg, request: &AdoptRequest, run: &Run) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Write)?;
    carry(cli, opened, run, false, async |tools, loaded| Box::pin(command::adopt(tools, loaded, request)).await).await
}

pub(super) async fn rollback(cli: &Cli, manifest: &ManifestArg, request: &RollbackRequest, run: &Run) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Write)?;
    carry(cli, opened, run, false, async |tools, loaded| command::rollback(tools, loaded, request).await).await
}

pub(super) async fn errand(cli: &Cli, manifest: &ManifestArg, request: &ErrandRequest, run: &Run) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Write)?;
    carry(cli, opened, run, false, async |tools, loaded| command::errand(tools, loaded, request).await).await
}

pub(super) async fn promote(cli: &Cli, manifest: &ManifestArg, request: &PromoteRequest, run: &Run) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Write)?;
    let promotion = command::promotion(&opened.workspace, &opened.loaded, request)?;
    show::note(&sides(request, &promotion))?;
    if !run.yes && !confirmed(&format!("promote {} to {}?", promotion.release.release, request.to))? {
        return Ok(Exit::Declined);
    }
    carry(cli, opened, run, false, async |tools, loaded| command::promote(tools, loaded, &promotion).await).await
}

/// Shows what a promotion takes, and what it replaces.
fn sides(request: &PromoteRequest, promotion: &Promotion) -> String {
    let words = |summary: &Summary| {
        let about = summary.description.as_ref().map_or_else(String::new, |text| format!(", {text}"));
        format!("{} {} of {}{about}", summary.release, summary.version, super::inspect::time(summary.created))
    };
    let from = request.from.as_deref().unwrap_or("release");
    let replaces = promotion.replaces.as_ref().map_or_else(|| "nothing stands there".to_owned(), words);
    let width = from.len().max(request.to.len());
    let sides = format!("{from:width$}  {}\n{:width$}  {replaces}\n", words(&promotion.release), request.to);
    if promotion.goes_back() {
        return sides + &format!("note: {} is older than what stands in {}\n", promotion.release.release, request.to);
    }
    sides
}

pub(super) async fn destroy(cli: &Cli, manifest: &ManifestArg, request: &BackRequest, run: &Run) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Write)?;
    if !run.yes && !confirmed(&format!("destroy what is deployed in {}?", request.environments.join(", ")))? {
        return Ok(Exit::Declined);
    }
    carry(cli, opened, run, false, async |tools, loaded| Box::pin(command::destroy(tools, loaded, request)).await).await
}

/// Shows what would be destroyed, and asks. A CI system is never asked.
pub(super) fn may_destroy(opened: &Opened, gone: &[Gone], run: &Run) -> Result<bool, EngineError> {
    let package = opened.package();
    for Gone { place, release } in gone {
        let place = relrun_engine::words::place(&package, &place.environment, Some(&place.deployment));
        show::note(&format!("{release} stands in {place}, which is declared no longer: it is destroyed\n"))?;
    }
    if run.yes {
        return Ok(true);
    }
    if is_ci() {
        let message = "what stands in environments that are declared no longer would be destroyed, and in CI nobody is asked";
        return Err(EngineError::input(message, "say `--yes`, or declare them again"));
    }
    confirmed("destroy it?")
}

/// Asks a person. Where none is there to answer, `--yes` must have been said.
fn confirmed(question: &str) -> Result<bool, EngineError> {
    use std::io::{BufRead, IsTerminal, Write};
    if !std::io::stdin().is_terminal() {
        return Err(EngineError::input(format!("{question} nobody is there to answer"), "say `--yes`"));
    }
    let mut err = std::io::stderr().lock();
    let failed = |error| EngineError::io("ask", error);
    write!(err, "{question} [y/N] ").and_then(|()| err.flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

pub(super) fn settle(cli: &Cli, manifest: &ManifestArg, id: ReleaseId, step: &str, done: bool) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Write)?;
    let word = if done { Word::Done } else { Word::NotDone };
    command::settle(&opened.workspace, &opened.package(), id, step, word, Duration::ZERO)?;
    let word = if done { "done" } else { "not done" };
    show::print(&format!("{step} of {id} is settled as {word}\nhint: type `relrun continue {id}`\n"))?;
    Ok(Exit::Done)
}
