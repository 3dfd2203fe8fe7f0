//! Requests, their fate and their latency, for all and by every cut that thresholds know.
//!
//! Not here: quotas.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Distribution, rounded};
use crate::{
    facts,
    measure::{Cell, Measure},
    report::views,
    scenario::{Cause, Phase, Scenario, Tags},
};

#[derive(Debug, Serialize)]
pub(super) struct Traffic<'a> {
    all: Slice,
    by_region: BTreeMap<&'a str, Slice>,
    by_clients: BTreeMap<&'a str, Slice>,
    by_phase: BTreeMap<&'static str, Slice>,
    by_region_and_clients: BTreeMap<&'a str, BTreeMap<&'a str, Slice>>,
    origins: BTreeMap<&'static str, Origins<'a>>,
}

/// Requests by country and region, without those that are 0.
type Origins<'a> = BTreeMap<&'static str, BTreeMap<&'a str, u64>>;

#[derive(Debug, Serialize)]
struct Slice {
    requests: u64,
    ok: u64,
    refused: u64,
    failed: u64,
    availability: Option<f64>,
    cold_starts: u64,
    causes: Vec<Reason>,
    latency: Option<Distribution>,
}

#[derive(Debug, Serialize)]
struct Reason {
    cause: &'static str,
    status: u16,
    failure: bool,
    requests: u64,
}

pub(super) fn traffic<'a>(scenario: &'a Scenario, measure: &Measure) -> Traffic<'a> {
    let slice = |tags: Tags| slice(&measure.select(&tags));
    let regions = || scenario.system.regions.iter().map(String::as_str).enumerate();
    let groups = || scenario.clients.iter().map(|c| c.name.as_str()).enumerate();
    let by_clients = |region| {
        let of = |clients| slice(Tags { region, clients: Some(clients), ..Tags::default() });
        groups().map(|(clients, name)| (name, of(clients))).collect()
    };
    let by_phase = |phase| slice(Tags { phase: Some(phase), ..Tags::default() });
    Traffic {
        all: slice(Tags::default()),
        by_region: regions().map(|(r, name)| (name, slice(Tags { region: Some(r), ..Tags::default() }))).collect(),
        by_clients: by_clients(None),
        by_phase: Phase::ALL.map(|phase| (phase.name(), by_phase(phase))).into(),
        by_region_and_clients: regions().map(|(r, name)| (name, by_clients(Some(r)))).collect(),
        origins: Phase::ALL.map(|phase| (phase.name(), origins(scenario, measure, phase))).into(),
    }
}

fn origins<'a>(scenario: &'a Scenario, measure: &Measure, phase: Phase) -> Origins<'a> {
    let regions = |country: usize| {
        let requests = |(r, name): (usize, &'a String)| (name.as_str(), measure.requests_from(phase, country, r));
        scenario.system.regions.iter().enumerate().map(requests).filter(|(_, n)| *n > 0).collect::<BTreeMap<_, _>>()
    };
    let countries = facts::countries().iter().enumerate();
    countries.map(|(index, c)| (c.code.as_str(), regions(index))).filter(|(_, regions)| !regions.is_empty()).collect()
}

fn slice(cell: &Cell) -> Slice {
    let reason = |cause: Cause| Reason {
        cause: cause.name(),
        status: cause.status(),
        failure: cause.is_failure(),
        requests: cell.causes[cause as usize],
    };
    Slice {
        requests: cell.requests(),
        ok: cell.ok,
        refused: cell.requests() - cell.ok - cell.failures(),
        failed: cell.failures(),
        availability: views::availability(cell).map(rounded),
        cold_starts: cell.cold_starts,
        causes: Cause::ALL.into_iter().map(reason).filter(|r| r.requests > 0).collect(),
        latency: Distribution::of(&cell.latency),
    }
}
