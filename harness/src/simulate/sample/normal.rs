//! The normal distribution function and its inverse.
//!
//! Not here: anything fast. Tables are built with it, nothing is drawn with it.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Probability that a standard normal variable is at most `z`.
pub(super) fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// The inverse of [`normal_cdf`], to about 1e-12, for quantiles from 1e-9 to 1 - 1e-9; others are moved there.
pub(super) fn probit(quantile: f64) -> f64 {
    let quantile = quantile.clamp(1e-9, 1.0 - 1e-9);
    if quantile > 0.5 {
        return -probit(1.0 - quantile);
    }
    // The function is convex below 0, so that Newton's steps from there never overshoot.
    let mut z = 0.0;
    for _ in 0..60 {
        let density = libm::exp(-0.5 * z * z) / libm::sqrt(2.0 * PI);
        let step = (normal_cdf(z) - quantile) / density;
        z -= step;
        if step.abs() < 1e-13 {
            break;
        }
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_quantiles_come_out() {
        for (quantile, z) in [(0.5, 0.0), (0.975, 1.959_963_984_540_054), (0.001, -3.090_232_306_167_813_6)] {
            assert!((probit(quantile) - z).abs() < 1e-11, "probit({quantile}) is {}", probit(quantile));
        }
    }

    #[test]
    fn probit_inverts_the_distribution_function() {
        for thousandth in 1..1_000 {
            let quantile = f64::from(thousandth) / 1_000.0;
            assert!((normal_cdf(probit(quantile)) - quantile).abs() < 1e-12);
        }
    }
}
