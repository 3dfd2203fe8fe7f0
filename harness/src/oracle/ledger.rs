//! The ledger: what was truly admitted, by subject and window, and how far each view was from it.
//!
//! Not here: the system's own counts; those are reported to the ledger and compared with it.

use std::collections::BTreeMap;

use georush_core::{
    SubjectId, Timestamp, UsageEvent, WindowId,
    edge::{Decision, Enforcement, Request, Verdict},
};

use super::{
    FalseRejections, Findings, LAG_US_MAX, Overrun, RegionView,
    invariants::{self, Invariants},
    pending::Pending,
};
use crate::measure::recorder::Recorder;

const EXPLAINED: usize = invariants::index("I-01");
const NOT_AHEAD: usize = invariants::index("I-02");
const VIEW_MONOTONE: usize = invariants::index("I-03");
const COUNT_MONOTONE: usize = invariants::index("I-04");
const COUNT_BOUNDS: usize = invariants::index("I-05");
const NO_DOUBLE: usize = invariants::index("I-06");
const NO_GAP: usize = invariants::index("I-08");
const ATTRIBUTION: usize = invariants::index("I-11");
const REPLICA_MONOTONE: usize = invariants::index("I-12");
const OA_BOUND: usize = invariants::index("I-17");
const OA_IDENTITY: usize = invariants::index("I-18");
const FR_EXPLAINED: usize = invariants::index("I-19");
const SERVED_LOGGED: usize = invariants::index("I-21");
const BALANCE: usize = invariants::index("I-22");
const EPOCH_UNIQUE: usize = invariants::index("I-23");
const REJECT_NOT_USAGE: usize = invariants::index("I-25");
const CENTRAL_CONVERGES: usize = invariants::index("L-01");
const REGIONS_CONVERGE: usize = invariants::index("L-02");

const NO_WATCH: u32 = u32::MAX;
const OVERRUNS_MAX: usize = 10;
/// From this decision on, the age of a view is measured for one decision in sixteen, which then stands for sixteen: looking
/// it up is dearer than the decision itself.
const SAMPLED_FROM: u64 = 1 << 20;
const SAMPLED_EVERY: u64 = 16;

/// What is true of one subject in its current window; one cache line.
#[derive(Debug, Clone)]
#[repr(align(64))]
struct Account {
    window: WindowId,
    watch: u32,
    admitted: u64,
    central: u64,
    pending: Pending,
}

/// A crossed quota, until every region shows it.
#[derive(Debug, Clone)]
struct Watch {
    subject: SubjectId,
    window: WindowId,
    quota: u64,
    crossed_at: Timestamp,
    over: u64,
    /// Arrivals that read a table which did not show the crossing yet.
    arrivals: u64,
    /// Arrivals after the crossing that could not read their row.
    unread: u64,
    /// Most that any decision after the crossing could not see.
    unseen_max: u64,
    visible: u64,
}

#[derive(Debug, Clone)]
struct Region {
    fresh: u64,
    staleness: Recorder,
    crossing_lag: Recorder,
    /// Entries of `crossed` that the region's table shows.
    crossed_seen: usize,
    horizon: u64,
    /// Last sequence by lane, in the epoch.
    sequences: Vec<u64>,
    epoch: u16,
    /// Last view by subject; kept only where views must never fall.
    views: Vec<(WindowId, u64)>,
}

/// What the final comparison found.
#[derive(Debug, Clone, Copy, Default)]
struct FinalCounts {
    error: i64,
    error_absolute: u64,
    duplicates: u64,
    loss: u64,
}

/// Transport counters for the balance: where each emitted event is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Transport {
    /// In log batches on their way to the stream.
    pub in_logs: u64,
    /// In the stream, not read yet for the first time.
    pub in_stream: u64,
    /// Read at least once.
    pub read: u64,
    /// Dropped by a disabled subscription.
    pub skipped: u64,
}

/// The omniscient account of one run.
#[derive(Debug, Clone)]
pub struct Ledger {
    start: Timestamp,
    enforcement: Enforcement,
    /// Whether over-admission must equal the arrivals between crossing and visibility.
    identity: bool,
    /// Whether edges read a cache, which may be older than the region's table.
    cached: bool,
    accounts: Vec<Account>,
    /// Windows that are over for the edges but not yet complete in the central table: true cost.
    closing: BTreeMap<(SubjectId, WindowId), u64>,
    watches: Vec<Watch>,
    /// Crossings in the order in which the central table took them: version stamp and watch.
    crossed: Vec<(u64, u32)>,
    regions: Vec<Region>,
    invariants: Invariants,
    admitted: u64,
    events: u64,
    rejected: u64,
    decisions: u64,
    over: u64,
    false_rejections: FalseRejections,
    last_admission: Timestamp,
}

