//! Commands on a host, over the connection that is there. The host's login shell gets one line, in which every word is quoted; secrets are
//! no part of it, because a command line is everybody's to see: they go by standard input.

use crate::error::SshError;
use crate::files::random;
use crate::link::Link;
use std::fmt::Write;

/// The variable that holds a command's token.
const TOKEN: &str = "RELRUN_COMMAND";

/// A command for a host.
#[derive(Clone, Debug, Default)]
pub struct Remote {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Where it starts; the user's home where it is not said.
    pub dir: Option<String>,
    /// Variables.
    pub env: Vec<(String, String)>,
    /// Variables that hold secrets.
    pub secret_env: Vec<(String, String)>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// By which all of its processes are found when it is to end: [`token`] makes one.
    pub token: Option<String>,
}

/// Returns a token that no other command has.
pub fn token() -> String {
    random() + &random()
}

/// The `ssh` that runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The arguments of `ssh`.
    pub args: Vec<String>,
    /// What `ssh` reads.
    pub stdin: Vec<u8>,
}

impl Link {
    /// Returns how `ssh` is called so that it runs a command over this connection.
    ///
    /// # Errors
    /// Where a word cannot be handed over.
    pub fn command(&self, remote: &Remote) -> Result<Started, SshError> {
        Ok(Started { args: self.args_of(line(remote)?), stdin: input(remote) })
    }

    /// Returns the arguments of an `ssh` that has the host's login shell run a line, over this connection and no other.
    pub(crate) fn args_of(&self, line: String) -> Vec<String> {
        let mut args = Vec::new();
        if let Some(config) = &self.options.config {
            args.extend(["-F".to_owned(), config.display().to_string()]);
        }
        let path = self.control.display().to_string().replace('%', "%%");
        let words = [
            "BatchMode=yes",
            "ControlMaster=no",
            // What the user forwards is opened once, by nobody here.
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "RemoteCommand=none",
            "LogLevel=ERROR",
            "EscapeChar=none",
            "RequestTTY=no",
            // Where the socket is gone, `ssh` would connect anew, by none of our rules. So it cannot.
            "ProxyCommand=false",
        ];
        for option in words.map(str::to_owned).into_iter().chain([format!("ControlPath=\"{path}\"")]) {
            args.extend(["-o".to_owned(), option]);
        }
        args.extend(self.address.args());
        args.push(line);
        args
    }
}

/// Returns what a command reads: the secrets first, a line for each.
fn input(remote: &Remote) -> Vec<u8> {
    let mut stdin = Vec::new();
    for (_, secret) in &remote.secret_env {
        stdin.extend_from_slice(secret.as_bytes());
        stdin.push(b'\n');
    }
    stdin.extend_from_slice(&remote.stdin);
    stdin
}

/// Returns the line for the login shell.
fn line(remote: &Remote) -> Result<String, SshError> {
    let mut script = String::new();
    for (name, secret) in &remote.secret_env {
        if !is_variable(name) || secret.contains(['\n', '\0']) {
            return Err(SshError::invalid(format!(
                "the secret for {name:?} cannot be handed to a command on a host: it has several lines"
            )));
        }
        // `read` takes single bytes from a pipe, so that what follows is the command's.
        let _ = write!(script, "IFS= read -r {name} && export {name} && ");
    }
    if let Some(dir) = &remote.dir {
        let _ = write!(script, "cd -- {} && ", quoted(dir)?);
    }
    script.push_str("exec");
    if !remote.env.is_empty() {
        script.push_str(" env");
    }
    for (name, value) in &remote.env {
        if !is_variable(name) {
            return Err(SshError::invalid(format!("{name:?} is no variable that a host's shell knows")));
        }
        let _ = write!(script, " {name}={}", quoted(value)?);
    }
    for word in &remote.argv {
        let _ = write!(script, " {}", quoted(word)?);
    }
    // Before the shell begins, so that it has the token too.
    let token = remote.token.as_ref().map(|token| format!("env {TOKEN}={token} ")).unwrap_or_default();
    Ok(format!("exec {token}/bin/sh -c {}", quoted(&script)?))
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

pub(crate) fn quoted(word: &str) -> Result<String, SshError> {
    if word.contains('\0') {
        return Err(SshError::invalid("a word of a command holds a NUL"));
    }
    Ok(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(remote: &Remote) -> String {
        let line = line(remote).unwrap();
        let input = input(remote);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), input).unwrap();
        let output = std::process::Command::new("sh").args(["-c", &line]).stdin(file.reopen().unwrap()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn every_word_arrives_as_it_was_written() {
        let words = ["printf", "%s|", "a b", "$(id)", "it's", "\"", "\\n", "", "*", "-x;y"];
        let remote = Remote { argv: words.map(str::to_owned).to_vec(), ..Remote::default() };
        assert_eq!(run(&remote), words[2..].join("|") + "|");
    }

    #[test]
    fn variables_a_directory_secrets_and_input_arrive_and_the_line_holds_no_secret() {
        let remote = Remote {
            argv: ["sh", "-c", "echo $A $B $RELRUN_COMMAND; pwd; cat"].map(str::to_owned).to_vec(),
            dir: Some("/tmp".into()),
            env: vec![("A".into(), "one 'two'".into())],
            secret_env: vec![("B".into(), "s3 cret".into())],
            stdin: b"input".to_vec(),
            token: Some("t0ken".into()),
        };
        assert_eq!(run(&remote), "one 'two' s3 cret t0ken\n/tmp\ninput");
        assert!(!line(&remote).unwrap().contains("s3"));
    }

    #[test]
    fn what_a_shell_cannot_carry_is_refused() {
        let with = |env: (&str, &str), secret: (&str, &str)| Remote {
            argv: vec!["true".into()],
            env: vec![(env.0.into(), env.1.into())],
            secret_env: vec![(secret.0.into(), secret.1.into())],
            ..Remote::default()
        };
        assert!(line(&with(("A;id", "x"), ("B", "x"))).is_err());
        assert!(line(&with(("A", "x"), ("B;id", "x"))).is_err());
        assert!(line(&with(("A", "x"), ("B", "two\nlines"))).is_err());
        assert!(line(&Remote { argv: vec!["a\0b".into()], ..Remote::default() }).is_err());
    }
}
