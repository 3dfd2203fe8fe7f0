//! What a live run says about this machine's service times and pipeline, in a form that the simulator takes.
//!
//! Not here: the run itself.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::GRAIN_US;
use crate::{
    live::Live,
    scenario::{Pipeline, Scenario, units::show_instant},
};

/// Quantiles that a distribution is kept by. Close together at the end, where service times have no shape that a few could tell.
const QUANTILES: [f64; 17] =
    [0.001, 0.01, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.975, 0.985, 0.99, 0.995, 0.999, 0.9999];
/// Quantiles of service times that are compared, and that must come twice alike.
pub const COMPARED: [f64; 2] = [0.5, 0.99];

/// A calibration: what was measured, where, when and from what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Version of the program.
    pub georush: String,
    /// The machine.
    pub machine: String,
    /// When, UTC.
    pub date: String,
    /// The scenario's name.
    pub scenario: String,
    /// Its hash.
    pub hash: String,
    /// Seeds of the calibration runs.
    pub seeds: Vec<u64>,
    /// Requests that were measured, in all runs together.
    pub requests: u64,
    /// Whether the runs could be believed.
    pub valid: bool,
    /// Each of [`COMPARED`], and what each run had there, microseconds: how well this machine repeats itself.
    pub repeated_us: Vec<(f64, Vec<u64>)>,
    /// From a request's sending to its answer: (quantile, microseconds).
    pub service_us: Vec<(f64, u64)>,
    /// From an admission until decisions see it: (quantile, microseconds).
    pub lag_us: Vec<(f64, u64)>,
}

impl Calibration {
    /// From live runs of a scenario that differ in their seeds only, taken together; `None` if too little was measured to say
    /// anything.
    #[must_use]
    pub fn of(runs: &[(&Scenario, &Live)]) -> Option<Self> {
        let (scenario, first) = *runs.first()?;
        let lives = || runs.iter().map(|(_, live)| *live);
        let service = sum(lives().map(|live| &live.times.service))?;
        let lag = sum(lives().flat_map(|live| &live.answers.views).map(|views| &views.age_upper))?;
        let at = |q: f64| lives().map(|live| live.times.service.value_at_quantile(q)).collect();
        Some(Self {
            georush: env!("CARGO_PKG_VERSION").to_owned(),
            machine: first.machine.clone(),
            date: show_instant(first.started),
            scenario: scenario.name.clone(),
            hash: scenario.hash.clone(),
            seeds: runs.iter().map(|(scenario, _)| scenario.seed).collect(),
            requests: service.len(),
            valid: lives().all(|live| live.reasons().is_empty()),
            repeated_us: COMPARED.map(|q| (q, at(q))).to_vec(),
            service_us: points(&service),
            lag_us: points(&lag),
        })
    }

    /// How far the runs are apart at worst, as a fraction of the least, and at which quantile: what comparing with one of them can
    /// at best be worth.
    #[must_use]
    pub fn spread(&self) -> (f64, f64) {
        let apart = |(q, us): &(f64, Vec<u64>)| {
            let (least, most) = (us.iter().min().copied().unwrap_or(0), us.iter().max().copied().unwrap_or(0));
            let apart_us = (most - least) as f64;
            (if apart_us <= GRAIN_US { 0.0 } else { apart_us / least.max(1) as f64 }, *q)
        };
        self.repeated_us.iter().map(apart).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0.5))
    }

    /// The scenario with what was measured instead of the models of gateway, function, table and pipeline. The pipeline is one
    /// lag, the one at this quantile.
    #[must_use]
    pub fn apply(&self, scenario: &Scenario, quantile: f64) -> Scenario {
        let mut calibrated = scenario.clone();
        // Equal values would be a distribution that jumps; the sampler wants ascending ones.
        let mut points: Vec<(f64, f64)> = self.service_us.iter().map(|&(q, us)| (q, us.max(1) as f64)).collect();
        points.dedup_by(|next, kept| next.1 <= kept.1);
        calibrated.system.service = Some(points);
        let lag_us = self.lag_us(quantile);
        calibrated.system.pipeline = Pipeline::FixedLag { lag_us: vec![lag_us; scenario.system.regions.len()] };
        calibrated
    }

    /// The lag at one of the quantiles that are kept, microseconds.
    #[must_use]
    pub fn lag_us(&self, quantile: f64) -> u64 {
        let nearest = self.lag_us.iter().min_by(|a, b| (a.0 - quantile).abs().total_cmp(&(b.0 - quantile).abs()));
        nearest.map_or(0, |&(_, us)| us)
    }
}

/// All of them in one; `None` if there is nothing in any.
fn sum<'a>(mut parts: impl Iterator<Item = &'a Histogram<u64>>) -> Option<Histogram<u64>> {
    let first = parts.next()?.clone();
    let all = parts.fold(first, |mut sum, part| {
        sum.add(part).expect("all have the same bounds");
        sum
    });
    (!all.is_empty()).then_some(all)
}

fn points(histogram: &Histogram<u64>) -> Vec<(f64, u64)> {
    QUANTILES.map(|q| (q, histogram.value_at_quantile(q))).to_vec()
}
