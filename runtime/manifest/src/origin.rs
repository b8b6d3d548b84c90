//! The comparison of origins, for the gate as for the check of grants. An address never matches a name, nor a wildcard an address.

use crate::Origin;
use std::fmt;
use std::net::IpAddr;

impl Origin {
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
