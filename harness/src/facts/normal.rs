//! The standard normal distribution, the same bits on every platform.
//!
//! Not here: chance.

use std::f64::consts::FRAC_1_SQRT_2;

/// Bisection stops when the bounds are neighbours for the purpose: 64 halvings of 16.
const HALVINGS: u32 = 64;

/// Probability of a value of at most `z`.
#[must_use]
pub fn cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// The value that is not exceeded with probability `p`; within -8 and 8. For tables and start-up, not for hot paths.
#[must_use]
pub fn quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if cdf(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}
