//! The system in real time: the scenario's own arrivals against real processes, its faults done to them, judged from what clients
//! and readers of the tables saw.
//!
//! Here is the order of a run. Where a client is sent by DNS and how far it is from there are the simulator's models
//! ([`crate::simulate::ways`]); everything behind a region's door is real. Not here: what a result looks like.

pub mod addresses;
pub mod callers;
pub mod clock;
pub mod faults;
pub mod generator;
pub mod guard;
pub mod link;
pub mod machine;
pub mod outcome;
pub mod scale;
pub mod tables;
pub mod topology;
pub mod validity;

use std::{
    fs::{self, File, TryLockError},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use georush_core::{Timestamp, WindowId, aggregator::Aggregation, window::WindowKind};
use georush_system::store::Directory;

use crate::{
    outcome::Outcome,
    scenario::{Pipeline, Scenario},
    simulate::ways::Guide,
    workload::Merged,
};
use callers::Callers;
use clock::Clock;
use faults::Schedule;
use generator::{Flight, Generator, Overflow, Plan, Settings, Shot};
pub use outcome::Live;
use outcome::{Evidence, Planned};
use tables::Tables;
use topology::Topology;

/// Between the last preparation and the first request, so that both are not in each other's way.
const LEAD: Duration = Duration::from_millis(200);
/// How long the tables may take to agree after the last request.
const SETTLE_US_MAX: u64 = 30_000_000;
/// Looks in a row that must find the tables agreeing.
const LOOKS_SETTLED: u32 = 5;
/// Health checks a second, in all, of the warm-up.
const WARM_UP_RATE: u64 = 500;
/// Room for what follows the last request before a window may end.
const MARGIN_US: u64 = 40_000_000;

/// Where to, and how.
#[derive(Debug)]
pub struct Options<'a> {
    /// Directory for state, logs and plans of the run; emptied.
    pub directory: &'a Path,
    /// A system that runs already, by region index; otherwise one is started.
    pub target: Option<Vec<SocketAddr>>,
    /// Keys to call with, one a line, instead of made ones.
    pub keys: Option<PathBuf>,
    /// Whether the processes record what their cores take and give.
    pub record: bool,
    /// The arguments that said so, for the result.
    pub arguments: Vec<String>,
    /// Set to end the run early.
    pub stop: &'a AtomicBool,
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scenario asks for what the live mode can't do, a line for each.
    #[error("{0}")]
    Cant(String),
    /// The system could not be started.
    #[error(transparent)]
    Start(#[from] topology::Error),
    /// The state directory.
    #[error(transparent)]
    Store(#[from] georush_system::store::Error),
    /// Anything else of the environment.
    #[error("{0}")]
    Environment(String),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// Checks that a scenario can be run live; `file` is how errors name it.
///
/// # Errors
/// Everything in it that the live mode can't do.
pub fn check(scenario: &Scenario, file: &str, on_target: bool) -> Result<(), Error> {
    let mut wrong: Vec<String> = faults::check(scenario, file, on_target).err().into_iter().collect();
    if !cfg!(target_os = "linux") {
        wrong.push("the live mode needs Linux: run the scenario without --mode live, or on another machine".to_owned());
    }
    if matches!(scenario.system.pipeline, Pipeline::FixedLag { .. }) {
        wrong.push(format!(
            "{file}: pipeline.model is \"fixed-lag\", expected \"stages\": the live mode's pipeline is real"
        ));
    }
    if scenario.system.aggregation != Aggregation::Cumulative {
        wrong.push(format!(
            "{file}: system.aggregation is \"add-then-checkpoint\", expected \"cumulative\": the system has no other"
        ));
    }
    let end = scenario.start.after(scenario.duration_us - 1);
    for named in &scenario.plans {
        let several = match named.plan.window {
            WindowKind::Anchored24h => scenario.duration_us > georush_core::time::DAY_US,
            kind => kind.id(scenario.start, Timestamp(0)) != kind.id(end, Timestamp(0)),
        };
        if several {
            wrong.push(format!(
                "{file}: plans.{}.window ends within the run, and the live mode can't shorten windows: give a shorter duration",
                named.name
            ));
        }
    }
    if let Err(text) = callers::plans(scenario) {
        wrong.push(format!("{file}: {text}"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Cant(wrong.join("\n"))) }
}

/// Runs a scenario at live scale ([`scale::at_live_scale`]) in real time.
///
/// # Errors
/// If it can't be run; nothing is left running then.
pub fn run(scenario: &Scenario, options: &Options<'_>) -> Result<(Outcome, Live), Error> {
    let keys = options.keys.as_deref().map(callers::read_keys).transpose().map_err(Error::Environment)?;
    let callers = Callers::new(scenario, keys).map_err(Error::Environment)?;
    let _lock = lock(options.directory)?;
    wait_for_window(scenario, options.stop)?;
    let created = clock::wall();
    let topology = match &options.target {
        Some(_) => None,
        None => {
            let Options { directory, record, stop, .. } = options;
            Some(Topology::start(scenario, &callers, created, directory, *record, stop).map_err(interrupted)?)
        }
    };
    let addresses =
        options.target.clone().or_else(|| topology.as_ref().map(|t| t.addresses.clone())).unwrap_or_default();
    let windows = windows(scenario, created);
    let tables = match &topology {
        None => None,
        Some(topology) => {
            let (directory, quotas) = (Directory::existing(&topology.state)?, outcome::quotas(scenario));
            let (regions, identifiers) = (&scenario.system.regions, callers.identifiers());
            Some(Tables::open(&directory, regions, identifiers, quotas, windows.clone())?)
        }
    };
    let mut generator = Generator::new(Settings {
        addresses,
        in_flight_max: scenario.live.max_in_flight as usize,
        timeout_us: scenario.live.timeout_us,
        overflow: Overflow::Drop,
        spin_us: generator::SPIN_US,
    })
    .map_err(|error| Error::Environment(format!("the kernel gives no epoll instance: {error}")))?;
    warm_up(&mut generator, scenario, options.stop);
    generator.set_cuts(faults::cuts(scenario));
    let evidence = observe(scenario, callers, generator, topology, tables, windows, options.stop)?;
    let (outcome, live) = outcome::assemble(scenario, evidence);
    Ok((outcome, Live { arguments: options.arguments.clone(), ..live }))
}

/// From the first request to the last look at the tables.
fn observe(
    scenario: &Scenario,
    callers: Callers,
    mut generator: Generator,
    mut topology: Option<Topology>,
    mut tables: Option<Tables>,
    windows: Vec<WindowId>,
    stop: &AtomicBool,
) -> Result<Evidence, Error> {
    let ids = topology.as_ref().map_or_else(Vec::new, Topology::ids);
    let (over, clock) = (AtomicBool::new(false), Clock::starting(LEAD));
    if let Some(topology) = &mut topology {
        topology.tell_start(clock.start())?;
    }
    let topology = topology.map(Mutex::new);
    let before = machine::snapshot(&ids);
    let mut arrivals = Arrivals::new(scenario, callers);
    let (flights, effort, done, unread) = thread::scope(|scope| {
        let watching = tables.as_mut().map(|tables| scope.spawn(|| u64::from(tables.watch(&clock, &over).is_err())));
        let sending = scope.spawn(|| {
            let sent = generator.run(&clock, &mut arrivals, stop);
            over.store(true, Ordering::Relaxed);
            sent
        });
        // Processes are started by this thread: a process ends when the thread that started it does.
        let done =
            topology.as_ref().map_or_else(Vec::new, |topology| Schedule::new(scenario).run(&clock, topology, stop));
        let (flights, effort) = join(sending);
        (flights, effort, done, watching.map_or(0, join))
    });
    // Processes that were started anew have new ids.
    let ids = topology
        .as_ref()
        .map_or_else(Vec::new, |topology| topology.lock().unwrap_or_else(PoisonError::into_inner).ids());
    let usage = machine::snapshot(&ids).since(&before);
    if stop.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    let settled = tables.as_mut().map_or(Ok(()), |tables| settle(tables, &clock, &flights, stop));
    let (end_us, jump_us) = (clock.now_us(), clock.wall_jump_us());
    let (mut casualties, mut done) = (Vec::new(), done);
    if let Some(topology) = topology {
        let mut topology = topology.into_inner().unwrap_or_else(PoisonError::into_inner);
        casualties = topology.casualties();
        done.extend(topology.felt());
        done.sort_by_key(|done| done.done_us);
        topology.end();
    }
    Ok(Evidence {
        planned: arrivals.planned,
        flights,
        readings: tables.map(|tables| tables.readings),
        windows,
        unread: unread + u64::from(settled.is_err()),
        effort,
        usage,
        machine: machine::name(),
        faults: done,
        casualties,
        started: clock.start(),
        jump_us,
        end_us,
    })
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Waits until every table holds what was admitted, or for as long as that may take.
fn settle(
    tables: &mut Tables,
    clock: &Clock,
    flights: &[Flight],
    stop: &AtomicBool,
) -> Result<(), georush_system::store::Error> {
    let is_ok = |flight: &&Flight| matches!(flight.fate, generator::Fate::Answered { status: 200..=299, .. });
    let admitted = flights.iter().filter(is_ok).count() as u64;
    let (until_us, mut looks) = (clock.now_us() + SETTLE_US_MAX, 0);
    while looks < LOOKS_SETTLED && clock.now_us() < until_us && !stop.load(Ordering::Relaxed) {
        tables.look(clock)?;
        looks = if tables.is_settled() && tables.readings.central.total >= admitted { looks + 1 } else { 0 };
        clock.sleep_until(clock.now_us() + tables::LOOK_EVERY_US);
    }
    Ok(())
}

/// Load that is not measured: health checks over the connections that the run will use.
fn warm_up(generator: &mut Generator, scenario: &Scenario, stop: &AtomicBool) {
    let requests = scenario.live.warm_up_us * WARM_UP_RATE / 1_000_000;
    let mut plan = WarmUp { sent: 0, requests, regions: scenario.system.regions.len() };
    generator.run(&Clock::starting(Duration::ZERO), &mut plan, stop);
}

struct WarmUp {
    sent: u64,
    requests: u64,
    regions: usize,
}

impl Plan for WarmUp {
    fn next(&mut self) -> Option<Shot> {
        let number = self.sent;
        self.sent += 1;
        let at_us = number * 1_000_000 / WARM_UP_RATE;
        (number < self.requests).then_some(Shot { at_us, to: number as usize % self.regions, cut: false })
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"GET /healthz HTTP/1.1\r\nhost: georush\r\n\r\n");
    }
}

/// The scenario's arrivals as requests to be sent.
struct Arrivals {
    merged: Merged,
    guide: Guide,
    callers: Callers,
    planned: Vec<Planned>,
}

impl Arrivals {
    fn new(scenario: &Scenario, callers: Callers) -> Self {
        Self { merged: Merged::new(scenario), guide: Guide::new(scenario), callers, planned: Vec::new() }
    }
}

impl Plan for Arrivals {
    fn next(&mut self) -> Option<Shot> {
        let (clients, arrival) = self.merged.next()?;
        let way = self.guide.way(&arrival);
        self.planned.push(Planned { clients, arrival, way });
        Some(Shot { at_us: arrival.at_us, to: way.region, cut: way.cut })
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        let planned = self.planned.last().expect("a request is written after it came up");
        self.callers.write(&planned.arrival, out);
    }
}

/// The windows that hold from `created` on, by subject. Accounts are anchored at their making, `created`.
fn windows(scenario: &Scenario, created: Timestamp) -> Vec<WindowId> {
    let of = |population: &crate::scenario::Population| {
        let window = scenario.plans[population.plan].plan.window.id(created, created);
        std::iter::repeat_n(window, population.size as usize)
    };
    scenario.populations.iter().flat_map(of).collect()
}

/// A window that ends within the run would split its counts. Days and months of the wall's clock can't be moved, so that the run
/// waits for the end of one that is near.
fn wait_for_window(scenario: &Scenario, stop: &AtomicBool) -> Result<(), Error> {
    let (now, needed_us) = (clock::wall(), scenario.duration_us + scenario.live.warm_up_us + MARGIN_US);
    let ends = |population: &crate::scenario::Population| {
        let window = scenario.plans[population.plan].plan.window;
        window.ends_at(window.id(now, now), now)
    };
    let end = scenario.populations.iter().map(ends).filter(|end| end.since(now) < needed_us).max();
    while end.is_some_and(|end| clock::wall() <= end) {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Keeps other runs out of the directory. The kernel gives the lock back when this process ends, however it ends.
fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.with_extension("lock");
    let failed = |error: std::io::Error| Error::Environment(format!("{}: can't be locked: {error}", path.display()));
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let text = format!("{}: another run uses this directory; give another with --out DIR", path.display());
            Err(Error::Environment(text))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn interrupted(error: topology::Error) -> Error {
    match error {
        topology::Error::Interrupted => Error::Interrupted,
        error => Error::Start(error),
    }
}
