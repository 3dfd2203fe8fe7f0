//! Locates addresses: from an address to the text that an answer is made of.
//!
//! Not here: who may ask, and how an answer is wrapped.

pub mod build;
pub mod check;
pub mod countries;
pub mod fetch;
mod index;
pub mod package;
mod pages;
mod pieces;
pub mod place;
mod ranges;
pub mod source;
mod systems;
mod text;
pub mod threat;
pub mod zones;

use std::{
    borrow::Cow,
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

use georush_core::Timestamp;
use ipnet::IpNet;

use countries::{Countries, CountryId};
use index::Index;
use pieces::{NetworkPieces, PlacePieces, foreign_names, pack_network, pack_place, push_place, push_threat, take};
use place::{Network, Place};
use source::{Holding, Source};
pub use systems::Blocks;
use systems::Systems;
use threat::Threats;
use zones::{ZoneId, Zones};

/// What the data is made of and how much memory it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// MMDB files, the most trusted first.
    pub files: Vec<PathBuf>,
    /// Whether the built-in set answers what no file does.
    pub built_in: bool,
    /// Whether to do without the index: files are mapped and each answer is decoded.
    pub small_memory: bool,
    /// Address of the folder of flags.
    pub flags: String,
    /// Directory of threat lists.
    pub threats: Option<PathBuf>,
}

/// Why data can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A data file.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// A threat list.
    #[error(transparent)]
    Threat(#[from] threat::Error),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            built_in: true,
            small_memory: false,
            flags: "https://ipdata.co/flags/".to_owned(),
            threats: None,
        }
    }
}

/// One loaded set of data. Never changes; a newer one takes its place as a whole.
#[derive(Debug)]
pub struct Geo {
    countries: Countries,
    zones: Zones,
    sources: Vec<Source>,
    index: Option<Index>,
    systems: Systems,
    threats: Threats,
}

/// Where an address's record stands in the data that located it.
#[derive(Debug, Clone, Copy)]
pub struct Located {
    ip: IpAddr,
    pair: Option<index::Pair>,
}

/// An address with everything known of it.
#[derive(Debug)]
pub struct Found<'a> {
    geo: &'a Geo,
    ip: IpAddr,
    place: PlacePieces<'a>,
    network: NetworkPieces<'a>,
    prefix: u8,
}

impl Geo {
    /// Opens, verifies and reads everything.
    ///
    /// # Errors
    ///
    /// The first file that can't be used, and why.
    pub fn load(settings: &Settings) -> Result<Self, Error> {
        let holding = if settings.small_memory { Holding::Mapped } else { Holding::Memory };
        let sources = source::open_all(&settings.files, settings.built_in, holding)?;
        let countries = Countries::new(&settings.flags);
        let mut zones = Zones::new(&countries);
        let index = match settings.small_memory {
            true => None,
            false => Some(Index::new(&sources, &countries, &mut zones)?),
        };
        let systems = Systems::new(&sources)?;
        let threats = Threats::of(settings.threats.as_deref(), &sources)?;
        Ok(Self { countries, zones, sources, index, systems, threats })
    }

    /// The files it was made of, the most trusted first.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The country table.
    #[must_use]
    pub fn countries(&self) -> &Countries {
        &self.countries
    }

    /// The bytes that the index takes beside the files.
    #[must_use]
    pub fn index_size(&self) -> usize {
        self.index.as_ref().map_or(0, Index::size) + self.systems.size()
    }

    /// When the most trusted of its files was built, seconds since 1970.
    #[must_use]
    pub fn built(&self) -> u64 {
        self.sources.first().map_or(0, Source::built)
    }

    /// Says that `ip` will be looked up. A lookup waits for memory three times: for where to search, for the search, and for what
    /// was found. This, [`approach`](Self::approach) and [`locate`](Self::locate) ask memory for them, so that something else can be
    /// done meanwhile.
    #[inline]
    pub fn announce(&self, ip: IpAddr) {
        if let Some(index) = &self.index {
            index.announce(embedded(ip).0);
        }
    }

    /// Asks memory for what [`locate`](Self::locate) will search.
    #[inline]
    pub fn approach(&self, ip: IpAddr) {
        if let Some(index) = &self.index {
            index.approach(embedded(ip).0);
        }
    }

    /// Where the record of `ip` stands. Memory is asked for what [`read`](Self::read) will read.
    #[inline]
    #[must_use]
    pub fn locate(&self, ip: IpAddr) -> Located {
        let pair = self.index.as_ref().map(|index| index.locate(&self.sources, embedded(ip).0));
        Located { ip, pair }
    }

