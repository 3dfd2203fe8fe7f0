//! Builds the data set that comes with georush: countries and autonomous systems of networks, in one MMDB file.
//!
//! Not here: where the packages come from ([`package`]); reading the result.

use std::{
    net::IpAddr,
    time::{Duration, UNIX_EPOCH},
};

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use maxminddb::Reader;
use mmdb_writer::{MergeStrategy, Value, Writer};
use serde::Deserialize;

use super::package::{self, ASN, COUNTRY, Origin};

/// `database_type` of the data set. A record is `{country_code, asn, as_name}`, each where it is known.
pub const DATABASE_TYPE: &str = "georush-country-asn";

const DESCRIPTION: &str =
    "Countries and autonomous systems of networks. CC BY 4.0: NRO, RouteViews, DB-IP; see ATTRIBUTION.md";
const COUNTRY_FILE: &str = "geo-whois-asn-country.mmdb";
const ASN_FILES: [&str; 2] = ["asn-ipv4.csv", "asn-ipv6.csv"];
// The size is spent once, the time of reading is the same.
const ZSTD_LEVEL: i32 = 19;

/// A finished data set.
#[derive(Debug)]
pub struct Built {
    /// The MMDB file; the same bytes for the same packages.
    pub mmdb: Vec<u8>,
    /// Networks with a country, as the source has them.
    pub countries: usize,
    /// Ranges of autonomous systems, as the source has them.
    pub ranges: usize,
    /// Networks left out because MMDB keeps their place for IPv4 in disguise (6to4, Teredo).
    pub skipped: usize,
}

/// Why no data set was built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A package could not be used.
    #[error(transparent)]
    Package(#[from] package::Error),
    /// The country file is not what it should be.
    #[error("{COUNTRY_FILE}: {0}, expected an MMDB file of records with country_code")]
    Country(maxminddb::MaxMindDbError),
    /// A country that is no code.
    #[error("{COUNTRY_FILE}: {network} has country_code {found:?}, expected two capital letters")]
    Code {
        /// Where.
        network: String,
        /// What it has.
        found: String,
    },
    /// A line of the autonomous systems is wrong.
    #[error("{file}:{line}: {found}, expected first address, last address, number, name")]
    Line {
        /// The file.
        file: &'static str,
        /// Its line, from 1.
        line: u64,
        /// What is wrong.
        found: String,
    },
    /// The writer refuses.
    #[error("{DATABASE_TYPE}: {0}")]
    Write(#[from] mmdb_writer::Error),
    /// The reader refuses what the writer wrote.
    #[error("{DATABASE_TYPE}: {0}, expected to be able to read what was written")]
    Verify(maxminddb::MaxMindDbError),
    /// A version that does not end in its day.
    #[error("{0}: expected a version that ends in year, month, day and hour, like 2.3.2026061719")]
    Version(String),
}

/// Builds the data set from the pinned packages, and verifies it.
pub fn build(origin: Origin<'_>) -> Result<Built, Error> {
    let country = COUNTRY.obtain(origin)?.read(COUNTRY_FILE)?;
    let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
    ASN.obtain(origin)?.unpack(&mut [(ASN_FILES[0], &mut ipv4), (ASN_FILES[1], &mut ipv6)])?;
    let epoch = epoch_of(ASN.version).ok_or_else(|| Error::Version(ASN.spec()))?;
    merge(country, [&ipv4, &ipv6], epoch)
}

/// The data set as it is stored: zstd, with a checksum and its length.
pub fn compress(mmdb: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
    compressor.include_checksum(true)?;
    compressor.compress(mmdb)
}

/// Merges a country MMDB with the CSVs of autonomous systems, IPv4 and IPv6; `epoch` in seconds is the date of the result.
pub fn merge(country: Vec<u8>, asn: [&[u8]; 2], epoch: u64) -> Result<Built, Error> {
    let mut writer = Writer::builder(DATABASE_TYPE)
        .description(&[("en", DESCRIPTION)])
        .build_epoch(UNIX_EPOCH + Duration::from_secs(epoch))
        .build();
    let mut built = Built { mmdb: Vec::new(), countries: 0, ranges: 0, skipped: 0 };
    add_countries(&mut writer, &mut built, country)?;
    for (file, content) in ASN_FILES.into_iter().zip(asn) {
        add_asn(&mut writer, &mut built, file, content)?;
    }
    built.mmdb = writer.to_bytes()?;
    Reader::from_source(built.mmdb.as_slice()).and_then(|reader| reader.verify()).map_err(Error::Verify)?;
    Ok(built)
}

#[derive(Deserialize)]
struct Country<'a> {
    country_code: &'a str,
}

