//! One region's edge: its rows in memory, the core's decision on each request, and the usage that it leaves.
//!
//! A request locks one of sixteen shards for well under a microsecond and waits for nothing else. Rows are persisted by the region's
//! table and arrive here through its feed ([`Edge::apply`]); usage leaves through [`Edge::drain`]. Not here: reading that
//! feed, writing that usage, HTTP.

use std::{
    hash::BuildHasher,
    net::IpAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use georush_core::{
    Identifier, Origin, PlanGroup, Rate, Row, Status, SubjectId, Timestamp, UsageEvent, UsageGroup, WindowId,
    WindowKind,
    edge::{Decision, Edge as Core, Effect, Enforcement, OnUnavailable, Request, Verdict},
    rate::Bucket,
    time::SECOND_US,
};
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::{
    crash,
    item::{Account, Item},
    plans::{PlanSpec, Plans},
    record::{Begun, Recorder},
    usage::Line,
    whitelist::Whitelist,
};

/// Shards, and so lanes of the usage log.
const SHARDS: usize = 16;

/// What an edge is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Under which name it counts. Never used before: counts restart at zero.
    pub origin: Origin,
    /// How rows become verdicts.
    pub enforcement: Enforcement,
    /// What happens when rows are too old to be believed.
    pub on_unavailable: OnUnavailable,
    /// Subjects without a key that are remembered at once; beyond them, new ones are refused until the day turns.
    pub strangers_max: usize,
    /// Usage events that wait to be written, one for each caller and window; beyond them, events are dropped and counted as
    /// dropped.
    pub events_max: usize,
}

impl Settings {
    /// The defaults for an origin.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            enforcement: Enforcement::ReplicatedPlusLocal,
            on_unavailable: OnUnavailable::Open,
            strangers_max: 1 << 20,
            events_max: 1 << 20,
        }
    }
}

/// What a request wants, as far as plans differ in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Records of addresses.
    Record,
    /// Several at once.
    Bulk,
    /// The record of an autonomous system.
    System,
}

/// One request at the edge's door.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Who is charged.
    pub subject: &'a Identifier,
    /// Cost units; 1 or more.
    pub cost: u16,
    /// What for.
    pub want: Want,
    /// Where from.
    pub address: IpAddr,
    /// Host of the page that called, in lower case.
    pub host: Option<&'a str>,
}

/// Why the edge did not even look at the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such key, or it was revoked.
    UnknownKey,
    /// There is no anonymous tier.
    NoKey,
    /// The key is for other callers.
    NotInWhitelist,
    /// The plan has no bulk requests.
    PlanLacksBulk,
    /// The plan has no autonomous systems.
    PlanLacksSystems,
    /// Too many strangers are remembered already.
    Full,
    /// Faster than the plan's rate.
    TooFast {
        /// What the plan allows.
        rate: Rate,
        /// When the next request will be served, microseconds from now.
        after_us: u64,
    },
}

/// A decision and what callers are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// What the core decided and from what.
    pub decision: Decision,
    /// Cost used in the window, this request's included if it was admitted.
    pub count: u64,
    /// Number of the plan, for [`Edge::plan`].
    pub plan: usize,
    /// Seconds until the window ends.
    pub resets_s: u64,
    /// Whether the window is a month, not a day.
    pub monthly: bool,
}

impl Admission {
    /// Whether the request is to be served.
    #[must_use]
    pub fn admitted(&self) -> bool {
        self.decision.verdict == Verdict::Admitted
    }

    /// Cost that is left in the window.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.decision.quota.saturating_sub(self.count)
    }
}

#[derive(Debug)]
struct Subject {
    identifier: Identifier,
    row: Row,
    plan: usize,
    whitelist: Option<Box<Whitelist>>,
    /// Whether it signed up; strangers are forgotten once their window is over.
    account: bool,
    /// The window of its last admission.
    charged: WindowId,
    /// Where its usage waits in the outbox, or [`NOT_WAITING`].
    waiting: u32,
    /// What its plan's rate has left; of this edge alone.
    bucket: Bucket,
}

/// Of a subject without usage in the outbox.
const NOT_WAITING: u32 = u32::MAX;

#[derive(Debug)]
struct Shard {
    core: Core,
    ids: HashTable<u32>,
    subjects: Vec<Subject>,
    free: Vec<u32>,
    strangers: usize,
    outbox: Vec<Effect>,
    /// Lines that have left.
    lines: u64,
    recorder: Recorder,
}

