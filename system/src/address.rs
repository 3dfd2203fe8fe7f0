//! Addresses that no geolocation exists for, and whose word is taken for a caller's address.
//!
//! Not here: what is answered then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

/// Whether an address can have a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Globally routed.
    Global,
    /// For private networks, documentation, a host itself or a link.
    Private,
    /// Multicast, shared (carrier-grade NAT) or not assigned to anyone.
    Reserved,
}

/// What kind of address `ip` is. An IPv4 address mapped into IPv6 is to be unwrapped first.
///
/// Private is what Python's `ipaddress` calls `is_private`, because published clients refuse those addresses with these
/// very words. Source: IANA special-purpose address registries, as of Python 3.11.
#[must_use]
pub fn kind(ip: IpAddr) -> Kind {
    match ip {
        IpAddr::V4(ip) => kind_v4(ip),
        IpAddr::V6(ip) => kind_v6(ip),
    }
}

fn kind_v4(ip: Ipv4Addr) -> Kind {
    match ip.octets() {
        [0 | 10 | 127 | 240..=255, ..]
        | [169, 254, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [192, 0, 0, 0..=7 | 170 | 171]
        | [192, 0, 2, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Kind::Private,
        [224..=239, ..] | [100, 64..=127, ..] | [192, 0, 0, _] => Kind::Reserved,
        _ => Kind::Global,
    }
}

fn kind_v6(ip: Ipv6Addr) -> Kind {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1]
        | [0x0100, 0, 0, 0, ..]
        | [0x2001, 0..=0x01ff, ..]
        | [0x2001, 0x0db8, ..]
        | [0xfc00..=0xfdff, ..]
        | [0xfe80..=0xfebf, ..] => Kind::Private,
        // Everything that IANA has given out for global unicast.
        [0x2000..=0x3fff, ..] => Kind::Global,
        _ => Kind::Reserved,
    }
}

/// The proxies whose `X-Forwarded-For` is believed. Nobody's unless configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusted(Vec<IpNet>);

impl Trusted {
    /// Trusts every address of these blocks.
    #[must_use]
    pub fn new(blocks: Vec<IpNet>) -> Self {
        Self(blocks.into_iter().map(unmapped).collect())
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn holds(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|block| block.contains(&ip))
    }

    /// Who calls: `peer`, unless it is a trusted proxy. Then the last address of `forwarded` that is no trusted proxy,
    /// because anyone can write what he likes to the left of it. `forwarded` are the values of the header's lines, in
    /// order, which may be no text. The walk ends at the first entry that is no address: what stands to its left is not believed.
    #[must_use]
    pub fn caller<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a [u8]>) -> IpAddr {
        let mut caller = peer.to_canonical();
        if self.0.is_empty() || !self.holds(caller) {
            return caller;
        }
        for entry in forwarded.rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            let text = str::from_utf8(entry).ok();
            let Some(ip) = text.and_then(|entry| forwarded_address(entry.trim())) else { break };
            caller = ip;
            if !self.holds(caller) {
                break;
            }
        }
        caller
    }
}

/// A block of IPv4 addresses mapped into IPv6 as a block of IPv4: callers' addresses are unwrapped before they are compared.
fn unmapped(block: IpNet) -> IpNet {
    let IpNet::V6(v6) = block else { return block };
    let inner = v6.prefix_len().checked_sub(96).zip(v6.network().to_ipv4_mapped());
    inner.and_then(|(length, network)| Ipv4Net::new(network, length).ok()).map_or(block, IpNet::V4)
}

/// A CIDR block, or the block of a single address.
#[must_use]
pub fn block(text: &str) -> Option<IpNet> {
    text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok().map(unmapped)
}

/// An address as proxies write it: bare, in brackets, with or without a port.
fn forwarded_address(entry: &str) -> Option<IpAddr> {
    let bracketed = || entry.strip_prefix('[')?.split(']').next()?.parse().ok();
    let ported = || entry.rsplit_once(':')?.0.parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    entry.parse().ok().or_else(bracketed).or_else(ported).map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn special_addresses_have_no_place() {
        let kinds = [
            (
                Kind::Private,
                "127.0.0.1 10.1.2.3 172.31.0.1 192.168.0.9 169.254.1.1 0.0.0.0 198.19.0.1 203.0.113.9 240.0.0.1 255.255.255.255 192.0.0.170 :: ::1 fe80::1 fd00::1 2001:db8::1 100::5",
            ),
            (Kind::Reserved, "224.244.244.244 239.1.1.1 100.64.0.1 100.127.255.255 ff02::1 4000::1 fec0::1 64:ff9b::1"),
            (
                Kind::Global,
                "8.8.8.8 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 192.0.1.1 223.255.255.255 2001:4860:4860::8888 2a00::1",
            ),
        ];
        for (wanted, addresses) in kinds {
            for address in addresses.split(' ') {
                assert_eq!(kind(ip(address)), wanted, "{address}");
            }
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_the_list_is_walked_from_the_right() {
        let trusted = Trusted::new(vec!["10.0.0.0/8".parse().expect("a block"), "::1/128".parse().expect("a block")]);
        let caller =
            |peer: &str, lines: &[&str]| trusted.caller(ip(peer), lines.iter().map(|line| line.as_bytes())).to_string();
        assert_eq!(caller("9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        assert_eq!(caller("10.0.0.1", &["1.1.1.1"]), "1.1.1.1");
        assert_eq!(caller("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.9.9.9"]), "1.1.1.1");
        assert_eq!(caller("10.0.0.1", &["6.6.6.6", "1.1.1.1"]), "1.1.1.1");
        assert_eq!(caller("::ffff:10.0.0.1", &["[2a00::7]:443"]), "2a00::7");
        assert_eq!(caller("10.0.0.1", &["1.1.1.1:8080"]), "1.1.1.1");
        assert_eq!(caller("10.0.0.1", &["1.1.1.1, garbage, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(caller("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(Trusted::default().caller(ip("10.0.0.1"), [&b"1.1.1.1"[..]].into_iter()).to_string(), "10.0.0.1");
    }

    #[test]
    fn what_is_no_text_hides_nothing_that_stands_to_its_right() {
        let trusted = Trusted::new(vec!["10.0.0.0/8".parse().expect("a block")]);
        let caller = |lines: &[&[u8]]| trusted.caller(ip("10.0.0.1"), lines.iter().copied()).to_string();
        assert_eq!(caller(&[b"6.6.6.6", b"\xff, 1.1.1.1"]), "1.1.1.1");
        assert_eq!(caller(&[b"6.6.6.6", b"\xff"]), "10.0.0.1");
    }

    #[test]
    fn a_block_of_mapped_addresses_is_one_of_ipv4() {
        let trusted = Trusted::new(vec!["::ffff:10.0.0.0/104".parse().expect("a block")]);
        assert_eq!(trusted.caller(ip("10.0.0.1"), [&b"1.1.1.1"[..]].into_iter()).to_string(), "1.1.1.1");
        for same in ["::/0", "::fffe:0:0/95", "2001:db8::/32", "10.0.0.0/8"] {
            let same = same.parse().expect("a block");
            assert_eq!(unmapped(same), same);
        }
    }
}
