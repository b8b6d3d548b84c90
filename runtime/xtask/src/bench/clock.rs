//! Takes times turn by turn, so that whatever else the machine does falls on all alike.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::cases::Case;
use crate::checkout::say;

/// A tool that takes part in a case.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) command: Vec<String>,
    pub(crate) folder: PathBuf,
    /// Folders that must not be there when the clock starts.
    pub(crate) removes: Vec<PathBuf>,
}

/// What one tool took in a case: the median of its rounds, and the quickest.
pub(crate) struct Taken {
    pub(crate) name: &'static str,
    pub(crate) median: Duration,
    pub(crate) quickest: Duration,
}

/// What a case gave.
pub(crate) struct Measured {
    pub(crate) case: &'static str,
    pub(crate) aim: Option<&'static str>,
    pub(crate) rounds: usize,
    pub(crate) taken: Vec<Taken>,
}

/// Lets every tool run once to warm up, and then in turn for so many rounds.
pub(crate) fn measure(case: &Case, contestants: &[Contestant]) -> Result<Measured, Box<dyn Error>> {
    let mut times: Vec<Vec<Duration>> = contestants.iter().map(|_| Vec::new()).collect();
    for round in 0..=case.rounds {
        for (contestant, times) in contestants.iter().zip(&mut times) {
            let time = once(contestant)?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    say(&format!("    {} rounds", case.rounds));
    let taken = contestants.iter().zip(times).map(|(contestant, mut times)| {
        times.sort_unstable();
        Taken { name: contestant.name, median: times[times.len() / 2], quickest: times[0] }
    });
    Ok(Measured { case: case.name, aim: case.aim, rounds: case.rounds, taken: taken.collect() })
}

fn once(contestant: &Contestant) -> Result<Duration, Box<dyn Error>> {
    for folder in contestant.removes.iter().filter(|folder| folder.exists()) {
        fs::remove_dir_all(folder)?;
    }
    let (program, words) = contestant.command.split_first().ok_or("a contestant needs a command")?;
    let mut command = Command::new(program);
    command.args(words).current_dir(&contestant.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let began = Instant::now();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    let time = began.elapsed();
    if output.status.success() {
        return Ok(time);
    }
    let said = String::from_utf8_lossy(&output.stderr).chars().take(2_000).collect::<String>();
    Err(format!("`{}` failed ({}): {said}", contestant.command.join(" "), output.status).into())
}
