//! A digest of everything that happened to every request, and the same in words.
//!
//! Two runs are the same run if their digests are equal.

use georush_core::SubjectId;

use super::edge::Served;
use crate::{facts, scenario::Scenario, workload::Arrival};

/// Requests to a block of the digest.
pub const BLOCK: u64 = 4_096;

/// The running digest.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    digest: u64,
    requests: u64,
}

/// Where a request stands in the trace.
pub(super) struct Position {
    /// Number of its block.
    pub(super) number: usize,
    /// The digest so far, if the request ends its block.
    pub(super) ended: Option<u64>,
}

impl Trace {
    /// Enters one request.
    #[inline]
    pub(super) fn enter(&mut self, at_us: u64, arrival: &Arrival, served: &Served) -> Position {
        let latency_us: u64 = served.parts.iter().map(|&part| u64::from(part)).sum();
        let outcome = served.sample.cause.map_or(0, |cause| cause as u64 + 1);
        self.digest = mix(self.digest, at_us ^ u64::from(arrival.subject.0) << 40);
        self.digest =
            mix(self.digest, latency_us ^ served.view << 24 ^ (served.sample.region as u64) << 52 ^ outcome << 58);
        self.requests += 1;
        let ended = self.requests.is_multiple_of(BLOCK).then_some(self.digest);
        Position { number: ((self.requests - 1) / BLOCK) as usize, ended }
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }
}

/// One step of a multiply-and-fold digest.
#[inline]
pub(crate) fn mix(digest: u64, value: u64) -> u64 {
    let product = u128::from(digest ^ 0x9E37_79B9_7F4A_7C15) * u128::from((value ^ 0xD6E8_FEB8_6659_FD93) | 1);
    (product >> 64) as u64 ^ product as u64
}

/// One request in words.
pub(super) fn line(scenario: &Scenario, at_us: u64, arrival: &Arrival, served: &Served) -> String {
    let country = &facts::countries()[usize::from(arrival.country)].code;
    let region = &scenario.system.regions[served.sample.region];
    let outcome = served.sample.cause.map_or("admitted", |cause| cause.name());
    let latency_us: u64 = served.parts.iter().map(|&part| u64::from(part)).sum();
    format!(
        "{at_us} us: subject {} from {country} at {region}: {outcome}, view {}, {latency_us} us",
        arrival.subject.0, served.view
    )
}

/// Label of a subject: its population and its number there. `first_subject` is [`crate::workload::subjects`].
#[must_use]
pub fn subject_name(scenario: &Scenario, first_subject: &[u32], subject: SubjectId) -> String {
    let index = first_subject.partition_point(|&first| first <= subject.0).saturating_sub(1);
    let index = index.min(scenario.populations.len() - 1);
    format!("{}#{}", scenario.populations[index].name, subject.0 - first_subject[index])
}
