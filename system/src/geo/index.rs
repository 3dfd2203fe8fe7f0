//! Everything that the files say, written out ahead: from an address to the pieces of its answer without decoding anything.
//!
//! IPv4 addresses go through a table of ranges, IPv6 addresses through the files' own search trees; both end at rows whose text is
//! in one arena. Not here: countries, clocks, and putting the pieces together.

use std::{
    borrow::Cow,
    hash::{BuildHasher, Hash},
    net::{IpAddr, Ipv6Addr},
};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::{
    countries::{Countries, CountryId},
    pieces::{NetworkPieces, PlacePieces, pack_network, pack_place},
    place::Record,
    ranges::{Ranges, Stretches, zip},
    source::{Error, Family, Source},
    zones::{ZoneId, Zones},
};

/// Bytes in the arena, with numbers beside them: a row.
#[derive(Debug, Clone, Copy)]
struct Row<T> {
    at: u32,
    length: u16,
    beside: T,
}

/// Rows whose equals are stored once.
#[derive(Debug)]
struct Rows<T> {
    rows: Vec<Row<T>>,
    arena: Vec<u8>,
    known: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<T: Copy + Eq + Hash> Rows<T> {
    /// A table whose row 0, [`NOTHING`], is this.
    fn new(bytes: &[u8], beside: T) -> Self {
        let (known, hasher) = (HashTable::new(), DefaultHashBuilder::default());
        let mut rows = Self { rows: Vec::new(), arena: Vec::new(), known, hasher };
        rows.intern(bytes, beside);
        rows
    }

    /// The row's number. A row too long for the arena is nothing.
    fn intern(&mut self, bytes: &[u8], beside: T) -> u32 {
        let Ok(length) = u16::try_from(bytes.len()) else { return NOTHING };
        let of = |row: u32| {
            let row = self.rows[row as usize];
            (bytes_of(&self.arena, row), row.beside)
        };
        let wanted = self.hasher.hash_one((bytes, beside));
        if let Some(&known) = self.known.find(wanted, |&row| of(row) == (bytes, beside)) {
            return known;
        }
        let number = self.rows.len() as u32;
        self.known.insert_unique(wanted, number, |&row| self.hasher.hash_one(of(row)));
        self.rows.push(Row { at: self.arena.len() as u32, length, beside });
        self.arena.extend_from_slice(bytes);
        number
    }

    fn finish(self) -> (Box<[Row<T>]>, Box<[u8]>) {
        (self.rows.into(), self.arena.into())
    }
}

#[inline]
fn bytes_of<T>(arena: &[u8], row: Row<T>) -> &[u8] {
    &arena[row.at as usize..][..usize::from(row.length)]
}

/// An address's place and network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Pair {
    place: u32,
    network: u32,
    /// Length of the prefix of the network's block.
    prefix: u8,
}

/// The whole of it.
#[derive(Debug)]
pub(super) struct Index {
    ranges: Ranges,
    pairs: Box<[Pair]>,
    places: Box<[Row<(CountryId, ZoneId)>]>,
    place_arena: Box<[u8]>,
    networks: Box<[Row<u32>]>,
    network_arena: Box<[u8]>,
    /// For each file, the place and the network of each record that IPv6 addresses lead to.
    records: Vec<HashMap<u32, (u32, u32)>>,
}

/// Number of the row that says nothing.
const NOTHING: u32 = 0;

struct Builder<'a> {
    countries: &'a Countries,
    zones: &'a mut Zones,
    places: Rows<(CountryId, ZoneId)>,
    networks: Rows<u32>,
}

impl Builder<'_> {
    fn record(&mut self, record: &Record<'_>) -> (u32, u32) {
        let place = record.place(self.countries, "en").map_or(NOTHING, |place| {
            let zone = place.time_zone.as_deref().and_then(|name| self.zones.intern(name));
            self.places.intern(&pack_place(Some(&place)), (place.country, zone.unwrap_or(ZoneId::COUNTRY)))
        });
        let network = record
            .network()
            .map_or(NOTHING, |network| self.networks.intern(&pack_network(Some(&network)), network.asn.unwrap_or(0)));
        (place, network)
    }
}

impl Index {
    /// Reads all records of all files; what an earlier file says wins.
    pub(super) fn new(sources: &[Source], countries: &Countries, zones: &mut Zones) -> Result<Self, Error> {
        let places = Rows::new(&pack_place(None), (CountryId::NONE, ZoneId::COUNTRY));
        let networks = Rows::new(&pack_network(None), 0);
        let mut builder = Builder { countries, zones, places, networks };
        let mut place_stretches = Stretches::new(NOTHING).finish();
        let mut network_stretches = Stretches::new((NOTHING, 0_u8)).finish();
        let mut records = Vec::new();
        for source in sources {
            let mut seen: HashMap<u32, (u32, u32)> = HashMap::new();
            let mut of = |offset: u32, read: &dyn Fn(&mut dyn FnMut(&Record<'_>))| {
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
        let mut pairs = Vec::new();
        let mut numbers: HashMap<Pair, u32> = HashMap::new();
        let stretches = zip(&place_stretches, &network_stretches, |place, (network, prefix)| {
            let pair = Pair { place, network, prefix };
            *numbers.entry(pair).or_insert_with(|| {
                pairs.push(pair);
                pairs.len() as u32 - 1
            })
        });
        let ranges = Ranges::new(&stretches);
        let (places, place_arena) = builder.places.finish();
        let (networks, network_arena) = builder.networks.finish();
        Ok(Self { ranges, pairs: pairs.into(), places, place_arena, networks, network_arena, records })
    }

    /// The pieces of an address, and the length of the prefix of its network's block.
    #[inline]
    pub(super) fn find(&self, sources: &[Source], ip: IpAddr) -> (PlacePieces<'_>, NetworkPieces<'_>, u8) {
        let pair = match ip {
            IpAddr::V4(ip) => self.pairs[self.ranges.get(ip.to_bits()) as usize],
            IpAddr::V6(ip) => self.pair_v6(sources, ip),
        };
        let place = self.places[pair.place as usize];
        let (country, zone) = place.beside;
        let values = Cow::Borrowed(bytes_of(&self.place_arena, place));
        let network = self.networks[pair.network as usize];
        let asn = (network.beside != 0).then_some(network.beside);
        let network = NetworkPieces { values: Cow::Borrowed(bytes_of(&self.network_arena, network)), asn };
        (PlacePieces { country, zone, values, names: None }, network, pair.prefix)
    }

    fn pair_v6(&self, sources: &[Source], ip: Ipv6Addr) -> Pair {
        let mut pair = Pair { place: NOTHING, network: NOTHING, prefix: 0 };
        for (source, records) in sources.iter().zip(&self.records) {
            let Some((offset, prefix)) = source.find(IpAddr::V6(ip)) else { continue };
            let (place, network) = records.get(&offset).copied().unwrap_or_default();
            if pair.place == NOTHING {
                pair.place = place;
            }
            if pair.network == NOTHING {
                (pair.network, pair.prefix) = (network, prefix);
            }
        }
        pair
    }

    /// The bytes it takes, beside the files.
    pub(super) fn size(&self) -> usize {
        let tables = size_of_val(&*self.pairs) + size_of_val(&*self.places) + size_of_val(&*self.networks);
        let records: usize = self.records.iter().map(|map| map.capacity() * size_of::<(u32, u32, u32)>()).sum();
        self.ranges.size() + tables + self.place_arena.len() + self.network_arena.len() + records
    }
}
