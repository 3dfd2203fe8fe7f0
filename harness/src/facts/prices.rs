//! What AWS charges: a price book per era, from the files `data/prices-*.toml`.
//!
//! Not here: bills. Money is an integer of nano-dollars (10^-9 US dollars) for so many units; every price has a source and a
//! confidence in its file.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Table, Value};

use super::provenance;
use crate::scenario::units::parse_decimal;

/// Nano-dollars in a dollar.
pub const NANO: u64 = 1_000_000_000;
/// A month of a bill, microseconds: 30 days.
pub const MONTH_US: u64 = 30 * 24 * HOUR_US;
const HOUR_US: u64 = 3_600 * 1_000_000;
const GIB: u128 = 1 << 30;
const MILLION: u128 = 1_000_000;

/// Something that a bill has a line for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Item {
    GatewayRequests,
    FunctionRequests,
    FunctionCompute,
    TableReadCapacity,
    TableWriteCapacity,
    TableReads,
    TableWrites,
    CacheNodes,
    LogsIngestion,
    StreamShards,
    StreamPuts,
    CentreHost,
    DnsZone,
    DnsQueries,
    HealthChecks,
    HealthOptions,
    TransferOut,
    TransferBetween,
}

/// The unit that an item is charged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// For example `GB-seconds`.
    pub name: &'static str,
    /// Smallest countable parts in one unit: a GB-second has 1,024,000 MB-milliseconds.
    pub quanta: u128,
    /// Units that the price is for.
    pub per: u128,
}

impl Item {
    /// All, in the order of a bill.
    pub const ALL: [Self; 18] = [
        Self::GatewayRequests,
        Self::FunctionRequests,
        Self::FunctionCompute,
        Self::TableReadCapacity,
        Self::TableWriteCapacity,
        Self::TableReads,
        Self::TableWrites,
        Self::CacheNodes,
        Self::LogsIngestion,
        Self::StreamShards,
        Self::StreamPuts,
        Self::CentreHost,
        Self::DnsZone,
        Self::DnsQueries,
        Self::HealthChecks,
        Self::HealthOptions,
        Self::TransferOut,
        Self::TransferBetween,
    ];

    /// Its name in files and results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GatewayRequests => "gateway-requests",
            Self::FunctionRequests => "function-requests",
            Self::FunctionCompute => "function-compute",
            Self::TableReadCapacity => "table-read-capacity",
            Self::TableWriteCapacity => "table-write-capacity",
            Self::TableReads => "table-reads",
            Self::TableWrites => "table-writes",
            Self::CacheNodes => "cache-nodes",
            Self::LogsIngestion => "logs-ingestion",
            Self::StreamShards => "stream-shards",
            Self::StreamPuts => "stream-puts",
            Self::CentreHost => "centre-host",
            Self::DnsZone => "dns-zone",
            Self::DnsQueries => "dns-queries",
            Self::HealthChecks => "health-checks",
            Self::HealthOptions => "health-options",
            Self::TransferOut => "transfer-out",
            Self::TransferBetween => "transfer-between",
        }
    }

    /// The service that charges it, as on AWS's own bill.
    #[must_use]
    pub fn service(self) -> &'static str {
        match self {
            Self::GatewayRequests => "API Gateway",
            Self::FunctionRequests | Self::FunctionCompute => "Lambda",
            Self::TableReadCapacity | Self::TableWriteCapacity | Self::TableReads | Self::TableWrites => "DynamoDB",
            Self::CacheNodes => "DAX",
            Self::LogsIngestion => "CloudWatch Logs",
            Self::StreamShards | Self::StreamPuts => "Kinesis",
            Self::CentreHost => "EC2",
            Self::DnsZone | Self::DnsQueries | Self::HealthChecks | Self::HealthOptions => "Route 53",
            Self::TransferOut | Self::TransferBetween => "Data transfer",
        }
    }

    /// What it is charged by.
    #[must_use]
    pub fn unit(self) -> Unit {
        let (hour, month) = (u128::from(HOUR_US), u128::from(MONTH_US));
        let (name, quanta, per) = match self {
            Self::GatewayRequests | Self::FunctionRequests => ("requests", 1, MILLION),
            Self::FunctionCompute => ("GB-seconds", 1_024_000, MILLION),
            Self::TableReadCapacity => ("read unit-hours", hour, 1),
            Self::TableWriteCapacity => ("write unit-hours", hour, 1),
            Self::TableReads => ("read units", 2, MILLION),
            Self::TableWrites => ("write units", 1, MILLION),
            Self::CacheNodes => ("node-hours", hour, 1),
            Self::LogsIngestion => ("GB of logs", GIB, 1),
            Self::StreamShards => ("shard-hours", hour, 1),
            Self::StreamPuts => ("PUT units", 1, MILLION),
            Self::CentreHost => ("host-hours", hour, 1),
            Self::DnsZone => ("zone", month, 1),
            Self::DnsQueries => ("queries", 1, MILLION),
            Self::HealthChecks => ("checks", month, 1),
            Self::HealthOptions => ("check options", month, 1),
            Self::TransferOut => ("GB to callers", GIB, 1),
            Self::TransferBetween => ("GB between regions", GIB, 1),
        };
        Unit { name, quanta, per }
    }

    /// Whether its free tier is granted to each region; the others are an account's.
    #[must_use]
    pub fn is_free_by_region(self) -> bool {
        matches!(self, Self::TableReadCapacity | Self::TableWriteCapacity)
    }
}

