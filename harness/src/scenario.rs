//! A scenario as it runs: resolved, checked, ids instead of names, no default left open.
//!
//! Not here: reading files. [`raw`] mirrors what people write and [`load`](fn@load) turns it into this.

mod check;
mod decode;
mod document;
mod error;
pub mod label;
pub mod leaf;
mod load;
mod print;
pub mod raw;
mod resolve;
mod schema;
mod set;
mod threshold;
mod trace;
pub mod units;

pub use error::{Errors, Place, ScenarioError};
pub use label::{Cause, Phase};
pub use load::load;
pub use print::{fault_text, print};
pub use schema::schema;

use std::collections::BTreeSet;

use georush_core::{
    Plan, Timestamp,
    aggregator::Aggregation,
    edge::{Enforcement, OnUnavailable},
};

/// One question with everything needed to answer it. Times in `faults` and `clients` are microseconds after `start`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The file's stem, for example `black-friday`.
    pub name: String,
    /// What the scenario is to answer, in a sentence.
    pub question: String,
    /// Seed of every random stream.
    pub seed: u64,
    /// The simulated instant at which the run begins.
    pub start: Timestamp,
    /// Length of the run, microseconds. Arrivals stop then; what is in flight is drained.
    pub duration_us: u64,
    /// The system under test.
    pub system: System,
    /// Plans by name, sorted by name.
    pub plans: Vec<NamedPlan>,
    /// Who is counted. Client groups point here; two groups may share one population.
    pub populations: Vec<Population>,
    /// Who calls, in file order.
    pub clients: Vec<Clients>,
    /// What goes wrong, sorted by start, then by file order.
    pub faults: Vec<Fault>,
    /// What must hold, in file order.
    pub thresholds: Vec<Threshold>,
    /// What to plot, sorted by name.
    pub plots: Vec<Plot>,
    /// What only the live mode needs.
    pub live: Live,
    /// How far a result may be from its baseline.
    pub gate: Gate,
    /// SHA-256 of the scenario text as resolved (file plus overrides), lower-case hex.
    pub hash: String,
    /// Overrides given on the command line, `path=value`, in order.
    pub overrides: Vec<String>,
}

impl Scenario {
    /// Every country that anyone calls from, by index.
    #[must_use]
    pub fn callers(&self) -> BTreeSet<usize> {
        let traced = |clients: &Clients| match &clients.load {
            Load::Trace(arrivals) => arrivals.iter().filter_map(|a| a.country).collect(),
            Load::Segments(_) => Vec::new(),
        };
        let drawn = self.clients.iter().flat_map(|c| c.from.iter().map(|&(country, _)| country));
        drawn.chain(self.clients.iter().flat_map(traced)).collect()
    }
}

/// What only the live mode needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Seconds of the scenario per real second.
    pub time_compression: f64,
    /// Factor on all rates.
    pub rate_scale: f64,
    /// Overrides that hold in the live mode only, `path=value`, in order.
    pub set: Vec<String>,
    /// Port of every process, each on an address of its own.
    pub port: u16,
    /// Requests on their way at once.
    pub max_in_flight: u32,
    /// How long a client waits for an answer, microseconds.
    pub timeout_us: u64,
    /// Length of the load before the run, microseconds.
    pub warm_up_us: u64,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            time_compression: 1.0,
            rate_scale: 1.0,
            set: Vec::new(),
            port: 18_080,
            max_in_flight: 4_096,
            timeout_us: 10_000_000,
            warm_up_us: 1_000_000,
        }
    }
}

/// How far a result may be from its baseline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Whether decisions may differ as long as the metrics hold.
    pub digest_free: bool,
    /// Relative difference that still passes, in millionths; for metrics that have none of their own.
    pub tolerance_ppm: u32,
    /// The same by metric, with or without its aggregate, sorted.
    pub tolerances_ppm: Vec<(String, u32)>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { digest_free: false, tolerance_ppm: 50_000, tolerances_ppm: Vec::new() }
    }
}

/// A plan and its name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedPlan {
    /// For example `business`.
    pub name: String,
    /// Quota and window.
    pub plan: Plan,
}

/// Which year's AWS the models follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Documents of 2018.
    Y2018,
    /// Documents of 2023 and later.
    Now,
}

/// The system under test. Capacities are per region unless they say otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct System {
    /// `serverless-2018` or `serverless-now`.
    pub stack: String,
    /// The stack's era.
    pub era: Era,
    /// Names of the regions; their index is the region's number everywhere.
    pub regions: Vec<String>,
    /// Index of the region that holds stream, aggregator and central table.
    pub central: usize,
    /// How edges decide.
    pub enforcement: Enforcement,
    /// How events become counts.
    pub aggregation: Aggregation,
    /// What edges do without a row.
    pub on_unavailable: OnUnavailable,
    /// Route 53 and the clients' resolvers.
    pub dns: Dns,
    /// Fraction of requests that come on a connection which is open already, in millionths.
    pub keep_alive_ppm: u32,
    /// API Gateway.
    pub gateway: Gateway,
    /// Lambda.
    pub function: Function,
    /// Regional DynamoDB tables.
    pub table: Table,
    /// From log line to regional row.
    pub pipeline: Pipeline,
    /// Service times that were measured, as (quantile, microseconds), instead of the models of gateway, function and table. No
    /// scenario file says this; a calibration does.
    pub service: Option<Vec<(f64, f64)>>,
}

