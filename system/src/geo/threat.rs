//! Lists of addresses that are a threat or hide somebody: optional files in a directory, none of which georush brings.
//!
//! Not here: where lists come from and how to refresh them; see docs/data.md.

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
};

mod list;
mod table;

use ipnet::IpNet;
use list::List;
use table::Table;

use super::source::{Family, Source};

/// What a file's name says of its addresses: the part before the first full stop, and the flag.
const KINDS: [(&str, Flags); 7] = [
    ("tor", Flags::TOR),
    ("vpn", Flags::VPN),
    ("icloud_relay", Flags::ICLOUD_RELAY),
    ("proxy", Flags::PROXY),
    ("datacenter", Flags::DATACENTER),
    ("known_attacker", Flags::KNOWN_ATTACKER),
    ("known_abuser", Flags::KNOWN_ABUSER),
];

/// What lists say of an address; a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// Exit of the Tor network.
    pub const TOR: Self = Self(1);
    /// Exit of a VPN.
    pub const VPN: Self = Self(1 << 1);
    /// Exit of iCloud Private Relay.
    pub const ICLOUD_RELAY: Self = Self(1 << 2);
    /// Open or commercial proxy.
    pub const PROXY: Self = Self(1 << 3);
    /// Cloud or hosting company.
    pub const DATACENTER: Self = Self(1 << 4);
    /// Source of attacks.
    pub const KNOWN_ATTACKER: Self = Self(1 << 5);
    /// Source of spam and other abuse.
    pub const KNOWN_ABUSER: Self = Self(1 << 6);

    const ANONYMOUS: Self = Self(Self::TOR.0 | Self::VPN.0 | Self::ICLOUD_RELAY.0 | Self::PROXY.0);
    const THREAT: Self = Self(Self::KNOWN_ATTACKER.0 | Self::KNOWN_ABUSER.0);

    /// No list has the address.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Exit of the Tor network.
    pub fn is_tor(self) -> bool {
        self.any(Self::TOR)
    }

    /// Exit of a VPN.
    pub fn is_vpn(self) -> bool {
        self.any(Self::VPN)
    }

    /// Exit of iCloud Private Relay.
    pub fn is_icloud_relay(self) -> bool {
        self.any(Self::ICLOUD_RELAY)
    }

    /// Open or commercial proxy.
    pub fn is_proxy(self) -> bool {
        self.any(Self::PROXY)
    }

    /// Cloud or hosting company.
    pub fn is_datacenter(self) -> bool {
        self.any(Self::DATACENTER)
    }

    /// Source of attacks.
    pub fn is_known_attacker(self) -> bool {
        self.any(Self::KNOWN_ATTACKER)
    }

    /// Source of spam and other abuse.
    pub fn is_known_abuser(self) -> bool {
        self.any(Self::KNOWN_ABUSER)
    }

    /// Hides who is behind it: Tor, VPN, iCloud Private Relay or proxy.
    pub fn is_anonymous(self) -> bool {
        self.any(Self::ANONYMOUS)
    }

    /// Known attacker or abuser.
    pub fn is_threat(self) -> bool {
        self.any(Self::THREAT)
    }

    /// Everything that either says.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }
}

/// What all lists together say of one address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Threat<'a> {
    /// The union over all lists that have it.
    pub flags: Flags,
    /// Names of the lists of attackers and abusers that have it, sorted; files without a name have none.
    pub blocklists: &'a [String],
}

/// All lists of a directory. The default has none and says nothing of any address.
#[derive(Debug, Clone, Default)]
pub struct Threats {
    combinations: Vec<Combination>,
    ipv4: Table<u32>,
    ipv6: Table<u128>,
}

/// What the lists that overlap somewhere say together.
#[derive(Debug, Clone, Default)]
struct Combination {
    flags: Flags,
    blocklists: Vec<String>,
}

