//! The oracle: sees every decision and every effect, knows the truth, and says where the system departed from it.
//!
//! Not here: latency. What it may not do is influence the run.

pub mod closing;
pub mod history;
pub mod invariants;
pub mod ledger;
pub mod observed;
mod pending;

use hdrhistogram::Histogram;

use crate::measure::LATENCY_DIGITS;
pub use invariants::{Invariant, Status};

/// Largest staleness or lag that the findings tell apart, microseconds (40 days).
pub const LAG_US_MAX: u64 = 40 * georush_core::time::DAY_US;
/// Overruns that findings name.
const OVERRUNS_MAX: usize = 10;

/// An empty histogram of stalenesses or lags, microseconds.
#[must_use]
pub fn lag_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LAG_US_MAX, LATENCY_DIGITS).expect("constant bounds are valid")
}

/// One subject that went past its quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overrun {
    /// Population and member, for example `shops#17`.
    pub subject: String,
    /// Number of the window.
    pub window: u32,
    /// The quota.
    pub quota: u64,
    /// Cost admitted in the window.
    pub admitted: u64,
    /// Cost admitted beyond the quota.
    pub over: u64,
}

impl Overrun {
    /// How far past its quota, as a fraction of it.
    fn fraction(&self) -> f64 {
        self.over as f64 / self.quota.max(1) as f64
    }

    /// The worst of them, worst first by their fraction, and that of the first.
    fn worst(mut overruns: Vec<Self>) -> (Vec<Self>, f64) {
        overruns.sort_by(|a, b| {
            // Compared as fractions without dividing: a.over / a.quota against b.over / b.quota.
            let left = u128::from(b.over) * u128::from(a.quota.max(1));
            let right = u128::from(a.over) * u128::from(b.quota.max(1));
            left.cmp(&right).then_with(|| a.subject.cmp(&b.subject)).then(a.window.cmp(&b.window))
        });
        overruns.truncate(OVERRUNS_MAX);
        let greatest = overruns.first().map_or(0.0, Self::fraction);
        (overruns, greatest)
    }
}

/// Requests refused although there was room, by why the edge believed otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FalseRejections {
    /// The visible count held duplicates.
    pub duplicate_count: u64,
    /// The row could not be read and the policy refuses then.
    pub fail_closed: u64,
    /// No known reason: a defect.
    pub unexplained: u64,
}

impl FalseRejections {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.duplicate_count + self.fail_closed + self.unexplained
    }
}

/// What one region's table said, against the truth.
#[derive(Debug, Clone)]
pub struct RegionView {
    /// Decisions whose view was complete.
    pub fresh: u64,
    /// Age of the view of the others, microseconds.
    pub staleness: Histogram<u64>,
    /// From the crossing of a quota to the moment the region's table showed it, microseconds.
    pub crossing_lag: Histogram<u64>,
    /// From the last admission of the run to the moment the region's table held every count, microseconds; `None` if it
    /// never did.
    pub convergence_us: Option<u64>,
    /// Cost that the region's table holds at the end, over all windows of the run.
    pub final_count: u64,
}

/// The oracle's findings.
#[derive(Debug, Clone)]
pub struct Findings {
    /// Cost admitted.
    pub admitted: u64,
    /// Requests refused for quota.
    pub rejected: u64,
    /// Cost in the central table at the end, over all windows of the run.
    pub central_count: u64,
    /// Cost admitted beyond quotas, over all subjects and windows.
    pub over_admission: u64,
    /// The greatest `over / quota` of one subject in one window.
    pub over_admission_max: f64,
    /// The ten worst, worst first.
    pub overruns: Vec<Overrun>,
    /// Subjects and windows whose quota was crossed.
    pub crossings: u64,
    /// Arrivals between the crossing and its visibility, summed; equals `over_admission` under `replicated` without faults.
    pub arrivals_before_visible: u64,
    /// Refusals that were wrong.
    pub false_rejections: FalseRejections,
    /// Central count minus admitted cost, summed with its sign.
    pub count_error: i64,
    /// The same, summed without sign over subjects and windows.
    pub count_error_absolute: u64,
    /// Cost counted more than once.
    pub duplicates: u64,
    /// Cost never counted, and the system knows (gaps in the sequence of log lines).
    pub declared_loss: u64,
    /// Cost never counted, and the system does not know.
    pub silent_loss: u64,
    /// Whether the tables were read: without, nothing is known of counts.
    pub tables_read: bool,
    /// By region index.
    pub regions: Vec<RegionView>,
    /// Every invariant that applies, in the order of their ids.
    pub invariants: Vec<Invariant>,
}