/// DNS answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Dns {
    /// Life of an answer in an obedient resolver, microseconds.
    pub ttl_us: u64,
    /// Fraction of resolvers that extend lives, in millionths.
    pub stale_resolvers_ppm: u32,
    /// Life of an answer in such a resolver, microseconds.
    pub stale_ttl_us: u64,
    /// Interval of health checks, microseconds.
    pub health_interval_us: u64,
    /// Failed checks in a row that make a region unhealthy (and good ones that make it healthy again).
    pub health_threshold: u32,
}

/// API Gateway's token bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Gateway {
    /// Requests per second.
    pub rate: u32,
    /// Bucket depth, requests.
    pub burst: u32,
}

/// Lambda.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// A runtime that the model data knows, for example `python3.6`.
    pub runtime: String,
    /// Memory, MB; decides the share of a CPU.
    pub memory_mb: u32,
    /// Concurrent executions allowed.
    pub concurrency: u32,
    /// CPU time of one request at a full vCPU, microseconds.
    pub handler_cpu_us: u32,
}

/// Regional tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Whether capacity follows the load, which is so unless a file names capacities. The numbers below are limits then.
    pub on_demand: bool,
    /// Read capacity units per second. An eventually consistent read of up to 4 KB takes half a unit.
    pub read_capacity: u32,
    /// Write capacity units per second.
    pub write_capacity: u32,
    /// Life of an item in DAX, microseconds; `None` without DAX.
    pub dax_ttl_us: Option<u64>,
}

/// The usage pipeline.
#[derive(Debug, Clone, PartialEq)]
pub enum Pipeline {
    /// Logs, stream, aggregator, central table, replicators.
    Stages(Stages),
    /// Everything replaced by one constant per region: an event counts in a region exactly this many microseconds after
    /// it was admitted.
    FixedLag {
        /// Microseconds, by region index.
        lag_us: Vec<u64>,
    },
}

/// The stages of the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Stages {
    /// Kinesis shards.
    pub shards: u16,
    /// How often the aggregator reads a shard, microseconds.
    pub poll_us: u64,
    /// How often it stores a checkpoint, microseconds.
    pub checkpoint_every_us: u64,
}

/// What identifies a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifierKind {
    /// API key.
    ApiKey,
    /// IP address.
    Ip,
    /// Referer host.
    Referer,
}

/// A set of identifiers that share a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Name; that of its client group unless the file shares one.
    pub name: String,
    /// What its members are.
    pub kind: IdentifierKind,
    /// Index into `plans`.
    pub plan: usize,
    /// How many members.
    pub size: u32,
    /// Zipf exponent in thousandths: the n-th member is drawn in proportion to 1/n^s. 0 draws all alike.
    pub zipf_milli: u32,
}

/// One group of callers.
#[derive(Debug, Clone, PartialEq)]
pub struct Clients {
    /// Name, unique in the file.
    pub name: String,
    /// Index into `populations`.
    pub population: usize,
    /// When calls begin, microseconds after the run's start.
    pub start_us: u64,
    /// How many calls there are at each instant.
    pub load: Load,
    /// How single arrivals scatter around that.
    pub arrival: Arrival,
    /// Where they come from: index into the countries of [`crate::facts`], and weight in millionths (they add up to one
    /// million). Sorted by country.
    pub from: Vec<(usize, u32)>,
}

/// The executor, reduced to what it means.
#[derive(Debug, Clone, PartialEq)]
pub enum Load {
    /// Rates over time (`constant-arrival-rate`, `ramping-arrival-rate`, `diurnal`): each segment goes linearly from one
    /// rate to another.
    Segments(Vec<Segment>),
    /// Arrivals one by one, sorted by time (`trace`).
    Trace(Vec<TraceArrival>),
}

/// A stretch of time with a linear rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Length, microseconds; above 0.
    pub duration_us: u64,
    /// Arrivals per `unit_us` at its start.
    pub from: f64,
    /// Arrivals per `unit_us` at its end.
    pub to: f64,
    /// The rate's time unit, microseconds.
    pub unit_us: u64,
}

/// One line of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceArrival {
    /// Microseconds after the group's start.
    pub at_us: u64,
    /// Member of the population; `None` draws one.
    pub member: Option<u32>,
    /// Index of the country; `None` draws one.
    pub country: Option<usize>,
}

