//! The scenario file as people write it; one type per table. Not here: what it means, which is the resolver's part.
//!
//! Single values decode as [`Leaf`](super::leaf::Leaf) whatever they are, so that the resolver can report all wrong ones at once. Their
//! types say, in the JSON Schema, what they should be.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::leaf::{
    Action, Aggregation, Axis, Cache, DigestRule, Enforcement, Executor, Fraction, Identifier, Instant, NodeName,
    Number, OrTable, PipelineModel, ServiceName, Span, Stack, Text, Whole, Window,
};

/// A scenario file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "georush scenario")]
pub struct RawScenario {
    /// Version of the format: 1.
    pub schema: Whole,
    /// What the scenario is to answer, in a sentence.
    pub question: Text,
    /// Seed of every random stream; 1 unless given.
    pub seed: Option<Whole>,
    /// When the run begins; `2018-11-23` unless given.
    pub start: Option<Instant>,
    /// Length of the run.
    pub duration: Span,
    /// The system under test.
    pub system: RawSystem,
    /// The usage pipeline.
    #[serde(default)]
    pub pipeline: RawPipeline,
    /// Plans by name.
    #[serde(default)]
    pub plans: BTreeMap<String, RawPlan>,
    /// Who calls.
    #[serde(default)]
    pub clients: Vec<RawClients>,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Vec<RawFault>,
    /// Conditions by metric.
    #[serde(default)]
    pub thresholds: BTreeMap<String, Vec<Text>>,
    /// Plots by name.
    #[serde(default)]
    pub report: BTreeMap<String, RawPlot>,
    /// For the live mode only; the simulation ignores it.
    pub live: Option<RawLive>,
    /// For the comparison with a baseline only; the simulation ignores it.
    pub gate: Option<RawGate>,
}

/// The system under test. Capacities are per region; what is absent comes from the stack's model data.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSystem {
    /// Which AWS the models follow.
    pub stack: Stack,
    /// Names of regions; either this or `region_set`.
    pub regions: Option<Vec<Text>>,
    /// Name of a set of regions, for example `article-10`.
    pub region_set: Option<Text>,
    /// The region of stream, aggregator and central table; the first one unless given.
    pub central: Option<Text>,
    /// How edges decide; `replicated` unless given.
    pub enforcement: Option<Enforcement>,
    /// How events become counts; `cumulative` unless given.
    pub aggregation: Option<Aggregation>,
    /// What edges do without a row; `closed` unless given.
    pub on_unavailable: Option<RawOnUnavailable>,
    /// Share of requests that come on an open connection.
    pub keep_alive: Option<Fraction>,
    /// Route 53 and the clients' resolvers.
    #[serde(default)]
    pub dns: RawDns,
    /// API Gateway.
    #[serde(default)]
    pub gateway: RawGateway,
    /// Lambda.
    #[serde(default)]
    pub function: RawFunction,
    /// The regional DynamoDB tables.
    #[serde(default)]
    pub table: RawTable,
}

/// `open` admits, `closed` refuses; `{ safe = n }` admits that many per subject, window and edge, then refuses.
pub type RawOnUnavailable = OrTable<RawSafe, Text>;

/// `{ safe = n }`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSafe {
    /// Requests.
    pub safe: Whole,
}

/// Route 53 and the clients' resolvers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDns {
    /// Life of an answer in an obedient resolver.
    pub ttl: Option<Span>,
    /// Share of resolvers that extend lives.
    pub stale_resolvers: Option<Fraction>,
    /// Life of an answer in such a resolver.
    pub stale_ttl: Option<Span>,
    /// Interval of health checks.
    pub health_interval: Option<Span>,
    /// Checks in a row that change a region's health, 1 to 10.
    pub health_threshold: Option<Whole>,
}

/// API Gateway's token bucket.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawGateway {
    /// Requests per second.
    pub rate: Option<Whole>,
    /// Bucket depth, requests.
    pub burst: Option<Whole>,
}

/// Lambda.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFunction {
    /// A runtime that the model data knows.
    pub runtime: Option<Text>,
    /// Memory, MB.
    pub memory: Option<Whole>,
    /// Concurrent executions allowed.
    pub concurrency: Option<Whole>,
    /// CPU time of one request at a full vCPU.
    pub handler_cpu: Option<Span>,
}

/// The regional DynamoDB tables.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTable {
    /// Read capacity units per second. Without this and `write_capacity`, capacity is on demand.
    pub read_capacity: Option<Whole>,
    /// Write capacity units per second. Without this and `read_capacity`, capacity is on demand.
    pub write_capacity: Option<Whole>,
    /// What stands before it; `none` unless given.
    pub cache: Option<Cache>,
    /// Life of an item in DAX.
    pub cache_ttl: Option<Span>,
}

/// The usage pipeline.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPipeline {
    /// `stages` unless given.
    pub model: Option<PipelineModel>,
    /// Time from a request to its count in a region; fixed-lag only.
    pub lag: Option<RawLag>,
    /// Kinesis shards; stages only.
    pub shards: Option<Whole>,
    /// How often the aggregator reads a shard; stages only.
    pub poll: Option<Span>,
    /// How often it stores a checkpoint; stages only.
    pub checkpoint_every: Option<Span>,
}

