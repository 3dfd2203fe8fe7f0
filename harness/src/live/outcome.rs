//! From what the generator and the reader of the tables saw to an [`Outcome`], and to what only a live run has to say.
//!
//! Not here: judging.

use georush_core::{Timestamp, WindowId};
use hdrhistogram::Histogram;

use super::{
    faults::Done,
    generator::{Effort, Fate, Flight},
    machine::Usage,
    tables::{Reading, Readings},
    validity::{self, Check, Seen},
};
use crate::{
    measure::{Component, Measure, Sample, latency_histogram, series::Point},
    oracle::{
        history::{self, Answer, Answers, Call, CountError},
        observed::{self, Observed, TableSeen, TablesSeen},
    },
    outcome::Outcome,
    scenario::{Cause, Phase, Scenario, Tags},
    simulate::{mix, subject_name, ways::Way},
    workload::{self, Arrival},
};

/// A request that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Index of the client group.
    pub clients: usize,
    /// Who, when, from where.
    pub arrival: Arrival,
    /// To which region, and the modelled legs.
    pub way: Way,
}

/// Everything that was seen of a run.
#[derive(Debug)]
pub struct Evidence {
    /// What was to be sent.
    pub planned: Vec<Planned>,
    /// What became of it; as long.
    pub flights: Vec<Flight>,
    /// What the tables said; `None` if nobody could read them.
    pub readings: Option<Readings>,
    /// The window that the run falls into, by subject.
    pub windows: Vec<WindowId>,
    /// Looks at the tables that failed.
    pub unread: u64,
    /// What the generator says of itself.
    pub effort: Effort,
    /// Who had the machine.
    pub usage: Usage,
    /// What it is.
    pub machine: String,
    /// What was done to processes.
    pub faults: Vec<Done>,
    /// Processes that ended although nobody asked them to.
    pub casualties: Vec<String>,
    /// When it began, by the wall's clock.
    pub started: Timestamp,
    /// Jump of that clock, microseconds.
    pub jump_us: i64,
    /// When everything was over, microseconds after the start.
    pub end_us: u64,
}

/// Measured times of one region or of all, microseconds. No model is in them.
#[derive(Debug, Clone)]
pub struct Times {
    /// From the instant at which a request was due to its answer.
    pub response: Histogram<u64>,
    /// From its sending to its answer.
    pub service: Histogram<u64>,
}

impl Default for Times {
    fn default() -> Self {
        Self { response: latency_histogram(), service: latency_histogram() }
    }
}

/// What only a live run has to say.
#[derive(Debug, Clone)]
pub struct Live {
    /// Over all regions.
    pub times: Times,
    /// By region index.
    pub regions: Vec<Times>,
    /// How late the generator was, microseconds.
    pub lag: Histogram<u64>,
    /// What the generator says of itself.
    pub effort: Effort,
    /// Requests that were never sent because too many were on their way.
    pub dropped: u64,
    /// Who had the machine.
    pub usage: Usage,
    /// What it is.
    pub machine: String,
    /// What was done to processes.
    pub faults: Vec<Done>,
    /// Processes that ended although nobody asked them to.
    pub casualties: Vec<String>,
    /// When it began, by the wall's clock.
    pub started: Timestamp,
    /// What the history says, with its doubts.
    pub answers: Answers,
    /// How far the central counts are from that.
    pub count_error: CountError,
    /// Whether the run may be believed.
    pub checks: Vec<Check>,
    /// What the command line said that only a live run understands, for repeating it.
    pub arguments: Vec<String>,
}

impl Live {
    /// Why the run is not valid; empty if it is.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let told = |check: &Check| {
            let shown = |value: f64| match check.unit {
                "us" => crate::report::format::duration(value.round() as u64),
                "fraction" => crate::report::format::percent(value),
                "number" => crate::report::format::count(value as u64),
                _ => format!("{value:.1}"),
            };
            format!("{} ({} is {}, at most {})", check.reason, check.name, shown(check.value), shown(check.bound))
        };
        self.checks.iter().filter(|check| !check.holds()).map(told).collect()
    }
}