/// How arrivals scatter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Evenly spaced, the first at once.
    Constant,
    /// Exponential gaps.
    Poisson,
    /// Gamma gaps with this coefficient of variation, in thousandths; above 1000 is burstier than Poisson.
    Gamma {
        /// Coefficient of variation x 1000.
        cv_milli: u32,
    },
}

/// Something that goes wrong from `at_us` to `until_us`, microseconds after the run's start.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// When it begins.
    pub at_us: u64,
    /// When it is over; equal to `at_us` for what has no length.
    pub until_us: u64,
    /// What happens.
    pub action: FaultAction,
    /// Line in the scenario file.
    pub line: usize,
}

/// The vocabulary of faults. Regions are indices.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultAction {
    /// The region answers nothing; health checks fail.
    RegionOutage {
        /// Which.
        region: usize,
    },
    /// Route 53 sends the clients of one region to another, at once.
    Reroute {
        /// From here.
        from: usize,
        /// To there.
        to: usize,
    },
    /// The process dies at the start and is up again at the end (`restart` in files is a kill of no length). An edge and
    /// a replicator belong to a region.
    Kill {
        /// Which.
        node: Node,
    },
    /// The process stands still and then goes on where it was.
    Pause {
        /// Which.
        node: Node,
    },
    /// Nothing passes between the region and the centre.
    Partition {
        /// Which.
        region: usize,
    },
    /// Everything between the region and the centre takes longer.
    Delay {
        /// Which.
        region: usize,
        /// By how much, microseconds one way.
        by_us: u64,
    },
    /// Log records reach the stream twice.
    Duplicate {
        /// Region of the logs; `None` for all.
        region: Option<usize>,
        /// Fraction of records, millionths.
        ppm: u32,
    },
    /// A capacity is cut.
    Throttle {
        /// Of what.
        service: Service,
        /// Region; `None` for all (and for the stream, which is central).
        region: Option<usize>,
        /// What remains of the capacity, millionths.
        remains_ppm: u32,
    },
    /// The region's replicator does not write.
    ReplicationPause {
        /// Which; `None` for all.
        region: Option<usize>,
    },
    /// The subscription filter is disabled; log lines of this time never reach the stream.
    LogSkip {
        /// Which.
        region: usize,
    },
    /// Resolvers keep the answers they have.
    DnsStale {
        /// Fraction of resolvers, millionths.
        ppm: u32,
    },
    /// All warm environments of the region are gone.
    ColdFlush {
        /// Which; `None` for all.
        region: Option<usize>,
    },
}

/// A process that can die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// The edge of a region.
    Edge(usize),
    /// The aggregator.
    Aggregator,
    /// The replicator of a region.
    Replicator(usize),
}

/// A service whose capacity can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// API Gateway's token bucket.
    Gateway,
    /// Lambda's concurrency.
    Function,
    /// The regional table's read capacity.
    TableReads,
    /// The regional table's write capacity.
    TableWrites,
    /// The stream's intake.
    Stream,
}

/// One condition on one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// The metric with its tags as written, for example `latency{region:eu-west-1}`.
    pub selector: String,
    /// The metric.
    pub metric: Metric,
    /// The tags, resolved.
    pub tags: Tags,
    /// The condition as written, for example `p(99)<60ms`.
    pub condition: String,
    /// How the metric's values become one.
    pub aggregate: Aggregate,
    /// How it is compared.
    pub op: Op,
    /// With what, in the metric's base unit: microseconds, a fraction, or a number.
    pub bound: f64,
    /// Line in the scenario file.
    pub line: usize,
}

/// What can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Metric {
    Latency,
    Availability,
    Requests,
    Errors,
    ColdStarts,
    QuotaAdmitted,
    QuotaRejected,
    QuotaOverAdmission,
    QuotaFalseRejection,
    QuotaCountError,
    QuotaDuplicates,
    QuotaDeclaredLoss,
    QuotaSilentLoss,
    QuotaStaleness,
    QuotaCrossingLag,
    QuotaConvergence,
    CostMonth,
    CostPerMillion,
}

/// Which part of a metric.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// Index of a region.
    pub region: Option<usize>,
    /// Index of a client group.
    pub clients: Option<usize>,
    /// When, relative to the faults.
    pub phase: Option<Phase>,
    /// Why a request failed.
    pub cause: Option<Cause>,
}

/// How a metric's values become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregate {
    /// Mean.
    Avg,
    /// Least.
    Min,
    /// Greatest.
    Max,
    /// Median.
    Med,
    /// Percentile, 0 to 100.
    P(f64),
    /// Sum or number of occurrences.
    Count,
    /// Per second.
    Rate,
    /// The value itself.
    Value,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Op {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// A plot that the scenario asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plot {
    /// Name of its table in the file.
    pub name: String,
    /// Always `time` so far.
    pub x: String,
    /// Series as written, for example `quota.visible{region:*}`.
    pub y: Vec<String>,
}
