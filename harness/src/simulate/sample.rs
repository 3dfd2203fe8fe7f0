//! Chance from tables: a quantile function or a weighted choice is computed once, then each draw costs a look-up.
//!
//! Not here: where random bits come from (see [`super::seed`]). Everything is built with `libm` and basic arithmetic, so
//! that a table has the same bytes on every platform.

mod alias;
mod gamma;
mod normal;

use std::sync::LazyLock;

pub use alias::Alias;

use normal::{normal_cdf, probit};

/// Cells of probability 1/256, up to quantile 63/64.
const BODY: usize = 252;
/// Cells of probability 1/16,384 above them.
const TAIL: usize = 256;
/// Boundaries of cells.
const POINTS: usize = BODY + TAIL + 1;
/// Draws never fall outside these quantiles.
const OUTERMOST: f64 = 1e-6;

/// First distance at which the quantile of a mixture is sought from the one before, as a logarithm.
const FIRST_STEP: f64 = 1.0 / 128.0;
/// Enough to halve the longest distance down to 1e-11.
const BISECTIONS_MAX: u32 = 40;

/// The normal quantile at each boundary: every table needs them, and they take long to work out.
static NORMAL_POINTS: LazyLock<[f64; POINTS]> =
    LazyLock::new(|| std::array::from_fn(|point| probit(quantile_of(point))));

/// Probability below a boundary.
fn quantile_of(point: usize) -> f64 {
    let body = point.min(BODY) as f64 / 256.0;
    let tail = point.saturating_sub(BODY) as f64 / 16_384.0;
    (body + tail).clamp(OUTERMOST, 1.0 - OUTERMOST)
}

/// The cell that the bits fall in and how far inside, as a fraction of 2^32.
#[inline]
const fn cell(bits: u32) -> (usize, u32) {
    let body = (bits >> 24) as usize;
    if body < BODY { (body, bits << 8) } else { (BODY + (bits << 6 >> 24) as usize, bits << 14) }
}

/// A distribution of durations in whole microseconds, 2 KB.
///
/// Between the given points ln(value) is linear in the normal quantile, so that two points describe a lognormal; outside
/// them the nearest segment goes on. Quantiles are kept within 1 % from 1/256 up to 0.9999.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantiles {
    points_us: Box<[u32; POINTS]>,
}

impl Quantiles {
    /// From (quantile, microseconds), ascending in both; one point is a constant. Values under 1 µs count as 1 µs.
    ///
    /// # Panics
    /// Without any point.
    #[must_use]
    pub fn from_points(points: &[(f64, f64)]) -> Self {
        let curve = Curve::new(points);
        Self::from_logarithms(|point| curve.log_at(NORMAL_POINTS[point]))
    }

    /// With these weights (of any sum) from one or another.
    ///
    /// # Panics
    /// Without any component, or if one has no point.
    #[must_use]
    pub fn mixture(components: &[(f64, &[(f64, f64)])]) -> Self {
        let curves: Vec<(f64, Curve)> =
            components.iter().map(|&(weight, points)| (weight, Curve::new(points))).collect();
        let total: f64 = curves.iter().map(|(weight, _)| weight).sum();
        let below = |log: f64| curves.iter().map(|(weight, curve)| weight * curve.cdf(log)).sum::<f64>() / total;
        let most = libm::log(f64::from(u32::MAX));
        let mut low: f64 = 0.0;
        Self::from_logarithms(|point| {
            let quantile = quantile_of(point);
            // Points lie close together: the next one is sought near the last one, further away with each step.
            let (mut high, mut step) = (low, FIRST_STEP);
            while high < most && below(high) < quantile {
                (low, high, step) = (high, (high + step).min(most), 2.0 * step);
            }
            // Bisection ends where it cannot change the microsecond; a root on the border of two never gets there.
            for _ in 0..BISECTIONS_MAX {
                if microseconds(low) == microseconds(high) {
                    break;
                }
                let middle = 0.5 * (low + high);
                if below(middle) < quantile { low = middle } else { high = middle }
            }
            high
        })
    }

    /// The same, but never longer than this.
    #[must_use]
    pub fn capped(mut self, max_us: u32) -> Self {
        for point in self.points_us.iter_mut() {
            *point = (*point).min(max_us);
        }
        self
    }

    /// Microseconds for 32 random bits; ascending in them.
    #[inline]
    #[must_use]
    pub fn draw(&self, bits: u32) -> u32 {
        let (cell, fraction) = cell(bits);
        let (low, high) = (self.points_us[cell], self.points_us[cell + 1]);
        low + ((u64::from(high - low) * u64::from(fraction)) >> 32) as u32
    }

