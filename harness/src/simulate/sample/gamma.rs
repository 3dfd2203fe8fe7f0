//! The quantile function of the gamma distribution of mean 1.
//!
//! Not here: anything fast. Tables are built with it, nothing is drawn with it.

use super::normal::probit;

/// The value below which the distribution of this shape (scaled to mean 1) lies with this probability.
pub(super) fn quantile(shape: f64, probability: f64) -> f64 {
    // The error of Wilson and Hilferty's cube root is below 1e-4 from here on.
    if shape > 100.0 {
        let ninth = 1.0 / (9.0 * shape);
        let root = 1.0 - ninth + probit(probability) * libm::sqrt(ninth);
        return root * root * root;
    }
    // Bisect over the logarithm: with a small shape the lower half spans many orders of magnitude.
    let (mut low, mut high) = (-700.0, libm::log(shape + 50.0 + 20.0 * libm::sqrt(shape)));
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if cdf(shape, libm::exp(middle)) < probability { low = middle } else { high = middle }
    }
    libm::exp(high) / shape
}

/// The regularised lower incomplete gamma function P(shape, x), x above 0.
fn cdf(shape: f64, x: f64) -> f64 {
    let front = libm::exp(shape * libm::log(x) - x - libm::lgamma(shape));
    if x < shape + 1.0 { front * series(shape, x) } else { 1.0 - front * fraction(shape, x) }
}

/// Sum of x^n / (shape (shape+1) ... (shape+n)).
fn series(shape: f64, x: f64) -> f64 {
    let mut term = 1.0 / shape;
    let mut sum = term;
    let mut n = shape;
    while term > sum * 1e-15 {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    sum
}

/// Legendre's continued fraction of the upper function, evaluated from the inside out.
fn fraction(shape: f64, x: f64) -> f64 {
    let mut tail = 0.0;
    for n in (1..=100).rev() {
        let n = f64::from(n);
        tail = n * (n - shape) / (x + 2.0 * n + 1.0 - shape - tail);
    }
    1.0 / (x + 1.0 - shape - tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_one_is_exponential() {
        for probability in [1e-6, 0.1, 0.5, 0.9, 0.999, 1.0 - 1e-6] {
            let expected = -libm::log1p(-probability);
            assert!((quantile(1.0, probability) / expected - 1.0).abs() < 1e-8, "at {probability}");
        }
    }

    #[test]
    fn known_medians_come_out() {
        // Half of a chi-square distribution's median, scaled: 1 degree of freedom, and 10.
        for (shape, median) in [(0.5, 0.454_936_423_119_572_8), (5.0, 0.934_181_776_559_197)] {
            assert!((quantile(shape, 0.5) / median - 1.0).abs() < 1e-8, "{}", quantile(shape, 0.5));
        }
    }

    #[test]
    fn both_methods_agree_where_they_meet() {
        for probability in [0.001, 0.5, 0.999] {
            let ratio = quantile(99.999, probability) / quantile(100.001, probability);
            assert!((ratio - 1.0).abs() < 1e-3, "{ratio} at {probability}");
        }
    }
}
