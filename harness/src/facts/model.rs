//! The parameters of every model, typed: one [`Model`] per era.
//!
//! Not here: the models. Where a number comes from stands beside it in `data/models-*.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};

use super::{Points, provenance, region};

/// An era's AWS.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Fraction of requests on a connection that is open already, millionths.
    pub keep_alive_ppm: u32,
    /// Round trips of a new connection before the request's own.
    pub new_connection_rtts: u32,
    /// Route 53 and the clients' resolvers.
    pub dns: Dns,
    /// API Gateway.
    pub gateway: Gateway,
    /// Lambda.
    pub function: Function,
    /// DynamoDB tables in the regions.
    pub table: Table,
    /// DAX in front of them.
    pub dax: Dax,
    /// CloudWatch Logs and its subscription.
    pub logs: Logs,
    /// Kinesis and its consumer.
    pub stream: Stream,
    /// The central table, DynamoDB Local.
    pub central: Central,
    /// From the central table to the regions.
    pub replicator: Replicator,
}

impl Model {
    pub(super) fn parse(text: &str) -> Self {
        let mut model: Self = provenance::parse(text);
        let function = &mut model.function;
        let runtime = function.runtimes.get(&function.runtime).expect("the default runtime is one of the runtimes");
        function.handler_cpu_us = runtime.handler_cpu_us;
        model
    }
}

/// Route 53 and resolvers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// Life of an answer, microseconds.
    pub ttl_us: u64,
    /// Fraction of resolvers that extend lives, millionths.
    pub stale_resolvers_ppm: u32,
    /// Life of an answer in such a resolver, microseconds.
    pub stale_ttl_us: u64,
    /// Interval of health checks, microseconds.
    pub health_interval_us: u64,
    /// Checks in a row that change a region's health.
    pub health_threshold: u32,
    /// Time of a lookup that a cache answers.
    pub lookup_cached: Points,
    /// Time of a lookup that Route 53 answers.
    pub lookup_uncached: Points,
}

/// API Gateway.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Requests per second, per region.
    pub rate: u32,
    /// Depth of the token bucket, requests.
    pub burst: u32,
    /// Longest wait for the function, microseconds.
    pub timeout_us: u64,
    /// Its own share of a request's time.
    pub overhead: Points,
}

/// Lambda.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Default runtime, one of `runtimes`.
    pub runtime: String,
    /// Default memory, MB.
    pub memory_mb: u32,
    /// Least memory, MB.
    pub memory_mb_min: u32,
    /// Most memory, MB.
    pub memory_mb_max: u32,
    /// Memory that comes with one vCPU, MB; the share of a CPU is in proportion.
    pub full_vcpu_mb: u32,
    /// Concurrent executions, per region.
    pub concurrency: u32,
    /// `handler_cpu_us` of the default runtime.
    #[serde(skip)]
    pub handler_cpu_us: u32,
    /// How fast environments may be added.
    pub growth: Growth,
    /// Least and greatest time an idle environment lives, microseconds.
    pub idle_life_us: (u64, u64),
    /// Least and greatest time any environment lives, microseconds.
    pub max_life_us: (u64, u64),
    /// Time of a warm call outside the handler.
    pub warm_overhead: Points,
    /// Runtimes by name.
    pub runtimes: BTreeMap<String, Runtime>,
}

/// A limit on new environments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Growth {
    /// At once up to a burst, then so many per minute, shared by a region's functions (2018).
    Regional {
        /// Burst of the regions that are not listed.
        burst_default: u32,
        /// Burst by region index.
        #[serde(deserialize_with = "by_region")]
        burst_by_region: BTreeMap<usize, u32>,
        /// Environments per minute after the burst.
        per_minute: u32,
    },
    /// So many per period for each function, nothing saved up (now).
    PerFunction {
        /// Environments.
        step: u32,
        /// Period, microseconds.
        period_us: u64,
    },
}

fn by_region<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<usize, u32>, D::Error> {
    let by_name = BTreeMap::<String, u32>::deserialize(deserializer)?;
    let index = |name: &str| region(name).ok_or_else(|| D::Error::custom(format!("no region {name}")));
    by_name.into_iter().map(|(name, burst)| Ok((index(&name)?, burst))).collect()
}

/// What a runtime costs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// What a cold start adds for the client.
    pub cold: Points,
    /// CPU time of one request at a full vCPU, microseconds.
    pub handler_cpu_us: u32,
}

/// DynamoDB.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Read units per second that an on-demand table takes at most.
    pub on_demand_read: u32,
    /// Write units per second that an on-demand table takes at most.
    pub on_demand_write: u32,
    /// Read units per second, provisioned.
    pub read_capacity: u32,
    /// Write units per second, provisioned.
    pub write_capacity: u32,
    /// Seconds of unused capacity that are kept.
    pub burst_s: u32,
    /// Read units per second of one partition.
    pub partition_read: u32,
    /// Write units per second of one partition.
    pub partition_write: u32,
    /// Time of a read seen by a client in the region.
    pub get: Points,
    /// Time of a write seen by a client in the region.
    pub put: Points,
    /// First pause before a throttled call is tried again, microseconds; doubles.
    pub retry_base_us: u64,
    /// Tries after the first.
    pub retries_max: u32,
    /// Whether a hot partition gets more than its share at once.
    pub adaptive: bool,
}

/// DAX.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dax {
    /// Life of an item, microseconds.
    pub ttl_us: u64,
    /// Time of a hit.
    pub get: Points,
}

/// CloudWatch Logs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// One line's share of a stream record, bytes.
    pub line_bytes: u32,
    /// Longest wait for more lines, microseconds.
    pub batch_us: u64,
    /// Most lines in a stream record.
    pub batch_events_max: u32,
    /// From print to ingested.
    pub ingest: Points,
    /// From ingested to the stream.
    pub subscription: Points,
    /// Pause before a refused delivery is tried again, microseconds.
    pub retry_us: u64,
}

/// Kinesis and its consumer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Shards.
    pub shards: u16,
    /// Records per second into a shard.
    pub records_per_second: u32,
    /// Bytes per second into a shard.
    pub bytes_per_second: u32,
    /// Reads per second from a shard.
    pub reads_per_second: u32,
    /// From put to readable, without the wait for the consumer's next poll.
    pub put_to_get: Points,
    /// How often the consumer reads a shard, microseconds.
    pub poll_us: u64,
    /// Most records per read.
    pub records_max: u32,
    /// How often the consumer stores a checkpoint, microseconds.
    pub checkpoint_every_us: u64,
    /// Pause before a failed read is tried again, microseconds.
    pub retry_us: u64,
}

/// The central table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Central {
    /// Time of a write; there is one writer.
    pub put: Points,
}

/// A replicator.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replicator {
    /// How often it reads the table's changes, microseconds.
    pub poll_us: u64,
    /// Most changes per read.
    pub changes_max: u32,
    /// From a write to its change being readable.
    pub visibility: Points,
    /// First pause after a throttled write, microseconds; doubles, retried for ever.
    pub backoff_us: u64,
    /// Longest pause, microseconds.
    pub backoff_us_max: u64,
}
