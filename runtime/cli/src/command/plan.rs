//! `plan`, `check`, `graph`: what would be, without doing it.

use super::run::{Opened, request, uses};
use crate::args::{Cli, Format, PlanArgs, Providers, Target};
use crate::open::Access;
use crate::show;
use relrun_engine::command::ApplyRequest;
use relrun_engine::plan::{Action, DependencyState, Plan, PlanOptions, PlannedDependency, plan as make_plan};
use relrun_engine::{EngineError, Exit, command};
use relrun_graph::{Graph, Selection};
use relrun_manifest::Input;
use std::path::Path;

pub(super) async fn plan(cli: &Cli, args: &PlanArgs) -> Result<Exit, EngineError> {
    let plan = match super::package::named(&args.target.manifest)? {
        Some(asked) => Box::pin(super::package::plan(cli, args, &asked)).await?,
        None => Box::pin(plan_manifest(cli, args)).await?,
    };
    if let Some(out) = &args.out {
        let text = serde_json::to_string_pretty(&plan).map_err(|error| EngineError::io("write the plan", std::io::Error::other(error)))?;
        std::fs::write(out, text + "\n").map_err(|source| EngineError::io(format!("write {}", out.display()), source))?;
    }
    match show::format(cli) {
        Format::Json => show::print_json(&plan)?,
        Format::Github => show::print(&super::plan_page::markdown(&plan))?,
        _ => show::print(&words(&plan, args.out.as_deref()))?,
    }
    let failed = plan.steps.iter().any(|step| matches!(step.action, Action::Failed { .. }));
    Ok(if failed { Exit::StepFailed } else { Exit::Done })
}

async fn plan_manifest(cli: &Cli, args: &PlanArgs) -> Result<Plan, EngineError> {
    let opened = Opened::new(cli, &args.target.manifest, Access::Write)?;
    let options = PlanOptions { build: args.build, git: super::git::facts(&opened.loaded.directory) };
    let request = ApplyRequest { uses: uses(&args.providers)?, ..request(&args.target) };
    make_plan(&opened.workspace, opened.loaded, &request, options).await
}

fn words(plan: &Plan, out: Option<&Path>) -> String {
    let mut text = format!("{} would be carried like this:\n", plan.package);
    if let Some(git) = &plan.git {
        let dirty = if git.dirty { ", and what is not committed" } else { "" };
        text += &format!("  commit    {}{dirty}\n", git.commit.chars().take(12).collect::<String>());
    }
    if let Some(package) = &plan.taken_from {
        text += &format!("  package   {} {}\n", package.reference, package.digest);
    }
    text += &format!("  identity  {}\n", plan.identity.short());
    let mut phase = None;
    for step in &plan.steps {
        if phase != Some(&step.phase) {
            text += &format!("\n{}\n", step.phase);
            phase = Some(&step.phase);
        }
        let (word, lines) = action(&step.action);
        text += &format!("  {} {word}\n", step.step);
        for line in &lines {
            text += &format!("      {line}\n");
        }
        for line in &step.open {
            text += &format!("      may: {line}\n");
        }
    }
    if !plan.standing.is_empty() || !plan.destroys.is_empty() || !plan.dependencies.is_empty() {
        text.push('\n');
    }
    for dependency in &plan.dependencies {
        text += &format!("{}\n", need(dependency));
    }
    for (environment, release) in &plan.standing {
        text += &format!("{environment} has this already: {release}\n");
    }
    for gone in &plan.destroys {
        let place = relrun_engine::words::place(&plan.package, &gone.environment, Some(&gone.deployment));
        text += &format!("{} is destroyed in {place}, which is declared no longer\n", gone.release);
    }
    let digest = plan.digest().short();
    match out {
        Some(out) => text + &format!("\nplan {digest} is in {0}\nhint: type `relrun apply {0}`\n", out.display()),
        None => text + &format!("\nplan {digest}\n"),
    }
}

pub(super) fn need(need: &PlannedDependency) -> String {
    let PlannedDependency { environment, name, state } = need;
    match state {
        DependencyState::Met { package, deployment, release, version } => {
            let place = relrun_engine::words::place(package, environment, Some(deployment));
            format!("{environment}: {name} is {package} {version} ({release} in {place})")
        }
        DependencyState::Brought { package, version, deployment } => {
            format!("{environment}: {name} is {package}@{version}, deployed first as \"{deployment}\"")
        }
        DependencyState::Waited { what } => format!("{environment}: {name} is waited for: {what}"),
    }
}

