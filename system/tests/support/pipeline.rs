//! What tests of the pipeline share: a state directory, an edge that admits everything, roles that work until nothing is left.
//!
//! Not here: any test.

// Each test file uses its part.
#![allow(dead_code)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use georush_system::{
    backend::Backend,
    core::{
        Identifier, Plan, PlanGroup, Row, Status, SubjectId, Timestamp, UsageGroup, Version, WindowKind,
        edge::{Edge, Effect, Enforcement, OnUnavailable, Request},
    },
    item::{Account, Item, Usage},
    key,
    pipeline::{
        Aggregator, AggregatorCounters, Feed, Joined, Replicator, ReplicatorCounters, Settings, Uplink, join, now,
    },
    store::Directory,
    usage::Line,
};

/// A state directory of the test's own, gone when the test ends.
pub(crate) struct State(pub(crate) PathBuf);

impl State {
    pub(crate) fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("georush-pipeline-{}-{name}", process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub(crate) fn directory(&self) -> Directory {
        Directory::open(&self.0).expect("the system's directory for such files is writable")
    }

    pub(crate) fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.directory())
    }

    pub(crate) fn central(&self, subject: u32) -> u64 {
        count(&self.directory().central().expect("opens").item(&identifier(subject)).expect("read"))
    }

    pub(crate) fn regional(&self, region: &str, subject: u32) -> u64 {
        count(&self.directory().regional(region).expect("opens").item(&identifier(subject)).expect("read"))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn identifier(subject: u32) -> Identifier {
    match subject % 3 {
        0 => key::identifier(&format!("key {subject}")),
        1 => Identifier::from_ip(std::net::Ipv4Addr::from(subject).into()),
        _ => Identifier::Referer(format!("shop-{subject}.example").into()),
    }
}

/// An account on the free plan, new.
pub(crate) fn account() -> Account {
    Account {
        plan: "free".into(),
        created: now(),
        status: Status::Active,
        whitelist: None,
        label: "".into(),
        version: Version::default(),
    }
}

pub(crate) fn count(item: &Item) -> u64 {
    item.usage.as_ref().map_or(0, Usage::total)
}

/// An edge that admits everything.
pub(crate) struct Admitting {
    pub(crate) edge: Edge,
    pub(crate) uplink: Uplink,
    pub(crate) feed: Feed,
    pub(crate) clock: Timestamp,
}

impl Admitting {
    pub(crate) fn join(state: &State, region: &str, clock: Timestamp) -> Self {
        let Joined { origin, uplink, feed } =
            join(&state.directory(), region).expect("the state directory is writable");
        Self { edge: Edge::new(origin, Enforcement::Replicated, OnUnavailable::Open), uplink, feed, clock }
    }

    pub(crate) fn admit(&mut self, subject: u32, lane: u16) -> Line {
        let plan = Plan { quota: 0, window: WindowKind::MonthCalendar };
        let (status, version) = (Status::Active, Version::default());
        let plan = PlanGroup { plan, anchor: Timestamp(0), status, version };
        let row = Row { plan, usage: UsageGroup::default() };
        let mut outbox = Vec::new();
        let request = Request { subject: SubjectId(subject), cost: 1, lane };
        self.edge.authorize(self.clock, request, &row, false, &mut outbox);
        let Effect::Log(event) = outbox[0];
        Line::new(&event, identifier(subject))
    }

    pub(crate) fn admit_all(&mut self, subjects: &[u32]) -> Vec<Line> {
        let lines: Vec<_> = subjects.iter().zip(0..).map(|(&subject, i)| self.admit(subject, i % 3)).collect();
        self.uplink.append(&lines).expect("the stream takes lines");
        lines
    }
}

pub(crate) fn aggregate(state: &State, at: Timestamp) -> AggregatorCounters {
    let counters = AggregatorCounters::default();
    let mut aggregator = Aggregator::open(&state.directory(), Settings::default()).expect("opens");
    while aggregator.turn(at, &counters).expect("nobody is in the way").is_zero() {}
    counters
}

pub(crate) fn replicate(state: &State, region: &str) -> ReplicatorCounters {
    let counters = ReplicatorCounters::default();
    let mut replicator = Replicator::open(&state.directory(), region, Settings::default()).expect("opens");
    loop {
        replicator.turn(now(), &counters).expect("the central table can be read");
        if counters.lag.load(Ordering::Relaxed) == 0 {
            return counters;
        }
    }
}

pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "waited in vain for: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn quick() -> Settings {
    Settings { poll: Duration::from_millis(2), lease: Duration::from_millis(200), ..Settings::default() }
}

/// A generator of the test's own (xorshift64*).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

/// Copies the central table aside, while nobody has it open.
pub(crate) fn backup(state: &Path) {
    settle(state);
    fs::copy(state.join("central.db"), state.join("central.backup")).expect("ours");
}

/// Puts the copy back, if there is one, while nobody has the table open.
pub(crate) fn restore(state: &Path) {
    settle(state);
    let backup = state.join("central.backup");
    if backup.exists() {
        let _ = (fs::remove_file(state.join("central.db-wal")), fs::remove_file(state.join("central.db-shm")));
        fs::copy(&backup, state.join("central.db")).expect("ours");
    }
}

/// All of the table into its one file.
fn settle(state: &Path) {
    let connection = rusqlite::Connection::open(state.join("central.db")).expect("opens");
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("nobody else has it open");
}
