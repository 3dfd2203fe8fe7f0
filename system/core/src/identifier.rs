//! What is counted: an API key, an IP address or a Referer.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A counted identifier in its canonical form. Two spellings of one subject are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identifier {
    /// A key handed out at sign-up, as its SHA-256: whoever reads a table or a log can't call with what stands there.
    ApiKey([u8; 32]),
    /// One IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 network of 64 bits: one subscriber commonly owns all of it, so single addresses would never run out.
    Ipv6Net([u8; 8]),
    /// Host of the page that called, lower case, without port.
    Referer(Box<str>),
}

/// Longest name of a host. Source: RFC 1035, 2.3.4, without the length bytes at both ends.
const HOST_BYTES_MAX: usize = 253;

impl Identifier {
    /// The identifier of a client address. An IPv4 address mapped into IPv6 is the IPv4 address.
    #[must_use]
    pub fn from_ip(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => Self::Ipv4(v4),
            IpAddr::V6(v6) => {
                let mut net = [0; 8];
                net.copy_from_slice(&v6.octets()[..8]);
                Self::Ipv6Net(net)
            }
        }
    }

    /// The identifier of a `Referer` header: the host of an absolute http or https URL. `None` if it has none, or none that
    /// could be somebody's: what is remembered of callers must not be theirs to choose freely.
    #[must_use]
    pub fn from_referer(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let authority = rest.split(['/', '?', '#']).next()?;
        let host_port = authority.rsplit('@').next()?;
        let host = match host_port.strip_prefix('[') {
            Some(v6) => v6.split(']').next()?.parse::<Ipv6Addr>().ok()?.to_string(),
            None => host_port.split(':').next()?.trim_end_matches('.').to_ascii_lowercase(),
        };
        let part_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
        let possible = (1..=HOST_BYTES_MAX).contains(&host.len()) && host.bytes().all(part_of_name);
        possible.then(|| Self::Referer(host.into()))
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(digest) => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let mut text = *b"key:................................................................";
                for (pair, byte) in text[4..].chunks_exact_mut(2).zip(digest) {
                    (pair[0], pair[1]) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                }
                f.write_str(std::str::from_utf8(&text).expect("ASCII"))
            }
            Self::Ipv4(ip) => write!(f, "ip:{ip}"),
            Self::Ipv6Net(net) => {
                let mut octets = [0; 16];
                octets[..8].copy_from_slice(net);
                write!(f, "ip:{}/64", Ipv6Addr::from(octets))
            }
            Self::Referer(host) => write!(f, "referer:{host}"),
        }
    }
}

/// The text is no identifier's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnIdentifier;

impl FromStr for Identifier {
    type Err = NotAnIdentifier;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, NotAnIdentifier> {
        let (kind, rest) = text.split_once(':').ok_or(NotAnIdentifier)?;
        match kind {
            "key" => digest(rest).map(Self::ApiKey),
            "ip" => match rest.strip_suffix("/64") {
                Some(net) => net.parse::<Ipv6Addr>().ok().map(|net| Self::from_ip(IpAddr::V6(net))),
                None => rest.parse().ok().map(Self::Ipv4),
            },
            "referer" if !rest.is_empty() => Some(Self::Referer(rest.into())),
            _ => None,
        }
        .ok_or(NotAnIdentifier)
    }
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let hex: &[u8; 64] = hex.as_bytes().try_into().ok()?;
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(digest)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// An identifier interned by its driver: dense, from 0, stable for the driver's life. The hot path never touches text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId(pub u32);

impl SubjectId {
    /// As an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Identifier {
        Identifier::from_ip(text.parse().expect("an address"))
    }

    #[test]
    fn ipv6_counts_by_64_bits_and_mapped_ipv4_is_ipv4() {
        assert_eq!(ip("2001:db8:1:2::1"), ip("2001:db8:1:2:ffff::9"));
        assert_ne!(ip("2001:db8:1:2::1"), ip("2001:db8:1:3::1"));
        assert_eq!(ip("::ffff:192.0.2.7"), ip("192.0.2.7"));
        assert_eq!(ip("2001:db8:1:2::1").to_string(), "ip:2001:db8:1:2::/64");
    }

    #[test]
    fn an_identifier_survives_being_written_and_read() {
        let key = Identifier::ApiKey([0xab; 32]);
        let referer = Identifier::Referer("shop.example".into());
        for identifier in [key, ip("192.0.2.7"), ip("2001:db8:1:2::1"), referer] {
            assert_eq!(identifier.to_string().parse(), Ok(identifier));
        }
        for text in ["", "key:", "key:zz", "ip:", "ip:1.2.3", "ip:x/64", "referer:", "host:x"] {
            assert_eq!(text.parse::<Identifier>(), Err(NotAnIdentifier), "{text}");
        }
    }

    #[test]
    fn a_referer_is_its_host() {
        for header in ["https://Shop.Example./cart?x=1", "http://user:pw@shop.example:8080#top", "HTTPS://shop.example"]
        {
            assert_eq!(
                Identifier::from_referer(header).map(|i| i.to_string()).as_deref(),
                Some("referer:shop.example")
            );
        }
        assert_eq!(
            Identifier::from_referer("http://[2001:db8::1]:80/").map(|i| i.to_string()).as_deref(),
            Some("referer:2001:db8::1")
        );
        for header in ["", "shop.example", "about:blank", "file:///etc", "https:///x"] {
            assert_eq!(Identifier::from_referer(header), None, "{header}");
        }
    }
}
