//! Stand-in for the engine: the interface, and an outcome of one request.
//!
//! Not here: the engine.

use crate::{measure::*, oracle::*, outcome::Outcome, scenario::Scenario};

/// Follows a run and may stop it.
pub trait Observer {
    /// Called now and then; `false` stops the run.
    fn progress(&mut self, _simulated_us: u64, _requests: u64) -> bool {
        true
    }

    /// The digest of a block of decisions.
    fn block(&mut self, _digest: u64) {}

    /// The block whose decisions are wanted as text.
    fn wanted(&self) -> Option<usize> {
        None
    }

    /// One decision of the wanted block.
    fn decision(&mut self, _line: String) {}
}

/// Runs a scenario; `None` if the observer stopped it.
pub fn run(scenario: &Scenario, observer: &mut dyn Observer) -> Option<Outcome> {
    let mut measure = Measure::new(scenario.system.regions.len(), scenario.clients.len().max(1), scenario.duration_us);
    if !observer.progress(0, 0) {
        return None;
    }
    let parts = [0, 20_000, 0, 6_000, 0, 0, 4_000, 3_000];
    measure.record(Sample { region: 0, clients: 0, cause: None, answered: true }, &parts);
    measure.series.close(|_| ());
    observer.block(1);
    if observer.wanted() == Some(0) {
        observer.decision("admit".into());
    }
    let view = || RegionView {
        fresh: 1,
        staleness: latency_histogram(),
        crossing_lag: latency_histogram(),
        convergence_us: Some(0),
        final_count: 1,
    };
    let findings = Findings {
        admitted: 1,
        rejected: 0,
        central_count: 1,
        over_admission: 0,
        over_admission_max: 0.0,
        overruns: Vec::new(),
        crossings: 0,
        arrivals_before_visible: 0,
        false_rejections: FalseRejections::default(),
        count_error: 0,
        count_error_absolute: 0,
        duplicates: 0,
        declared_loss: 0,
        silent_loss: 0,
        regions: scenario.system.regions.iter().map(|_| view()).collect(),
        invariants: invariants::Invariants::default().finish(),
    };
    let simulated_us = scenario.duration_us;
    Some(Outcome { measure, findings, requests: 1, simulated_us, events: 1, digest: 1, subjects: 1 })
}
