//! From what `ssh` writes when it gives up to what a person reads: what is wrong, and what to type. Unknown words are handed on as they are.

use crate::address::Address;
use crate::config::Effective;
use crate::error::{SshError, SshErrorKind};

/// Says why a connection came to nothing.
pub(crate) fn why(address: &Address, known: &Effective, said: &str) -> SshError {
    let (kind, reason) = reason(address, known, said);
    SshError::new(kind, format!("failed to connect (`{address}`): {reason}"))
}

fn reason(address: &Address, known: &Effective, said: &str) -> (SshErrorKind, String) {
    let has = |words: &str| said.contains(words);
    let last = last_line(said);
    // A proxy's words are about another host than the one that was named.
    let jump = known.get("proxyjump").or_else(|| known.get("proxycommand"));
    let through = jump.map(|jump| format!(" (it is reached through {jump})")).unwrap_or_default();
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") || has("HOST IDENTIFICATION HAS CHANGED") {
        return (SshErrorKind::Denied, changed(address, known, said));
    }
    // Where a proxy gave up, the other end of its pipe has neither a name nor a port.
    let proxys = jump.filter(|_| has("UNKNOWN port 65535") || has("kex_exchange_identification"));
    if let (Some(jump), true) = (proxys, has("Host key verification failed")) {
        let reason =
            format!("the host key of {jump}, which it is reached through, is not known: connect to that one by hand and compare the key");
        return (SshErrorKind::Denied, reason);
    }
    if has("Host key verification failed") || has("host key is known for") || has("host key for") && has("strict checking") {
        return (SshErrorKind::Denied, unknown(address, known, said));
    }
    if has("REVOKED HOST KEY") {
        return (SshErrorKind::Denied, format!("its key was revoked: {last}"));
    }
    if has("Permission denied") || has("Too many authentication failures") {
        let help = format!("nobody is asked for a password; try `{address} true`, and look at `ssh-add -l`");
        return (SshErrorKind::Denied, format!("the host refuses every key that was offered{through}: {last}; {help}"));
    }
    if has("Could not resolve hostname") || has("Name or service not known") {
        return (SshErrorKind::Missing, format!("there is no such host{through}: {last}"));
    }
    if has("subsystem request failed") {
        let help = "its sshd_config needs a line `Subsystem sftp internal-sftp`";
        return (SshErrorKind::Permanent, format!("the host offers no SFTP: {help}"));
    }
    if has("timed out") || has("Timeout, server") {
        return (SshErrorKind::TimedOut, format!("it did not answer in time{through}: {last}"));
    }
    let away = ["Connection refused", "No route to host", "Network is unreachable", "Connection reset", "Connection closed", "closed by"];
    if away.iter().any(|words| has(words)) || has("kex_exchange_identification") || has("ssh_exchange_identification") {
        return (SshErrorKind::Transient, format!("it is not to be reached{through}: {last}"));
    }
    if has("bad configuration option") || has("Bad configuration option") || has("terminating,") {
        return (SshErrorKind::Invalid, format!("ssh refuses its configuration: {last}"));
    }
    if last.is_empty() {
        return (SshErrorKind::Transient, format!("ssh ended without a word{through}; try `{address} true`"));
    }
    (SshErrorKind::Permanent, format!("{last}{through}"))
}

fn changed(address: &Address, known: &Effective, said: &str) -> String {
    let name = key_named(said).unwrap_or_else(|| known.known_as(address));
    let offending = said.lines().find_map(|line| line.trim().strip_prefix("Offending ")?.split_once(" key in "));
    let (file, place) = match offending.and_then(|(_, place)| place.trim().rsplit_once(':')) {
        Some((file, line)) => (file.to_owned(), format!("{file} line {line}")),
        None => (known.known_hosts().to_owned(), known.known_hosts().to_owned()),
    };
    format!(
        "the host key of {name} is not the one in {place}. Somebody may be between you and the host. If the host was really made anew, \
         type `ssh-keygen -R '{name}' -f {file}`, and then connect once by hand and compare the new key"
    )
}

fn unknown(address: &Address, known: &Effective, said: &str) -> String {
    let name = key_named(said).unwrap_or_else(|| known.known_as(address));
    let scan = format!("ssh-keyscan -p {} {} >> {}", known.port(), known.hostname(address), known.known_hosts());
    format!(
        "its host key is not known ({name}). Connect once by hand and compare the key (`{address} true`), or, where the network is \
         trusted, type `{scan}`"
    )
}

/// Returns the name under which ssh looked for a key, where it says so: a jump host's is another than the address's.
fn key_named(said: &str) -> Option<String> {
    let after = |line: &str, mark: &str| Some(line.split_once(mark)?.1.split_whitespace().next()?.trim_end_matches('.').to_owned());
    said.lines().find_map(|line| after(line, "host key is known for ").or_else(|| after(line, "Host key for ")))
}

/// Returns the last line that says something, without the program's own name.
pub(crate) fn last_line(said: &str) -> &str {
    let tells = |line: &&str| !line.is_empty() && !line.chars().all(|c| matches!(c, '@' | '#' | '-'));
    let line = said.lines().map(str::trim).rev().find(tells).unwrap_or_default();
    line.strip_prefix("ssh: ").unwrap_or(line)
}
