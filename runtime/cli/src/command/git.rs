//! What git knows of the work tree, asked of git itself. Where there is none, nothing is known, and nothing fails.

use relrun_engine::EngineError;
use relrun_engine::plan::Git;
use std::path::Path;
use std::process::Command;

/// Returns the first line of the commit that is checked out.
pub(super) fn commit_line(directory: &Path) -> Option<String> {
    ask(directory, &["log", "-1", "--format=%s"]).filter(|line| !line.is_empty())
}

/// Returns the commit that is checked out, and whether something differs from it.
pub(super) fn facts(directory: &Path) -> Option<Git> {
    let commit = ask(directory, &["rev-parse", "--verify", "HEAD"])?;
    let changes = ask(directory, &["status", "--porcelain"])?;
    Some(Git { commit, dirty: !changes.is_empty() })
}

/// Returns where the repository comes from, without whoever may fetch it.
pub(super) fn origin(directory: &Path) -> Option<String> {
    let url = ask(directory, &["remote", "get-url", "origin"])?;
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            Some(format!("{scheme}://{host}/{path}"))
        }
        // A path of this machine tells nobody anything; what is left is ssh's own form, USER@HOST:PATH.
        None => url.split_once('@').and_then(|(_, rest)| rest.split_once(':')).map(|(host, path)| format!("ssh://{host}/{path}")),
    }
}

/// Tags the commit that is checked out.
pub(super) fn tag(directory: &Path, name: &str) -> Result<(), EngineError> {
    let ran = Command::new("git").args(["tag", name]).current_dir(directory).output();
    let ran = ran.map_err(|source| EngineError::io("run git", source))?;
    if ran.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
    Err(EngineError::input(
        format!("the commit was not tagged {name}: {reason}"),
        format!("all else is done; tag it yourself: `git tag {name}`"),
    ))
}

fn ask(directory: &Path, words: &[&str]) -> Option<String> {
    if !directory.ancestors().any(|ancestor| ancestor.join(".git").exists()) {
        return None;
    }
    let output = Command::new("git").args(words).current_dir(directory).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