/// One lag, or one by region; `default` stands for those not named.
pub type RawLag = OrTable<BTreeMap<String, Span>, Span>;

/// A plan.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPlan {
    /// Requests per window, above 0.
    pub quota: Whole,
    /// How time is cut.
    pub window: Window,
}

/// A group of callers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawClients {
    /// Unique in the file.
    pub name: Text,
    /// What identifies a caller. Not with `population`.
    pub identifier: Option<Identifier>,
    /// Name of a plan. Not with `population`.
    pub plan: Option<Text>,
    /// How many identifiers; 1 unless given. Not with `population`.
    pub keys: Option<Whole>,
    /// Zipf exponent of the identifiers' popularity; 0 unless given. Not with `population`.
    pub zipf: Option<Number>,
    /// Name of another group whose identifiers this one uses too.
    pub population: Option<Text>,
    /// How the rate is given.
    pub executor: Executor,
    /// Requests per `time_unit`: constant-arrival-rate, or the mean of diurnal.
    pub rate: Option<Number>,
    /// Requests per `time_unit` when ramping begins; 0 unless given.
    pub start_rate: Option<Number>,
    /// The unit of rates; `1s` unless given.
    pub time_unit: Option<Span>,
    /// How long the group calls; the rest of the run unless given. Not for ramping or trace.
    pub duration: Option<Span>,
    /// Ramping: linear ramps, one after the other.
    pub stages: Option<Vec<RawStage>>,
    /// Diurnal: the day's highest rate over its mean, 1 to 2; 1.75 unless given.
    pub peak_to_mean: Option<Number>,
    /// Diurnal: time of day of the highest rate, UTC; `18h` unless given.
    pub peak_at: Option<Span>,
    /// Trace: a CSV file beside the scenario.
    pub file: Option<Text>,
    /// When the group begins to call; `0s` unless given.
    pub start_time: Option<Span>,
    /// How single arrivals scatter; `poisson` unless given. Not for trace.
    pub arrival: Option<RawArrival>,
    /// Where they call from.
    pub from: Option<RawFrom>,
}

/// A linear ramp.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawStage {
    /// Length; `0s` jumps.
    pub duration: Span,
    /// Rate at its end.
    pub target: Number,
}

/// `constant`, `poisson` or `gamma(2.0)`; or `{ gamma = 2.0 }`.
pub type RawArrival = OrTable<RawGamma, Text>;

/// `{ gamma = cv }`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawGamma {
    /// Coefficient of variation.
    pub gamma: Number,
}

/// `world`, or weights by ISO 3166 alpha-2 code.
pub type RawFrom = OrTable<BTreeMap<String, Number>, Text>;

/// Something that goes wrong. Which keys belong to which action is in the format reference.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFault {
    /// When it begins, from the start of the run.
    pub at: Span,
    /// How long it lasts.
    pub lasts: Option<Span>,
    /// What happens.
    pub action: Action,
    /// Where.
    pub region: Option<Text>,
    /// Reroute: clients of this region.
    pub from: Option<Text>,
    /// Reroute: go to this one.
    pub to: Option<Text>,
    /// Kill, restart, pause: which process.
    pub node: Option<NodeName>,
    /// Delay: how much more, one way.
    pub by: Option<Span>,
    /// Duplicate: share of records; 1 unless given.
    pub rate: Option<Fraction>,
    /// Throttle: of what.
    pub service: Option<ServiceName>,
    /// Throttle: share of the capacity that remains.
    pub remains: Option<Fraction>,
    /// Dns-stale: share of resolvers; 1 unless given.
    pub fraction: Option<Fraction>,
}

/// A plot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPlot {
    /// The horizontal axis.
    pub x: Axis,
    /// Series, for example `quota.visible{region:*}`.
    pub y: Vec<Text>,
}

/// For the live mode only.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLive {
    /// Seconds of the scenario per real second, above 0; 1 unless given.
    pub time_compression: Option<Number>,
    /// Factor on all rates, above 0; 1 unless given.
    pub rate_scale: Option<Number>,
    /// Overrides that hold in the live mode only, as `--set` takes them.
    pub set: Option<Vec<Text>>,
    /// Port of every process, each on an address of its own; 18080 unless given.
    pub port: Option<Whole>,
    /// Requests on their way at once; beyond them, arrivals are dropped and the run is not valid. 4096 unless given.
    pub max_in_flight: Option<Whole>,
    /// How long a client waits for an answer; `10s` unless given.
    pub timeout: Option<Span>,
    /// Load before the run that is not measured and not counted; `1s` unless given.
    pub warm_up: Option<Span>,
}

/// For the comparison with a baseline only.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawGate {
    /// `equal`: every decision must be the baseline's; `free`: only metrics are compared. `equal` unless given.
    pub digest: Option<DigestRule>,
    /// Relative difference that still passes, for metrics that need not be exact; `5%` unless given.
    pub tolerance: Option<Fraction>,
    /// The same by metric, with or without its aggregate: `latency`, `latency p(99)`.
    #[serde(default)]
    pub tolerances: BTreeMap<String, Fraction>,
}
