//! Scripts of our own on a host, over the connection that is there: for what SFTP cannot do. Each is bounded in time, and in what it may say.

use crate::command::quoted;
use crate::error::{SshError, SshErrorKind};
use crate::link::Link;
use crate::trouble;
use crate::watch::Busy;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// How long a directory may take that the host removes itself.
const REMOVING: Duration = Duration::from_mins(5);
/// How long the connection and the signal that cannot be refused may take, beside the polite one.
const ENDING: Duration = Duration::from_secs(5);
/// The most that a script's words are read.
const LONGEST: u64 = 64 << 10;

/// What is left of a command that was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// No process.
    Nothing,
    /// These, each by its number and name: another user's, most often.
    Processes(Vec<String>),
    /// Nobody can know: the host has no `/proc`.
    Unknown,
}

impl Link {
    /// Ends a command by its token, and all that it started: with the polite signal, and then with the one that cannot be refused.
    ///
    /// # Errors
    /// Where the host cannot be asked, or does not answer in time.
    pub async fn end(&self, token: &str, polite: Duration) -> Result<Left, SshError> {
        let input = format!("{token}\n{}\n", polite.as_millis() / 100);
        let said = self.script("end a command", include_str!("end.sh"), input.as_bytes(), polite + ENDING).await?;
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        Ok(match lines.first().map(String::as_str) {
            None => Left::Nothing,
            Some("unknown") => Left::Unknown,
            Some(_) => Left::Processes(lines),
        })
    }

    /// Has the host remove a directory itself.
    pub(crate) async fn remove_there(&self, path: &str) -> Result<(), SshError> {
        let doing = format!("remove {path}, in which names are no text");
        self.script(&doing, &format!("rm -rf -- {}", quoted(path)?), &[], REMOVING).await.map(drop)
    }

    /// Runs a script with the host's `/bin/sh`, and returns what it says.
    async fn script(&self, doing: &str, script: &str, input: &[u8], within: Duration) -> Result<String, SshError> {
        let _busy = Busy::new(self);
        let failed = |kind, reason: &str| SshError::new(kind, format!("failed to {doing}: {reason}"));
        let line = format!("exec /bin/sh -c {}", quoted(script)?);
        let mut command = Command::new(&self.options.program);
        command.args(self.args_of(line)).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(|error| crate::config::no_ssh(&error))?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) = (process.stdin.take(), process.stdout.take(), process.stderr.take()) else {
            return Err(SshError::permanent("ssh has no standard streams"));
        };
        let (mut said, mut complained) = (Vec::new(), Vec::new());
        let run = async {
            let write = async {
                // One that ended early says so by its exit code.
                let _ = stdin.write_all(input).await;
                drop(stdin);
                Ok(0)
            };
            let (mut stdout, mut stderr) = (stdout.take(LONGEST), stderr.take(LONGEST));
            tokio::try_join!(write, stdout.read_to_end(&mut said), stderr.read_to_end(&mut complained))?;
            drop((stdout, stderr));
            process.wait().await
        };
        let ended = tokio::time::timeout(within, run).await;
        let ended = ended.map_err(|_| failed(SshErrorKind::TimedOut, &format!("`{}` did not answer in time", self.address)))?;
        let status = ended.map_err(|error| failed(SshErrorKind::Permanent, &error.to_string()))?;
        if status.success() {
            return Ok(String::from_utf8_lossy(&said).into_owned());
        }
        let complaint = String::from_utf8_lossy(&complained).into_owned();
        match status.code() {
            Some(255) | None => Err(failed(SshErrorKind::Transient, "the connection was lost")),
            Some(_) => Err(failed(SshErrorKind::Permanent, trouble::last_line(&complaint))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    /// Starts a shell with a token, which starts what it is told.
    fn start(token: &str, script: &str) -> std::process::Child {
        Command::new("sh").args(["-c", script]).env("RELRUN_COMMAND", token).stdout(Stdio::null()).spawn().unwrap()
    }

    fn end(token: &str, tenths: u32) -> String {
        let mut sh = Command::new("sh").args(["-c", include_str!("end.sh")]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        sh.stdin.take().unwrap().write_all(format!("{token}\n{tenths}\n").as_bytes()).unwrap();
        String::from_utf8(sh.wait_with_output().unwrap().stdout).unwrap()
    }

    fn token(name: &str) -> String {
        format!("test-{name}-{}", std::process::id())
    }

    #[test]
    fn a_whole_tree_ends_and_nothing_else() {
        let (one, other) = (token("tree"), token("other"));
        let mut bystander = start(&other, "sleep 60");
        // A child that has lost the token, and one that does not hear the polite signal.
        let mut child = start(&one, "(env -i sleep 61) & (trap '' TERM; sleep 62) & wait");
        std::thread::sleep(Duration::from_millis(300));
        let began = Instant::now();
        assert_eq!(end(&one, 3), "");
        assert!(began.elapsed() < Duration::from_secs(20));
        child.wait().unwrap();
        assert!(bystander.try_wait().unwrap().is_none(), "another command's process lives");
        assert_eq!(end(&other, 20), "");
        bystander.wait().unwrap();
    }

    #[test]
    fn what_has_ended_needs_no_signal() {
        assert_eq!(end(&token("nobody"), 50), "");
    }
}