impl Ledger {
    /// An empty ledger. `identity` says that the run has no fault in it that would excuse a departure from I-18; `cached`
    /// that edges read a cache of the region's table.
    #[must_use]
    pub fn new(
        start: Timestamp,
        enforcement: Enforcement,
        identity: bool,
        cached: bool,
        subjects: usize,
        regions: usize,
    ) -> Self {
        let views = match enforcement {
            Enforcement::ReplicatedPlusLocal => vec![(WindowId(0), 0); subjects],
            Enforcement::Replicated => Vec::new(),
        };
        let region = Region {
            fresh: 0,
            staleness: Recorder::default(),
            crossing_lag: Recorder::default(),
            crossed_seen: 0,
            horizon: 0,
            sequences: Vec::new(),
            epoch: 0,
            views,
        };
        let account =
            Account { window: WindowId(0), watch: NO_WATCH, admitted: 0, central: 0, pending: Pending::default() };
        Self {
            start,
            enforcement,
            identity: identity && !cached,
            cached,
            accounts: vec![account; subjects],
            closing: BTreeMap::new(),
            watches: Vec::new(),
            crossed: Vec::new(),
            regions: vec![region; regions],
            invariants: Invariants::default(),
            admitted: 0,
            events: 0,
            rejected: 0,
            decisions: 0,
            over: 0,
            false_rejections: FalseRejections::default(),
            last_admission: start,
        }
    }

    /// Brings a subject's account close, ahead of its request. Changes nothing.
    #[inline]
    #[must_use]
    pub fn prefetch(&self, subject: SubjectId) -> u64 {
        self.accounts[subject.index()].admitted
    }

    /// Brings close what an account that is close already points to. Changes nothing.
    #[inline]
    #[must_use]
    pub fn prefetch_pending(&self, subject: SubjectId) -> u64 {
        self.accounts[subject.index()].pending.prefetch()
    }

    /// Cost truly admitted so far, over all subjects.
    #[must_use]
    pub fn admitted(&self) -> u64 {
        self.admitted
    }

    /// Usage events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// When the last request was admitted.
    #[must_use]
    pub fn last_admission(&self) -> Timestamp {
        self.last_admission
    }

    /// Version stamp of the next crossing that `region` does not show yet.
    #[inline]
    #[must_use]
    pub fn next_crossing(&self, region: usize) -> Option<u64> {
        self.crossed.get(self.regions[region].crossed_seen).map(|&(stamp, _)| stamp)
    }

    /// Decisions so far.
    #[must_use]
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    /// Enters one decision. Returns the staleness of its view, microseconds; 0 where it was not measured.
    #[inline]
    pub fn decided(
        &mut self,
        now: Timestamp,
        region: usize,
        request: Request,
        readable: bool,
        decision: &Decision,
        event: Option<&UsageEvent>,
    ) -> u64 {
        self.decisions += 1;
        let subject = request.subject;
        if self.accounts[subject.index()].window != decision.window {
            self.roll(subject, decision.window);
        }
        let account = &mut self.accounts[subject.index()];
        let (truth, cost, quota) = (account.admitted, u64::from(request.cost), decision.quota);
        let state = &mut self.regions[region];
        let weight = if self.decisions < SAMPLED_FROM { 1 } else { SAMPLED_EVERY };
        // Scrambled, so that no caller who comes in every sixteenth place is always or never the one.
        let lot = self.decisions.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let mut staleness_us = 0;
        if decision.view >= truth {
            state.fresh += 1;
        } else if lot.is_multiple_of(weight) {
            staleness_us = account.pending.age_us(decision.view, now);
            state.staleness.record_n(staleness_us, weight as u32);
        }
        let at_us = now.since(self.start);
        let fits = decision.view.saturating_add(cost) <= quota;
        let explained = match decision.verdict {
            Verdict::Admitted => fits || !readable,
            Verdict::OverQuota => !fits && readable,
            Verdict::Unavailable => !readable,
            Verdict::Revoked => true,
        };
        let proper = event.is_some() == (decision.verdict == Verdict::Admitted);
        if !explained || !proper || decision.view > truth {
            self.odd_decision(at_us, subject, decision, truth, explained, proper);
        }
        if readable && self.enforcement == Enforcement::ReplicatedPlusLocal {
            self.check_view(at_us, region, subject, decision);
        }
        let account = &mut self.accounts[subject.index()];
        if account.watch != NO_WATCH {
            let watch = &mut self.watches[account.watch as usize];
            watch.arrivals += u64::from(readable && watch.visible & (1 << region) == 0);
            watch.unread += u64::from(!readable);
            watch.unseen_max = watch.unseen_max.max(truth.saturating_sub(decision.view));
        }
        match event {
            Some(event) => self.admit(now, region, event, quota),
            None if decision.verdict == Verdict::OverQuota || decision.verdict == Verdict::Unavailable => {
                self.rejected += u64::from(decision.verdict == Verdict::OverQuota);
                if truth + cost <= quota {
                    self.falsely_rejected(at_us, subject, decision, truth);
                }
            }
            None => {}
        }
        staleness_us
    }

