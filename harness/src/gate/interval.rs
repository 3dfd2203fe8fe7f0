//! The interval in which a statistic of pairs lies, by a seeded bootstrap: pairs are drawn anew with repetition, and what the statistic
//! then does shows how far chance alone moves it.
//!
//! Not here: what follows from an interval.

use rand::Rng;

use crate::simulate::seed::Seed;

/// Fewer pairs give no interval: their resamples are too few to tell anything.
pub const PAIRS_MIN: usize = 5;

/// Draws of all pairs. The ends of an interval at 99 % are then the 10th of 2,000 from either end.
const RESAMPLES: usize = 2_000;

/// A statistic and where it lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Of the pairs as they are.
    pub estimate: f64,
    /// The lower end.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
}

/// The interval of `statistic` at `level`, for example 0.95. Equal names, seeds and pairs give equal intervals. Resampled differences
/// are stretched by the root of n / (n - 1), because resamples of few pairs scatter less than the pairs.
#[must_use]
pub fn bootstrap(
    pairs: &[(f64, f64)],
    level: f64,
    (seed, name): (u64, &str),
    statistic: impl Fn(&[(f64, f64)]) -> f64,
) -> Interval {
    let estimate = statistic(pairs);
    let n = pairs.len();
    if n < 2 || !estimate.is_finite() {
        return Interval { estimate, lower: estimate, upper: estimate };
    }
    let stretch = (n as f64 / (n - 1) as f64).sqrt();
    let mut bits = Seed(seed).stream(name);
    let mut sample = Vec::with_capacity(n);
    let mut drawn: Vec<f64> = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        sample.clear();
        // The high half of a product spreads 64 bits evenly over the pairs.
        sample.extend((0..n).map(|_| pairs[((u128::from(bits.next_u64()) * n as u128) >> 64) as usize]));
        drawn.push(estimate + (statistic(&sample) - estimate) * stretch);
    }
    drawn.sort_by(f64::total_cmp);
    let outside = ((1.0 - level) / 2.0 * RESAMPLES as f64).round() as usize;
    Interval { estimate, lower: drawn[outside], upper: drawn[RESAMPLES - 1 - outside] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_difference(pairs: &[(f64, f64)]) -> f64 {
        pairs.iter().map(|(base, head)| head - base).sum::<f64>() / pairs.len() as f64
    }

    #[test]
    fn equal_pairs_leave_no_doubt() {
        let interval = bootstrap(&[(3.0, 3.0); 8], 0.95, (1, "test"), mean_difference);
        assert_eq!(interval, Interval { estimate: 0.0, lower: 0.0, upper: 0.0 });
    }

    #[test]
    fn an_interval_is_a_function_of_its_arguments() {
        let pairs: Vec<_> = (0..9_u32).map(|n| (0.0, f64::from(n * n % 7))).collect();
        let of = |seed| bootstrap(&pairs, 0.95, (seed, "test"), mean_difference);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(of(1).lower < of(1).estimate && of(1).estimate < of(1).upper);
    }

    #[test]
    fn a_95_percent_interval_holds_the_mean_about_19_times_in_20() {
        let mut bits = Seed(7).stream("coverage");
        let mut uniform = || bits.next_u64() as f64 / u64::MAX as f64;
        let covered = (0..400_u64).filter(|&trial| {
            let pairs: Vec<_> = (0..12).map(|_| (0.0, uniform())).collect();
            let interval = bootstrap(&pairs, 0.95, (trial, "test"), mean_difference);
            interval.lower <= 0.5 && 0.5 <= interval.upper
        });
        let covered = covered.count();
        assert!((365..=392).contains(&covered), "{covered} of 400");
    }
}
