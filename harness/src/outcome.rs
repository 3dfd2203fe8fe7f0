//! What a run produces, before anyone judges or prints it.

use crate::{cost::Consumed, measure::Measure, oracle::Findings};

/// The outcome of one run: a pure function of version, scenario and seed.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Latency, causes, series.
    pub measure: Measure,
    /// Quotas against the truth.
    pub findings: Findings,
    /// Requests simulated.
    pub requests: u64,
    /// Simulated time from the first instant until everything was drained, microseconds.
    pub simulated_us: u64,
    /// Events of the pipeline that were processed: batches delivered, shards read.
    pub events: u64,
    /// What it used up of AWS; `None` of what ran on no model of AWS.
    pub consumed: Option<Consumed>,
    /// Digest of every request and what became of it.
    pub digest: u64,
    /// Number of subjects, over all populations.
    pub subjects: u64,
}
