//! What the user's own configuration says of a host: `ssh -G`. It is asked, because only what the user left open may be set here.

use crate::address::Address;
use crate::error::{SshError, SshErrorKind};
use crate::pool::SshOptions;
use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// The longest that `ssh -G` may take; a `Match exec` of the user's may run there.
const ASKING: Duration = Duration::from_secs(30);

/// What `ssh` would do for a host.
pub(crate) struct Effective {
    settings: HashMap<String, String>,
}

impl Effective {
    /// Asks `ssh`.
    pub(crate) async fn of(options: &SshOptions, address: &Address) -> Result<Self, SshError> {
        let mut command = program(options);
        command.arg("-G").args(address.args()).stdin(Stdio::null()).kill_on_drop(true);
        let asked = tokio::time::timeout(ASKING, command.output()).await;
        let asked = asked.map_err(|_| SshError::new(SshErrorKind::TimedOut, "`ssh -G` did not answer: look at your ssh_config"))?;
        let output = asked.map_err(|error| no_ssh(&error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(SshError::invalid(format!("ssh refuses its configuration: {}", said.trim())));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        // Some words stand several times; the first is the one that counts.
        let mut settings = HashMap::new();
        for (name, value) in pairs {
            settings.entry(name.to_lowercase()).or_insert_with(|| value.trim().to_owned());
        }
        Ok(Self { settings })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str).filter(|value| !value.is_empty() && *value != "none")
    }

    /// Returns the host and port as `known_hosts` writes them.
    pub(crate) fn known_as(&self, address: &Address) -> String {
        let host = self.get("hostkeyalias").or_else(|| self.get("hostname")).unwrap_or(&address.host);
        match self.port() {
            22 => host.to_owned(),
            port => format!("[{host}]:{port}"),
        }
    }

    /// Returns the host's name or address.
    pub(crate) fn hostname<'a>(&'a self, address: &'a Address) -> &'a str {
        self.get("hostname").unwrap_or(&address.host)
    }

    pub(crate) fn port(&self) -> u16 {
        self.get("port").and_then(|port| port.parse().ok()).unwrap_or(22)
    }

    /// Returns the first file of the user's known hosts.
    pub(crate) fn known_hosts(&self) -> &str {
        self.get("userknownhostsfile").and_then(|files| files.split(' ').next()).unwrap_or("~/.ssh/known_hosts")
    }

    /// Returns the options that bound what the user's configuration leaves unbounded.
    pub(crate) fn bounds(&self, options: &SshOptions) -> Vec<String> {
        let mut bounds = Vec::new();
        let zero = |name: &str| self.get(name).is_none_or(|value| value == "0");
        if zero("connecttimeout") {
            bounds.push(format!("ConnectTimeout={}", options.connect.as_secs().max(1)));
        }
        // Debian gives batch mode five minutes.
        if zero("serveraliveinterval") || self.get("serveraliveinterval") == Some("300") {
            bounds.push(format!("ServerAliveInterval={}", options.alive.as_secs().max(1)));
        }
        bounds
    }
}

/// Returns `ssh` with what every call of it has.
pub(crate) fn program(options: &SshOptions) -> Command {
    let mut command = Command::new(&options.program);
    if let Some(config) = &options.config {
        command.arg("-F").arg(config);
    }
    // Nobody is asked for anything, by a jump host neither, which does not see our options.
    command.env("SSH_ASKPASS_REQUIRE", "force").env("SSH_ASKPASS", "/bin/false");
    // A terminal's Ctrl-C is for relrun, which still needs its hosts then: to take back what is half done.
    command.process_group(0);
    command
}

pub(crate) fn no_ssh(error: &std::io::Error) -> SshError {
    match error.kind() {
        std::io::ErrorKind::NotFound => SshError::new(
            SshErrorKind::Missing,
            "there is no `ssh` on this machine: install OpenSSH's client (`apt-get install openssh-client`)",
        ),
        _ => SshError::permanent(format!("failed to start ssh: {error}")),
    }
}
