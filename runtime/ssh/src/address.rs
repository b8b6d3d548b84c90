//! `ssh://user@host:port`, taken apart. Its parts become arguments of `ssh`, so whatever could be read as an option or by a shell is refused.

use crate::SshError;
use std::fmt;

/// Where a host is. What it does not say, the user's `ssh_config` does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name of the `ssh_config`, of DNS, or an IP address.
    pub host: String,
    /// The user, where one is named.
    pub user: Option<String>,
    /// The port, where one is named.
    pub port: Option<u16>,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// Where it is no `ssh://user@host:port`.
    pub fn parse(text: &str) -> Result<Self, SshError> {
        let wrong = || SshError::invalid(format!("{text:?} is no address of a host: write `ssh://user@host:port`"));
        let url = url::Url::parse(text).map_err(|_| wrong())?;
        let bare = url.password().is_none() && matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let host = url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned());
        let host = host.filter(|host| url.scheme() == "ssh" && bare && is_host(host)).ok_or_else(wrong)?;
        let user = percent_encoding::percent_decode_str(url.username()).decode_utf8().map_err(|_| wrong())?.into_owned();
        if !user.is_empty() && !is_user(&user) {
            return Err(wrong());
        }
        Ok(Self { host, user: (!user.is_empty()).then_some(user), port: url.port() })
    }

    /// Returns the arguments that name it to `ssh`; they come last.
    pub(crate) fn args(&self) -> Vec<String> {
        let mut args = Vec::new();
        if let Some(user) = &self.user {
            args.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.port {
            args.extend(["-p".to_owned(), port.to_string()]);
        }
        args.extend(["--".to_owned(), self.host.clone()]);
        args
    }
}

fn is_host(host: &str) -> bool {
    host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':')
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'))
}

fn is_user(user: &str) -> bool {
    user.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && user.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '+' | '\\'))
}

impl fmt::Display for Address {
    /// As one would type it: `ssh -p 2222 deploy@web1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh ")?;
        if let Some(port) = self.port {
            write!(f, "-p {port} ")?;
        }
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let parse = |text: &str| Address::parse(text).unwrap();
        assert_eq!(parse("ssh://deploy@10.0.0.4:2222").to_string(), "ssh -p 2222 deploy@10.0.0.4");
        assert_eq!(parse("ssh://web1").args(), ["--", "web1"]);
        assert_eq!(parse("ssh://deploy@[2001:db8::1]:22").args(), ["-l", "deploy", "-p", "22", "--", "2001:db8::1"]);
    }

    #[test]
    fn what_ssh_or_a_shell_could_take_for_something_else_is_refused() {
        for text in [
            "web1",
            "http://web1",
            "ssh://",
            "ssh://-oProxyCommand=touch",
            "ssh://-lroot@web1",
            "ssh://a:b@web1",
            "ssh://web1/srv",
            "ssh://we%20b1",
            "ssh://x$(id)@web1",
            "ssh://web1?x",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
