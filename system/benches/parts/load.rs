//! Usage lines of ten regions' edges, as their couriers hand them over, and a look at when they arrive.
//!
//! Not here: what is measured.

use std::{
    collections::{HashMap, VecDeque},
    env, fs,
    path::{Path, PathBuf},
    process,
    time::{Duration, Instant},
};

use georush_system::{
    core::{Identifier, Origin},
    item::Usage,
    key,
    pipeline::{Feed, Joined, Uplink, join, now},
    store::{Central, Directory, Regional},
    usage::Line,
};
use rusqlite::{Connection, TransactionBehavior};

/// The ten regions of the article.
pub(crate) const REGIONS: [&str; 10] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-west-1",
    "us-east-1",
    "us-west-2",
];
const LANES: u16 = 16;

/// A state directory, gone at the end.
pub(crate) struct State(pub(crate) Directory, PathBuf);

impl State {
    pub(crate) fn new(name: &str) -> Self {
        let parent =
            env::var_os("GEORUSH_BENCH_STATE").map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
        let path = parent.join(format!("pipeline-{}-{name}", process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(Directory::open(&path).expect("writable"), path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.1
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.1);
    }
}

/// One region's edge, as far as the pipeline sees it.
struct Edge {
    origin: Origin,
    uplink: Uplink,
    sequences: [u64; LANES as usize],
    cumulative: HashMap<u32, u64>,
}

/// All edges, and the keys that call them.
pub(crate) struct Load {
    keys: Vec<Identifier>,
    edges: Vec<Edge>,
    chance: u64,
    served: u64,
    next: u32,
    lines: Vec<Line>,
    /// When the newest line of the first key was appended in each region, by its cumulative value.
    sent: VecDeque<(u64, Instant)>,
}

impl Load {
    /// Edges that begin, and so many keys.
    pub(crate) fn new(directory: &Directory, subjects: u32) -> Self {
        let edge = |region: &&str| {
            let Joined { origin, uplink, .. } = join(directory, region).expect("joins");
            Edge { origin, uplink, sequences: [0; LANES as usize], cumulative: HashMap::new() }
        };
        let keys = (0..subjects).map(|subject| key::identifier(&format!("key {subject}"))).collect();
        let edges = REGIONS.iter().map(edge).collect();
        Self { keys, edges, chance: 1, served: 0, next: 0, lines: Vec::new(), sent: VecDeque::new() }
    }

    /// Each region's edge hands over `each` lines, each of a key drawn from all; each also one of the first key.
    pub(crate) fn append(&mut self, each: usize) {
        for edge in 0..self.edges.len() {
            self.lines.clear();
            for nth in 0..each {
                self.chance ^= self.chance << 13;
                self.chance ^= self.chance >> 7;
                self.chance ^= self.chance << 17;
                let subject = (self.chance >> 32) % self.keys.len() as u64;
                self.line(edge, if nth == 0 { 0 } else { subject as u32 });
            }
            self.hand_over(edge);
        }
    }

    /// The next `count` keys are charged once, by the edges in turn.
    pub(crate) fn append_one_each(&mut self, count: usize) {
        for edge in 0..self.edges.len() {
            self.lines.clear();
            for _ in (edge..count).step_by(self.edges.len()) {
                let subject = self.next % self.keys.len() as u32;
                self.next = self.next.wrapping_add(1);
                self.line(edge, subject);
            }
            self.hand_over(edge);
        }
    }

    fn line(&mut self, edge: usize, subject: u32) {
        let edge = &mut self.edges[edge];
        let lane = subject as u16 % LANES;
        let cumulative = edge.cumulative.entry(subject).or_default();
        *cumulative += 1;
        let sequence = &mut edge.sequences[usize::from(lane)];
        *sequence += 1;
        self.served += 1;
        self.lines.push(Line {
            v: 1,
            at: now().0,
            subject: self.keys[subject as usize].clone(),
            window: 17_494,
            region: edge.origin.region,
            epoch: edge.origin.epoch,
            lane,
            sequence: *sequence,
            cumulative: *cumulative,
            cost: 1,
        });
    }

    fn hand_over(&mut self, edge: usize) {
        let last = edge + 1 == self.edges.len();
        let edge = &mut self.edges[edge];
        if last {
            self.sent.push_back((edge.cumulative.get(&0).copied().unwrap_or_default(), Instant::now()));
        }
        edge.uplink.append(&self.lines).expect("the stream takes lines");
    }

    /// Cost of all lines.
    pub(crate) fn served(&self) -> u64 {
        self.served
    }

    /// Cost that the central table has.
    pub(crate) fn counted(&self, directory: &Directory) -> u64 {
        let usage = directory.central().and_then(|mut central| central.all_usage()).expect("read");
        usage.iter().map(|(_, _, usage)| usage.total()).sum()
    }

    /// What an edge of the first region reads of its table.
    pub(crate) fn feed(&self, directory: &Directory) -> Feed {
        join(directory, REGIONS[0]).expect("joins").feed
    }

    /// Watches when lines of the first key arrive.
    pub(crate) fn probe(&mut self, directory: &Directory) -> Probe {
        self.sent.clear();
        let region = |region: &&str| directory.regional(region).expect("opens");
        let place = || Place { seen: 0, times: Times(Vec::new()) };
        Probe {
            subject: self.keys[0].clone(),
            // The region whose lines `sent` remembers.
            origin: self.edges[REGIONS.len() - 1].origin,
            central: (directory.central().expect("opens"), place()),
            regions: REGIONS.iter().map(|name| (region(name), place())).collect(),
        }
    }
}

/// Looks at the first key's count in all tables.
pub(crate) struct Probe {
    subject: Identifier,
    origin: Origin,
    central: (Central, Place),
    regions: Vec<(Regional, Place)>,
}

struct Place {
    seen: u64,
    times: Times,
}

impl Probe {
    pub(crate) fn look(&mut self, load: &Load) {
        let usage = self.central.0.item(&self.subject).expect("read").usage;
        self.central.1.see(self.origin, usage, &load.sent);
        for (region, place) in &mut self.regions {
            let usage = region.item(&self.subject).expect("read").usage;
            place.see(self.origin, usage, &load.sent);
        }
    }

    /// Times to the central table and to the regions.
    pub(crate) fn end(self) -> (Times, Times) {
        let regional = self.regions.into_iter().flat_map(|(_, place)| place.times.0).collect();
        (self.central.1.times.sorted(), Times(regional).sorted())
    }
}

impl Place {
    fn see(&mut self, origin: Origin, usage: Option<Usage>, sent: &VecDeque<(u64, Instant)>) {
        let of = |usage: Usage| usage.components.iter().find(|(of, _)| *of == origin).map_or(0, |(_, value)| *value);
        let value = usage.map_or(0, of);
        let (seen, now) = (std::mem::replace(&mut self.seen, value), Instant::now());
        let arrived = sent.iter().filter(|(sent, _)| (seen + 1..=value).contains(sent));
        self.times.0.extend(arrived.map(|(_, at)| now - *at));
    }
}

/// Times until something was seen.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    fn sorted(mut self) -> Self {
        self.0.sort_unstable();
        self
    }

    /// In milliseconds, what so many of a hundred did not exceed.
    pub(crate) fn at(&self, percent: usize) -> u128 {
        let index = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(index).map_or(0, Duration::as_millis)
    }
}

/// A connection that can hold the central table against everybody who writes.
pub(crate) struct Hold(Connection);

pub(crate) fn hold(directory: &Directory) -> Hold {
    let path = directory.path().join("central.db");
    Hold(Connection::open(path).expect("opens"))
}

impl Hold {
    pub(crate) fn transaction(&mut self) -> rusqlite::Result<rusqlite::Transaction<'_>> {
        self.0.busy_timeout(Duration::from_secs(10))?;
        self.0.transaction_with_behavior(TransactionBehavior::Immediate)
    }
}