    /// Everything known of an address that was located, in English.
    #[inline]
    #[must_use]
    pub fn read(&self, Located { ip, pair }: Located) -> Found<'_> {
        match self.index.as_ref().zip(pair) {
            Some((index, pair)) => {
                let (place, network, prefix) = index.pieces(pair);
                Found { geo: self, ip, place, network, prefix: prefix + embedded(ip).1 }
            }
            None => self.find_in(ip, "en"),
        }
    }

    /// Everything known of `ip`, in English.
    #[inline]
    #[must_use]
    pub fn find(&self, ip: IpAddr) -> Found<'_> {
        self.read(self.locate(ip))
    }

    /// The same, with names in `language` (a BCP 47 tag) where the data has them.
    #[must_use]
    pub fn find_in(&self, ip: IpAddr, language: &str) -> Found<'_> {
        let place = self.place(ip, language);
        let network = self.network(ip);
        let prefix = network.as_ref().map_or(0, |(_, prefix)| *prefix);
        let network = network.as_ref().map(|(network, _)| network);
        Found {
            geo: self,
            ip,
            place: self.place_pieces(place.as_ref()),
            network: NetworkPieces {
                values: Cow::Owned(pack_network(network)),
                asn: network.and_then(|network| network.asn),
            },
            prefix,
        }
    }

    /// The place of `ip`, decoded; names in `language` where the data has them.
    #[must_use]
    pub fn place(&self, ip: IpAddr, language: &str) -> Option<Place> {
        let (ip, _) = embedded(ip);
        let read = |source: &Source| source.decode(ip, |record| record.place(&self.countries, language));
        self.sources.iter().find_map(read).map(|(place, _)| place)
    }

    /// The network of `ip`, decoded, and the length of its block's prefix.
    #[must_use]
    pub fn network(&self, ip: IpAddr) -> Option<(Network, u8)> {
        let (ip, longer) = embedded(ip);
        let found = self.sources.iter().find_map(|source| source.decode(ip, |record| record.network()));
        found.map(|(network, prefix)| (network, prefix + longer))
    }

    /// The block around `ip` throughout which the data says the same.
    #[must_use]
    pub fn block(&self, ip: IpAddr) -> Option<IpNet> {
        let place = |source: &Source| source.decode(ip, |record| record.place(&self.countries, "en"));
        let place = self.sources.iter().find_map(place).map(|(_, prefix)| prefix);
        let prefix = place.max(self.network(ip).map(|(_, prefix)| prefix))?;
        IpNet::new(ip, prefix).ok().map(|block| block.trunc())
    }

    /// The network and the blocks of an autonomous system; `None` if the data has none.
    #[must_use]
    pub fn system(&self, asn: u32) -> Option<(Network, Blocks)> {
        let network = self.network(self.systems.address(asn)?)?.0;
        Some((network, self.systems.get(asn)?))
    }

    fn place_pieces(&self, place: Option<&Place>) -> PlacePieces<'static> {
        let country = place.map_or(CountryId::NONE, |place| place.country);
        // Without an index no zone of the data was interned; those of the country table are.
        let zone = place.and_then(|place| self.zones.id(place.time_zone.as_deref()?));
        PlacePieces {
            country,
            zone: zone.unwrap_or(ZoneId::COUNTRY),
            values: Cow::Owned(pack_place(place)),
            names: place.and_then(|place| foreign_names(place, self.countries.get(country))),
        }
    }
}

/// The address that data knows `ip` by, and how many bits of `ip` come before it: an address of 6to4 holds the IPv4 address
/// of its site. Source: RFC 3056, section 2.
#[inline]
fn embedded(ip: IpAddr) -> (IpAddr, u8) {
    match ip {
        IpAddr::V6(v6) if v6.segments()[0] == 0x2002 => {
            (IpAddr::V4(Ipv4Addr::from_bits((v6.to_bits() >> 80) as u32)), 16)
        }
        ip => (ip, 0),
    }
}

impl Found<'_> {
    /// Whether the data says anything of the address.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.place.country != CountryId::NONE || self.network.asn.is_some()
    }

    /// Appends the members of the record, from `ip` to the threat, each followed by a comma.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>, now: Timestamp) {
        let country = self.geo.countries.get(self.place.country);
        out.extend_from_slice(br#""ip":""#);
        push_ip(out, self.ip);
        out.extend_from_slice(br#"","#);
        push_place(out, &self.place, country);
        let mut network = &*self.network.values;
        out.extend_from_slice(take(&mut network));
        if self.network.asn.is_some() {
            push_block(out, self.ip, self.prefix);
        }
        out.extend_from_slice(take(&mut network));
        out.extend_from_slice(&country.piece_tongue);
        self.geo.zones.write(out, self.place.zone, self.place.country, now);
        push_threat(out, &self.geo.threats.on(self.ip));
    }
}

/// Each octet as text with a dot behind it, and how many characters that are.
static OCTETS: [([u8; 4], usize); 256] = {
    let mut all = [([b'.'; 4], 0); 256];
    let mut octet = 0;
    while octet < all.len() {
        let digits = [octet / 100, octet / 10 % 10, octet % 10];
        let first = if octet >= 100 { 0 } else { 2 - (octet >= 10) as usize };
        let mut place = first;
        while place < digits.len() {
            all[octet].0[place - first] = b'0' + digits[place] as u8;
            place += 1;
        }
        all[octet].1 = digits.len() - first + 1;
        octet += 1;
    }
    all
};

/// Appends an address as text.
#[inline]
pub fn push_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            let (mut text, mut length) = ([0; 16], 0);
            for octet in ip.octets() {
                let (digits, count) = OCTETS[usize::from(octet)];
                text[length..length + 4].copy_from_slice(&digits);
                length += count;
            }
            out.extend_from_slice(&text[..length - 1]);
        }
        IpAddr::V6(ip) => write!(out, "{ip}").expect("writing to memory can't fail"),
    }
}

/// Appends the block of `prefix` bits that holds `ip`, in quotes.
fn push_block(out: &mut Vec<u8>, ip: IpAddr, prefix: u8) {
    let base = match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
        }
    };
    out.push(b'"');
    push_ip(out, base);
    out.push(b'/');
    out.extend_from_slice(itoa::Buffer::new().format(prefix).as_bytes());
    out.push(b'"');
}