/// What an edge has counted since it started.
#[derive(Debug, Default)]
pub struct Tally {
    /// Usage events that found no room and were dropped.
    pub dropped: AtomicU64,
    /// Requests admitted although rows were too old to be believed.
    pub admitted_blind: AtomicU64,
    /// When the region's table was last seen to be readable, microseconds since 1970.
    pub fed_at: AtomicU64,
    /// When the newest event in any applied count was decided.
    pub counted_at: AtomicU64,
}

/// One region's edge.
#[derive(Debug)]
pub struct Edge {
    shards: Box<[Mutex<Shard>]>,
    hasher: DefaultHashBuilder,
    plans: Box<[PlanSpec]>,
    anonymous: Option<usize>,
    settings: Settings,
    readable: AtomicBool,
    /// What it has counted.
    pub tally: Tally,
}

impl Edge {
    /// An edge without rows.
    #[must_use]
    pub fn new(settings: Settings, plans: &Plans) -> Self {
        let mut specs: Vec<_> = plans.iter().cloned().collect();
        let anonymous = plans.anonymous().map(|spec| {
            specs.push(spec.clone());
            specs.len() - 1
        });
        let Settings { origin, enforcement, on_unavailable, .. } = settings;
        let shard = |lane| {
            let name = format!("edge-{}-{}-{lane}", origin.region, origin.epoch);
            Mutex::new(Shard {
                recorder: Recorder::begin(&name, || Begun::edge(origin, enforcement, on_unavailable)),
                core: Core::new(origin, enforcement, on_unavailable),
                ids: HashTable::new(),
                subjects: Vec::new(),
                free: Vec::new(),
                strangers: 0,
                outbox: Vec::new(),
                lines: 0,
            })
        };
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            hasher: DefaultHashBuilder::default(),
            plans: specs.into(),
            anonymous,
            settings,
            readable: AtomicBool::new(true),
            tally: Tally::default(),
        }
    }

    /// A plan by the number in an [`Admission`].
    #[must_use]
    pub fn plan(&self, number: usize) -> &PlanSpec {
        &self.plans[number]
    }

    /// All plans by their numbers.
    #[must_use]
    pub fn plans(&self) -> &[PlanSpec] {
        &self.plans
    }

    /// Says whether the rows can be believed. If not, requests are decided by [`Settings::on_unavailable`].
    pub fn set_readable(&self, readable: bool) {
        self.readable.store(readable, Ordering::Relaxed);
    }

    /// Whether the rows can be believed.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readable.load(Ordering::Relaxed)
    }

    /// Decides one request and counts it if it is admitted.
    ///
    /// # Errors
    ///
    /// Why its count did not even matter.
    #[inline]
    pub fn admit(&self, now: Timestamp, ask: &Ask<'_>) -> Result<Admission, Refusal> {
        crash::point("edge-before-deciding");
        let hash = self.hasher.hash_one(ask.subject);
        let lane = lane(hash);
        let mut shard = self.lock(lane);
        let shard = &mut *shard;
        let id = match shard.ids.find(hash, |&id| shard.subjects[id as usize].identifier == *ask.subject) {
            Some(&id) => id,
            None => self.stranger(shard, hash, now, ask.subject)?,
        };
        let subject = &mut shard.subjects[id as usize];
        let plan = &self.plans[subject.plan];
        subject.may_ask(plan, ask)?;
        if let Some(rate) = plan.rate {
            subject.bucket.take(now, rate).map_err(|after_us| Refusal::TooFast { rate, after_us })?;
        }
        let readable = self.readable.load(Ordering::Relaxed);
        let request = Request { subject: SubjectId(id), cost: ask.cost, lane: lane as u16 };
        let waiting = shard.outbox.len();
        let decision = shard.core.authorize(now, request, &subject.row, readable, &mut shard.outbox);
        if shard.recorder.is_on() {
            shard.recorder.ask(now, request, &subject.row, readable, (&decision, &shard.outbox[waiting..]));
        }
        let mut count = decision.view;
        if decision.verdict == Verdict::Admitted {
            count += u64::from(ask.cost);
            subject.charged = decision.window;
            if !subject.joins(&mut shard.outbox, waiting) && waiting >= self.settings.events_max / SHARDS {
                subject.waiting = NOT_WAITING;
                shard.outbox.truncate(waiting);
                self.tally.dropped.fetch_add(1, Ordering::Relaxed);
            }
            if !readable {
                self.tally.admitted_blind.fetch_add(1, Ordering::Relaxed);
            }
        }
        crash::point("edge-before-answering");
        let plan_group = &subject.row.plan;
        let window = plan_group.plan.window;
        let resets_s = window.ends_at(decision.window, plan_group.anchor).since(now).div_ceil(SECOND_US);
        Ok(Admission { decision, count, plan: subject.plan, resets_s, monthly: window == WindowKind::MonthCalendar })
    }

    /// Whether the subject may ask at all, whatever its count. Nothing is counted.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check(&self, ask: &Ask<'_>) -> Result<(), Refusal> {
        let hash = self.hasher.hash_one(ask.subject);
        let shard = self.lock(lane(hash));
        let subject = shard.ids.find(hash, |&id| shard.subjects[id as usize].identifier == *ask.subject);
        match subject {
            Some(&id) => {
                let subject = &shard.subjects[id as usize];
                subject.may_ask(&self.plans[subject.plan], ask)
            }
            None if matches!(ask.subject, Identifier::ApiKey(_)) => Err(Refusal::UnknownKey),
            None => self.anonymous.map(|_| ()).ok_or(Refusal::NoKey),
        }
    }

    /// Remembers a subject that has no row: one without a key, on the anonymous tier.
    #[cold]
    fn stranger(&self, shard: &mut Shard, hash: u64, now: Timestamp, identifier: &Identifier) -> Result<u32, Refusal> {
        if matches!(identifier, Identifier::ApiKey(_)) {
            return Err(Refusal::UnknownKey);
        }
        let plan = self.anonymous.ok_or(Refusal::NoKey)?;
        if shard.strangers >= self.settings.strangers_max / SHARDS {
            return Err(Refusal::Full);
        }
        let plan_group = PlanGroup {
            plan: self.plans[plan].plan,
            anchor: Timestamp(0),
            status: Status::Active,
            version: Default::default(),
        };
        let row = Row { plan: plan_group, usage: UsageGroup::default() };
        let (charged, waiting) = (self.strangers_window(now), NOT_WAITING);
        let (identifier, bucket) = (identifier.clone(), Bucket::default());
        let subject = Subject { identifier, row, plan, whitelist: None, account: false, charged, waiting, bucket };
        shard.strangers += 1;
        Ok(self.insert(shard, hash, subject))
    }

    fn strangers_window(&self, now: Timestamp) -> WindowId {
        self.anonymous.map_or_else(WindowId::default, |plan| self.plans[plan].plan.window.id(now, Timestamp(0)))
    }

    fn insert(&self, shard: &mut Shard, hash: u64, subject: Subject) -> u32 {
        let id = match shard.free.pop() {
            Some(id) => {
                shard.subjects[id as usize] = subject;
                id
            }
            None => {
                shard.subjects.push(subject);
                shard.subjects.len() as u32 - 1
            }
        };
        let subjects = &shard.subjects;
        shard.ids.insert_unique(hash, id, |&id| self.hasher.hash_one(&subjects[id as usize].identifier));
        id
    }

    /// Takes in one item of the region's table. Older versions than those held change nothing.
    pub fn apply(&self, now: Timestamp, item: &Item) {
        let hash = self.hasher.hash_one(&item.subject);
        let mut shard = self.lock(lane(hash));
        let shard = &mut *shard;
        let known = shard.ids.find(hash, |&id| shard.subjects[id as usize].identifier == item.subject).copied();
        let named = |account: &Account| self.plans.iter().position(|spec| spec.name == account.plan);
        let id = match (known, &item.account) {
            (Some(id), _) => id,
            (None, Some(account)) => {
                let Some(plan) = named(account) else {
                    tracing::error!(subject = %item.subject, plan = %account.plan, "the plans file has no such plan; the key is refused");
                    return;
                };
                let plan_group = PlanGroup {
                    plan: self.plans[plan].plan,
                    anchor: account.created,
                    status: account.status,
                    version: account.version,
                };
                let row = Row { plan: plan_group, usage: UsageGroup::default() };
                let whitelist = account.whitelist.clone().map(Box::new);
                let identifier = item.subject.clone();
                let (charged, waiting, bucket) = (WindowId::default(), NOT_WAITING, Bucket::default());
                let subject = Subject { identifier, row, plan, whitelist, account: true, charged, waiting, bucket };
                self.insert(shard, hash, subject)
            }
            // A stranger's count of another day means nothing any more.
            (None, None) if item.usage.as_ref().is_none_or(|usage| usage.window != self.strangers_window(now)) => {
                return;
            }
            (None, None) => match self.stranger(shard, hash, now, &item.subject) {
                Ok(id) => id,
                Err(_) => return,
            },
        };
        let subject = &mut shard.subjects[id as usize];
        if let Some(account) = &item.account {
            let plan = named(account);
            let group = PlanGroup {
                plan: plan.map_or(subject.row.plan.plan, |plan| self.plans[plan].plan),
                anchor: account.created,
                status: if plan.is_some() { account.status } else { Status::Revoked },
                version: account.version,
            };
            if subject.row.put_plan(group) {
                // What was asked under one rate says nothing of another.
                if plan.is_some_and(|plan| plan != subject.plan) {
                    subject.bucket = Bucket::default();
                }
                subject.plan = plan.unwrap_or(subject.plan);
                subject.whitelist = account.whitelist.clone().map(Box::new);
            }
        }
        if let Some(usage) = &item.usage {
            let own = usage.components.iter().find(|(origin, _)| *origin == self.settings.origin);
            let own = own.map_or(0, |(_, value)| *value);
            subject.row.put_usage(UsageGroup {
                window: usage.window,
                total: usage.total(),
                own,
                version: usage.version,
            });
            self.tally.counted_at.fetch_max(usage.counted_at.0, Ordering::Relaxed);
        }
    }

    /// Moves the usage that waits, with its subjects' names, to `lines`; then forgets strangers whose window is over. A line
    /// stands for all admissions of its subject and window since the last: `cost` is their sum, `cumulative` the newest.
    pub fn drain(&self, now: Timestamp, lines: &mut Vec<Line>) {
        for lane in 0..SHARDS {
            let mut shard = self.lock(lane);
            let shard = &mut *shard;
            for Effect::Log(event) in shard.outbox.drain(..) {
                let subject = &mut shard.subjects[event.subject.index()];
                subject.waiting = NOT_WAITING;
                shard.lines += 1;
                // Lines are what can be lost, so lines are what is numbered.
                lines.push(Line::new(&UsageEvent { sequence: shard.lines, ..event }, subject.identifier.clone()));
            }
            if shard.strangers >= self.settings.strangers_max / SHARDS {
                self.forget_strangers(shard, now);
            }
            shard.recorder.flush();
        }
    }

    fn forget_strangers(&self, shard: &mut Shard, now: Timestamp) {
        let (subjects, free) = (&shard.subjects, &mut shard.free);
        shard.ids.retain(|&mut id| {
            let subject = &subjects[id as usize];
            let plan = &subject.row.plan;
            let keep = subject.account || subject.charged == plan.plan.window.id(now, plan.anchor);
            if !keep {
                free.push(id);
            }
            keep
        });
        shard.strangers = shard.ids.iter().filter(|&&id| !shard.subjects[id as usize].account).count();
    }

    /// Subjects with a key, and strangers.
    #[must_use]
    pub fn subjects(&self) -> (usize, usize) {
        (0..SHARDS).map(|lane| self.lock(lane)).fold((0, 0), |(keys, strangers), shard| {
            (keys + shard.ids.len() - shard.strangers, strangers + shard.strangers)
        })
    }

    fn lock(&self, lane: usize) -> MutexGuard<'_, Shard> {
        // A panic under the lock leaves counts as they were; serving on is better than refusing everybody.
        self.shards[lane].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The shard of a hash. All of its bits have a say: four of them alone left, at one start of some hundred, a shard with 3 of 2,000
