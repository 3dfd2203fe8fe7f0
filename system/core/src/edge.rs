//! The edge: decides each request from the one row it read, and says what to log.
//!
//! Not here: reading the row, finding the subject, answering. An edge waits for nobody.

use crate::{
    identifier::SubjectId,
    row::{Row, Status},
    time::Timestamp,
    usage::{Origin, UsageEvent},
    window::{Calendar, WindowId},
};

/// How the edge turns a row into a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// Compare the replicated count with the quota. Over-admission equals what arrives between the crossing of the quota
    /// and the moment the region can see it.
    Replicated,
    /// Replace this origin's replicated component by its own, which is never late. Over-admission comes from the other
    /// origins only.
    ReplicatedPlusLocal,
}

/// What to do when the row cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnavailable {
    /// Admit, and count it.
    Open,
    /// Refuse.
    Closed,
    /// Admit up to this much per subject and window and origin, then refuse.
    Safe(u64),
}

/// One request at the edge's door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub subject: SubjectId,
    /// Cost units; 1 for a plain look-up.
    pub cost: u16,
    /// The log stream that its line will go to, from 0; lines are numbered in each.
    pub lane: u16,
}

/// The outcome of a request. A refusal is a verdict, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Serve it.
    Admitted,
    /// The visible count leaves no room for it.
    OverQuota,
    /// The subject is revoked.
    Revoked,
    /// The row could not be read and the policy refuses then.
    Unavailable,
}

/// A verdict with everything it was based on, so that anyone can check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The outcome.
    pub verdict: Verdict,
    /// The window that was charged or would have been.
    pub window: WindowId,
    /// The count that was compared with the quota.
    pub view: u64,
    /// The quota it was compared with.
    pub quota: u64,
}

/// What the edge asks its driver to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Print one log line.
    Log(UsageEvent),
}

/// What the edge has admitted for one subject in one window, in this life.
#[derive(Debug, Clone, Copy, Default)]
struct Counter {
    window: WindowId,
    cumulative: u64,
}

/// One edge in one life.
#[derive(Debug, Clone)]
pub struct Edge {
    origin: Origin,
    enforcement: Enforcement,
    on_unavailable: OnUnavailable,
    calendar: Calendar,
    /// Lines printed so far, by lane.
    sequences: Vec<u64>,
    counters: Vec<Counter>,
}

impl Edge {
    /// A fresh edge. `origin` must never have lived before: counts restart at zero.
    #[must_use]
    pub fn new(origin: Origin, enforcement: Enforcement, on_unavailable: OnUnavailable) -> Self {
        Self {
            origin,
            enforcement,
            on_unavailable,
            calendar: Calendar::default(),
            sequences: Vec::new(),
            counters: Vec::new(),
        }
    }

    /// The edge that takes this one's place after it died. It remembers nothing; its epoch is new.
    #[must_use]
    pub fn next_life(&self) -> Self {
        let origin = Origin { epoch: self.origin.epoch + 1, ..self.origin };
        Self::new(origin, self.enforcement, self.on_unavailable)
    }

    /// The name under which this edge's usage is counted.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Brings `subject`'s counter close, ahead of its request. Changes nothing.
    #[must_use]
    pub fn prefetch(&self, subject: SubjectId) -> u64 {
        self.counters.get(subject.index()).map_or(0, |c| c.cumulative)
    }

