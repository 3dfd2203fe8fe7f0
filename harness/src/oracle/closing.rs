//! The end of a run: the ledger is compared with what the tables hold, and becomes findings.
//!
//! Not here: what is checked while the run goes on (see [`super::ledger`]).

use georush_core::{SubjectId, Timestamp, WindowId, edge::Enforcement};

use super::{
    Findings, LAG_US_MAX, Overrun, RegionView,
    invariants::{
        ATTRIBUTION, CENTRAL_CONVERGES, COUNT_BOUNDS, COUNT_MONOTONE, EPOCH_UNIQUE, EXPLAINED, FR_EXPLAINED, NO_DOUBLE,
        NOT_AHEAD, OA_BOUND, OA_IDENTITY, REGIONS_CONVERGE, REJECT_NOT_USAGE, REPLICA_MONOTONE, SERVED_LOGGED,
    },
    ledger::{Ledger, Region, Watch},
};

/// What the run's end looks like from outside the ledger.
#[allow(missing_debug_implementations)]
pub struct End<'a> {
    /// When everything was drained.
    pub at: Timestamp,
    /// Final central count of a subject in a window.
    pub central: &'a dyn Fn(SubjectId, WindowId) -> u64,
    /// Whether a region's row of a subject equals the central one.
    pub agrees: &'a dyn Fn(usize, SubjectId) -> bool,
    /// Label of a subject.
    pub name: &'a dyn Fn(SubjectId) -> String,
    /// Events that the aggregator knows to be missing.
    pub known_gaps: u64,
    /// When each region held everything.
    pub converged: Vec<Option<Timestamp>>,
    /// Cost in the central table, all windows.
    pub central_count: u64,
    /// Cost that each region's table has shown, all windows.
    pub region_counts: Vec<u64>,
    /// Writes of central counts.
    pub central_writes: u64,
    /// Advances of regional tables.
    pub replications: u64,
    /// Requests that the edges admitted, by the measure.
    pub served: u64,
}

/// What the final comparison found.
#[derive(Debug, Clone, Copy, Default)]
struct FinalCounts {
    error: i64,
    error_absolute: u64,
    duplicates: u64,
    loss: u64,
}

impl Ledger {
    /// Ends the run. `central` gives the final central count of a subject and window; `visible` what a region shows of a
    /// subject's newest window; `known_gaps` how many events the aggregator knows to be missing; `converged` when each region
    /// had everything; `names` turns a subject into a label; `final_counts` the cost each region holds.
    #[must_use]
    pub fn finish(mut self, end: &End<'_>) -> Findings {
        let at_us = end.at.since(self.start);
        let counts = self.final_counts(end, at_us);
        let declared_loss = counts.loss.min(end.known_gaps);
        self.finish_watches(at_us);
        // What a region has not seen by the end takes at least so long.
        for (index, region) in self.regions.iter_mut().enumerate() {
            for watch in self.watches.iter().filter(|watch| watch.visible & (1 << index) == 0) {
                region.crossing_lag.record(end.at.since(watch.crossed_at));
            }
        }
        let overruns = self.watches.iter().filter(|w| w.over > 0).map(|w| overrun(w, end)).collect();
        let (overruns, over_admission_max) = Overrun::worst(overruns);
        self.finish_invariants(at_us, end, &counts, declared_loss);
        let region = |(index, region): (usize, Region)| RegionView {
            fresh: region.fresh,
            staleness: region.staleness.histogram(LAG_US_MAX),
            crossing_lag: region.crossing_lag.histogram(LAG_US_MAX),
            convergence_us: end.converged[index].map(|at| at.since(self.last_admission)),
            final_count: end.region_counts[index],
        };
        Findings {
            admitted: self.admitted,
            rejected: self.rejected,
            central_count: end.central_count,
            over_admission: self.over,
            over_admission_max,
            overruns,
            crossings: self.watches.len() as u64,
            arrivals_before_visible: self.watches.iter().map(|w| w.arrivals).sum(),
            false_rejections: self.false_rejections,
            count_error: counts.error,
            count_error_absolute: counts.error_absolute,
            duplicates: counts.duplicates,
            declared_loss,
            silent_loss: counts.loss - declared_loss,
            tables_read: true,
            regions: self.regions.into_iter().enumerate().map(region).collect(),
            invariants: self.invariants.finish(),
        }
    }

