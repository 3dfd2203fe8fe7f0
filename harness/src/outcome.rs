//! What a run produces, before anyone judges or prints it.

use crate::{measure::Measure, oracle::Findings};

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
    /// Events of the pipeline and of the timeline that were processed.
    pub events: u64,
    /// Digest of every decision, 16 hexadecimal digits.
    pub digest: u64,
    /// Labels of the subjects are `population#member`; number of subjects.
    pub subjects: u64,
}