    /// The mean of the draws, microseconds.
    #[must_use]
    pub fn mean_us(&self) -> f64 {
        mean(|point| f64::from(self.points_us[point]))
    }

    /// From ln(microseconds) by number of the boundary.
    fn from_logarithms(mut log_at: impl FnMut(usize) -> f64) -> Self {
        let mut points_us = Box::new([0; POINTS]);
        let mut least = 1;
        for (point, value_us) in points_us.iter_mut().enumerate() {
            least = microseconds(log_at(point)).max(least);
            *value_us = least;
        }
        Self { points_us }
    }
}

/// The nearest whole number of microseconds, saturating.
fn microseconds(log: f64) -> u32 {
    (libm::exp(log) + 0.5) as u32
}

fn mean(value: impl Fn(usize) -> f64) -> f64 {
    (0..POINTS - 1)
        .map(|cell| {
            let width = if cell < BODY { 1.0 / 256.0 } else { 1.0 / 16_384.0 };
            width * 0.5 * (value(cell) + value(cell + 1))
        })
        .sum()
}

/// ln(microseconds) over the normal quantile, piecewise linear.
struct Curve {
    points: Vec<(f64, f64)>,
}

impl Curve {
    fn new(points: &[(f64, f64)]) -> Self {
        assert!(!points.is_empty(), "a distribution has at least one point");
        debug_assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "points ascend");
        let points = points.iter().map(|&(quantile, us)| (probit(quantile), libm::log(us.max(1.0)))).collect();
        Self { points }
    }

    /// Slope and an end of the segment that `under` says is the first not to lie below.
    fn segment(&self, under: impl Fn(&(f64, f64)) -> bool) -> (f64, (f64, f64)) {
        let [first @ .., _] = self.points.as_slice() else { unreachable!("a curve has a point") };
        if first.is_empty() {
            return (0.0, self.points[0]);
        }
        let right = self.points.partition_point(under).clamp(1, first.len());
        let (left, right) = (self.points[right - 1], self.points[right]);
        ((right.1 - left.1) / (right.0 - left.0), left)
    }

    fn log_at(&self, z: f64) -> f64 {
        let (slope, (z0, log0)) = self.segment(|&(other, _)| other < z);
        log0 + slope * (z - z0)
    }

    /// Probability that ln(value) is at most `log`.
    fn cdf(&self, log: f64) -> f64 {
        let (slope, (z0, log0)) = self.segment(|&(_, other)| other < log);
        if slope > 0.0 { normal_cdf(z0 + (log - log0) / slope) } else { f64::from(u8::from(log >= log0)) }
    }
}

/// The gaps of a renewal process: positive numbers of mean 1, 4 KB.
#[derive(Debug, Clone, PartialEq)]
pub struct Gaps {
    points: Box<[f64; POINTS]>,
}

impl Gaps {
    /// Those of a Poisson process.
    #[must_use]
    pub fn exponential() -> Self {
        Self::of_mean_one(|quantile| -libm::log1p(-quantile))
    }

    /// Gamma-distributed with this coefficient of variation: 0 is even, 1 is [`Gaps::exponential`], more is burstier.
    #[must_use]
    pub fn gamma(cv: f64) -> Self {
        if cv <= 0.0 {
            return Self::of_mean_one(|_| 1.0);
        }
        let shape = 1.0 / (cv * cv);
        Self::of_mean_one(|quantile| gamma::quantile(shape, quantile))
    }

    /// A gap for 32 random bits; ascending in them.
    #[inline]
    #[must_use]
    pub fn draw(&self, bits: u32) -> f64 {
        let (cell, fraction) = cell(bits);
        let (low, high) = (self.points[cell], self.points[cell + 1]);
        low + (high - low) * (f64::from(fraction) * (1.0 / 4_294_967_296.0))
    }

