//! What a run measured: latency by phase, region and client group, its breakdown by component, causes, time series.
//!
//! Not here: quotas (the oracle's), percentages and judgements (the report's).

pub mod breakdown;
pub mod recorder;
pub mod series;

use hdrhistogram::Histogram;

use crate::{
    facts,
    scenario::{Cause, Phase, Tags},
};
use breakdown::Breakdown;
use recorder::Recorder;
use series::Series;

/// Where a request's time went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// Looking up the region's address.
    Dns,
    /// The round trip of request and response.
    Network,
    /// Round trips of opening a connection: TCP and TLS.
    Tls,
    /// API Gateway's own time.
    Gateway,
    /// Starting an environment.
    ColdStart,
    /// Waiting for read capacity.
    Queue,
    /// Reading the row.
    Table,
    /// The handler's own time.
    Handler,
}

impl Component {
    /// All, in the order in which a request meets them.
    pub const ALL: [Self; 8] =
        [Self::Dns, Self::Network, Self::Tls, Self::Gateway, Self::ColdStart, Self::Queue, Self::Table, Self::Handler];

    /// Those behind the region's door.
    pub const SERVICE: [Self; 5] = [Self::Gateway, Self::ColdStart, Self::Queue, Self::Table, Self::Handler];

    /// Its name in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Network => "network",
            Self::Tls => "tls",
            Self::Gateway => "gateway",
            Self::ColdStart => "cold start",
            Self::Queue => "queue",
            Self::Table => "table",
            Self::Handler => "handler",
        }
    }
}

/// One request's time by component, microseconds, indexed by [`Component`].
pub type Parts = [u32; Component::ALL.len()];

/// Largest latency that a histogram tells apart, microseconds (ten minutes).
pub const LATENCY_US_MAX: u64 = 600 * 1_000_000;
/// Significant decimal digits of the histograms: values are right within 1 %.
pub const LATENCY_DIGITS: u8 = 2;

/// An empty latency histogram, microseconds.
#[must_use]
pub fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS).expect("constant bounds are valid")
}

/// What was counted for one client group in one region in one phase.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Latency of every request that was answered, whatever the status, microseconds.
    pub latency: Histogram<u64>,
    /// Requests answered with 2xx.
    pub ok: u64,
    /// The others, by [`Cause`].
    pub causes: [u64; Cause::ALL.len()],
    /// Requests that started an environment.
    pub cold_starts: u64,
}

impl Default for Cell {
    fn default() -> Self {
        Self { latency: latency_histogram(), ok: 0, causes: [0; Cause::ALL.len()], cold_starts: 0 }
    }
}

impl Cell {
    /// All requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.ok + self.causes.iter().sum::<u64>()
    }

    /// Requests that the system failed, as opposed to refused rightly.
    #[must_use]
    pub fn failures(&self) -> u64 {
        Cause::ALL.iter().filter(|c| c.is_failure()).map(|&c| self.causes[c as usize]).sum()
    }

    fn add(&mut self, other: &Tally) {
        other.latency.add_to(&mut self.latency);
        self.ok += other.ok;
        for (mine, theirs) in self.causes.iter_mut().zip(other.causes) {
            *mine += theirs;
        }
        self.cold_starts += other.cold_starts;
    }
}

/// A [`Cell`] in the making.
#[derive(Debug, Clone, Default)]
struct Tally {
    latency: Recorder,
    ok: u64,
    causes: [u64; Cause::ALL.len()],
    cold_starts: u64,
}

/// One finished request.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Index of the region that took it.
    pub region: usize,
    /// Index of the client group.
    pub clients: usize,
    /// Why it failed; `None` for 2xx.
    pub cause: Option<Cause>,
    /// Whether an answer came back at all.
    pub answered: bool,
}

/// Everything measured in one run.
#[derive(Debug, Clone)]
pub struct Measure {
    regions: usize,
    clients: usize,
    phase: Phase,
    cells: Vec<Tally>,
    /// Requests by phase, country and region.
    origins: Vec<u64>,
    /// Where the time went.
    pub breakdown: Breakdown,
    /// How it went over time.
    pub series: Series,
}

impl Measure {
    /// An empty measure for so many regions and client groups.
    #[must_use]
    pub fn new(regions: usize, clients: usize, duration_us: u64) -> Self {
        Self {
            regions,
            clients,
            phase: Phase::Before,
            cells: vec![Tally::default(); Phase::ALL.len() * regions * clients],
            origins: vec![0; Phase::ALL.len() * facts::countries().len() * regions],
            breakdown: Breakdown::default(),
            series: Series::new(regions, duration_us),
        }
    }

    /// Samples from here on belong to `phase`.
    pub fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Notes where a request came from, an index into [`facts::countries`], and which region took it.
    #[inline]
    pub fn came_from(&mut self, country: usize, region: usize) {
        let index = self.origin(self.phase, country, region);
        self.origins[index] += 1;
    }

    /// Requests of one phase from one country to one region.
    #[must_use]
    pub fn requests_from(&self, phase: Phase, country: usize, region: usize) -> u64 {
        self.origins[self.origin(phase, country, region)]
    }

    fn origin(&self, phase: Phase, country: usize, region: usize) -> usize {
        (phase as usize * facts::countries().len() + country) * self.regions + region
    }

    /// Records one request.
    #[inline]
    pub fn record(&mut self, sample: Sample, parts: &Parts) {
        let index = (self.phase as usize * self.regions + sample.region) * self.clients + sample.clients;
        let cell = &mut self.cells[index];
        match sample.cause {
            None => cell.ok += 1,
            Some(cause) => cell.causes[cause as usize] += 1,
        }
        cell.cold_starts += u64::from(parts[Component::ColdStart as usize] > 0);
        let mut latency_us = None;
        if sample.answered {
            let total: u64 = parts.iter().map(|&p| u64::from(p)).sum();
            cell.latency.record(total);
            self.breakdown.record(total, parts);
            latency_us = Some(total);
        }
        self.series.record(sample.region, sample.cause, latency_us);
    }

    /// The sum of the cells that `tags` selects.
    #[must_use]
    pub fn select(&self, tags: &Tags) -> Cell {
        let mut sum = Cell::default();
        for phase in Phase::ALL {
            for region in 0..self.regions {
                for clients in 0..self.clients {
                    let fits = tags.phase.is_none_or(|p| p == phase)
                        && tags.region.is_none_or(|r| r == region)
                        && tags.clients.is_none_or(|c| c == clients);
                    if fits {
                        sum.add(&self.cells[(phase as usize * self.regions + region) * self.clients + clients]);
                    }
                }
            }
        }
        sum
    }
}
