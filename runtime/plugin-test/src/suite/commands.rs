//! Commands that answer what a case recorded. The host asks for one in the place of the program, when everything is checked already.

use super::scene::lay;
use relrun_host::{Asked, CommandStandIn, StoodIn};
use relrun_manifest::case::CommandAnswer;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A command that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) words: Vec<String>,
    pub(super) dir: Option<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) stdin: Vec<u8>,
    pub(super) host: Option<String>,
}

/// The answers of a case, and what was asked of them.
pub(super) struct Programs {
    state: Arc<Mutex<State>>,
    /// Where what they write is kept.
    kept: PathBuf,
    /// Where the case file lies.
    beside: PathBuf,
}

#[derive(Default)]
struct State {
    answers: Vec<(CommandAnswer, u32)>,
    ran: Vec<Ran>,
    unanswered: Vec<String>,
    count: usize,
}

impl Programs {
    pub(super) fn new(answers: Vec<CommandAnswer>, kept: &Path, beside: &Path) -> Self {
        let answers = answers.into_iter().map(|answer| (answer, 0)).collect();
        let state = Arc::new(Mutex::new(State { answers, ..State::default() }));
        Self { state, kept: kept.to_owned(), beside: beside.to_owned() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole, so one that panicked left it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> Vec<Ran> {
        std::mem::take(&mut self.state().ran)
    }

    pub(super) fn unanswered(&self) -> Vec<String> {
        std::mem::take(&mut self.state().unanswered)
    }

    pub(super) fn handle(&self) -> Arc<dyn CommandStandIn> {
        Arc::new(Self { state: Arc::clone(&self.state), kept: self.kept.clone(), beside: self.beside.clone() })
    }
}

/// Returns whether recorded words stand for these: `*` for any one, a last `**` for the rest.
pub(super) fn fits(pattern: &[String], words: &[String]) -> bool {
    match (pattern, words) {
        ([], []) => true,
        ([last], _) if last == "**" => true,
        ([first, pattern @ ..], [word, words @ ..]) => (first == "*" || first == word) && fits(pattern, words),
        _ => false,
    }
}

impl CommandStandIn for Programs {
    fn stand_in(&self, asked: &Asked<'_>) -> Result<StoodIn, String> {
        let words: Vec<String> =
            std::iter::once(asked.program).chain(asked.args.iter().map(String::as_str)).map(ToOwned::to_owned).collect();
        let mut state = self.state();
        state.ran.push(Ran {
            words: words.clone(),
            dir: asked.dir.map(ToOwned::to_owned),
            env: asked.env.to_vec(),
            stdin: asked.stdin.to_vec(),
            host: asked.host.map(ToOwned::to_owned),
        });
        let found =
            state.answers.iter_mut().find(|(answer, used)| fits(&answer.words, &words) && answer.times.is_none_or(|times| *used < times));
        let Some((answer, used)) = found else {
            state.unanswered.push(words.join(" "));
            return Err(format!("no `command` line of the case answers `{}`", words.join(" ")));
        };
        *used += 1;
        let answer = answer.clone();
        state.count += 1;
        let (out, err) = (self.kept.join(format!("{}.out", state.count)), self.kept.join(format!("{}.err", state.count)));
        drop(state);
        let failed = |error: std::io::Error| format!("failed to keep what the command answers: {error}");
        fs::create_dir_all(&self.kept)
            .and_then(|()| fs::write(&out, &answer.stdout))
            .and_then(|()| fs::write(&err, &answer.stderr))
            .map_err(failed)?;
        lay(asked.work, &answer.leaves, &self.beside).map_err(|error| error.to_string())?;
        let wait = answer.after.unwrap_or_default().as_secs_f64().to_string();
        let script = r#"cat "$1"; cat "$2" >&2; if [ "$4" != 0 ]; then sleep "$4"; fi; exit "$3""#;
        let args = [
            "-c".to_owned(),
            script.to_owned(),
            "sh".to_owned(),
            out.display().to_string(),
            err.display().to_string(),
            answer.exit.to_string(),
            wait,
        ];
        Ok(StoodIn { program: PathBuf::from("/bin/sh"), args: args.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn recorded_words_stand_for_others() {
        let words = |text: &str| text.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>();
        for (pattern, asked, expected) in [
            ("git log", "git log", true),
            ("git *", "git log", true),
            ("git *", "git log --all", false),
            ("git **", "git log --all", true),
            ("git **", "git", true),
            ("git log", "git", false),
            ("**", "anything at all", true),
        ] {
            assert_eq!(fits(&words(pattern), &words(asked)), expected, "{pattern} {asked}");
        }
    }
}