    fn admit(&mut self, now: Timestamp, region: usize, event: &UsageEvent, quota: u64) {
        let account = &mut self.accounts[event.subject.index()];
        let (before, cost) = (account.admitted, u64::from(event.cost));
        account.pending.push(before, now);
        account.admitted += cost;
        self.admitted += cost;
        self.events += 1;
        self.last_admission = now;
        if account.admitted > quota {
            let over = (account.admitted - quota).min(cost);
            self.over += over;
            if account.watch != NO_WATCH {
                self.watches[account.watch as usize].over += over;
            }
        }
        if before < quota && account.admitted >= quota {
            account.watch = self.watches.len() as u32;
            self.watches.push(Watch {
                subject: event.subject,
                window: event.window,
                quota,
                crossed_at: now,
                over: account.admitted - quota,
                arrivals: 0,
                unread: 0,
                unseen_max: 0,
                visible: 0,
            });
        }
        let state = &mut self.regions[region];
        if event.origin.epoch != state.epoch {
            state.sequences.fill(0);
        }
        let lane = usize::from(event.lane);
        if lane >= state.sequences.len() {
            state.sequences.resize(lane + 1, 0);
        }
        let expected = state.sequences[lane] + 1;
        if event.sequence != expected || event.origin.epoch < state.epoch {
            let seen = || format!("region {region}: {event:?}, expected sequence {expected}");
            self.invariants.check(EPOCH_UNIQUE, false, now.since(self.start), seen);
        }
        state.sequences[lane] = event.sequence;
        state.epoch = event.origin.epoch;
        if event.at != now || event.window != account.window {
            let seen = || format!("{event:?} decided at {now:?}");
            self.invariants.check(ATTRIBUTION, false, now.since(self.start), seen);
        }
    }

    /// The subject's first decision in a new window: the old one closes.
    fn roll(&mut self, subject: SubjectId, window: WindowId) {
        let account = &mut self.accounts[subject.index()];
        if account.central != account.admitted {
            self.closing.insert((subject, account.window), account.admitted);
        }
        account.window = window;
        account.watch = NO_WATCH;
        account.admitted = 0;
        account.central = 0;
        account.pending.clear();
    }

    #[cold]
    fn odd_decision(
        &mut self,
        at_us: u64,
        subject: SubjectId,
        decision: &Decision,
        truth: u64,
        explained: bool,
        proper: bool,
    ) {
        let seen = || format!("subject {}: {decision:?} with {truth} admitted", subject.0);
        self.invariants.check(EXPLAINED, explained, at_us, seen);
        self.invariants.check(REJECT_NOT_USAGE, proper, at_us, seen);
        self.invariants.check(NOT_AHEAD, decision.view <= truth, at_us, seen);
    }

    fn check_view(&mut self, at_us: u64, region: usize, subject: SubjectId, decision: &Decision) {
        let last = &mut self.regions[region].views[subject.index()];
        let fell = last.0 == decision.window && decision.view < last.1;
        let before = std::mem::replace(last, (decision.window, decision.view)).1;
        let seen = || format!("region {region}, subject {}: view fell from {before} to {}", subject.0, decision.view);
        self.invariants.check(VIEW_MONOTONE, !fell, at_us, seen);
    }

    #[cold]
    fn falsely_rejected(&mut self, at_us: u64, subject: SubjectId, decision: &Decision, truth: u64) {
        let unexplained = if decision.verdict == Verdict::Unavailable {
            self.false_rejections.fail_closed += 1;
            false
        } else if decision.view > truth {
            self.false_rejections.duplicate_count += 1;
            false
        } else {
            self.false_rejections.unexplained += 1;
            true
        };
        let seen = || format!("subject {}: {decision:?} with {truth} admitted", subject.0);
        self.invariants.check(FR_EXPLAINED, !unexplained, at_us, seen);
    }