    /// Decides one request. `row` is what one read of the region's table returned. If that read failed, `readable` is
    /// false and `row` is the last one known: its plan still names the window, its usage is not believed.
    #[inline]
    pub fn authorize(
        &mut self,
        now: Timestamp,
        request: Request,
        row: &Row,
        readable: bool,
        outbox: &mut Vec<Effect>,
    ) -> Decision {
        let plan = row.plan.plan;
        let window = self.calendar.id(plan.window, now, row.plan.anchor);
        let own = self.counter(request.subject, window).cumulative;
        let replicated = row.usage.window == window;
        let (total, own_replicated) = if replicated { (row.usage.total, row.usage.own) } else { (0, 0) };
        let view = match self.enforcement {
            Enforcement::Replicated => total,
            Enforcement::ReplicatedPlusLocal => total - own_replicated + own.max(own_replicated),
        };
        let room = |used: u64, quota: u64| used.saturating_add(u64::from(request.cost)) <= quota;
        let verdict = if row.plan.status == Status::Revoked {
            Verdict::Revoked
        } else if readable {
            if room(view, plan.quota) { Verdict::Admitted } else { Verdict::OverQuota }
        } else {
            match self.on_unavailable {
                OnUnavailable::Open => Verdict::Admitted,
                OnUnavailable::Safe(n) if room(own, n) => Verdict::Admitted,
                OnUnavailable::Safe(_) | OnUnavailable::Closed => Verdict::Unavailable,
            }
        };
        if verdict == Verdict::Admitted {
            outbox.push(Effect::Log(self.count(now, request, window)));
        }
        Decision { verdict, window, view, quota: plan.quota }
    }

    fn count(&mut self, now: Timestamp, request: Request, window: WindowId) -> UsageEvent {
        let lane = usize::from(request.lane);
        if lane >= self.sequences.len() {
            self.sequences.resize(lane + 1, 0);
        }
        self.sequences[lane] += 1;
        let (sequence, origin) = (self.sequences[lane], self.origin);
        let counter = self.counter(request.subject, window);
        counter.cumulative += u64::from(request.cost);
        UsageEvent {
            at: now,
            sequence,
            cumulative: counter.cumulative,
            subject: request.subject,
            window,
            origin,
            cost: request.cost,
            lane: request.lane,
        }
    }

    /// The subject's counter, started anew if the window has changed.
    #[inline]
    fn counter(&mut self, subject: SubjectId, window: WindowId) -> &mut Counter {
        if subject.index() >= self.counters.len() {
            self.counters.resize(subject.index() + 1, Counter::default());
        }
        let counter = &mut self.counters[subject.index()];
        if counter.window != window {
            *counter = Counter { window, cumulative: 0 };
        }
        counter
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Plan, PlanGroup, UsageGroup, Version, WindowKind};

    const NOON: Timestamp = Timestamp(43_200_000_000);
    const ASK: Request = Request { subject: SubjectId(3), cost: 1, lane: 0 };

    fn row(quota: u64, total: u64, own: u64) -> Row {
        Row {
            plan: PlanGroup {
                plan: Plan { quota, window: WindowKind::DayUtc },
                anchor: Timestamp(0),
                status: Status::Active,
                version: Version::default(),
            },
            usage: UsageGroup { window: WindowId(0), total, own, version: Version::default() },
        }
    }

    fn edge(enforcement: Enforcement) -> Edge {
        Edge::new(Origin { region: 1, epoch: 0 }, enforcement, OnUnavailable::Closed)
    }

    fn verdict(edge: &mut Edge, row: &Row) -> Verdict {
        edge.authorize(NOON, ASK, row, true, &mut Vec::new()).verdict
    }

    #[test]
    fn a_request_is_admitted_while_the_view_is_below_the_quota() {
        let mut edge = edge(Enforcement::Replicated);
        assert_eq!(verdict(&mut edge, &row(10, 9, 0)), Verdict::Admitted);
        assert_eq!(verdict(&mut edge, &row(10, 10, 0)), Verdict::OverQuota);
    }

