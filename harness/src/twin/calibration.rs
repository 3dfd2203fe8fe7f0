//! What a live run says about this machine's service times and pipeline, in a form that the simulator takes.
//!
//! Not here: the run itself.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::{
    live::Live,
    scenario::{Pipeline, Scenario, units::show_instant},
};

/// Quantiles that a distribution is kept by.
const QUANTILES: [f64; 9] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

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
    /// Seed of the calibration run.
    pub seed: u64,
    /// Requests that were measured.
    pub requests: u64,
    /// Whether the run could be believed.
    pub valid: bool,
    /// From a request's sending to its answer: (quantile, microseconds).
    pub service_us: Vec<(f64, u64)>,
    /// From an admission until decisions see it: (quantile, microseconds).
    pub lag_us: Vec<(f64, u64)>,
}

impl Calibration {
    /// From a live run of a scenario; `None` if too little was measured to say anything.
    #[must_use]
    pub fn of(scenario: &Scenario, live: &Live) -> Option<Self> {
        let service = &live.times.service;
        let mut lag: Option<Histogram<u64>> = None;
        for views in &live.answers.views {
            match &mut lag {
                None => lag = Some(views.age_upper.clone()),
                Some(sum) => sum.add(&views.age_upper).expect("all have the same bounds"),
            }
        }
        let lag = lag.filter(|lag| !lag.is_empty())?;
        (!service.is_empty()).then(|| Self {
            georush: env!("CARGO_PKG_VERSION").to_owned(),
            machine: live.machine.clone(),
            date: show_instant(live.started),
            scenario: scenario.name.clone(),
            hash: scenario.hash.clone(),
            seed: scenario.seed,
            requests: service.len(),
            valid: live.reasons().is_empty(),
            service_us: points(service),
            lag_us: points(&lag),
        })
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

fn points(histogram: &Histogram<u64>) -> Vec<(f64, u64)> {
    QUANTILES.map(|q| (q, histogram.value_at_quantile(q))).to_vec()
}
