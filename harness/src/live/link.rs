//! The way between a region and the centre, for the processes of a live run: how long it is, and what the scenario's faults do to
//! it and when.
//!
//! With the embedded backend that way is a file, so that nothing outside a process could delay or cut it. The harness therefore
//! writes [`Orders`], and each process that it starts passes its calls of the backend through a `linked::Linked`, which keeps
//! them. All windows are known ahead, so that nothing has to be told to a process at the right moment. Not here: what is done to a
//! call.

mod linked;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use georush_core::Timestamp;
use georush_system::backend::Backend;
use serde::{Deserialize, Serialize};

use super::faults::Done;
use crate::{
    facts,
    report::write::{Target, WriteError},
    scenario::{Fault, FaultAction, Pipeline, Scenario, Service, fault_text},
};
use linked::Linked;

/// Names the directory in which a process finds its orders.
pub const ORDERS: &str = "GEORUSH_LINK";
const FILE: &str = "orders.json";
/// Marks of faults that were felt are named so, with the fault's number and the process's name.
const FELT: &str = "felt";

/// What every process of a run is to know of the way to the centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// Of the scenario.
    seed: u64,
    /// Names of the regions.
    regions: Vec<String>,
    /// Round trip between each region and the centre, microseconds.
    round_trips_us: Vec<u64>,
    /// What is to be done.
    orders: Vec<Order>,
    /// When the run began, microseconds since 1970; `None` until it has.
    started_us: Option<u64>,
}

/// Something done to calls for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    /// From then, microseconds after the run's start.
    at_us: u64,
    /// Until then.
    until_us: u64,
    /// Where; `None` everywhere.
    region: Option<usize>,
    deed: Deed,
    /// The fault in words.
    text: String,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deed {
    /// Nothing passes.
    Cut,
    /// Each way takes so many microseconds longer.
    Delay(u64),
    /// This share of records is sent twice, millionths.
    Duplicate(u32),
    /// Lines that were written meanwhile are not sent.
    Skip,
    /// So many rows can be written a second.
    Rows(u64),
    /// So many records and bytes can be appended a second.
    Stream(u64, u64),
}

impl Orders {
    /// Of a scenario at live scale.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let regions = &scenario.system.regions;
        let order = |fault: &Fault| {
            let (region, deed) = deed(scenario, &fault.action)?;
            let text = fault_text(regions, fault).1;
            Some(Order { at_us: fault.at_us, until_us: fault.until_us, region, deed, text })
        };
        Self {
            seed: scenario.seed,
            regions: regions.clone(),
            round_trips_us: round_trips_us(scenario),
            orders: scenario.faults.iter().filter_map(order).collect(),
            started_us: None,
        }
    }

    /// Writes them into `directory`, whole or not at all.
    ///
    /// # Errors
    /// If that can't be written to.
    pub fn write(&self, directory: &Path) -> Result<(), WriteError> {
        let text = serde_json::to_vec(self).expect("memory takes it, and all keys are strings");
        Target::prepare(directory, &[FILE])?.write(FILE, &text).map(|_| ())
    }

    /// The same, of a run that begins then.
    #[must_use]
    pub fn starting(mut self, at: Timestamp) -> Self {
        self.started_us = Some(at.0);
        self
    }

    /// What was felt of them, by whom and when first, from the marks in `directory`.
    #[must_use]
    pub fn felt(&self, directory: &Path) -> Vec<Done> {
        let started_us = self.started_us.unwrap_or_default();
        let mark = |path: PathBuf| {
            let name = path.file_name()?.to_str()?.strip_prefix(FELT)?.to_owned();
            let (number, who) = name.strip_prefix('-')?.split_once('-')?;
            let order = self.orders.get(number.parse::<usize>().ok()?)?;
            let seen_us: u64 = fs::read_to_string(&path).ok()?.trim().parse().ok()?;
            let what = format!("{}, first felt by {}", order.text, who.replacen('-', " ", 1));
            Some(Done { at_us: order.at_us, done_us: seen_us.saturating_sub(started_us), what })
        };
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut felt: Vec<Done> = entries.filter_map(|entry| mark(entry.path())).collect();
        felt.sort_by(|a, b| (a.at_us, a.done_us, &a.what).cmp(&(b.at_us, b.done_us, &b.what)));
        felt
    }
}

/// Round trips between each region and the centre, by region index, microseconds.
#[must_use]
pub fn round_trips_us(scenario: &Scenario) -> Vec<u64> {
    let system = &scenario.system;
    let known = |name: &String| facts::region(name).expect("a resolved scenario names known regions");
    let centre = known(&system.regions[system.central]);
    system.regions.iter().map(|name| facts::rtt_us(system.era, known(name), centre)).collect()
}

/// What a fault does to calls between region and centre, and where; `None` if it is not of that kind.
fn deed(scenario: &Scenario, action: &FaultAction) -> Option<(Option<usize>, Deed)> {
    let system = &scenario.system;
    let remains = |of: u64, ppm: u32| of * u64::from(ppm) / 1_000_000;
    Some(match *action {
        FaultAction::Partition { region } => (Some(region), Deed::Cut),
        FaultAction::Delay { region, by_us } => (Some(region), Deed::Delay(by_us)),
        FaultAction::Duplicate { region, ppm } => (region, Deed::Duplicate(ppm)),
        FaultAction::LogSkip { region } => (Some(region), Deed::Skip),
        FaultAction::Throttle { service: Service::TableWrites, region, remains_ppm } => {
            (region, Deed::Rows(remains(u64::from(system.table.write_capacity), remains_ppm)))
        }
        FaultAction::Throttle { service: Service::Stream, remains_ppm, .. } => {
            let (model, shards) = (&facts::model(system.era).stream, shards(scenario));
            // Nobody sees what the others take: each region's edge has an equal share.
            let share = |of: u32| remains(u64::from(of) * shards, remains_ppm) / system.regions.len() as u64;
            (None, Deed::Stream(share(model.records_per_second), share(model.bytes_per_second)))
        }
        _ => return None,
    })
}

fn shards(scenario: &Scenario) -> u64 {
    match &scenario.system.pipeline {
        Pipeline::Stages(stages) => u64::from(stages.shards),
        Pipeline::FixedLag { .. } => 1,
    }
}

/// The backend as the harness that started this process wants it; as it is, if no harness did.
///
/// # Errors
/// If there are orders that can't be read.
pub fn keep(backend: Arc<dyn Backend>) -> io::Result<Arc<dyn Backend>> {
    match env::var_os(ORDERS) {
        None => Ok(backend),
        Some(directory) => Ok(Arc::new(Linked::open(backend, directory.into())?)),
    }
}

fn read(directory: &Path) -> io::Result<Orders> {
    Ok(serde_json::from_slice(&fs::read(directory.join(FILE))?)?)
}
