//! The system that was asked, and what went wrong in it.
//!
//! Not here: capacities; the scenario file has them.

use serde::Serialize;

use crate::scenario::{FaultAction, Node, Scenario, Service, fault_text};

#[derive(Debug, Serialize)]
pub(super) struct System<'a> {
    stack: &'a str,
    regions: &'a [String],
    central: &'a str,
    plans: Vec<Quota<'a>>,
}

#[derive(Debug, Serialize)]
struct Quota<'a> {
    name: &'a str,
    quota: u64,
}

/// A fault and its time, microseconds after the run's start.
#[derive(Debug, Serialize)]
pub(super) struct Span<'a> {
    at_us: u64,
    until_us: u64,
    action: &'static str,
    text: String,
    regions: Vec<&'a str>,
    to: Option<&'a str>,
}

pub(super) fn system(scenario: &Scenario) -> System<'_> {
    let system = &scenario.system;
    System {
        stack: &system.stack,
        regions: &system.regions,
        central: &system.regions[system.central],
        plans: scenario.plans.iter().map(|p| Quota { name: &p.name, quota: p.plan.quota }).collect(),
    }
}

pub(super) fn spans(scenario: &Scenario) -> Vec<Span<'_>> {
    let names = &scenario.system.regions;
    let span = |fault: &crate::scenario::Fault| {
        let (action, text) = fault_text(names, fault);
        let (region, to) = place(&fault.action, scenario.system.central);
        let regions = match region {
            Some(region) => vec![names[region].as_str()],
            None => names.iter().map(String::as_str).collect(),
        };
        Span {
            at_us: fault.at_us,
            until_us: fault.until_us,
            action,
            text,
            regions,
            to: to.map(|region| names[region].as_str()),
        }
    };
    scenario.faults.iter().map(span).collect()
}

/// Where a fault is, `None` for everywhere, and where it sends callers.
fn place(action: &FaultAction, central: usize) -> (Option<usize>, Option<usize>) {
    match *action {
        FaultAction::Reroute { from, to } => (Some(from), Some(to)),
        FaultAction::RegionOutage { region }
        | FaultAction::Partition { region }
        | FaultAction::Delay { region, .. }
        | FaultAction::LogSkip { region } => (Some(region), None),
        FaultAction::Kill { node } | FaultAction::Pause { node } => match node {
            Node::Edge(region) | Node::Replicator(region) => (Some(region), None),
            Node::Aggregator => (Some(central), None),
        },
        FaultAction::Throttle { service: Service::Stream, .. } => (Some(central), None),
        FaultAction::Duplicate { region, .. }
        | FaultAction::Throttle { region, .. }
        | FaultAction::ReplicationPause { region }
        | FaultAction::ColdFlush { region } => (region, None),
        FaultAction::DnsStale { .. } => (None, None),
    }
}