/// addresses.
fn lane(hash: u64) -> usize {
    // 2^64 over the golden ratio, as in Knuth's multiplicative hashing.
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as usize % SHARDS
}

impl Subject {
    /// Adds the event at the end of the outbox to the subject's one that waits there already, if their windows are the same.
    #[inline]
    fn joins(&mut self, outbox: &mut Vec<Effect>, end: usize) -> bool {
        let [.., Effect::Log(newest)] = outbox[..] else { return false };
        if let Some(Effect::Log(waiting)) = outbox[..end].get_mut(self.waiting as usize)
            && waiting.window == newest.window
            && let Some(cost) = waiting.cost.checked_add(newest.cost)
        {
            *waiting = UsageEvent { cost, ..newest };
            outbox.truncate(end);
            return true;
        }
        self.waiting = end as u32;
        false
    }

    fn may_ask(&self, plan: &PlanSpec, ask: &Ask<'_>) -> Result<(), Refusal> {
        if self.row.plan.status == Status::Revoked {
            return Err(Refusal::UnknownKey);
        }
        if self.whitelist.as_ref().is_some_and(|list| !list.allows(ask.address, ask.host)) {
            return Err(Refusal::NotInWhitelist);
        }
        match ask.want {
            Want::Bulk if !plan.bulk => Err(Refusal::PlanLacksBulk),
            Want::System if !plan.asn => Err(Refusal::PlanLacksSystems),
            Want::Record | Want::Bulk | Want::System => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
