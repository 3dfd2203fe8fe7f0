//! Whether a run may be believed: what would make its numbers those of the harness or of the machine instead of the system's.
//!
//! Bounds follow from what the numbers are used for, not from what a machine happens to reach. Not here: thresholds.

/// Share of its time that the generator may have something to do. Beyond it, requests queue in the generator itself.
pub const BUSY_MAX: f64 = 0.8;
/// The generator's own lateness at its 99th percentile, as a share of the 99th percentile of the latency that is judged.
pub const LAG_SHARE_MAX: f64 = 0.1;
/// Lateness that is never too much, microseconds: the least that latencies differ by to a person.
pub const LAG_US_MIN: u64 = 1_000;
/// Jump of the wall's clock, microseconds: ages and windows are read from it, and tables are looked at as often.
pub const JUMP_US_MAX: u64 = 100_000;
/// How long harness and system may wait for a CPU, for each request, as a share of the median latency that is judged.
pub const WAIT_SHARE_MAX: f64 = 0.1;
/// A wait that is never too long, microseconds.
pub const WAIT_US_MIN: u64 = 1_000;
/// The median service time of the first eighth of undisturbed requests over that of the rest.
pub const WARM_UP_MAX: f64 = 2.0;
/// Medians that differ by less than this are alike, microseconds.
pub const WARM_UP_US: u64 = 1_000;
/// Requests of an eighth that a median needs.
const ENOUGH: usize = 50;

/// One condition of validity.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What was looked at, in the glossary's words.
    pub name: &'static str,
    /// What was found.
    pub value: f64,
    /// What it may be at most.
    pub bound: f64,
    /// The unit of both: `us`, `fraction`, `ratio` or `number`.
    pub unit: &'static str,
    /// What it means if it is more.
    pub reason: &'static str,
}

impl Check {
    /// Whether the run may be believed as far as this goes.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.value <= self.bound
    }
}

/// What is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seen {
    /// Requests that were never sent because too many were on their way.
    pub dropped: u64,
    /// Answers whose status nobody expects.
    pub unexpected: u64,
    /// 99th percentile of the generator's lateness, microseconds.
    pub lag_p99_us: u64,
    /// 99th percentile of the latency that is judged, microseconds.
    pub latency_p99_us: u64,
    /// Share of its time that the generator had something to do.
    pub busy: f64,
    /// Jump of the wall's clock, microseconds.
    pub jump_us: i64,
    /// Time that our threads waited for a CPU, for each request, microseconds.
    pub wait_us: u64,
    /// Median of the latency that is judged, microseconds.
    pub latency_p50_us: u64,
    /// Looks at the tables that failed.
    pub unread: u64,
    /// Median service time of the first eighth of the undisturbed requests and of the others, microseconds.
    pub warm_up: Option<(u64, u64)>,
}

/// All conditions.
#[must_use]
pub fn checks(seen: &Seen) -> Vec<Check> {
    let check = |name, value, bound, unit, reason| Check { name, value, bound, unit, reason };
    let lag_max = (seen.latency_p99_us as f64 * LAG_SHARE_MAX).max(LAG_US_MIN as f64);
    let wait_max = (seen.latency_p50_us as f64 * WAIT_SHARE_MAX).max(WAIT_US_MIN as f64);
    let warm = seen.warm_up.map_or(0.0, |(first_us, rest_us)| match first_us.saturating_sub(rest_us) {
        0..WARM_UP_US => 0.0,
        _ => first_us as f64 / rest_us.max(1) as f64,
    });
    vec![
        check(
            "dropped_iterations",
            seen.dropped as f64,
            0.0,
            "number",
            "more than max_in_flight requests were on their way, so the load was not what was asked for",
        ),
        check(
            "unexpected_answers",
            seen.unexpected as f64,
            0.0,
            "number",
            "answers have a status that the scenario's requests can't cause",
        ),
        check(
            "send_lag_p99",
            seen.lag_p99_us as f64,
            lag_max,
            "us",
            "the generator was late, and its lateness is in the latencies",
        ),
        check("generator_busy", seen.busy, BUSY_MAX, "fraction", "the generator was saturated"),
        check(
            "clock_jump",
            seen.jump_us.unsigned_abs() as f64,
            JUMP_US_MAX as f64,
            "us",
            "the wall's clock jumped during the run",
        ),
        check(
            "cpu_wait",
            seen.wait_us as f64,
            wait_max,
            "us",
            "the machine is overcommitted: waiting for a CPU is a part of the latencies",
        ),
        check("warm_up", warm, WARM_UP_MAX, "ratio", "the system was still warming up: give a longer live.warm_up"),
        check("tables_unread", seen.unread as f64, 0.0, "number", "the tables could not be read"),
    ]
}

/// Medians of the first eighth and of the rest of some times in their order; `None` if there are too few.
#[must_use]
pub fn warm_up(times_us: &[u64]) -> Option<(u64, u64)> {
    let (first, rest) = times_us.split_at(times_us.len() / 8);
    (first.len() >= ENOUGH).then(|| (median(first), median(rest)))
}

fn median(times_us: &[u64]) -> u64 {
    let mut sorted = times_us.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(seen: Seen) -> Vec<&'static str> {
        checks(&seen).iter().filter(|check| !check.holds()).map(|check| check.name).collect()
    }

    #[test]
    fn each_way_to_spoil_a_run_is_named() {
        let good = Seen { latency_p99_us: 400_000, lag_p99_us: 39_000, busy: 0.3, wait_us: 900, ..Seen::default() };
        assert!(broken(good).is_empty());
        assert_eq!(broken(Seen { dropped: 1, ..good }), ["dropped_iterations"]);
        assert_eq!(broken(Seen { lag_p99_us: 41_000, ..good }), ["send_lag_p99"]);
        assert_eq!(broken(Seen { busy: 0.81, ..good }), ["generator_busy"]);
        assert_eq!(broken(Seen { jump_us: -200_000, ..good }), ["clock_jump"]);
        assert_eq!(broken(Seen { wait_us: 1_100, ..good }), ["cpu_wait"]);
        assert_eq!(broken(Seen { warm_up: Some((9_000, 2_000)), ..good }), ["warm_up"]);
        assert_eq!(broken(Seen { unread: 1, ..good }), ["tables_unread"]);
    }

    #[test]
    fn a_start_that_is_slower_by_less_than_a_millisecond_is_warm() {
        assert!(broken(Seen { warm_up: Some((900, 200)), ..Seen::default() }).is_empty());
        assert_eq!(warm_up(&[1; 399]), None);
        let times: Vec<u64> = (0..800).map(|n| if n < 100 { 50 } else { 7 }).collect();
        assert_eq!(warm_up(&times), Some((50, 7)));
    }
}
