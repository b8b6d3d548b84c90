//! The words for states, one place for all that people read.

use relrun_ledger::{EnvironmentState, Status, Verdict};

/// Returns what a command says beside `-e` to mean a deployment: nothing for the one that bears the package's name.
pub fn deployment_option(package: &str, deployment: Option<&str>) -> String {
    let own = package.rsplit('/').next();
    deployment.filter(|name| Some(*name) != own).map_or_else(String::new, |name| format!(" --deployment {name}"))
}

/// Returns how a sentence names a deployment in its environment.
pub fn place(package: &str, environment: &str, deployment: Option<&str>) -> String {
    let own = package.rsplit('/').next();
    deployment.filter(|name| Some(*name) != own).map_or_else(|| environment.to_owned(), |name| format!("{environment} as \"{name}\""))
}

/// Returns the word for what is true in an environment.
pub fn environment_state(state: EnvironmentState) -> &'static str {
    match state {
        EnvironmentState::Untouched => "untouched",
        EnvironmentState::Deployed => "deployed",
        EnvironmentState::Half => "half deployed",
        EnvironmentState::Working => "working",
        EnvironmentState::Unknown => "unknown",
        EnvironmentState::UndoFailed => "undo failed",
        EnvironmentState::Undone => "undone",
        EnvironmentState::Destroyed => "destroyed",
    }
}

/// Returns the word for what is true of a release.
pub fn status(status: &Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Ended(Verdict::Succeeded) => "succeeded",
        Status::Ended(Verdict::Failed) => "failed",
        Status::Ended(Verdict::Waiting { .. }) => "waiting",
        Status::Ended(Verdict::Cancelled) => "cancelled",
        Status::Ended(Verdict::Undone) => "undone",
        Status::Ended(Verdict::Destroyed) => "destroyed",
        Status::Ended(Verdict::Stopped) => "stopped",
        Status::Ended(Verdict::Staged) => "staged",
    }
}
