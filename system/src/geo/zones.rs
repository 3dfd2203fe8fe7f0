//! Time zones: what clocks show where an address is.
//!
//! A zone's rules change a few times a year, so its name, abbreviation and offset are written out once and stay until the next
//! change of any zone; only the time itself is written for each answer. Not here: which zone an address is in.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use georush_core::{
    Timestamp,
    time::{DAY_US, SECOND_US},
};
use jiff::tz::TimeZone;

use super::{
    countries::{Countries, CountryId},
    text::Text,
};

/// Row of the zones of one data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(pub u16);

impl ZoneId {
    /// The data names no zone: the country's, if all its clocks agree.
    pub const COUNTRY: Self = Self(u16::MAX);
}

/// The zones that a data set and the country table name.
#[derive(Debug)]
pub struct Zones {
    /// Zones that the zone database knows, by id.
    zones: Vec<(Box<str>, TimeZone)>,
    ids: BTreeMap<Box<str>, ZoneId>,
    /// The zones of each country.
    countries: Vec<Vec<ZoneId>>,
    table: ArcSwap<Table>,
}

/// What holds until the next change of any zone.
#[derive(Debug, Default)]
struct Table {
    /// First second from which it may be wrong.
    until_s: i64,
    zones: Vec<Clock>,
    /// The zone of each country whose clocks all agree.
    countries: Vec<Option<ZoneId>>,
}

/// A zone between two changes.
#[derive(Debug)]
struct Clock {
    /// Everything up to the time.
    head: Box<[u8]>,
    offset_s: i32,
    /// The offset at the end of the time, and the end of the object.
    tail: Box<[u8]>,
}

/// The object of a place whose zone is not known.
const UNKNOWN: &[u8] = br#""time_zone":{"name":null,"abbr":null,"offset":null,"is_dst":null,"current_time":null},"#;

impl Zones {
    /// The zones of the country table.
    #[must_use]
    pub fn new(countries: &Countries) -> Self {
        let mut zones =
            Self { zones: Vec::new(), ids: BTreeMap::new(), countries: Vec::new(), table: ArcSwap::default() };
        for country in countries.iter() {
            let ids = country.time_zones.iter().filter_map(|name| zones.intern(name)).collect();
            zones.countries.push(ids);
        }
        zones
    }

    /// The id of a zone; `None` if the zone database doesn't know it.
    pub fn intern(&mut self, name: &str) -> Option<ZoneId> {
        if let Some(&id) = self.ids.get(name) {
            return Some(id);
        }
        let zone = TimeZone::get(name).ok()?;
        let id = ZoneId(u16::try_from(self.zones.len()).ok().filter(|&id| id != u16::MAX)?);
        self.zones.push((name.into(), zone));
        self.ids.insert(name.into(), id);
        Some(id)
    }

    /// Id of a zone that was interned.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<ZoneId> {
        self.ids.get(name).copied()
    }

    /// Appends the member `time_zone`, and a comma.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>, zone: ZoneId, country: CountryId, now: Timestamp) {
        let now_s = (now.0 / SECOND_US) as i64;
        let mut table = self.table.load();
        if now_s >= table.until_s {
            self.table.store(Arc::new(self.table_at(now_s)));
            table = self.table.load();
        }
        let zone = if zone == ZoneId::COUNTRY { table.countries[usize::from(country.0)] } else { Some(zone) };
        let Some(zone) = zone else {
            out.extend_from_slice(UNKNOWN);
            return;
        };
        let clock = &table.zones[usize::from(zone.0)];
        out.extend_from_slice(&clock.head);
        push_time(out, Timestamp(now.0.saturating_add_signed(i64::from(clock.offset_s) * SECOND_US as i64)));
        out.extend_from_slice(&clock.tail);
    }

    #[cold]
    fn table_at(&self, now_s: i64) -> Table {
        let mut table = Table { until_s: now_s + DAYS_AHEAD * (DAY_US / SECOND_US) as i64, ..Table::default() };
        let now = jiff::Timestamp::from_second(now_s).unwrap_or_default();
        for (name, zone) in &self.zones {
            if let Some(change) = zone.following(now).next() {
                table.until_s = table.until_s.min(change.timestamp().as_second());
            }
            table.zones.push(clock(name, zone, now));
        }
        let shown = |id: &ZoneId| {
            let info = self.zones[usize::from(id.0)].1.to_offset_info(now);
            (info.offset(), info.dst(), info.abbreviation().to_owned())
        };
        table.countries = self
            .countries
            .iter()
            .map(|zones| {
                let first = zones.first()?;
                zones[1..].iter().all(|zone| shown(zone) == shown(first)).then_some(*first)
            })
            .collect();
        table
    }
}