/// Why lists were not loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory or a file can't be read.
    #[error("{path}: {found}, expected {wanted}")]
    Unreadable {
        /// The directory or file.
        path: PathBuf,
        /// The system's own words.
        found: io::Error,
        /// What should be there.
        wanted: &'static str,
    },
    /// The name says nothing that we know.
    #[error(
        "{path}: {found:?} is no kind of list, expected tor, vpn, icloud_relay, proxy, datacenter, known_attacker or known_abuser; rename the file, for example known_attacker.{found}.txt"
    )]
    Kind {
        /// The file.
        path: PathBuf,
        /// The part of its name before the first full stop.
        found: String,
    },
    /// A line does not begin with an address.
    #[error(
        "{path}:{line}: {found:?}, expected an address or a network, like 192.0.2.0/24, first on the line; headings and comments begin with #"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// Its first field.
        found: String,
    },
}

impl Threats {
    /// Loads every `*.txt` and `*.csv` of a directory; other files are none of ours.
    ///
    /// # Errors
    ///
    /// The first file that is no list, and its line.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        Self::of(Some(directory), &[])
    }

    /// The lists of a directory, and what Anonymous-IP files among the data say.
    pub(super) fn of(directory: Option<&Path>, sources: &[Source]) -> Result<Self, Error> {
        let mut lists = directory.map(list::load_all).transpose()?.unwrap_or_default();
        for source in sources.iter().filter(|source| source.kind().contains("Anonymous")) {
            lists.extend(of_records(source));
        }
        Ok(Self::of_lists(lists))
    }

    fn of_lists(lists: Vec<List>) -> Self {
        let mut combinations = table::Combinations::default();
        let ipv4 = Table::sweep(lists.iter().map(|list| list.ipv4.as_slice()), &mut combinations);
        let ipv6 = Table::sweep(lists.iter().map(|list| list.ipv6.as_slice()), &mut combinations);
        let combinations = combinations.sets().map(|set| Combination::of(&lists, set)).collect();
        Self { combinations, ipv4, ipv6 }
    }

    /// True if no list says anything.
    pub fn is_empty(&self) -> bool {
        self.ranges() == 0
    }

    /// Ranges that differ from their neighbours, as a measure of what is loaded.
    pub fn ranges(&self) -> usize {
        self.ipv4.ranges() + self.ipv6.ranges()
    }

    /// What all lists say of an address. An IPv4 address within IPv6 (`::ffff:192.0.2.1`) is taken as IPv4.
    pub fn on(&self, ip: IpAddr) -> Threat<'_> {
        let combination = match ip.to_canonical() {
            IpAddr::V4(ip) => self.ipv4.at(ip.to_bits()),
            IpAddr::V6(ip) => self.ipv6.at(ip.to_bits()),
        };
        let found = combination.and_then(|index| self.combinations.get(index));
        found.map_or_else(Threat::default, |found| Threat { flags: found.flags, blocklists: &found.blocklists })
    }
}

/// One list for each flag that the records of a file can have.
fn of_records(source: &Source) -> Vec<List> {
    let mut lists: Vec<_> =
        [Flags::TOR, Flags::VPN, Flags::PROXY, Flags::DATACENTER].into_iter().map(List::empty).collect();
    for family in [Family::V4, Family::V6] {
        // The file was verified when it was opened.
        let _ = source.networks(family, |start, prefix, _, read| {
            read(&mut |record| {
                let Some(flags) = record.anonymous() else { return };
                let set = [flags.tor, flags.vpn, flags.proxy, flags.hosting];
                for (list, _) in lists.iter_mut().zip(set).filter(|(_, set)| *set) {
                    list.add(IpNet::new_assert(start, prefix));
                }
            });
        });
    }
    lists
}

impl Combination {
    /// What the lists of these indices say together.
    fn of(lists: &[List], indices: &[u16]) -> Self {
        let mut combination = Self::default();
        for list in indices.iter().map(|&index| &lists[usize::from(index)]) {
            combination.flags = combination.flags.union(list.flags);
            combination.blocklists.extend(list.blocklist.clone());
        }
        combination.blocklists.sort();
        combination.blocklists.dedup();
        combination
    }
}

#[cfg(test)]
mod tests;