/// How far a number can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// A memory or a guess.
    Low,
    /// A quotation or a close proxy.
    Medium,
    /// Read in a dated text.
    High,
}

impl Confidence {
    /// Its name in files and results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// A price in one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Price {
    /// Nano-dollars for [`Unit::per`] units.
    pub nano_usd: u64,
    /// How far it can be trusted.
    pub confidence: Confidence,
    /// Whether nobody documented it.
    pub assumed: bool,
}

#[derive(Debug, Deserialize)]
struct Written {
    value: String,
    confidence: Confidence,
    #[serde(default)]
    assumption: bool,
}

impl TryFrom<Written> for Price {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let nano_usd = parse_decimal(&written.value, NANO);
        let nano_usd = nano_usd.ok_or_else(|| format!("{:?} is no price in dollars", written.value))?;
        Ok(Self { nano_usd, confidence: written.confidence, assumed: written.assumption })
    }
}

/// An item's prices by region, and what of it is free.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rates {
    #[serde(default)]
    free: u64,
    usd: BTreeMap<String, Price>,
}

/// How use becomes billed use, and what is not counted but weighed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    /// Steps that a function's time is rounded up to, microseconds.
    pub duration_step_us: u64,
    /// Whether starting an environment is billed.
    pub cold_start_billed: bool,
    /// Size of a stream's PUT payload unit, bytes.
    pub put_unit_bytes: u64,
    /// What Lambda logs for each call, bytes.
    pub log_call_bytes: u64,
    /// A usage log line, bytes.
    pub log_line_bytes: u64,
    /// An answer with 2xx, bytes.
    pub answer_bytes: u64,
    /// Any other answer, bytes.
    pub refusal_bytes: u64,
    /// A row on its way to a region, bytes.
    pub row_bytes: u64,
    /// DAX nodes in each region, where there is DAX.
    pub cache_nodes: u64,
}

/// The prices of one era.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    /// Its file's name, for example `prices-2018`.
    pub name: &'static str,
    /// How use becomes billed use.
    pub billing: Billing,
    /// What of `billing` is assumed: paths in the file.
    pub assumptions: Vec<String>,
    rates: BTreeMap<Item, Rates>,
}

impl Book {
    pub(super) fn parse(name: &'static str, text: &str) -> Self {
        let mut file: Table = text.parse().expect("embedded data files are TOML");
        file.remove("sources");
        let billing = file.remove("billing").expect("a price book says how it bills");
        for rates in file.iter_mut().filter_map(|(_, rates)| rates.as_table_mut()) {
            if let Some(free) = rates.remove("free") {
                rates.insert("free".to_owned(), provenance::bare(free));
            }
        }
        let rates: BTreeMap<Item, Rates> = Value::Table(file).try_into().expect("a price book has a table per item");
        assert!(Item::ALL.iter().all(|item| rates[item].usd.contains_key(OTHER)), "every item has a price everywhere");
        let billing = provenance::bare(billing).try_into().expect("a price book's billing has the fields of its type");
        let assumed = provenance::assumptions(text).into_iter().filter(|path| path.starts_with("billing."));
        Self { name, billing, assumptions: assumed.collect(), rates }
    }

    /// An item's price in a region, and the name that the book has it under.
    #[must_use]
    pub fn price(&self, item: Item, region: Option<&str>) -> (Price, &str) {
        let usd = &self.rates[&item].usd;
        let listed = region.and_then(|name| usd.get_key_value(name));
        let (name, price) = listed.or_else(|| usd.get_key_value(OTHER)).expect("checked when the book was read");
        (*price, name)
    }

    /// Units of an item that are free in a month, in each region or in all.
    #[must_use]
    pub fn free(&self, item: Item) -> u64 {
        self.rates[&item].free
    }
}

/// Name of the price of regions that are not listed.
const OTHER: &str = "other";
