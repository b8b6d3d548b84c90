//! The main job, as the README shows it: a real release of `examples/site`, seen twice, changed, and rolled back.

use std::process::Command;

use crate::checkout::{Checkout, announce, run as run_here, say};
use crate::{Outcome, guests};

/// What is typed, and what it shows.
const COMMANDS: &[(&str, &[&str])] = &[
    ("render this repository's pages, check them, and bring them to staging and production", &["apply", "examples/site/release.kdl"]),
    ("the same again: nothing to do", &["apply", "examples/site/release.kdl"]),
    ("another title: a second release", &["apply", "examples/site/release.kdl", "-i", "title=relrun, again"]),
    ("back to what production served before", &["rollback", "-e", "production", "-m", "examples/site/release.kdl"]),
    ("what is where", &["status", "-m", "examples/site/release.kdl"]),
];

/// Sets everything up and runs the main job.
pub(crate) fn run(checkout: &Checkout) -> Outcome {
    guests::build_all(checkout)?;
    announce("relrun");
    run_here(checkout.cargo(&checkout.root, &["build", "--locked", "--package", "relrun"]))?;
    for (why, words) in COMMANDS {
        announce(why);
        say(&typed(words));
        let mut command = Command::new(checkout.relrun());
        // This deploys to folders of the checkout, so a ledger that goes with it is meant, in CI too.
        command.args(*words).current_dir(&checkout.root).env_remove("CI");
        run_here(command)?;
    }
    Ok(())
}

/// Returns a command as one would type it.
fn typed(words: &[&str]) -> String {
    format!("$ relrun {}", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
}

/// Returns a word as a shell would need it.
fn quoted(word: &str) -> String {
    if word.contains([' ', '*', '$', '\'', '"']) { format!("'{}'", word.replace('\'', r"'\''")) } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_these_commands_in_this_order() {
        let mut readme = include_str!("../../../README.md");
        for (_, words) in COMMANDS {
            let line = typed(words);
            let found = readme.find(&format!("{line}\n")).unwrap_or_else(|| panic!("the README does not show, in its place: {line}"));
            readme = &readme[found + line.len()..];
        }
    }
}