/// Makes an outcome. `scenario` is the one at live scale.
#[must_use]
pub fn assemble(scenario: &Scenario, evidence: Evidence) -> (Outcome, Live) {
    let (regions, quotas) = (scenario.system.regions.len(), quotas(scenario));
    let mut measure = Measure::new(regions, scenario.clients.len(), scenario.duration_us);
    let mut calls = Vec::with_capacity(evidence.flights.len());
    let (mut times, mut by_region) = (Times::default(), vec![Times::default(); regions]);
    let (mut lag, mut dropped, mut unexpected) = (latency_histogram(), 0, 0);
    let (mut admitted, mut undisturbed, mut digest) = (0, Vec::new(), 0_u64);
    let width_us = measure.series.width_us();
    let mut bucket_end_us = width_us;
    for (planned, flight) in evidence.planned.iter().zip(&evidence.flights) {
        while flight.at_us >= bucket_end_us {
            close(&mut measure, evidence.readings.as_ref(), bucket_end_us, admitted);
            bucket_end_us += width_us;
        }
        let Planned { clients, arrival, way } = *planned;
        digest = mix(digest, arrival.at_us ^ u64::from(arrival.subject.0) << 32 ^ (way.region as u64) << 56);
        lag.saturating_record(flight.taken_us.saturating_sub(flight.at_us));
        let call = call(planned, flight, quotas[arrival.subject.index()]);
        admitted += u64::from(matches!(call.answer, Answer::Admitted { .. }));
        calls.push(call);
        let Some(seen) = seen(flight.fate) else {
            dropped += 1;
            continue;
        };
        unexpected += u64::from(seen.unexpected);
        let service_us = flight.done_us.saturating_sub(flight.sent_us);
        let mut parts = way.legs;
        // Both are measured; the legs are the model's.
        parts[Component::Queue as usize] = narrow(flight.sent_us.saturating_sub(flight.at_us));
        parts[Component::Handler as usize] = narrow(service_us);
        if seen.answered {
            let response_us = flight.done_us.saturating_sub(flight.at_us);
            for times in [&mut times, &mut by_region[way.region]] {
                times.response.saturating_record(response_us);
                times.service.saturating_record(service_us);
            }
        }
        if way.phase == Phase::Before {
            undisturbed.push(service_us);
        }
        measure.enter(way.phase);
        measure.record(Sample { region: way.region, clients, cause: seen.cause, answered: seen.answered }, &parts);
        measure.came_from(usize::from(arrival.country), way.region);
    }
    while bucket_end_us < scenario.duration_us + width_us {
        close(&mut measure, evidence.readings.as_ref(), bucket_end_us.min(evidence.end_us), admitted);
        bucket_end_us += width_us;
    }

    let answers = history::judge(&calls, regions, &|subject| quotas[subject.index()]);
    let first = workload::subjects(scenario);
    let observed = Observed {
        tables: evidence.readings.as_ref().map(tables),
        name: &|subject| subject_name(scenario, &first, subject),
        window: &|subject| evidence.windows[subject.index()].0,
        end_us: evidence.end_us,
    };
    let (findings, count_error) = observed::findings(&answers, &observed);
    let latency = measure.select(&Tags::default()).latency;
    let quantile = |of: &Histogram<u64>, q| if of.is_empty() { 0 } else { of.value_at_quantile(q) };
    let checks = validity::checks(&Seen {
        dropped,
        unexpected,
        lag_p99_us: quantile(&lag, 0.99),
        latency_p99_us: quantile(&latency, 0.99),
        busy: evidence.effort.busy_us as f64 / evidence.effort.elapsed_us.max(1) as f64,
        jump_us: evidence.jump_us,
        wait_us: evidence.usage.waited_us / (calls.len() as u64).max(1),
        latency_p50_us: quantile(&latency, 0.5),
        unread: evidence.unread,
        warm_up: validity::warm_up(&undisturbed),
    });
    let outcome = Outcome {
        requests: calls.len() as u64 - dropped,
        simulated_us: evidence.end_us,
        events: evidence.readings.as_ref().map_or(0, |readings| readings.central.changes),
        subjects: scenario.populations.iter().map(|population| u64::from(population.size)).sum(),
        measure,
        findings,
        consumed: None,
        digest,
    };
    let Evidence { effort, usage, machine, faults, casualties, started, .. } = evidence;
    let live = Live {
        times,
        regions: by_region,
        lag,
        effort,
        dropped,
        usage,
        machine,
        faults,
        casualties,
        started,
        answers,
        count_error,
        checks,
        arguments: Vec::new(),
    };
    (outcome, live)
}

