//! Who may use a key: hosts of pages and addresses of callers.
//!
//! Not here: finding out who calls.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::address::block;

/// One entry: a host (`shop.example`, and every host below it as `*.shop.example`), an address or a CIDR block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Entry {
    /// This host and no other.
    Host(Box<str>),
    /// Every host that ends in a dot and this.
    Below(Box<str>),
    /// Every address of the block.
    Net(IpNet),
}

/// What stands in a whitelist is neither a host, an address nor a CIDR block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no host (shop.example, *.shop.example), address or CIDR block")]
pub struct NotAnEntry(String);

impl FromStr for Entry {
    type Err = NotAnEntry;

    fn from_str(text: &str) -> Result<Self, NotAnEntry> {
        if let Some(net) = block(text) {
            return Ok(Self::Net(net));
        }
        let host = text.to_ascii_lowercase();
        let (below, name) = host.strip_prefix("*.").map_or((false, host.as_str()), |name| (true, name));
        let label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !name.split('.').all(label) || name.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(NotAnEntry(text.to_owned()));
        }
        Ok(if below { Self::Below(name.into()) } else { Self::Host(name.into()) })
    }
}

impl TryFrom<String> for Entry {
    type Error = NotAnEntry;

    fn try_from(text: String) -> Result<Self, NotAnEntry> {
        text.parse()
    }
}

impl From<Entry> for String {
    fn from(entry: Entry) -> Self {
        entry.to_string()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => f.write_str(host),
            Self::Below(host) => write!(f, "*.{host}"),
            Self::Net(net) => net.fmt(f),
        }
    }
}

/// Entries of which one must fit. Never empty: a key for everybody has no whitelist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Whitelist(Vec<Entry>);

impl Whitelist {
    /// `None` if there are no entries.
    #[must_use]
    pub fn new(entries: Vec<Entry>) -> Option<Self> {
        (!entries.is_empty()).then_some(Self(entries))
    }

    /// The entries, in the order in which they were given.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Whether a call from `address`, made by a page of `host` (lower case) if any, may use the key.
    #[must_use]
    pub fn allows(&self, address: IpAddr, host: Option<&str>) -> bool {
        self.0.iter().any(|entry| match entry {
            Entry::Net(net) => net.contains(&address),
            Entry::Host(name) => host.is_some_and(|host| host == &**name),
            Entry::Below(name) => host
                .and_then(|host| host.strip_suffix(&**name))
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entries: &[&str], address: &str, host: Option<&str>) -> bool {
        let entries = entries.iter().map(|entry| entry.parse().expect("an entry")).collect();
        Whitelist::new(entries).expect("not empty").allows(address.parse().expect("an address"), host)
    }

    #[test]
    fn one_fitting_entry_is_enough() {
        let entries = ["shop.example", "*.Blog.example", "192.0.2.0/24", "2001:db8::7"];
        for host in ["shop.example", "a.blog.example", "a.b.blog.example"] {
            assert!(allows(&entries, "203.0.113.1", Some(host)), "{host}");
        }
        for host in ["www.shop.example", "blog.example", ".blog.example", "notblog.example", "shop.example.evil"] {
            assert!(!allows(&entries, "203.0.113.1", Some(host)), "{host}");
        }
        assert!(allows(&entries, "192.0.2.9", None) && allows(&entries, "2001:db8::7", None));
        assert!(!allows(&entries, "2001:db8::8", None));
    }

    #[test]
    fn what_is_neither_host_nor_address_is_refused() {
        for text in ["", "*.", "a..b", "http://shop.example", "shop.example:80", "192.0.2", "192.0.2.0/33", "*", "a b"]
        {
            assert_eq!(text.parse::<Entry>(), Err(NotAnEntry(text.to_owned())));
        }
    }
}