    #[test]
    fn own_admissions_count_at_once_with_a_local_count_and_never_twice() {
        let mut local = edge(Enforcement::ReplicatedPlusLocal);
        let stale = row(2, 0, 0);
        assert_eq!(verdict(&mut local, &stale), Verdict::Admitted);
        assert_eq!(verdict(&mut local, &stale), Verdict::Admitted);
        assert_eq!(verdict(&mut local, &stale), Verdict::OverQuota);
        // Its two admissions come back by replication: still two, so a quota of three has room for one more.
        assert_eq!(verdict(&mut local, &row(3, 2, 2)), Verdict::Admitted);
        let mut replicated = edge(Enforcement::Replicated);
        for _ in 0..5 {
            assert_eq!(verdict(&mut replicated, &stale), Verdict::Admitted);
        }
    }

    #[test]
    fn usage_reported_by_peers_counts_against_the_quota() {
        let mut local = edge(Enforcement::ReplicatedPlusLocal);
        assert_eq!(verdict(&mut local, &row(5, 5, 0)), Verdict::OverQuota);
    }

    #[test]
    fn the_counts_of_yesterday_are_worth_nothing_today() {
        let mut edge = edge(Enforcement::ReplicatedPlusLocal);
        let yesterday = row(1, 1, 1);
        assert_eq!(verdict(&mut edge, &yesterday), Verdict::OverQuota);
        let decision = edge.authorize(NOON.after(crate::time::DAY_US), ASK, &yesterday, true, &mut Vec::new());
        assert_eq!((decision.verdict, decision.window, decision.view), (Verdict::Admitted, WindowId(1), 0));
    }

    #[test]
    fn a_refused_request_is_never_usage() {
        let mut edge = edge(Enforcement::Replicated);
        let mut outbox = Vec::new();
        edge.authorize(NOON, ASK, &row(1, 1, 0), true, &mut outbox);
        let revoked = Row { plan: PlanGroup { status: Status::Revoked, ..row(9, 0, 0).plan }, ..row(9, 0, 0) };
        edge.authorize(NOON, ASK, &revoked, true, &mut outbox);
        edge.authorize(NOON, ASK, &row(9, 0, 0), false, &mut outbox);
        assert!(outbox.is_empty());
    }

    #[test]
    fn lines_are_numbered_by_lane() {
        let mut edge = edge(Enforcement::Replicated);
        let mut outbox = Vec::new();
        for lane in [0, 2, 0, 2, 1] {
            edge.authorize(NOON, Request { lane, ..ASK }, &row(99, 0, 0), true, &mut outbox);
        }
        let lines: Vec<_> = outbox.iter().map(|Effect::Log(e)| (e.lane, e.sequence, e.cumulative)).collect();
        assert_eq!(lines, [(0, 1, 1), (2, 1, 2), (0, 2, 3), (2, 2, 4), (1, 1, 5)]);
    }

    #[test]
    fn each_line_carries_the_cumulative_count_and_a_gapless_sequence() {
        let mut edge = edge(Enforcement::Replicated);
        let mut outbox = Vec::new();
        for subject in [3, 4, 3] {
            edge.authorize(
                NOON,
                Request { subject: SubjectId(subject), cost: 2, lane: 0 },
                &row(99, 0, 0),
                true,
                &mut outbox,
            );
        }
        let lines: Vec<_> = outbox.iter().map(|Effect::Log(e)| (e.sequence, e.subject.0, e.cumulative)).collect();
        assert_eq!(lines, [(1, 3, 2), (2, 4, 2), (3, 3, 4)]);
    }

    #[test]
    fn an_unreadable_row_is_answered_by_policy() {
        let unreadable = |policy| {
            let mut edge = Edge::new(Origin::default(), Enforcement::Replicated, policy);
            let mut admitted = 0;
            for _ in 0..5 {
                let decision = edge.authorize(NOON, ASK, &row(1, 1, 0), false, &mut Vec::new());
                admitted += u32::from(decision.verdict == Verdict::Admitted);
            }
            admitted
        };
        assert_eq!(unreadable(OnUnavailable::Open), 5);
        assert_eq!(unreadable(OnUnavailable::Safe(3)), 3);
        assert_eq!(unreadable(OnUnavailable::Closed), 0);
    }
}