    /// Enters that the central count of a subject went from `before` to `after` under version `stamp`. Says whether the
    /// window still matters to the edges.
    pub fn counted(
        &mut self,
        at: Timestamp,
        subject: SubjectId,
        window: WindowId,
        stamp: u64,
        before: u64,
        after: u64,
    ) {
        let at_us = at.since(self.start);
        let account = &mut self.accounts[subject.index()];
        let current = account.window == window;
        let truth = if current {
            account.central = after;
            account.admitted
        } else {
            // A window that is not closing was complete: its truth is what the table held.
            self.closing.get(&(subject, window)).copied().unwrap_or(before)
        };
        if after < before || after > truth {
            let seen =
                || format!("subject {}, window {}: {before} to {after} with {truth} admitted", subject.0, window.0);
            self.invariants.check(COUNT_MONOTONE, after >= before, at_us, seen);
            self.invariants.check(COUNT_BOUNDS, after <= truth, at_us, seen);
            self.invariants.check(NO_DOUBLE, after <= truth, at_us, seen);
        }
        if !current {
            if after == truth {
                self.closing.remove(&(subject, window));
            } else {
                self.closing.insert((subject, window), truth);
            }
        } else if account.watch != NO_WATCH {
            let quota = self.watches[account.watch as usize].quota;
            if before < quota && after >= quota {
                self.crossed.push((stamp, account.watch));
            }
        }
    }

    /// Whether the central count of a window that the edges have left is complete.
    #[must_use]
    pub fn settled(&self, subject: SubjectId, window: WindowId) -> bool {
        self.accounts[subject.index()].window != window && !self.closing.contains_key(&(subject, window))
    }

    /// Enters that every region shows at least this count of a subject's current window.
    #[inline]
    pub fn visible_everywhere(&mut self, subject: SubjectId, window: WindowId, total: u64) {
        let account = &mut self.accounts[subject.index()];
        if account.window == window {
            account.pending.forget_below(total);
        }
    }

    /// Enters that a region's table now holds all versions up to `horizon`.
    #[inline]
    pub fn replica_advanced(&mut self, at: Timestamp, region: usize, horizon: u64) {
        let state = &mut self.regions[region];
        if horizon < state.horizon {
            let before = state.horizon;
            let seen = || format!("region {region}: version {before} to {horizon}");
            self.invariants.check(REPLICA_MONOTONE, false, at.since(self.start), seen);
        }
        state.horizon = horizon;
        while let Some(&(stamp, watch)) = self.crossed.get(state.crossed_seen) {
            if stamp > horizon {
                break;
            }
            state.crossed_seen += 1;
            let watch = &mut self.watches[watch as usize];
            watch.visible |= 1 << region;
            state.crossing_lag.record(at.since(watch.crossed_at));
        }
    }

    /// Enters that a region's edge begins a new life: what it had in memory is gone, and its views may be lower.
    pub fn edge_restarted(&mut self, region: usize) {
        self.regions[region].views.fill((WindowId(0), 0));
    }

    /// Enters a checkpoint and the last record whose effects are in the table.
    pub fn checkpointed(&mut self, at: Timestamp, checkpoint: u64, applied: u64) {
        let seen = || format!("checkpoint {checkpoint}, counted up to {applied}");
        self.invariants.check(NO_GAP, checkpoint <= applied, at.since(self.start), seen);
    }

    /// Compares the events emitted with where the transport says that they are.
    pub fn balance(&mut self, at: Timestamp, transport: Transport) {
        let Transport { in_logs, in_stream, read, skipped } = transport;
        let emitted = self.events;
        let seen = || format!("{emitted} emitted, {transport:?}");
        self.invariants.check(BALANCE, emitted == in_logs + in_stream + read + skipped, at.since(self.start), seen);
    }

    /// Ends the run. `central` gives the final central count of a subject and window; `visible` what a region shows of a
    /// subject's newest window; `known_gaps` how many events the aggregator knows to be missing; `converged` when each region
    /// had everything; `names` turns a subject into a label; `final_counts` the cost each region holds.
    #[must_use]
    pub fn finish(mut self, end: &End<'_>) -> Findings {
        let at_us = end.at.since(self.start);
        let counts = self.final_counts(end, at_us);
        let declared_loss = counts.loss.min(end.known_gaps);
        self.finish_watches(at_us);
        let mut overruns: Vec<Overrun> = self.watches.iter().filter(|w| w.over > 0).map(|w| overrun(w, end)).collect();
        overruns.sort_by(|a, b| {
            // Compared as fractions without dividing: a.over / a.quota against b.over / b.quota.
            let left = u128::from(b.over) * u128::from(a.quota.max(1));
            let right = u128::from(a.over) * u128::from(b.quota.max(1));
            left.cmp(&right).then_with(|| a.subject.cmp(&b.subject)).then(a.window.cmp(&b.window))
        });
        let over_admission_max = overruns.first().map_or(0.0, |o| o.over as f64 / o.quota.max(1) as f64);
        overruns.truncate(OVERRUNS_MAX);
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

fn overrun(watch: &Watch, end: &End<'_>) -> Overrun {
    Overrun {
        subject: (end.name)(watch.subject),
        window: watch.window.0,
        quota: watch.quota,
        admitted: watch.quota + watch.over,
        over: watch.over,
    }
}