    fn final_counts(&mut self, end: &End<'_>, at_us: u64) -> FinalCounts {
        let mut counts = FinalCounts::default();
        let open = self.accounts.iter().enumerate().map(|(i, a)| ((SubjectId(i as u32), a.window), a.admitted));
        for ((subject, window), truth) in open.chain(self.closing.iter().map(|(&key, &truth)| (key, truth))) {
            let counted = (end.central)(subject, window);
            counts.error += counted as i64 - truth as i64;
            counts.error_absolute += counted.abs_diff(truth);
            counts.duplicates += counted.saturating_sub(truth);
            counts.loss += truth.saturating_sub(counted);
        }
        for region in 0..self.regions.len() {
            let differing = (0..self.accounts.len() as u32).filter(|&s| !(end.agrees)(region, SubjectId(s))).count();
            let seen = || format!("region {region} differs in {differing} rows");
            self.invariants.check(REGIONS_CONVERGE, differing == 0, at_us, seen);
        }
        counts
    }

    fn finish_watches(&mut self, at_us: u64) {
        for watch in &self.watches {
            let subject = watch.subject.0;
            if self.identity && self.enforcement == Enforcement::Replicated {
                let seen = || format!("subject {subject}: {} over, {} arrivals", watch.over, watch.arrivals);
                self.invariants.check(OA_IDENTITY, watch.over == watch.arrivals, at_us, seen);
            }
            let unseen = match self.enforcement {
                Enforcement::Replicated if self.cached => continue,
                Enforcement::Replicated => watch.arrivals,
                Enforcement::ReplicatedPlusLocal => watch.unseen_max,
            };
            let bound = unseen + watch.unread;
            let seen = || format!("subject {subject}: {} over, bound {bound}", watch.over);
            self.invariants.check(OA_BOUND, watch.over <= bound, at_us, seen);
        }
    }

    fn finish_invariants(&mut self, at_us: u64, end: &End<'_>, counts: &FinalCounts, declared_loss: u64) {
        let (decisions, events) = (self.decisions, self.events);
        for index in [EXPLAINED, NOT_AHEAD, REJECT_NOT_USAGE, FR_EXPLAINED] {
            self.invariants.held(index, decisions);
        }
        for index in [EPOCH_UNIQUE, ATTRIBUTION] {
            self.invariants.held(index, events);
        }
        for index in [COUNT_MONOTONE, COUNT_BOUNDS, NO_DOUBLE] {
            self.invariants.held(index, end.central_writes);
        }
        self.invariants.held(REPLICA_MONOTONE, end.replications);
        let seen = || format!("{} served, {events} events", end.served);
        self.invariants.check(SERVED_LOGGED, end.served == events, at_us, seen);
        let error = counts.error + declared_loss as i64;
        let converged = counts.duplicates == 0 && counts.loss == declared_loss;
        let seen = || format!("central count off by {error}: {} duplicate, {} lost", counts.duplicates, counts.loss);
        self.invariants.check(CENTRAL_CONVERGES, converged, at_us, seen);
        self.invariants.note(
            OA_BOUND,
            match self.enforcement {
                Enforcement::Replicated if self.cached => "stated for reads of the table, not of a cache",
                Enforcement::Replicated => "bound: arrivals at each region until its table showed the crossing",
                Enforcement::ReplicatedPlusLocal => "bound: the most that a decision after the crossing could not see",
            },
        );
        if !self.identity {
            self.invariants.note(OA_IDENTITY, "stated for `replicated` without faults and without DAX only");
        }
    }
}

fn overrun(watch: &Watch, end: &End<'_>) -> Overrun {
    Overrun {
        subject: (end.name)(watch.subject),
        window: watch.window.0,
        quota: watch.quota,
        admitted: watch.quota + watch.over,
        over: watch.over,
    }
}
