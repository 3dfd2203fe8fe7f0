//! Everything that the files say, written out ahead: from an address to the pieces of its answer without decoding anything.
//!
//! IPv4 addresses go through a table of ranges, IPv6 addresses through the files' own search trees; both end at rows, packed, of
//! places and of networks. Not here: countries, clocks, and putting the pieces together.

use std::{
    borrow::Cow,
    hash::BuildHasher,
    net::{IpAddr, Ipv6Addr},
};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use prefetch_index::prefetch_index;

use super::{
    countries::{Countries, CountryId},
    pages::Pages,
    pieces::{NO_PLACE, NetworkPieces, PlacePieces, pack, pack_network, pack_place, take},
    place::Record,
    ranges::{Ranges, Stretches, zip},
    source::{Error, Family, Source},
    zones::{ZoneId, Zones},
};

/// Rows begin at multiples of it.
const ALIGNMENT: usize = 4;
/// Bytes that memory sends at once.
const CACHE_LINE: usize = 64;

/// Rows of bytes in one arena, each behind its length; equals are stored once.
#[derive(Debug)]
struct Rows {
    arena: Vec<u8>,
    /// The last place that a row may have.
    last: u32,
    left_out: usize,
    known: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Rows {
    /// An arena that begins with [`NOTHING`].
    fn new(nothing: &[u8], last: u32) -> Self {
        let (known, hasher) = (HashTable::new(), DefaultHashBuilder::default());
        let mut rows = Self { arena: Vec::new(), last, left_out: 0, known, hasher };
        rows.intern(nothing);
        rows
    }

    /// Where the row stands. One for which there is no room is nothing.
    fn intern(&mut self, row: &[u8]) -> u32 {
        let of = |at: u32| row_at(&self.arena, at);
        let wanted = self.hasher.hash_one(row);
        if let Some(&known) = self.known.find(wanted, |&at| of(at) == row) {
            return known;
        }
        let at = u32::try_from(self.arena.len() / ALIGNMENT).ok().filter(|&at| at <= self.last);
        let Some(at) = at.filter(|_| row.len() <= usize::from(u16::MAX)) else {
            self.left_out += 1;
            return NOTHING;
        };
        self.known.insert_unique(wanted, at, |&at| self.hasher.hash_one(of(at)));
        pack(&mut self.arena, row);
        self.arena.resize(self.arena.len().next_multiple_of(ALIGNMENT), 0);
        at
    }

    fn finish(self, what: &str) -> Pages<u8> {
        if self.left_out > 0 {
            tracing::warn!(
                records = self.left_out,
                what,
                "records found no room in the index; --small-memory has them all"
            );
        }
        Pages::of(&self.arena)
    }
}

#[inline]
fn row_at(arena: &[u8], at: u32) -> &[u8] {
    take(&mut &arena[at as usize * ALIGNMENT..])
}

/// A row's number, and the values behind it.
#[inline]
fn numbered(row: &[u8]) -> ([u8; 4], &[u8]) {
    row.split_first_chunk().map_or(([0; 4], row), |(number, values)| (*number, values))
}

fn place_row(country: CountryId, zone: ZoneId, values: &[u8]) -> Vec<u8> {
    [&country.0.to_le_bytes(), &zone.0.to_le_bytes(), values].concat()
}

fn network_row(asn: u32, values: &[u8]) -> Vec<u8> {
    [&asn.to_le_bytes(), values].concat()
}

/// Where an address's place and network stand, and the length of the prefix of the network's block.
pub(super) type Pair = (u32, u32, u8);

/// A pair of IPv4 in eight bytes: the length takes the last six bits.
type Packed = [u32; 2];

const PREFIX_BITS: u32 = 6;

fn packed((place, network, prefix): Pair) -> Packed {
    [place, network << PREFIX_BITS | u32::from(prefix)]
}

#[inline]
fn unpacked([place, network]: Packed) -> Pair {
    (place, network >> PREFIX_BITS, (network & ((1 << PREFIX_BITS) - 1)) as u8)
}

/// The whole of it.
#[derive(Debug)]
pub(super) struct Index {
    ranges: Ranges<Packed>,
    places: Pages<u8>,
    networks: Pages<u8>,
    /// For each file, the place and the network of each record that IPv6 addresses lead to.
    records: Vec<HashMap<u32, (u32, u32)>>,
}

/// The row that says nothing.
const NOTHING: u32 = 0;

/// Reads a record and hands it on.
type Read<'a> = dyn Fn(&mut dyn FnMut(&Record<'_>)) + 'a;

struct Builder<'a> {
    countries: &'a Countries,
    zones: &'a mut Zones,
    places: Rows,
    networks: Rows,
}

impl Builder<'_> {
    fn record(&mut self, record: &Record<'_>) -> (u32, u32) {
        let place = record.place(self.countries, "en").map_or(NOTHING, |place| {
            let zone = place.time_zone.as_deref().and_then(|name| self.zones.intern(name));
            let zone = zone.unwrap_or(ZoneId::COUNTRY);
            self.places.intern(&place_row(place.country, zone, &pack_place(Some(&place))))
        });
        let network = record.network().map_or(NOTHING, |network| {
            self.networks.intern(&network_row(network.asn.unwrap_or(0), &pack_network(Some(&network))))
        });
        (place, network)
    }
}

