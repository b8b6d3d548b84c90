//! Runs the programs that make a toolchain, with their output as progress.

use std::io::{BufRead as _, BufReader, Write};
use std::process::{Command, ExitStatus, Stdio};

use crate::Error;

/// How many of the last lines an error shows.
const TAIL: usize = 40;

/// Says what is being done, as one line.
pub(crate) fn say(progress: &mut dyn Write, line: &str) {
    // Progress that nobody can read any more must not end the work.
    let _ = writeln!(progress, "{line}").and_then(|()| progress.flush());
}

/// Runs `command` to its end, each of its lines going to `progress`.
pub(crate) fn stream(mut command: Command, progress: &mut dyn Write) -> Result<(), Error> {
    let shown = shown(&command);
    let failed = |reason: String, log: String| Error::Command { command: shown.clone(), reason, log };
    let (reader, writer) = std::io::pipe().map_err(|error| failed(error.to_string(), String::new()))?;
    let twin = writer.try_clone().map_err(|error| failed(error.to_string(), String::new()))?;
    let spawned = command.stdin(Stdio::null()).stdout(twin).stderr(writer).spawn();
    // The command holds the pipe's writing ends: while it lives, the loop below never sees the end.
    drop(command);
    let mut child = spawned.map_err(|error| failed(error.to_string(), String::new()))?;
    let mut tail = Vec::new();
    for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        say(progress, &line);
        if tail.len() == TAIL {
            tail.remove(0);
        }
        tail.push(line);
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(ended(status), tail.join("\n"))),
        Err(error) => Err(failed(error.to_string(), tail.join("\n"))),
    }
}

/// Runs `command` to its end and returns what it wrote to stdout.
pub(crate) fn capture(mut command: Command) -> Result<String, Error> {
    let shown = shown(&command);
    let output = command.stdin(Stdio::null()).output().map_err(|error| Error::Command {
        command: shown.clone(),
        reason: error.to_string(),
        log: String::new(),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let log = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(Error::Command { command: shown, reason: ended(output.status), log })
}

fn ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("it ended with exit code {code}"),
        None => format!("it was ended ({status})"),
    }
}

fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_outputs_are_progress() {
        let mut progress = Vec::new();
        stream(shell("echo one; echo two >&2"), &mut progress).expect("echo works");
        assert_eq!(String::from_utf8_lossy(&progress), "one\ntwo\n");
    }

    #[test]
    fn an_error_carries_the_last_lines() {
        let error = stream(shell("seq 1 100; exit 3"), &mut Vec::new()).expect_err("it exits 3");
        let Error::Command { reason, log, .. } = error else { panic!("another error: {error}") };
        assert_eq!(reason, "it ended with exit code 3");
        assert_eq!(log.lines().count(), TAIL);
        assert!(log.starts_with("61\n") && log.ends_with("100"), "{log}");
    }

    #[test]
    fn a_missing_program_is_an_error() {
        let error = capture(Command::new("/nonexistent/program")).expect_err("there is none");
        assert!(error.to_string().starts_with("failed to run `/nonexistent/program`: "), "{error}");
    }
}
