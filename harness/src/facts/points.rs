//! A latency distribution given by some of its quantiles.
//!
//! Not here: drawing from it; a sampler does what [`at`] does, faster.

use super::normal;

/// (quantile between 0 and 1, microseconds), both ascending, at least two. Between two points the logarithm goes linearly
/// with the normal quantile, so two points are a lognormal; outside them the end segments go on, and one that is flat is a
/// bound.
pub type Points = Vec<(f64, f64)>;

/// Quantiles that stand for a line when it becomes points.
const QUANTILES: [f64; 7] = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999];

/// Beyond the normal quantile of any draw (samplers end at quantiles of 1e-6 from 0 and 1): how far a line within bounds goes.
const FAR: f64 = 4.8;

/// Least and greatest value, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) min_ms: f64,
    pub(super) max_ms: f64,
}

/// The value at a quantile, microseconds.
#[must_use]
pub fn at(points: &[(f64, f64)], quantile: f64) -> f64 {
    let last = points.len() - 1;
    let right = points.iter().position(|&(q, _)| q >= quantile).unwrap_or(last).clamp(1, last);
    let [(q0, us0), (q1, us1)] = [points[right - 1], points[right]];
    let [z0, z1, z] = [q0, q1, quantile].map(normal::quantile);
    let [ln0, ln1] = [us0, us1].map(libm::log);
    libm::exp(ln0 + (ln1 - ln0) * (z - z0) / (z1 - z0))
}

/// A lognormal of milliseconds, held within bounds.
pub(super) fn lognormal(mu: f64, sigma: f64, bounds: Bounds) -> Points {
    bounded(QUANTILES.map(normal::quantile).map(|z| (z, mu + sigma * z)).to_vec(), bounds)
}

/// The distribution through published points (fraction, milliseconds), held within bounds. Outside them it goes on like a
/// lognormal with this `sigma`. Fractions of 0 and 1 say nothing about where their distribution ends and stand for 0.001
/// and 0.999.
pub(super) fn through(published: &[(f64, f64)], sigma: f64, bounds: Bounds) -> Points {
    let mut line: Vec<(f64, f64)> = Vec::new();
    for &(fraction, ms) in published {
        let point = (normal::quantile(fraction.clamp(0.001, 0.999)), libm::log(ms));
        match line.last_mut() {
            Some(last) if last.0 >= point.0 => *last = point,
            _ => line.push(point),
        }
    }
    let (first, last) = (line[0], line[line.len() - 1]);
    line.insert(0, (first.0 - 1.0, first.1 - sigma));
    line.push((last.0 + 1.0, last.1 + sigma));
    bounded(line, bounds)
}

/// Cuts a rising line of (normal quantile, ln milliseconds) at the bounds, with a point at each cut and a flat segment
/// beyond it.
fn bounded(mut line: Vec<(f64, f64)>, bounds: Bounds) -> Points {
    let [low, high] = [bounds.min_ms, bounds.max_ms].map(libm::log);
    let goes_on = |(z0, ln0): (f64, f64), (z1, ln1): (f64, f64), z: f64| (z, ln0 + (ln1 - ln0) * (z - z0) / (z1 - z0));
    let last = line.len() - 1;
    let (start, end) = (goes_on(line[0], line[1], -FAR), goes_on(line[last - 1], line[last], FAR));
    line.insert(0, start);
    line.push(end);
    let mut cut = Vec::new();
    if start.1 < low {
        cut.push((-FAR, low));
    }
    for pair in line.windows(2) {
        let [(z0, ln0), (z1, ln1)] = [pair[0], pair[1]];
        let crossing = |bound: f64| (z0 + (bound - ln0) * (z1 - z0) / (ln1 - ln0), bound);
        if (low..=high).contains(&ln0) {
            cut.push((z0, ln0));
        }
        if ln0 < low && low < ln1 {
            cut.push(crossing(low));
        }
        if ln0 < high && high < ln1 {
            cut.push(crossing(high));
        }
    }
    cut.push((FAR, end.1.min(high)));
    cut.into_iter().map(|(z, ln_ms)| (normal::cdf(z), libm::round(libm::exp(ln_ms) * 1_000.0))).collect()
}