/// The quota of each subject.
#[must_use]
pub fn quotas(scenario: &Scenario) -> Vec<u64> {
    let of = |population: &crate::scenario::Population| {
        let quota = scenario.plans[population.plan].plan.quota;
        std::iter::repeat_n(quota, population.size as usize)
    };
    scenario.populations.iter().flat_map(of).collect()
}

/// What the client saw.
struct Fated {
    cause: Option<Cause>,
    answered: bool,
    unexpected: bool,
}

/// `None` for what was never sent because the generator had no room.
fn seen(fate: Fate) -> Option<Fated> {
    let unanswered = |cause| Some(Fated { cause: Some(cause), answered: false, unexpected: false });
    let status = match fate {
        Fate::Dropped => return None,
        Fate::Cut | Fate::CutOff => return unanswered(Cause::RegionOutage),
        Fate::Unreachable | Fate::Broken => return unanswered(Cause::EdgeDown),
        // Whoever waits for as long as he is ready to has his answer: none. It counts among the latencies, or a system that
        // stands still would look fast.
        Fate::TimedOut => return Some(Fated { cause: Some(Cause::Timeout), answered: true, unexpected: false }),
        Fate::Answered { status, .. } => status,
    };
    let (cause, unexpected) = match status {
        200..=299 => (None, false),
        401 => (Some(Cause::Revoked), false),
        403 => (Some(Cause::OverQuota), false),
        429 => (Some(Cause::GatewayThrottled), false),
        503 => (Some(Cause::TableThrottled), false),
        _ => (Some(Cause::EdgeDown), true),
    };
    Some(Fated { cause, answered: true, unexpected })
}

/// The request as the oracle is told of it.
fn call(planned: &Planned, flight: &Flight, quota: u64) -> Call {
    let answer = match flight.fate {
        // The header says what is left after this request.
        Fate::Answered { status: 200..=299, left } => {
            Answer::Admitted { view: left.and_then(|left| quota.checked_sub(left + 1)) }
        }
        Fate::Answered { status: 403, .. } => Answer::OverQuota,
        Fate::Answered { .. } | Fate::Dropped | Fate::Cut | Fate::Unreachable => Answer::NotAdmitted,
        Fate::CutOff | Fate::Broken | Fate::TimedOut => Answer::Unknown,
    };
    let done_us = if answer == Answer::Unknown { flight.done_us } else { flight.done_us.max(flight.sent_us) };
    Call { sent_us: flight.sent_us, done_us, subject: planned.arrival.subject, region: planned.way.region, answer }
}

fn close(measure: &mut Measure, readings: Option<&Readings>, at_us: u64, admitted: u64) {
    let last = |history: &[(u64, u64)]| {
        let before = history.partition_point(|&(seen_us, _)| seen_us <= at_us);
        before.checked_sub(1).map_or(0, |index| history[index].1)
    };
    measure.series.close(|point: &mut Point| {
        point.admitted = admitted;
        let Some(readings) = readings else { return };
        point.stream_backlog = last(&readings.backlog);
        let central = last(&readings.central.history);
        for (region, reading) in point.regions.iter_mut().zip(&readings.regions) {
            region.visible = last(&reading.history);
            region.replication_lag = central.saturating_sub(region.visible);
        }
    });
}

fn tables(readings: &Readings) -> TablesSeen<'_> {
    let table = |reading: &'_ Reading| -> Option<u64> {
        let complete = reading.counts == readings.central.counts;
        complete.then(|| reading.history.last().map_or(0, |&(at_us, _)| at_us))
    };
    fn seen(reading: &Reading, complete_us: Option<u64>) -> TableSeen<'_> {
        TableSeen {
            counts: &reading.counts,
            crossed_us: &reading.crossed_us,
            fallen: reading.fallen,
            changes: reading.changes,
            complete_us,
        }
    }
    TablesSeen {
        central: seen(&readings.central, table(&readings.central)),
        regions: readings.regions.iter().map(|reading| seen(reading, table(reading))).collect(),
        known_gaps: readings.missing,
    }
}

fn narrow(us: u64) -> u32 {
    u32::try_from(us).unwrap_or(u32::MAX)
}
