//! The record of an address without an index: `maxminddb` decodes into structs, `serde_json` writes.
//!
//! What does not depend on the address is looked up, not computed: countries, their subdivisions, handles of time zones.
//! Not here: the comparison.

use std::{cell::RefCell, collections::HashMap, net::IpAddr, path::Path};

use georush_system::{
    core::Timestamp,
    geo::countries::{Countries, CountryId},
};
use jiff::{Timestamp as Instant, tz::TimeZone};
use maxminddb::Reader;
use serde::{Deserialize, Serialize};

/// Records of ip-location-db's city files and of our own set.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row<'a> {
    country_code: Option<&'a str>,
    city: Option<&'a str>,
    state1: Option<&'a str>,
    postcode: Option<&'a str>,
    latitude: Option<f32>,
    longitude: Option<f32>,
    asn: Option<u32>,
    as_name: Option<&'a str>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
struct Language {
    name: String,
    native: String,
    code: String,
}

#[derive(Debug, Default, Clone, Deserialize, Serialize)]
struct Currency {
    name: Option<String>,
    code: Option<String>,
    symbol: Option<String>,
    native: Option<String>,
    plural: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Facts {
    name: String,
    continent_code: String,
    continent_name: String,
    calling_code: Option<String>,
    is_eu: bool,
    latitude: Option<f64>,
    longitude: Option<f64>,
    languages: Vec<Language>,
    #[serde(default)]
    currency: Option<Currency>,
    time_zones: Vec<String>,
    #[serde(skip)]
    flag: String,
    #[serde(skip)]
    emoji: String,
    #[serde(skip)]
    unicode: String,
    #[serde(skip)]
    zone: Option<(String, TimeZone)>,
}

#[derive(Debug, Serialize)]
struct Asn<'a> {
    asn: String,
    name: Option<&'a str>,
    domain: Option<&'a str>,
    route: String,
    r#type: Option<&'a str>,
}

#[derive(Debug, Default, Serialize)]
struct Zone<'a> {
    name: Option<&'a str>,
    abbr: Option<String>,
    offset: Option<String>,
    is_dst: Option<bool>,
    current_time: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Scores {
    vpn_score: Option<u8>,
    proxy_score: Option<u8>,
    threat_score: Option<u8>,
    trust_score: Option<u8>,
}

#[derive(Debug, Default, Serialize)]
struct Threat {
    is_tor: bool,
    is_vpn: bool,
    is_icloud_relay: bool,
    is_proxy: bool,
    is_datacenter: bool,
    is_anonymous: bool,
    is_known_attacker: bool,
    is_known_abuser: bool,
    is_threat: bool,
    is_bogon: bool,
    blocklists: [u8; 0],
    scores: Scores,
}

#[derive(Debug, Serialize)]
struct Record<'a> {
    ip: IpAddr,
    is_eu: Option<bool>,
    city: Option<&'a str>,
    region: Option<&'a str>,
    region_code: Option<&'a str>,
    region_type: Option<&'a str>,
    country_name: Option<&'a str>,
    country_code: Option<&'a str>,
    continent_name: Option<&'a str>,
    continent_code: Option<&'a str>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    postal: Option<&'a str>,
    calling_code: Option<&'a str>,
    flag: Option<&'a str>,
    emoji_flag: Option<&'a str>,
    emoji_unicode: Option<&'a str>,
    asn: Option<Asn<'a>>,
    company: Option<&'a str>,
    organisation: Option<&'a str>,
    languages: Option<&'a [Language]>,
    currency: &'a Currency,
    time_zone: Zone<'a>,
    threat: Threat,
    count: &'a str,
}

/// A code and a type.
type Subdivision = Option<(String, String)>;

/// Files, and what does not depend on the address.
pub(crate) struct Plain {
    readers: Vec<Reader<Vec<u8>>>,
    facts: HashMap<String, Facts>,
    nothing: Currency,
    countries: Countries,
    /// By country and name, as they come.
    subdivisions: RefCell<HashMap<(CountryId, String), &'static Subdivision>>,
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// Four places, as the API rounds.
fn degrees(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0 + 0.0
}

impl Plain {
    /// The built-in set, behind a file if there is one.
    pub(crate) fn load(file: Option<&Path>, now: Timestamp) -> Self {
        let built_in = include_bytes!("../../data/geo-default.mmdb.zst");
        let built_in = zstd::decode_all(&built_in[..]).expect("the built-in set is good");
        let files = file.map(|path| std::fs::read(path).expect("GEORUSH_CITY is a file"));
        let readers = files.into_iter().chain([built_in]);
        let readers = readers.map(|bytes| Reader::from_source(bytes).expect("an MMDB file")).collect();
        let mut facts: HashMap<String, Facts> =
            serde_json::from_str(include_str!("../../data/countries.json")).expect("the table is good");
        for (code, facts) in &mut facts {
            let letters: Vec<u32> = code.bytes().map(|letter| 0x1F1E6 + u32::from(letter - b'A')).collect();
            facts.emoji = letters.iter().copied().filter_map(char::from_u32).collect();
            facts.unicode = letters.iter().map(|letter| format!("U+{letter:X}")).collect::<Vec<_>>().join(" ");
            facts.flag = format!("https://ipdata.co/flags/{}.png", code.to_lowercase());
            facts.zone = shared(&facts.time_zones, now);
        }
        let (nothing, countries) = (Currency::default(), Countries::new(""));
        Self { readers, facts, nothing, countries, subdivisions: RefCell::default() }
    }