impl Index {
    /// Reads all records of all files; what an earlier file says wins.
    pub(super) fn new(sources: &[Source], countries: &Countries, zones: &mut Zones) -> Result<Self, Error> {
        let places = Rows::new(&place_row(CountryId::NONE, ZoneId::COUNTRY, NO_PLACE), u32::MAX);
        let networks = Rows::new(&network_row(0, &pack_network(None)), u32::MAX >> PREFIX_BITS);
        let mut builder = Builder { countries, zones, places, networks };
        let mut place_stretches = Stretches::new(NOTHING).finish();
        let mut network_stretches = Stretches::new((NOTHING, 0_u8)).finish();
        let mut records = Vec::new();
        for source in sources {
            let mut seen: HashMap<u32, (u32, u32)> = HashMap::new();
            let mut of = |offset: u32, read: &Read<'_>| {
                *seen.entry(offset).or_insert_with(|| {
                    let mut ids = (NOTHING, NOTHING);
                    read(&mut |record| ids = builder.record(record));
                    ids
                })
            };
            let mut places = Stretches::new(NOTHING);
            let mut networks = Stretches::new((NOTHING, 0));
            source.networks(Family::V4, |start, prefix, offset, read| {
                let IpAddr::V4(start) = start else { return };
                let (place, network) = of(offset, read);
                if place != NOTHING {
                    places.push(start.to_bits(), prefix, place);
                }
                if network != NOTHING {
                    networks.push(start.to_bits(), prefix, (network, prefix));
                }
            })?;
            let mut v6: HashMap<u32, (u32, u32)> = HashMap::new();
            source.networks(Family::V6, |_, _, offset, read| {
                v6.insert(offset, of(offset, read));
            })?;
            place_stretches = zip(&place_stretches, &places.finish(), |a, b| if a == NOTHING { b } else { a });
            network_stretches = zip(&network_stretches, &networks.finish(), |a, b| if a.0 == NOTHING { b } else { a });
            v6.shrink_to_fit();
            records.push(v6);
        }
        let stretches =
            zip(&place_stretches, &network_stretches, |place, (network, prefix)| packed((place, network, prefix)));
        let ranges = Ranges::new(&stretches);
        let (places, networks) = (builder.places.finish("places"), builder.networks.finish("networks"));
        Ok(Self { ranges, places, networks, records })
    }

    /// Asks memory for what [`approach`](Self::approach) will read.
    #[inline]
    pub(super) fn announce(&self, ip: IpAddr) {
        if let IpAddr::V4(ip) = ip {
            self.ranges.announce(ip.to_bits());
        }
    }

    /// Asks memory for what [`locate`](Self::locate) will search.
    #[inline]
    pub(super) fn approach(&self, ip: IpAddr) {
        if let IpAddr::V4(ip) = ip {
            self.ranges.approach(ip.to_bits());
        }
    }

    /// Where the rows of an address stand; memory is asked for them.
    #[inline]
    pub(super) fn locate(&self, sources: &[Source], ip: IpAddr) -> Pair {
        let pair = match ip {
            IpAddr::V4(ip) => unpacked(self.ranges.get(ip.to_bits())),
            IpAddr::V6(ip) => self.pair_v6(sources, ip),
        };
        for (rows, at) in [(&self.places, pair.0), (&self.networks, pair.1)] {
            // Most rows lie in two cache lines.
            for line in [0, CACHE_LINE] {
                prefetch_index(&**rows, at as usize * ALIGNMENT + line);
            }
        }
        pair
    }

    /// The pieces of an address whose rows stand there, and the length of the prefix of its network's block.
    #[inline]
    pub(super) fn pieces(&self, (place, network, prefix): Pair) -> (PlacePieces<'_>, NetworkPieces<'_>, u8) {
        let ([c0, c1, z0, z1], values) = numbered(row_at(&self.places, place));
        let (country, zone) = (CountryId(u16::from_le_bytes([c0, c1])), ZoneId(u16::from_le_bytes([z0, z1])));
        let place = PlacePieces { country, zone, values: Cow::Borrowed(values), names: None };
        let (asn, values) = numbered(row_at(&self.networks, network));
        let asn = Some(u32::from_le_bytes(asn)).filter(|&asn| asn != 0);
        (place, NetworkPieces { values: Cow::Borrowed(values), asn }, prefix)
    }

    fn pair_v6(&self, sources: &[Source], ip: Ipv6Addr) -> Pair {
        let mut pair = (NOTHING, NOTHING, 0);
        for (source, records) in sources.iter().zip(&self.records) {
            let Some((offset, prefix)) = source.find(IpAddr::V6(ip)) else { continue };
            let (place, network) = records.get(&offset).copied().unwrap_or_default();
            if pair.0 == NOTHING {
                pair.0 = place;
            }
            if pair.1 == NOTHING {
                (pair.1, pair.2) = (network, prefix);
            }
        }
        pair
    }

    /// The bytes it takes, beside the files.
    pub(super) fn size(&self) -> usize {
        let records: usize = self.records.iter().map(|map| map.capacity() * size_of::<(u32, u32, u32)>()).sum();
        self.ranges.size() + self.places.len() + self.networks.len() + records
    }
}
