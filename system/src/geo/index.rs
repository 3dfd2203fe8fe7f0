//! Everything that the files say, written out ahead: from an address to the pieces of its answer without decoding anything.
//!
//! IPv4 addresses go through a table of ranges, IPv6 addresses through the files' own search trees; both end at rows whose text is
//! in one arena. Not here: countries, clocks, and putting the pieces together.

use std::{
    borrow::Cow,
    hash::{BuildHasher, Hasher},
    net::{IpAddr, Ipv6Addr},
};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::{
    countries::{Countries, CountryId},
    pieces::{
        NO_NETWORK, NO_PLACE_HEAD, NO_PLACE_TAIL, NetworkPieces, PlacePieces, push_network_head, push_network_tail,
        push_place_head, push_place_tail,
    },
    place::{Network, Place, Record},
    ranges::{Ranges, Stretches, zip},
    source::{Error, Family, Source},
    zones::{ZoneId, Zones},
};

/// Text in the arena, in two parts, with two numbers beside it: a row.
#[derive(Debug, Clone, Copy)]
struct Row<T> {
    at: u32,
    head: u16,
    tail: u16,
    beside: T,
}

/// Rows whose equals are stored once.
#[derive(Debug)]
struct Rows<T> {
    rows: Vec<Row<T>>,
    text: Vec<u8>,
    known: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<T: Copy + Eq + std::hash::Hash> Rows<T> {
    fn new(head: &[u8], tail: &[u8], beside: T) -> Self {
        let mut rows =
            Self { rows: Vec::new(), text: Vec::new(), known: HashTable::new(), hasher: DefaultHashBuilder::default() };
        rows.intern(head, tail, beside);
        rows
    }

    /// The row's number.
    fn intern(&mut self, head: &[u8], tail: &[u8], beside: T) -> u32 {
        let (Ok(head_length), Ok(tail_length)) = (u16::try_from(head.len()), u16::try_from(tail.len())) else {
            return 0;
        };
        let hash = |head: &[u8], tail: &[u8], beside: T| {
            let mut hasher = self.hasher.build_hasher();
            hasher.write(head);
            hasher.write(tail);
            beside.hash(&mut hasher);
            hasher.finish()
        };
        let of = |row: u32| {
            let row = self.rows[row as usize];
            let (head, tail) = parts(&self.text, row);
            (head, tail, row.beside)
        };
        let wanted = hash(head, tail, beside);
        if let Some(&known) = self.known.find(wanted, |&row| of(row) == (head, tail, beside)) {
            return known;
        }
        let number = self.rows.len() as u32;
        self.known.insert_unique(wanted, number, |&row| {
            let (head, tail, beside) = of(row);
            hash(head, tail, beside)
        });
        self.rows.push(Row { at: self.text.len() as u32, head: head_length, tail: tail_length, beside });
        self.text.extend_from_slice(head);
        self.text.extend_from_slice(tail);
        number
    }

    fn finish(mut self) -> (Box<[Row<T>]>, Box<[u8]>) {
        self.known = HashTable::new();
        (self.rows.into(), self.text.into())
    }
}

fn parts<T>(text: &[u8], row: Row<T>) -> (&[u8], &[u8]) {
    text[row.at as usize..][..usize::from(row.head) + usize::from(row.tail)].split_at(usize::from(row.head))
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
    place_text: Box<[u8]>,
    networks: Box<[Row<u32>]>,
    network_text: Box<[u8]>,
    /// For each file, the place and the network of each record that IPv6 addresses lead to.
    records: Vec<HashMap<u32, (u32, u32)>>,
}

/// Number of the row that says nothing.
const NOTHING: u32 = 0;

/// Reads a record and hands it on.
type Read<'a> = dyn Fn(&mut dyn FnMut(&Record<'_>)) + 'a;

struct Builder<'a> {
    countries: &'a Countries,
    zones: &'a mut Zones,
    places: Rows<(CountryId, ZoneId)>,
    networks: Rows<u32>,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Builder<'_> {
    fn place(&mut self, place: &Place) -> u32 {
        self.head.clear();
        self.tail.clear();
        push_place_head(&mut self.head, place);
        push_place_tail(&mut self.tail, place);
        let zone = place.time_zone.as_deref().and_then(|name| self.zones.intern(name));
        self.places.intern(&self.head, &self.tail, (place.country, zone.unwrap_or(ZoneId::COUNTRY)))
    }

    fn network(&mut self, network: &Network) -> u32 {
        self.head.clear();
        self.tail.clear();
        push_network_head(&mut self.head, network);
        push_network_tail(&mut self.tail, network);
        self.networks.intern(&self.head, &self.tail, network.asn.unwrap_or(0))
    }

    fn record(&mut self, record: &Record<'_>) -> (u32, u32) {
        let place = record.place(self.countries, "en").map_or(NOTHING, |place| self.place(&place));
        let network = record.network().map_or(NOTHING, |network| self.network(&network));
        (place, network)
    }
}

impl Index {
    /// Reads all records of all files; what an earlier file says wins.
    pub(super) fn new(sources: &[Source], countries: &Countries, zones: &mut Zones) -> Result<Self, Error> {
        let places = Rows::new(NO_PLACE_HEAD, NO_PLACE_TAIL, (CountryId::NONE, ZoneId::COUNTRY));
        let networks = Rows::new(b"", NO_NETWORK, 0);
        let mut builder = Builder { countries, zones, places, networks, head: Vec::new(), tail: Vec::new() };
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
            source.networks(Family::V6, |_, _, offset, read| {
                of(offset, read);
            })?;
            place_stretches = zip(&place_stretches, &places.finish(), |a, b| if a == NOTHING { b } else { a });
            network_stretches = zip(&network_stretches, &networks.finish(), |a, b| if a.0 == NOTHING { b } else { a });
            seen.shrink_to_fit();
            records.push(seen);
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
        let (places, place_text) = builder.places.finish();
        let (networks, network_text) = builder.networks.finish();
        Ok(Self { ranges, pairs: pairs.into(), places, place_text, networks, network_text, records })
    }

    /// The pieces of an address, and the length of the prefix of its network's block.
    #[inline]
    pub(super) fn find(&self, sources: &[Source], ip: IpAddr) -> (PlacePieces<'_>, NetworkPieces<'_>, u8) {
        let pair = match ip {
            IpAddr::V4(ip) => self.pairs[self.ranges.get(ip.to_bits()) as usize],
            IpAddr::V6(ip) => self.pair_v6(sources, ip),
        };
        let place = self.places[pair.place as usize];
        let (head, tail) = parts(&self.place_text, place);
        let (country, zone) = place.beside;
        let place = PlacePieces { country, zone, head: Cow::Borrowed(head), tail: Cow::Borrowed(tail), names: None };
        let network = self.networks[pair.network as usize];
        let (head, tail) = parts(&self.network_text, network);
        let asn = (network.beside != 0).then_some(network.beside);
        (place, NetworkPieces { head: Cow::Borrowed(head), tail: Cow::Borrowed(tail), asn }, pair.prefix)
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
        self.ranges.size() + tables + self.place_text.len() + self.network_text.len() + records
    }
}