    fn of_mean_one(quantile_function: impl Fn(f64) -> f64) -> Self {
        let mut points = Box::new([0.0; POINTS]);
        for (point, value) in points.iter_mut().enumerate() {
            *value = quantile_function(quantile_of(point));
        }
        // The outermost tail is cut and the cells' chords lie above a convex curve: put the mean right.
        let mean = mean(|point| points[point]);
        points.iter_mut().for_each(|value| *value /= mean);
        Self { points }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::seed::Seed;
    use rand::Rng;

    const LATENCY: [(f64, f64); 5] =
        [(0.5, 180_000.0), (0.9, 300_000.0), (0.99, 450_000.0), (0.999, 800_000.0), (0.9999, 900_000.0)];

    fn at(quantile: f64) -> u32 {
        (quantile * 4_294_967_296.0) as u32
    }

    fn checksum(values: impl Iterator<Item = u64>) -> u64 {
        values.fold(0, |sum, value| sum.wrapping_mul(0x0100_0000_01b3) ^ value)
    }

    #[test]
    fn draws_hit_the_given_points_within_one_percent() {
        let table = Quantiles::from_points(&LATENCY);
        for (quantile, us) in LATENCY {
            let drawn = f64::from(table.draw(at(quantile)));
            assert!((drawn / us - 1.0).abs() < 0.01, "{drawn} instead of {us} at {quantile}");
        }
    }

    #[test]
    fn draws_ascend_with_their_bits_and_end_at_the_cap() {
        let table = Quantiles::from_points(&LATENCY).capped(600_000);
        let drawn: Vec<u32> = (0..=u32::MAX).step_by(65_537).map(|bits| table.draw(bits)).collect();
        assert!(drawn.is_sorted());
        assert_eq!(table.draw(u32::MAX), 600_000);
    }

    #[test]
    fn a_lognormal_has_its_mean() {
        // Median 100 ms, sigma 0.5: the mean is 100 ms x exp(0.125).
        let table = Quantiles::from_points(&[(0.5, 1e5), (0.841_344_746_068_542_9, 1e5 * libm::exp(0.5))]);
        assert!((table.mean_us() / (1e5 * libm::exp(0.125)) - 1.0).abs() < 1e-3, "{}", table.mean_us());
    }

    #[test]
    fn one_point_is_a_constant() {
        let table = Quantiles::from_points(&[(0.5, 42.0)]);
        assert_eq!([0, 1 << 31, u32::MAX].map(|bits| table.draw(bits)), [42; 3]);
    }

    #[test]
    fn a_mixture_has_the_quantiles_of_both_parts() {
        let table = Quantiles::mixture(&[(3.0, &[(0.5, 100.0)]), (1.0, &[(0.5, 10_000.0)])]);
        assert_eq!(table.draw(at(0.74)), 100);
        assert_eq!(table.draw(at(0.76)), 10_000);
        let same = Quantiles::mixture(&[(0.2, &LATENCY), (0.8, &LATENCY)]);
        let alone = Quantiles::from_points(&LATENCY);
        for bits in (0..=u32::MAX).step_by(65_537) {
            assert!(same.draw(bits).abs_diff(alone.draw(bits)) <= 1);
        }
    }

    #[test]
    fn gaps_have_mean_one_and_their_coefficient_of_variation() {
        for (cv, gaps) in [(1.0, Gaps::exponential()), (0.5, Gaps::gamma(0.5)), (2.0, Gaps::gamma(2.0))] {
            let mut bits = Seed(1).stream("gaps");
            let n = 4_000_000;
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..n {
                let gap = gaps.draw(bits.next_u32());
                sum += gap;
                squares += gap * gap;
            }
            let (mean, square) = (sum / f64::from(n), squares / f64::from(n));
            let seen = libm::sqrt(square - mean * mean) / mean;
            assert!((mean - 1.0).abs() < 0.003, "mean {mean} with cv {cv}");
            assert!((seen / cv - 1.0).abs() < 0.01, "cv {seen} instead of {cv}");
            assert!((super::mean(|point| gaps.points[point]) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn gaps_without_variation_are_one() {
        assert_eq!([0, 77, u32::MAX].map(|bits| Gaps::gamma(0.0).draw(bits)), [1.0; 3]);
    }

    #[test]
    fn tables_have_the_same_bytes_on_every_platform() {
        let latency = Quantiles::from_points(&LATENCY);
        let mixture = Quantiles::mixture(&[(0.9, &LATENCY), (0.1, &[(0.5, 1e6), (0.9, 2e6)])]);
        let us = |table: &Quantiles| checksum(table.points_us.iter().map(|&us| u64::from(us)));
        let bits = |gaps: &Gaps| checksum(gaps.points.iter().map(|gap| gap.to_bits()));
        assert_eq!(
            [us(&latency), us(&mixture), bits(&Gaps::exponential()), bits(&Gaps::gamma(2.0))],
            [
                4_471_983_643_975_380_931,
                17_328_602_739_824_580_488,
                15_693_339_598_773_033_887,
                14_152_285_848_172_589_310
            ]
        );
    }
}
