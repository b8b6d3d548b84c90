//! What git knows of the work tree, asked of git itself. Where there is none, nothing is known, and nothing fails.

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

fn ask(directory: &Path, words: &[&str]) -> Option<String> {
    if !directory.ancestors().any(|ancestor| ancestor.join(".git").exists()) {
        return None;
    }
    let output = Command::new("git").args(words).current_dir(directory).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
