//! Rates over time, and the instant at which so many arrivals are due.
//!
//! Not here: how single arrivals scatter around that.

use crate::scenario::Segment;

/// The integral of the rate, inverted. Its argument, a position, is a number of arrivals since the start: the k-th evenly
/// spaced arrival is at position k, the first being number 0, whatever the rate does in between.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    stretches: Vec<Stretch>,
    current: usize,
    /// The latest instant given.
    last_us: u64,
}

/// A segment with its place in time and among positions.
#[derive(Debug, Clone)]
struct Stretch {
    start_us: u64,
    /// The last microsecond that belongs to it, after `start_us`.
    last_us: u64,
    begin: f64,
    end: f64,
    /// Rate at the start, per unit.
    from: f64,
    unit_us: f64,
    /// Twice the change of the rate in one microsecond, per unit.
    twice_slope: f64,
}

impl Curve {
    pub(super) fn new(start_us: u64, segments: &[Segment]) -> Self {
        let (mut start_us, mut begin) = (start_us, 0.0);
        let stretches = segments.iter().map(|segment| {
            let stretch = Stretch::new(start_us, begin, segment);
            start_us += segment.duration_us;
            begin = stretch.end;
            stretch
        });
        Self { stretches: stretches.collect(), current: 0, last_us: 0 }
    }

    /// Microseconds after the run's start; `None` after the last segment. Positions must ascend from call to call.
    #[inline]
    pub(super) fn time_at(&mut self, position: f64) -> Option<u64> {
        let mut stretch = self.stretches.get(self.current)?;
        while position >= stretch.end {
            self.current += 1;
            stretch = self.stretches.get(self.current)?;
        }
        // In a ramp the rounding of two close positions can differ by a microsecond in the wrong direction.
        self.last_us = self.last_us.max(stretch.time_at(position));
        Some(self.last_us)
    }
}

impl Stretch {
    fn new(start_us: u64, begin: f64, segment: &Segment) -> Self {
        let Segment { duration_us, from, to, unit_us } = *segment;
        let (length, unit) = (duration_us as f64, unit_us as f64);
        let arrivals = 0.5 * (from + to) * length / unit;
        Self {
            start_us,
            last_us: duration_us.saturating_sub(1),
            begin,
            end: whole_if_nearly(begin + arrivals),
            from,
            unit_us: unit,
            twice_slope: 2.0 * (to - from) / length,
        }
    }

    /// Solves `from t + slope t^2 / 2 = due`, in the form that does not cancel.
    #[inline]
    fn time_at(&self, position: f64) -> u64 {
        let due = (position - self.begin) * self.unit_us;
        let after_us = if self.twice_slope == 0.0 {
            due / self.from
        } else {
            let root = (self.from * self.from + self.twice_slope * due).max(0.0).sqrt();
            (due + due) / (self.from + root)
        };
        // Rates such as 0.1 have no exact binary form; two units in the last place keep them from missing their
        // microsecond. At the foot of a ramp from 0 this is 0/0, which becomes 0.
        let after_us = (after_us + after_us * (2.0 * f64::EPSILON)) as i64;
        self.start_us + after_us.cast_unsigned().min(self.last_us)
    }
}

/// A rate of 33.3 over 10 s is 333 arrivals, not 333.000,000,000,000,06, which would be 334.
fn whole_if_nearly(position: f64) -> f64 {
    let whole = position.round();
    if (position - whole).abs() < 1e-6 { whole } else { position }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: u64 = 1_000_000;

    fn segment(seconds: u64, from: f64, to: f64) -> Segment {
        Segment { duration_us: seconds * SECOND_US, from, to, unit_us: SECOND_US }
    }

    fn even(start_us: u64, segments: &[Segment]) -> Vec<u64> {
        let mut curve = Curve::new(start_us, segments);
        (0..).map_while(|k| curve.time_at(f64::from(k))).collect()
    }

    #[test]
    fn a_flat_rate_gives_every_arrival_its_exact_microsecond() {
        for rate in [1_u32, 3, 7, 100, 999, 10_007] {
            let seen = even(5, &[segment(100, rate.into(), rate.into())]);
            let exact: Vec<u64> = (0..u64::from(rate) * 100).map(|k| 5 + k * SECOND_US / u64::from(rate)).collect();
            assert_eq!(seen, exact, "at {rate} per second");
        }
    }

    #[test]
    fn rates_without_an_exact_binary_form_hit_whole_seconds() {
        let seen = even(0, &[segment(1_000, 0.1, 0.1)]);
        assert_eq!(seen, (0..100).map(|k| k * 10 * SECOND_US).collect::<Vec<_>>());
        assert_eq!(even(0, &[segment(10, 33.3, 33.3), segment(10, 33.3, 33.3)]).len(), 666);
    }

    #[test]
    fn adjacent_flat_segments_go_on_without_a_seam() {
        let two = even(0, &[segment(100, 100.0, 100.0), segment(500, 100.0, 100.0)]);
        assert_eq!(two, even(0, &[segment(600, 100.0, 100.0)]));
        assert_eq!(two.len(), 60_000);
    }

    #[test]
    fn a_ramp_gives_its_mean_rate_times_its_length() {
        let seen = even(0, &[segment(100, 0.0, 100.0), segment(500, 100.0, 100.0)]);
        assert_eq!(seen.len(), 5_000 + 50_000);
        assert_eq!(seen.partition_point(|&at| at < 100 * SECOND_US), 5_000);
        // The integral of t is t^2 / 2: number 50 is due after 10 s.
        assert_eq!([seen[0], seen[50], seen[5_000]], [0, 10 * SECOND_US, 100 * SECOND_US]);
        assert_eq!(even(0, &[segment(100, 100.0, 0.0)]).len(), 5_000);
    }

    #[test]
    fn times_ascend_and_stay_inside_their_segments() {
        let mut curve = Curve::new(0, &[segment(7, 3.3, 1e6), segment(5, 0.0, 0.0), segment(7, 1e6, 0.0)]);
        let seen: Vec<u64> = (0..).map_while(|k| curve.time_at(f64::from(k) * 0.37)).collect();
        assert!(seen.is_sorted());
        assert!(seen.iter().all(|&at| at < 7 * SECOND_US || (12 * SECOND_US..19 * SECOND_US).contains(&at)));
    }
}
