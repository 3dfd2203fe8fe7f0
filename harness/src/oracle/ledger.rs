//! The ledger: what was truly admitted, by subject and window, and how far each view was from it.
//!
//! Not here: the system's own counts; those are reported to the ledger and compared with it.

use std::collections::BTreeMap;

use georush_core::{
    SubjectId, Timestamp, UsageEvent, WindowId,
    edge::{Decision, Enforcement, Request, Verdict},
};

use super::{
    FalseRejections,
    invariants::{
        ATTRIBUTION, BALANCE, COUNT_BOUNDS, COUNT_MONOTONE, EPOCH_UNIQUE, EXPLAINED, FR_EXPLAINED, Invariants,
        NO_DOUBLE, NO_GAP, NOT_AHEAD, REJECT_NOT_USAGE, REPLICA_MONOTONE, VIEW_MONOTONE,
    },
    pending::Pending,
};
use crate::measure::recorder::Recorder;

const NO_WATCH: u32 = u32::MAX;
/// From this decision on, the age of a view is measured for one decision in sixteen, which then stands for sixteen: looking
/// it up is dearer than the decision itself.
const SAMPLED_FROM: u64 = 1 << 20;
const SAMPLED_EVERY: u64 = 16;

/// What is true of one subject in its current window; one cache line.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(super) struct Account {
    pub(super) window: WindowId,
    pub(super) watch: u32,
    pub(super) admitted: u64,
    pub(super) central: u64,
    pub(super) pending: Pending,
}

/// A crossed quota, until every region shows it.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) subject: SubjectId,
    pub(super) window: WindowId,
    pub(super) quota: u64,
    pub(super) crossed_at: Timestamp,
    pub(super) over: u64,
    /// Arrivals that read a table which did not show the crossing yet.
    pub(super) arrivals: u64,
    /// Arrivals after the crossing that could not read their row.
    pub(super) unread: u64,
    /// Most that any decision after the crossing could not see.
    pub(super) unseen_max: u64,
    pub(super) visible: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) fresh: u64,
    pub(super) staleness: Recorder,
    pub(super) crossing_lag: Recorder,
    /// Entries of `crossed` that the region's table shows.
    pub(super) crossed_seen: usize,
    pub(super) horizon: u64,
    /// Last sequence by lane, in the epoch.
    pub(super) sequences: Vec<u64>,
    pub(super) epoch: u16,
    /// Last view by subject; kept only where views must never fall.
    pub(super) views: Vec<(WindowId, u64)>,
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
    pub(super) start: Timestamp,
    pub(super) enforcement: Enforcement,
    /// Whether over-admission must equal the arrivals between crossing and visibility.
    pub(super) identity: bool,
    /// Whether edges read a cache, which may be older than the region's table.
    pub(super) cached: bool,
    pub(super) accounts: Vec<Account>,
    /// Windows that are over for the edges but not yet complete in the central table: true cost.
    pub(super) closing: BTreeMap<(SubjectId, WindowId), u64>,
    pub(super) watches: Vec<Watch>,
    /// Crossings in the order in which the central table took them: version stamp and watch.
    pub(super) crossed: Vec<(u64, u32)>,
    pub(super) regions: Vec<Region>,
    pub(super) invariants: Invariants,
    pub(super) admitted: u64,
    pub(super) events: u64,
    pub(super) rejected: u64,
    pub(super) decisions: u64,
    pub(super) over: u64,
    pub(super) false_rejections: FalseRejections,
    pub(super) last_admission: Timestamp,
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
}
