//! What the scenario tolerates when its result is compared with a baseline, so that gates need no scenario file.
//!
//! Not here: comparing.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::scenario::Gate;

#[derive(Debug, Serialize)]
pub(super) struct Tolerated<'a> {
    digest: &'static str,
    tolerance: f64,
    tolerances: BTreeMap<&'a str, f64>,
}

pub(super) fn tolerated(gate: &Gate) -> Tolerated<'_> {
    let share = |ppm: u32| f64::from(ppm) / 1e6;
    Tolerated {
        digest: if gate.digest_free { "free" } else { "equal" },
        tolerance: share(gate.tolerance_ppm),
        tolerances: gate.tolerances_ppm.iter().map(|(metric, ppm)| (metric.as_str(), share(*ppm))).collect(),
    }
}