fn add_countries(writer: &mut Writer, built: &mut Built, source: Vec<u8>) -> Result<(), Error> {
    let reader = Reader::from_source(source).map_err(Error::Country)?;
    for found in reader.networks(Default::default()).map_err(Error::Country)? {
        let found = found.map_err(Error::Country)?;
        let Some(Country { country_code }) = found.decode().map_err(Error::Country)? else { continue };
        let network = found.network().map_err(Error::Country)?;
        if country_code.len() != 2 || !country_code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(Error::Code { network: network.to_string(), found: country_code.to_owned() });
        }
        let network = IpNet::new(network.ip(), network.prefix()).expect("the reader knows how long a prefix can be");
        built.countries += 1;
        let record = Value::map([("country_code", country_code)]);
        built.skipped += usize::from(is_alias(writer.insert_value(network, record))?);
    }
    Ok(())
}

fn add_asn(writer: &mut Writer, built: &mut Built, file: &'static str, content: &[u8]) -> Result<(), Error> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(content);
    let mut row = csv::StringRecord::new();
    loop {
        let at = reader.position().line();
        let wrong = |found: String| Error::Line { file, line: at, found };
        if !reader.read_record(&mut row).map_err(|error| wrong(error.to_string()))? {
            return Ok(());
        }
        let (networks, asn, name) = range(&row).map_err(wrong)?;
        built.ranges += 1;
        let record = Value::map([("asn", Value::from(asn)), ("as_name", Value::from(name))]);
        for network in networks {
            let inserted = writer.insert_value_merged(network, record.clone(), MergeStrategy::TopLevelMerge);
            built.skipped += usize::from(is_alias(inserted)?);
        }
    }
}

/// The networks of a row, its number and its name.
fn range(row: &csv::StringRecord) -> Result<(Vec<IpNet>, u32, &str), String> {
    let [first, last, asn, name] = [0, 1, 2, 3].map(|column| row.get(column));
    let (Some(first), Some(last), Some(asn), Some(name)) = (first, last, asn, name) else {
        return Err(format!("{} columns", row.len()));
    };
    let address = |text: &str| text.parse::<IpAddr>().map_err(|_| format!("{text:?} is not an address"));
    let networks = match (address(first)?, address(last)?) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect()
        }
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
            Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect()
        }
        _ => return Err(format!("{first} to {last} is not a range")),
    };
    let asn = asn.parse().map_err(|_| format!("{asn:?} is not the number of an autonomous system"))?;
    Ok((networks, asn, name))
}

/// True if the network was refused because its place belongs to IPv4.
fn is_alias(inserted: Result<(), mmdb_writer::Error>) -> Result<bool, mmdb_writer::Error> {
    match inserted {
        Ok(()) => Ok(false),
        Err(mmdb_writer::Error::AliasedNetwork(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Midnight (UTC, in seconds) of the day that a version like `2.3.2026061719` ends in.
fn epoch_of(version: &str) -> Option<u64> {
    let stamp = version.rsplit('.').next().filter(|stamp| stamp.len() == 10)?;
    let part = |from: usize, to: usize| stamp.get(from..to)?.parse::<i8>().ok();
    let date = jiff::civil::Date::new(stamp.get(..4)?.parse().ok()?, part(4, 6)?, part(6, 8)?).ok()?;
    let midnight = jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
    u64::try_from(midnight.as_second()).ok()
}

#[cfg(test)]
mod tests;
