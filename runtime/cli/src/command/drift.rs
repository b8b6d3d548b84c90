//! `status --verify`: whether what was deployed still stands as it was left.

use super::inspect::{Only, check_environment};
use super::run::Opened;
use crate::args::{Cli, Format, ManifestArg};
use crate::open::Access;
use crate::show;
use relrun_engine::verify::{Verified, verify};
use relrun_engine::{EngineError, Exit};
use relrun_host::Health;

pub(super) async fn status(cli: &Cli, only: Only<'_>, manifest: &ManifestArg) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Write)?;
    check_environment(&opened, only.environment)?;
    let found = verify(&opened.workspace, &opened.loaded, &|key| only.is(key)).await?;
    if show::format(cli) == Format::Json {
        show::print_json(&found.iter().map(json).collect::<Vec<_>>())?;
    } else {
        show::print(&words(&found, &opened.package()))?;
    }
    Ok(if found.iter().all(Verified::is_intact) { Exit::Done } else { Exit::StepFailed })
}

fn words(found: &[Verified], package: &str) -> String {
    if found.is_empty() {
        return format!("{package}\n\nnothing is deployed\n");
    }
    let row = |one: &Verified| {
        let key = &one.deployment;
        vec![key.environment.clone(), key.deployment.clone(), one.release.to_string(), one.step.clone(), word(one).to_owned()]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let mut text = format!("{package}\n\n{}", show::table(&["ENVIRONMENT", "DEPLOYMENT", "RELEASE", "STEP", "STANDS"], &rows));
    for one in found.iter().filter(|one| !one.is_intact()) {
        text += &format!("\n{}@{} {}\n", one.step, one.deployment.environment, word(one));
        for line in details(one) {
            text += &format!("  {line}\n");
        }
    }
    if let Some(one) = found.iter().find(|one| matches!(one.health, Ok(Health::Drifted(_) | Health::Gone))) {
        let key = &one.deployment;
        let option = relrun_engine::words::deployment_option(package, Some(&key.deployment));
        text += &format!("hint: `relrun rollback -e {}{option} --to {}` brings it back as it was recorded\n", key.environment, one.release);
    }
    text
}

fn word(one: &Verified) -> &'static str {
    match &one.health {
        Ok(Health::Intact) => "as it was left",
        Ok(Health::Drifted(_)) => "drifted",
        Ok(Health::Gone) => "gone",
        Err(_) => "unknown",
    }
}

fn details(one: &Verified) -> Vec<String> {
    match &one.health {
        Ok(Health::Intact | Health::Gone) => Vec::new(),
        Ok(Health::Drifted(changes)) => {
            let lines = changes.iter().flat_map(|change| {
                let detail = change.detail.iter().flat_map(|text| text.lines().map(|line| format!("  {line}")));
                std::iter::once(change.summary.clone()).chain(detail).collect::<Vec<_>>()
            });
            lines.collect()
        }
        Err(reason) => vec![reason.clone()],
    }
}

fn json(one: &Verified) -> serde_json::Value {
    serde_json::json!({
        "environment": one.deployment.environment, "deployment": one.deployment.deployment, "release": one.release.to_string(),
        "step": one.step, "stands": word(one), "details": details(one),
    })
}
