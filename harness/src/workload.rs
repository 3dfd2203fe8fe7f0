//! Who calls and when: one stream of arrivals per client group.
//!
//! Not here: where a call goes or what becomes of it. Streams are read in blocks, by the simulator and by the live
//! generator alike.

mod load;

use georush_core::SubjectId;
use rand::{Rng, rngs::Xoshiro256PlusPlus};

use crate::{
    scenario::{self, Clients, Load, Population, Scenario, TraceArrival},
    simulate::{
        sample::{Alias, Gaps},
        seed::Seed,
    },
};
use load::Curve;

/// Most arrivals that one [`Stream::fill`] gives.
pub const BLOCK: usize = 64;

/// One call about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Microseconds after the run's start.
    pub at_us: u64,
    /// Who calls; see [`subjects`].
    pub subject: SubjectId,
    /// From where: index into the countries of the model data.
    pub country: u16,
    /// Random, for whatever the caller of the stream still has to draw (the client's resolver, say).
    pub bits: u32,
}

/// Number of the first subject of each population, and after them the number of all subjects. Populations follow each
/// other in the scenario's order; within a Zipf population the n-th member is the n-th most frequent.
///
/// # Panics
/// With 2^32 subjects or more, which a resolved scenario does not have.
#[must_use]
pub fn subjects(scenario: &Scenario) -> Vec<u32> {
    let sizes = scenario.populations.iter().map(|population| population.size);
    let ends = sizes.scan(0_u32, |end, size| {
        *end = end.checked_add(size).expect("a resolved scenario has fewer than 2^32 subjects");
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

/// The arrivals of one client group, ascending in time. It has random streams of its own, so that adding a group moves
/// no arrival of another.
#[derive(Debug, Clone)]
pub struct Stream {
    times: Times,
    callers: Callers,
    /// Length of the run; nothing arrives at or after it.
    duration_us: u64,
}

impl Stream {
    /// Of the client group with that index.
    #[must_use]
    pub fn new(scenario: &Scenario, clients: usize) -> Self {
        let group = &scenario.clients[clients];
        Self::of(scenario, group, members(&scenario.populations[group.population]))
    }

    /// Of all client groups, in order. Groups of one population share its table.
    #[must_use]
    pub fn all(scenario: &Scenario) -> Vec<Self> {
        let members: Vec<Alias> = scenario.populations.iter().map(members).collect();
        scenario.clients.iter().map(|group| Self::of(scenario, group, members[group.population].clone())).collect()
    }

    fn of(scenario: &Scenario, group: &Clients, members: Alias) -> Self {
        let times = Times::new(group, Seed(scenario.seed).stream(&format!("arrivals/{}", group.name)));
        let callers = Callers::new(scenario, group, members);
        Self { times, callers, duration_us: scenario.duration_us }
    }

    /// Replaces the block's content by the next arrivals, up to [`BLOCK`]. None means that the stream has ended.
    pub fn fill(&mut self, block: &mut Vec<Arrival>) {
        block.clear();
        self.times.fill(block);
        self.callers.draw(block);
        self.times.name(block, self.callers.first_subject);
        if block.last().is_some_and(|last| last.at_us >= self.duration_us) {
            block.truncate(block.partition_point(|arrival| arrival.at_us < self.duration_us));
        }
    }
}

/// The arrivals of all client groups, each with the index of its group, in the order in which the system meets them: ascending
/// in time, the first group at a tie.
#[derive(Debug)]
pub struct Merged {
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    stream: Stream,
    block: Vec<Arrival>,
    next: usize,
}

impl Merged {
    /// Of a scenario.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let source = |stream| Source { stream, block: Vec::new(), next: 0 };
        let mut sources: Vec<_> = Stream::all(scenario).into_iter().map(source).collect();
        sources.iter_mut().for_each(|source| source.stream.fill(&mut source.block));
        Self { sources }
    }
}

impl Iterator for Merged {
    type Item = (usize, Arrival);

    fn next(&mut self) -> Option<Self::Item> {
        let due = |source: &Source| source.block.get(source.next).map(|arrival| arrival.at_us);
        let heads = self.sources.iter().enumerate().filter_map(|(clients, source)| Some((due(source)?, clients)));
        let (_, clients) = heads.min()?;
        let source = &mut self.sources[clients];
        let arrival = source.block[source.next];
        source.next += 1;
        if source.next == source.block.len() {
            source.stream.fill(&mut source.block);
            source.next = 0;
        }
        Some((clients, arrival))
    }
}

/// When.
#[derive(Debug, Clone)]
enum Times {
    /// `position` is that of the next arrival, in arrivals since the group's start.
    Load { curve: Curve, position: f64, scatter: Scatter },
    /// `lines[next..]` are still to come.
    Trace { start_us: u64, lines: Vec<TraceArrival>, next: usize },
}

impl Times {
    fn new(group: &Clients, bits: Xoshiro256PlusPlus) -> Self {
        let segments = match &group.load {
            Load::Segments(segments) => segments,
            Load::Trace(lines) => return Self::Trace { start_us: group.start_us, lines: lines.clone(), next: 0 },
        };
        let mut scatter = match group.arrival {
            scenario::Arrival::Constant => Scatter::Even,
            scenario::Arrival::Poisson => Scatter::Random(Gaps::exponential(), bits),
            scenario::Arrival::Gamma { cv_milli } => Scatter::Random(Gaps::gamma(f64::from(cv_milli) / 1_000.0), bits),
        };
        let position = if let Scatter::Random(..) = scatter { scatter.gap() } else { 0.0 };
        Self::Load { curve: Curve::new(group.start_us, segments), position, scatter }
    }

    fn fill(&mut self, block: &mut Vec<Arrival>) {
        match self {
            Self::Load { curve, position, scatter } => {
                while block.len() < BLOCK {
                    let Some(at_us) = curve.time_at(*position) else { break };
                    block.push(Arrival::at(at_us));
                    *position += scatter.gap();
                }
            }
            Self::Trace { start_us, lines, next } => {
                let lines = &lines[*next..];
                block.extend(lines.iter().take(BLOCK).map(|line| Arrival::at(start_us.saturating_add(line.at_us))));
                *next += block.len();
            }
        }
    }

    /// A trace may say who calls; the draws for it are made nevertheless, so that one line moves no other.
    fn name(&self, block: &mut [Arrival], first_subject: u32) {
        let Self::Trace { lines, next, .. } = self else { return };
        let named = &lines[next - block.len()..*next];
        for (arrival, line) in block.iter_mut().zip(named) {
            if let Some(member) = line.member {
                arrival.subject = SubjectId(first_subject + member);
            }
            if let Some(country) = line.country {
                arrival.country = narrow(country);
            }
        }
    }
}

impl Arrival {
    const fn at(at_us: u64) -> Self {
        Self { at_us, subject: SubjectId(0), country: 0, bits: 0 }
    }
}

/// How far apart arrivals are, in arrivals: 1 on average.
#[derive(Debug, Clone)]
enum Scatter {
    Even,
    Random(Gaps, Xoshiro256PlusPlus),
}

impl Scatter {
    #[inline]
    fn gap(&mut self) -> f64 {
        match self {
            Self::Even => 1.0,
            Self::Random(gaps, bits) => gaps.draw(bits.next_u32()),
        }
    }
}

/// Who.
#[derive(Debug, Clone)]
struct Callers {
    members: Alias,
    first_subject: u32,
    places: Alias,
    countries: Vec<u16>,
    member_bits: Xoshiro256PlusPlus,
    place_bits: Xoshiro256PlusPlus,
    other_bits: Xoshiro256PlusPlus,
}

impl Callers {
    fn new(scenario: &Scenario, group: &Clients, members: Alias) -> Self {
        let weights: Vec<f64> = group.from.iter().map(|&(_, ppm)| f64::from(ppm)).collect();
        let stream = |of: &str| Seed(scenario.seed).stream(&format!("{of}/{}", group.name));
        Self {
            members,
            first_subject: subjects(scenario)[group.population],
            places: Alias::weights(&weights),
            countries: group.from.iter().map(|&(country, _)| narrow(country)).collect(),
            member_bits: stream("members"),
            place_bits: stream("countries"),
            other_bits: stream("callers"),
        }
    }

    fn draw(&mut self, block: &mut [Arrival]) {
        // One loop per generator keeps its state in registers.
        for arrival in block.iter_mut() {
            arrival.subject = SubjectId(self.first_subject + self.members.draw(self.member_bits.next_u64()));
        }
        for arrival in block.iter_mut() {
            arrival.country = self.countries[self.places.draw(self.place_bits.next_u64()) as usize];
        }
        for arrival in block {
            arrival.bits = self.other_bits.next_u32();
        }
    }
}

fn members(population: &Population) -> Alias {
    Alias::zipf(population.size, f64::from(population.zipf_milli) / 1_000.0)
}

fn narrow(country: usize) -> u16 {
    u16::try_from(country).expect("there are fewer than 65,536 countries")
}

#[cfg(test)]
mod tests;