pub(super) fn action(action: &Action) -> (&'static str, Vec<String>) {
    match action {
        Action::Cached => ("comes from the cache", Vec::new()),
        Action::Run { why } => ("runs", why.clone()),
        Action::Built { why } => ("was built", why.clone()),
        Action::Failed { reason } => ("failed", reason.lines().map(str::to_owned).collect()),
        Action::Change { changes } if changes.is_empty() => ("is an effect", Vec::new()),
        Action::Change { changes } => {
            let detail = |text: &String| text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>();
            let lines = changes.iter().flat_map(|change| {
                std::iter::once(change.summary.clone()).chain(change.detail.iter().flat_map(detail)).collect::<Vec<_>>()
            });
            ("changes", lines.collect())
        }
        Action::KnownAfter { step } => ("is known after", vec![step.clone()]),
        Action::Unplannable { reason } => ("is an effect", vec![format!("its plugin cannot plan it: {reason}")]),
    }
}

pub(super) async fn check(cli: &Cli, target: &Target, providers: &Providers, inputs: bool) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &target.manifest, Access::Look)?;
    if inputs {
        return list_inputs(cli, &opened.loaded.manifest.inputs).map(|()| Exit::Done);
    }
    let request = ApplyRequest { uses: uses(providers)?, ..request(target) };
    let applied = command::check(&opened.workspace, opened.loaded, &request).await?;
    let steps = applied.prepared.graph.nodes().len();
    if show::format(cli) == Format::Json {
        show::print_json(&serde_json::json!({ "valid": true, "steps": steps, "identity": applied.sought.identity }))?;
    } else {
        let plural = if steps == 1 { "" } else { "s" };
        show::print(&format!("{} is valid: {steps} step{plural}, everything that they need is granted\n", target.manifest.display()))?;
    }
    Ok(Exit::Done)
}

/// Shows what a manifest wants to be given. Whether all of it is, is another question.
fn list_inputs(cli: &Cli, inputs: &[Input]) -> Result<(), EngineError> {
    let default = |input: &Input| input.default.as_ref().map(|default| relrun_manifest::scalar_to_json(&default.value, &|_| None));
    if show::format(cli) == Format::Json {
        let json = |input: &Input| {
            serde_json::json!({
                "name": input.name.value, "takes": input.takes(), "default": default(input), "required": input.default.is_none(),
                "help": input.help,
            })
        };
        return show::print_json(&inputs.iter().map(json).collect::<Vec<_>>());
    }
    let row = |input: &Input| {
        let default = default(input).map_or_else(|| "required".to_owned(), |value| super::settings::text(&value));
        vec![input.name.value.clone(), input.takes(), default, input.help.clone().unwrap_or_default()]
    };
    let rows: Vec<Vec<String>> = inputs.iter().map(row).collect();
    show::print(&if rows.is_empty() {
        "the manifest declares no input\n".to_owned()
    } else {
        show::table(&["INPUT", "TAKES", "DEFAULT", "HELP"], &rows)
    })
}

pub(super) fn graph(cli: &Cli, target: &Target, out: Option<&Path>) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &target.manifest, Access::Look)?;
    let some = |names: &[String]| (!names.is_empty()).then(|| names.iter().cloned().collect());
    let selection = Selection {
        environments: some(&target.environment),
        phases: some(&target.phase),
        deployment: target.deployment.clone(),
        ..Selection::default()
    };
    let loaded = &opened.loaded;
    let graph = Graph::expand(&loaded.manifest, &loaded.environments, &selection).map_err(|errors| EngineError::graph(errors, loaded))?;
    let text = match cli.format {
        Some(Format::Dot) => graph.to_dot(),
        Some(Format::Mermaid) => graph.to_mermaid(),
        _ => graph.to_svg(),
    };
    match out {
        Some(out) => std::fs::write(out, text).map_err(|source| EngineError::io(format!("write {}", out.display()), source))?,
        None => show::print(&text)?,
    }
    Ok(Exit::Done)
}
