//! The day's curve: a raised cosine in hourly linear pieces. Not here: noise around it, which is the arrival process.

use georush_core::time::DAY_US;

use super::super::Segment;

const HOUR_US: u64 = DAY_US / 24;

/// A day that repeats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Day {
    /// Mean arrivals per `unit_us`.
    pub(super) mean: f64,
    /// Highest rate over the mean, 1 to 2.
    pub(super) peak_to_mean: f64,
    /// Time of day of the highest rate, microseconds after midnight UTC.
    pub(super) peak_at_us: u64,
    /// The rate's unit, microseconds.
    pub(super) unit_us: u64,
}

impl Day {
    /// The rate at a number of hours from the peak.
    fn at_hour(&self, hours: u64) -> f64 {
        let angle = core::f64::consts::TAU * (hours % 24) as f64 / 24.0;
        self.mean * (1.0 + (self.peak_to_mean - 1.0) * libm::cos(angle))
    }

    /// The rate so long after the peak: linear within each hour, so that the mean of every 24 hours is `mean`.
    fn at(&self, since_peak_us: u64) -> f64 {
        let hours = since_peak_us / HOUR_US;
        let part = (since_peak_us % HOUR_US) as f64 / HOUR_US as f64;
        let (from, to) = (self.at_hour(hours), self.at_hour(hours + 1));
        from + (to - from) * part
    }

    /// The stretch of `duration_us` that begins at a time of day.
    pub(super) fn segments(&self, time_of_day_us: u64, duration_us: u64) -> Vec<Segment> {
        let mut since_peak_us = (time_of_day_us % DAY_US + DAY_US - self.peak_at_us % DAY_US) % DAY_US;
        let end_us = since_peak_us + duration_us;
        let mut segments = Vec::new();
        while since_peak_us < end_us {
            let next_us = ((since_peak_us / HOUR_US + 1) * HOUR_US).min(end_us);
            segments.push(Segment {
                duration_us: next_us - since_peak_us,
                from: self.at(since_peak_us),
                to: self.at(next_us),
                unit_us: self.unit_us,
            });
            since_peak_us = next_us;
        }
        segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Day = Day { mean: 100.0, peak_to_mean: 1.75, peak_at_us: 18 * HOUR_US + 17, unit_us: 1_000_000 };

    fn arrivals(segments: &[Segment]) -> f64 {
        segments.iter().map(|s| (s.from + s.to) / 2.0 * s.duration_us as f64 / s.unit_us as f64).sum()
    }

    #[test]
    fn every_24_hours_have_the_mean_rate_wherever_they_begin() {
        for start_us in [0, 1, 5 * HOUR_US, 11 * HOUR_US + 1_234_567, DAY_US - 1] {
            let sum = arrivals(&DAY.segments(start_us, DAY_US));
            assert!((sum - 8_640_000.0).abs() < 1e-3, "{sum}");
        }
    }

    #[test]
    fn segments_join_and_last_as_long_as_asked() {
        let segments = DAY.segments(3 * HOUR_US / 2, 30 * HOUR_US);
        assert_eq!(segments.iter().map(|s| s.duration_us).sum::<u64>(), 30 * HOUR_US);
        assert!(segments.windows(2).all(|pair| (pair[0].to - pair[1].from).abs() < 1e-9));
    }

    #[test]
    fn the_peak_is_where_and_as_high_as_asked() {
        let segments = DAY.segments(DAY.peak_at_us, HOUR_US);
        assert_eq!(segments[0].from, 175.0);
        assert!(DAY.segments(0, DAY_US).iter().all(|s| s.from <= 175.0 && s.from >= 25.0 - 1e-9));
    }
}
