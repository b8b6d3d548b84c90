//! What lies on this machine or in its private networks. A registry out there does not lead there: whoever answers in its name could otherwise have this
//! machine ask services that nobody outside can reach.
//!
//! Literal addresses are looked at, and where a registry itself is. A name that a registry leads to is not looked up: at a public registry it may
//! still be one of a private address.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use url::{Host, Url};

/// The hosts of registries that are themselves near.
#[derive(Clone, Debug, Default)]
pub(super) struct Near(Arc<Mutex<HashSet<String>>>);

impl Near {
    /// Notes where a registry is, as far as that can be looked up.
    pub(super) async fn note(&self, registry: &Url) {
        let (Some(Host::Domain(name)), Some(port)) = (registry.host(), registry.port_or_known_default()) else { return };
        let Ok(mut found) = tokio::net::lookup_host((name, port)).await else { return };
        if found.any(|address| is_near(address.ip())) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        }
    }

    /// Returns whether one URL may lead to another.
    pub(super) fn may_lead(&self, from: &Url, to: &Url) -> bool {
        from.origin() == to.origin() || !names_near(to) || self.is_near(from)
    }

    fn is_near(&self, url: &Url) -> bool {
        let noted = |name: &str| self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(name);
        names_near(url) || url.host_str().is_some_and(noted)
    }
}

/// Returns whether a URL names this machine or a private network in so many words.
fn names_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => is_near(address.into()),
        Some(Host::Ipv6(address)) => is_near(address.into()),
        None => false,
    }
}

fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_broadcast()
                || first == 0
                // Carrier-grade NAT, which clouds use within.
                || first == 100 && (64..128).contains(&second)
        }
        IpAddr::V6(address) => {
            let within = within(address);
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || within.is_some_and(|address| is_near(address.into()))
        }
    }
}

/// Returns the address of IPv4 that one of IPv6 stands for: mapped, or through NAT64.
fn within(address: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    let segments = address.segments();
    let nat64 = segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let low = || {
        let [.., a, b, c, d] = address.octets();
        std::net::Ipv4Addr::new(a, b, c, d)
    };
    if nat64 { Some(low()) } else { address.to_ipv4_mapped() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_registry_out_there_does_not_lead_here() {
        let near = Near::default();
        let registry = url("https://registry.example.com/");
        for there in [
            "https://127.0.0.1:2375/",
            "http://localhost:8080/",
            "https://x.localhost/",
            "https://10.1.2.3/",
            "https://172.16.0.1/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::a00:1]/",
        ] {
            assert!(!near.may_lead(&registry, &url(there)), "{there}");
            assert!(near.may_lead(&url("https://10.0.0.7:5000/"), &url(there)), "a registry that is near may: {there}");
        }
        for there in ["https://storage.example.net/blob", "https://93.184.216.34/", "https://registry.example.com/x", "https://[2606::1]/"]
        {
            assert!(near.may_lead(&registry, &url(there)), "{there}");
        }
    }

    #[tokio::test]
    async fn a_registry_whose_name_is_of_a_near_address_may_lead_here() {
        let near = Near::default();
        let registry = url("https://localhost.localdomain.invalid/");
        near.note(&registry).await;
        assert!(!near.may_lead(&registry, &url("https://10.0.0.1/")), "its name cannot be looked up");
        near.0.lock().unwrap().insert("registry.corp".to_owned());
        assert!(near.may_lead(&url("https://registry.corp/"), &url("https://10.0.0.1/")));
        near.note(&url("https://localhost:5000/")).await;
        assert!(near.0.lock().unwrap().contains("localhost"), "it is looked up");
    }
}
