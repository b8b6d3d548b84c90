//! Origins: how they are read and compared, for the gate as for the check of grants. An address never matches a name, nor a wildcard an address.

use crate::Origin;
use std::fmt;
use std::net::IpAddr;
use url::{Host, Url};

impl Origin {
    /// Reads `https://api.example.com`, `http://[::1]:8080` or `https://*.example.com`: a scheme, a host and a port, and nothing behind them.
    /// Names become lower case and ASCII, addresses take their one usual form; an IPv6 address keeps its brackets.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("it has no scheme")?;
        let (wild, rest) = rest.strip_prefix("*.").map_or((false, rest), |rest| (true, rest));
        if rest.contains('*') {
            return Err("`*.` stands only at the beginning of the host".to_owned());
        }
        let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("its scheme is not `http` or `https`".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it holds a user's name".to_owned());
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("it holds a path; only the origin can be granted".to_owned());
        }
        let host = match url.host() {
            Some(Host::Domain(name)) if wild => format!("*.{name}"),
            Some(_) if wild => return Err("an address has no names below it".to_owned()),
            Some(host) => host.to_string(),
            None => return Err("it has no host".to_owned()),
        };
        let port = url.port_or_known_default().ok_or("it has no port")?;
        Ok(Self { scheme: url.scheme().to_owned(), host, port })
    }

    /// Returns whether this grant's origin covers another: one that a URL names, or a narrower one with a wildcard of its own.
    pub fn covers(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.port == other.port && covers_host(&self.host, &other.host)
    }
}

fn covers_host(granted: &str, host: &str) -> bool {
    match granted.strip_prefix("*.") {
        None => granted == host,
        Some(_) if host.starts_with('[') || host.parse::<IpAddr>().is_ok() => false,
        Some(domain) => host.strip_suffix(domain).and_then(|labels| labels.strip_suffix('.')).is_some_and(|labels| !labels.is_empty()),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match (self.scheme.as_str(), self.port) {
            ("http", 80) | ("https", 443) => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(granted: &str, host: &str) -> bool {
        let origin = |host: &str| Origin { scheme: "https".to_owned(), host: host.to_owned(), port: 443 };
        origin(granted).covers(&origin(host))
    }

    #[test]
    fn a_name_covers_itself_alone() {
        assert!(covers("a.example", "a.example"));
        assert!(!covers("a.example", "b.a.example"));
        assert!(!covers("a.example", "aa.example"));
    }

    #[test]
    fn a_wildcard_covers_one_or_more_labels() {
        assert!(covers("*.example", "a.example"));
        assert!(covers("*.example", "a.b.example"));
        assert!(covers("*.example", "*.b.example"));
        assert!(!covers("*.example", "example"));
        assert!(!covers("*.example", ".example"));
        assert!(!covers("*.example", "badexample"));
        assert!(!covers("a.example", "*.example"));
    }

    #[test]
    fn a_wildcard_covers_no_address() {
        assert!(!covers("*.0.0.1", "127.0.0.1"));
        assert!(!covers("*.1]", "[::1.1]"));
    }

    #[test]
    fn scheme_and_port_count() {
        let origin = |scheme: &str, port| Origin { scheme: scheme.to_owned(), host: "a.example".to_owned(), port };
        assert!(!origin("https", 443).covers(&origin("http", 443)));
        assert!(!origin("https", 443).covers(&origin("https", 8443)));
        assert_eq!(origin("https", 443).to_string(), "https://a.example");
        assert_eq!(origin("http", 443).to_string(), "http://a.example:443");
    }
}