/// The table is written anew after this many days even if nothing changes.
const DAYS_AHEAD: i64 = 7;

fn clock(name: &str, zone: &TimeZone, now: jiff::Timestamp) -> Clock {
    let info = zone.to_offset_info(now);
    let offset_s = info.offset().seconds();
    let sign = if offset_s < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset_s.abs() / 3600, offset_s.abs() / 60 % 60);
    let mut head = br#""time_zone":{"#.to_vec();
    head.text("name", Some(name)).text("abbr", Some(info.abbreviation()));
    head.text("offset", Some(&format!("{sign}{hours:02}{minutes:02}")));
    let is_dst = info.dst().is_dst();
    head.extend_from_slice(format!(r#""is_dst":{is_dst},"current_time":""#).as_bytes());
    let tail = format!(r#"{sign}{hours:02}:{minutes:02}"}},"#);
    Clock { head: head.into(), offset_s, tail: tail.into_bytes().into() }
}

/// Appends `2020-06-12T06:37:16.595612`.
fn push_time(out: &mut Vec<u8>, local: Timestamp) {
    let (year, month, day) = local.date();
    let (second, us) = ((local.0 / SECOND_US % 86_400) as u32, (local.0 % SECOND_US) as u32);
    let mut text = *b"0000-00-00T00:00:00.000000";
    let mut put = |at: usize, mut value: u32, digits: usize| {
        for place in (at..at + digits).rev() {
            text[place] = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    put(0, year, 4);
    put(5, month, 2);
    put(8, day, 2);
    put(11, second / 3600, 2);
    put(14, second / 60 % 60, 2);
    put(17, second % 60, 2);
    put(20, us, 6);
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(zones: &Zones, zone: ZoneId, country: CountryId, at: u64) -> serde_json::Value {
        let mut out = b"{".to_vec();
        zones.write(&mut out, zone, country, Timestamp(at));
        out.pop();
        out.push(b'}');
        serde_json::from_slice::<serde_json::Value>(&out).expect("JSON")["time_zone"].clone()
    }

    #[test]
    fn a_zone_shows_its_time_through_its_changes() {
        let mut zones = Zones::new(&Countries::new(""));
        let pacific = zones.intern("America/Los_Angeles").expect("a zone");
        let summer = shown(&zones, pacific, CountryId::NONE, 1_591_969_036_595_612);
        assert_eq!(
            summer.to_string(),
            r#"{"abbr":"PDT","current_time":"2020-06-12T06:37:16.595612-07:00","is_dst":true,"name":"America/Los_Angeles","offset":"-0700"}"#
        );
        let change = 1_604_221_200_000_000;
        assert_eq!(
            shown(&zones, pacific, CountryId::NONE, change - 1)["current_time"],
            "2020-11-01T01:59:59.999999-07:00"
        );
        assert_eq!(shown(&zones, pacific, CountryId::NONE, change)["current_time"], "2020-11-01T01:00:00.000000-08:00");
    }

    #[test]
    fn a_country_has_a_zone_if_all_its_clocks_agree() {
        let countries = Countries::new("");
        let zones = Zones::new(&countries);
        let of = |code: &str| shown(&zones, ZoneId::COUNTRY, countries.id(code), 1_591_969_036_000_000)["name"].clone();
        assert_eq!(of("EG"), "Africa/Cairo");
        assert_eq!(of("DE"), "Europe/Berlin");
        assert_eq!(of("US"), serde_json::Value::Null);
        assert_eq!(of("ZZ"), serde_json::Value::Null);
    }
}
