//! Which addresses a step may reach without `private=#true`: those of the public internet alone.
//!
//! The table follows the IANA registries of special-purpose addresses (RFC 6890 and its updates). What is in doubt is not public.

use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is, as far as the gate cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anybody's.
    Public,
    /// Only here: reachable under `private=#true`. Holds the kind's name.
    Private(&'static str),
    /// Nobody's to connect to, whatever the grant says. Holds the kind's name.
    Never(&'static str),
}

type Row4 = (Ipv4Net, Reach);
type Row6 = (Ipv6Net, Reach);

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8, reach: Reach) -> Row4 {
    (Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length), reach)
}

const fn v6(a: u16, b: u16, c: u16, length: u8, reach: Reach) -> Row6 {
    (Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length), reach)
}

const LOOPBACK: Reach = Reach::Private("loopback");
const PRIVATE: Reach = Reach::Private("private");
const LINK_LOCAL: Reach = Reach::Private("link-local");
const METADATA: Reach = Reach::Private("metadata");
const SHARED: Reach = Reach::Private("carrier-grade NAT");
const RESERVED: Reach = Reach::Never("reserved");
const MULTICAST: Reach = Reach::Never("multicast");
const UNSPECIFIED: Reach = Reach::Never("unspecified");
const RELAY: Reach = Reach::Never("tunnel");

/// The first row that holds an address says what it is.
const V4: &[Row4] = &[
    v4(169, 254, 169, 254, 32, METADATA),
    v4(169, 254, 170, 2, 32, METADATA),
    v4(168, 63, 129, 16, 32, METADATA),
    v4(100, 100, 100, 200, 32, METADATA),
    v4(0, 0, 0, 0, 8, UNSPECIFIED),
    v4(10, 0, 0, 0, 8, PRIVATE),
    v4(100, 64, 0, 0, 10, SHARED),
    v4(127, 0, 0, 0, 8, LOOPBACK),
    v4(169, 254, 0, 0, 16, LINK_LOCAL),
    v4(172, 16, 0, 0, 12, PRIVATE),
    v4(192, 0, 0, 0, 24, RESERVED),
    v4(192, 0, 2, 0, 24, RESERVED),
    v4(192, 88, 99, 0, 24, RELAY),
    v4(192, 168, 0, 0, 16, PRIVATE),
    v4(198, 18, 0, 0, 15, PRIVATE),
    v4(198, 51, 100, 0, 24, RESERVED),
    v4(203, 0, 113, 0, 24, RESERVED),
    v4(224, 0, 0, 0, 4, MULTICAST),
    v4(240, 0, 0, 0, 4, RESERVED),
];

/// Of IPv6, only `2000::/3` is handed out; the rows before it are its holes and the private ranges.
const V6: &[Row6] = &[
    (Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128), METADATA),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), LOOPBACK),
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), UNSPECIFIED),
    v6(0xfc00, 0, 0, 7, PRIVATE),
    v6(0xfe80, 0, 0, 10, LINK_LOCAL),
    v6(0xfec0, 0, 0, 10, PRIVATE),
    v6(0xff00, 0, 0, 8, MULTICAST),
    v6(0x2001, 0, 0, 32, RELAY),
    v6(0x2001, 0, 0, 23, RESERVED),
    v6(0x2001, 0xdb8, 0, 32, RESERVED),
    v6(0x3fff, 0, 0, 20, RESERVED),
    v6(0x2000, 0, 0, 3, Reach::Public),
];

/// Says what an address is. An IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4) is what the IPv4 address is.
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach4(address),
        IpAddr::V6(address) => embedded(address).map_or_else(|| reach6(address), reach4),
    }
}

fn reach4(address: Ipv4Addr) -> Reach {
    V4.iter().find(|(net, _)| net.contains(&address)).map_or(Reach::Public, |&(_, reach)| reach)
}

fn reach6(address: Ipv6Addr) -> Reach {
    V6.iter().find(|(net, _)| net.contains(&address)).map_or(RESERVED, |&(_, reach)| reach)
}

fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let last = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Mapped, translated (RFC 2765), compatible; NAT64's well-known prefix, and its local one in its longest form.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        // 6to4.
        | [0x2002, high, low, ..] => Some(last(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Reach {
        reach(text.parse().expect("an address"))
    }

    #[test]
    fn public_addresses_are_public() {
        for text in ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"] {
            assert_eq!(of(text), Reach::Public, "{text}");
        }
    }

    #[test]
    fn what_is_only_here_needs_a_private_grant() {
        let here = [
            "127.0.0.1",
            "127.255.0.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "198.18.0.1",
            "::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:a9fe:a9fe",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "::10.0.0.1",
            "::ffff:0:10.0.0.1",
            "168.63.129.16",
        ];
        for text in here {
            assert!(matches!(of(text), Reach::Private(_)), "{text} is {:?}", of(text));
        }
    }

    #[test]
    fn some_are_never_reached() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.2.1",
            "::",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "4000::1",
        ] {
            assert!(matches!(of(text), Reach::Never(_)), "{text} is {:?}", of(text));
        }
    }
}