    fn subdivision(&self, code: &str, name: &str) -> &'static Subdivision {
        let id = self.countries.id(code);
        let mut known = self.subdivisions.borrow_mut();
        known.entry((id, name.to_owned())).or_insert_with(|| {
            let found = self.countries.get(id).subdivision_by_name(name);
            // A bench ends before this matters.
            Box::leak(Box::new(found.map(|(code, kind)| (code.to_owned(), kind.to_owned()))))
        })
    }

    /// The record as JSON.
    pub(crate) fn json(&self, ip: IpAddr, now: Timestamp, count: &str) -> Vec<u8> {
        let (mut place, mut network) = (None, None);
        for reader in &self.readers {
            let Ok(found) = reader.lookup(ip) else { continue };
            let Ok(Some(row)) = found.decode::<Row<'_>>() else { continue };
            if network.is_none() && row.asn.is_some() {
                let block = found.network().expect("a found record has a network");
                network = Some((row.asn.unwrap_or_default(), row.as_name, block));
            }
            if place.is_none() && row.country_code.is_some_and(|code| self.facts.contains_key(code)) {
                place = Some(row);
            }
            if place.is_some() && network.is_some() {
                break;
            }
        }
        let place = place.unwrap_or_default();
        let facts = place.country_code.and_then(|code| self.facts.get(code));
        let region = filled(place.state1);
        let known = region.and_then(|name| self.subdivision(place.country_code?, name).as_ref());
        let centre = |own: Option<f32>, country: fn(&Facts) -> Option<f64>| {
            own.map(|own| degrees(f64::from(own))).or_else(|| facts.and_then(country))
        };
        let record = Record {
            ip,
            is_eu: facts.map(|facts| facts.is_eu),
            city: filled(place.city),
            region,
            region_code: known.map(|known| &*known.0),
            region_type: known.map(|known| &*known.1),
            country_name: facts.map(|facts| &*facts.name),
            country_code: facts.and(place.country_code),
            continent_name: facts.map(|facts| &*facts.continent_name),
            continent_code: facts.map(|facts| &*facts.continent_code),
            latitude: centre(place.latitude, |facts| facts.latitude),
            longitude: centre(place.longitude, |facts| facts.longitude),
            postal: filled(place.postcode),
            calling_code: facts.and_then(|facts| facts.calling_code.as_deref()),
            flag: facts.map(|facts| &*facts.flag),
            emoji_flag: facts.map(|facts| &*facts.emoji),
            emoji_unicode: facts.map(|facts| &*facts.unicode),
            asn: network.map(|(asn, name, block)| Asn {
                asn: format!("AS{asn}"),
                name,
                domain: None,
                route: block.to_string(),
                r#type: None,
            }),
            company: None,
            organisation: network.and_then(|(_, name, _)| name),
            languages: facts.map(|facts| &*facts.languages),
            currency: facts.and_then(|facts| facts.currency.as_ref()).unwrap_or(&self.nothing),
            time_zone: facts.and_then(|facts| facts.zone.as_ref()).map_or_else(Zone::default, |zone| clock(zone, now)),
            threat: Threat::default(),
            count,
        };
        serde_json::to_vec(&record).expect("writing to memory can't fail")
    }
}

/// The zone that all of a country's clocks agree with.
fn shared(names: &[String], now: Timestamp) -> Option<(String, TimeZone)> {
    let now = Instant::from_microsecond(now.0 as i64).expect("a time of this century");
    let zones: Vec<_> = names.iter().filter_map(|name| Some((name.clone(), TimeZone::get(name).ok()?))).collect();
    let shown = |zone: &TimeZone| {
        let info = zone.to_offset_info(now);
        (info.offset(), info.dst(), info.abbreviation().to_owned())
    };
    let first = zones.first()?.clone();
    zones.iter().all(|zone| shown(&zone.1) == shown(&first.1)).then_some(first)
}

fn clock<'a>((name, zone): &'a (String, TimeZone), now: Timestamp) -> Zone<'a> {
    let now = Instant::from_microsecond(now.0 as i64).expect("a time of this century");
    let info = zone.to_offset_info(now);
    let local = info.offset().to_datetime(now);
    let seconds = info.offset().seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    Zone {
        name: Some(name),
        abbr: Some(info.abbreviation().to_owned()),
        offset: Some(format!("{sign}{hours:02}{minutes:02}")),
        is_dst: Some(info.dst().is_dst()),
        current_time: Some(format!("{local:.6}{sign}{hours:02}:{minutes:02}")),
    }
}
