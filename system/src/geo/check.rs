//! Looks at an MMDB file: whether it holds together, what it is, what it says of one address.
//!
//! Not here: answering requests from it.

use std::{fmt, io, net::IpAddr, path::Path};

use hashbrown::HashSet;
use maxminddb::{MaxMindDbError, Reader};
use serde::de::IgnoredAny;
use serde_json::Value;

/// The address that is looked up in every file: a well-known one, in every data set that covers IPv4.
pub const SAMPLE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(8, 8, 8, 8));
// A file whose first records say nothing of their kind is of no known kind.
const PROBES_MAX: usize = 1_000;

/// What a file is.
#[derive(Debug)]
pub struct Checked {
    /// `database_type` of the metadata.
    pub database_type: String,
    /// When it was built, in UTC, like `2026-06-17 00:00 UTC`.
    pub built: String,
    /// Networks that have a record.
    pub networks: u64,
    /// Nodes of the search tree.
    pub nodes: u32,
    /// How records are laid out; none if it is no layout that georush reads.
    pub shape: Option<Shape>,
    /// Record of [`SAMPLE`], as JSON with English names only; none if the file has nothing on it.
    pub sample: Option<String>,
}

/// How the records of a file are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// GeoIP2 or GeoLite2 City: nested, names in several languages.
    City,
    /// GeoIP2 or GeoLite2 Country.
    Country,
    /// GeoLite2 ASN; other vendors' files use the same two keys.
    Asn,
    /// GeoIP2 ISP: the keys of ASN and more.
    Isp,
    /// GeoIP2 Anonymous IP.
    AnonymousIp,
    /// City of ip-location-db: one level, `state1`, `city`.
    FlatCity,
    /// Country of ip-location-db: `country_code` and nothing else.
    FlatCountry,
    /// georush's own: `country_code`, `asn`, `as_name`.
    CountryAsn,
}

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't be read.
    #[error("{path}: {found}, expected an MMDB file that can be read")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's own words.
        found: io::Error,
    },
    /// It is no MMDB, or a damaged one.
    #[error("{path}: {found}, expected an MMDB file that holds together; get it again, or restore it from a copy")]
    Broken {
        /// The file.
        path: String,
        /// What the reader says.
        found: MaxMindDbError,
    },
    /// It is a data set as the repository stores it.
    #[error("{0}: compressed with zstd, expected a plain MMDB file; `zstd -d` makes one")]
    Compressed(String),
}

/// Reads the whole of a file and says what it is.
pub fn check(path: &Path) -> Result<Checked, Error> {
    let shown = || path.display().to_string();
    let bytes = std::fs::read(path).map_err(|found| Error::Unreadable { path: shown(), found })?;
    // Source: RFC 8878, 3.1.1, the magic number of a frame.
    if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Err(Error::Compressed(shown()));
    }
    look(bytes).map_err(|found| Error::Broken { path: shown(), found })
}

fn look(bytes: Vec<u8>) -> Result<Checked, MaxMindDbError> {
    let reader = Reader::from_source(bytes)?;
    let networks = verify(&reader)?;
    let metadata = reader.metadata();
    Ok(Checked {
        database_type: metadata.database_type.clone(),
        built: date(metadata.build_epoch),
        networks,
        nodes: metadata.node_count,
        shape: shape(&reader)?,
        sample: sample(&reader),
    })
}

/// Reads a whole file: each network of its tree, each record once. The number of networks that have a record.
///
/// It is for [`Reader::verify`] what the files of ip-location-db need: those have no description, which the format allows
/// and `verify` does not. Where there is one, `verify` is asked as well.
pub fn verify<S: AsRef<[u8]>>(reader: &Reader<S>) -> Result<u64, MaxMindDbError> {
    if !reader.metadata().description.is_empty() {
        reader.verify()?;
    }
    let (mut networks, mut seen) = (0, HashSet::new());
    for found in reader.networks(Default::default())? {
        let found = found?;
        networks += 1;
        if found.offset().is_some_and(|offset| seen.insert(offset)) {
            found.decode::<IgnoredAny>()?;
        }
    }
    Ok(networks)
}

/// The shape of the first record that has one.
fn shape<S: AsRef<[u8]>>(reader: &Reader<S>) -> Result<Option<Shape>, MaxMindDbError> {
    let database_type = &reader.metadata().database_type;
    for found in reader.networks(Default::default())?.take(PROBES_MAX) {
        // A record with values that JSON lacks is of no shape that we know.
        let record = found?.decode().ok().flatten();
        if let Some(shape) = record.and_then(|record| shape_of(database_type, &record)) {
            return Ok(Some(shape));
        }
    }
    Ok(None)
}

/// The shape of a record, where `database_type` decides what a short record leaves open.
fn shape_of(database_type: &str, record: &Value) -> Option<Shape> {
    let has = |key: &str| record.get(key).is_some();
    let typed = |word: &str| database_type.contains(word);
    if record.get("country_code").is_some_and(Value::is_string) || has("as_name") {
        return Some(match () {
            () if has("as_name") || database_type == super::build::DATABASE_TYPE => Shape::CountryAsn,
            () if has("city") || has("state1") => Shape::FlatCity,
            () => Shape::FlatCountry,
        });
    }
    if ["is_anonymous", "is_anonymous_vpn", "is_hosting_provider", "is_tor_exit_node"].into_iter().any(has) {
        return Some(Shape::AnonymousIp);
    }
    if has("autonomous_system_number") || has("isp") {
        return Some(if has("isp") || typed("ISP") { Shape::Isp } else { Shape::Asn });
    }
    let city =
        ["city", "location", "subdivisions", "postal"].into_iter().any(has) || typed("City") || typed("Enterprise");
    let place = ["country", "registered_country", "represented_country", "continent"].into_iter().any(has);
    match (city, place) {
        (true, _) if place || record.get("location").is_some_and(Value::is_object) => Some(Shape::City),
        (false, true) => Some(Shape::Country),
        _ => None,
    }
}

fn sample(reader: &Reader<Vec<u8>>) -> Option<String> {
    let mut record = reader.lookup(SAMPLE).ok()?.decode::<Value>().ok()??;
    shorten(&mut record);
    Some(record.to_string())
}

/// English names only, and four digits after the point: coordinates of one half precision look like measurements otherwise.
fn shorten(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Object(names)) = fields.get_mut("names") {
                names.retain(|language, _| language == "en");
            }
            fields.values_mut().for_each(shorten);
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Number(number) if number.is_f64() => {
            let rounded = number.as_f64().map(|number| (number * 1e4).round() / 1e4);
            if let Some(rounded) = rounded.and_then(serde_json::Number::from_f64) {
                *number = rounded;
            }
        }
        _ => {}
    }
}

fn date(epoch: u64) -> String {
    let time = i64::try_from(epoch).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    time.map_or_else(|| format!("{epoch} s after 1970"), |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

impl fmt::Display for Shape {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::City => "GeoIP2 City",
            Self::Country => "GeoIP2 Country",
            Self::Asn => "GeoIP2 ASN",
            Self::Isp => "GeoIP2 ISP",
            Self::AnonymousIp => "GeoIP2 Anonymous IP",
            Self::FlatCity => "ip-location-db city (flat)",
            Self::FlatCountry => "ip-location-db country (flat)",
            Self::CountryAsn => "georush country and ASN (flat)",
        })
    }
}

#[cfg(test)]
mod tests;
