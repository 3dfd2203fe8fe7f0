//! Measures and findings as people ask for them: fractions, and distributions over decisions.
//!
//! Not here: judging them.

use crate::{
    measure::Cell,
    oracle::{Findings, lag_histogram},
};
use hdrhistogram::Histogram;

/// The fraction of requests that the system did not fail; a rightful refusal is no failure. `None` without requests.
#[must_use]
pub fn availability(cell: &Cell) -> Option<f64> {
    let requests = cell.requests();
    (requests > 0).then(|| (requests - cell.failures()) as f64 / requests as f64)
}

/// Staleness of every decision's view, microseconds, in one region or in all. A complete view has staleness 0.
#[must_use]
pub fn staleness(findings: &Findings, region: Option<usize>) -> Histogram<u64> {
    let mut sum = lag_histogram();
    for (_, view) in findings.regions.iter().enumerate().filter(|(index, _)| region.is_none_or(|r| r == *index)) {
        merge(&mut sum, &view.staleness);
        sum.saturating_record_n(0, view.fresh);
    }
    sum
}

/// From the crossing of a quota to its visibility, microseconds, in one region or in all.
#[must_use]
pub fn crossing_lag(findings: &Findings, region: Option<usize>) -> Histogram<u64> {
    let mut sum = lag_histogram();
    for (_, view) in findings.regions.iter().enumerate().filter(|(index, _)| region.is_none_or(|r| r == *index)) {
        merge(&mut sum, &view.crossing_lag);
    }
    sum
}

/// Adds values one by one, so that histograms of any bounds can be added.
fn merge(sum: &mut Histogram<u64>, other: &Histogram<u64>) {
    for step in other.iter_recorded() {
        sum.saturating_record_n(step.value_iterated_to(), step.count_at_value());
    }
}
