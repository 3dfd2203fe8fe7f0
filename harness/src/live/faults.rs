//! The scenario's faults, done to real processes at their instants.
//!
//! A region's outage cuts the clients' way at the generator (what was sent and not answered is lost) and freezes the region's
//! processes, so that nothing of it reaches the centre. Rerouting and stale resolvers are the clients' side, which is a model in both
//! modes. Not here: faults of the way between region and centre, which [`super::link`] does.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use super::{clock::Clock, generator::Cut, topology::Topology};
use crate::scenario::{Fault, FaultAction, Node, Scenario, Service, fault_text};

/// Longest nap between two faults, so that a request to stop is heard.
const NAP_US: u64 = 20_000;

/// Something done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// SIGCONT.
    Thaw,
    /// SIGSTOP.
    Freeze,
    /// SIGKILL.
    Kill,
    /// Started again.
    Start,
}

impl Deed {
    fn name(self) -> &'static str {
        match self {
            Self::Thaw => "SIGCONT",
            Self::Freeze => "SIGSTOP",
            Self::Kill => "SIGKILL",
            Self::Start => "start",
        }
    }
}

/// A deed that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// When it was due, microseconds after the start.
    pub at_us: u64,
    /// When it was done.
    pub done_us: u64,
    /// For example `SIGKILL aggregator`.
    pub what: String,
}

/// What is to be done when, and to whom, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Vec<(u64, Deed, Node)>);

/// Why a scenario can't be run live: one line for each reason.
///
/// # Errors
/// Everything in it that the live mode can't do, with the line of the file.
pub fn check(scenario: &Scenario, file: &str, on_target: bool) -> Result<(), String> {
    let cant = |fault: &Fault| {
        let reason = match &fault.action {
            FaultAction::Reroute { .. } | FaultAction::DnsStale { .. } => return None,
            FaultAction::Throttle { service: Service::Gateway | Service::Function, .. } => {
                "of that: no gateway and no function is there"
            }
            FaultAction::Throttle { service: Service::TableReads, .. } => "of reads: edges hold their rows in memory",
            FaultAction::ColdFlush { .. } => "yet: edges are processes, not functions that start on demand",
            _ if on_target => "to a system that the harness did not start",
            FaultAction::RegionOutage { .. }
            | FaultAction::Kill { .. }
            | FaultAction::Pause { .. }
            | FaultAction::ReplicationPause { .. }
            | FaultAction::Partition { .. }
            | FaultAction::Delay { .. }
            | FaultAction::Duplicate { .. }
            | FaultAction::LogSkip { .. }
            | FaultAction::Throttle { service: Service::TableWrites | Service::Stream, .. } => return None,
        };
        let (name, _) = fault_text(&scenario.system.regions, fault);
        // What has no line was given by an override; those of the file's own [live] table come first.
        let given = scenario.overrides.iter().enumerate().rfind(|(_, text)| text.trim_start().starts_with("faults"));
        let place = match (fault.line, given) {
            (0, Some((index, text))) if index < scenario.live.set.len() => format!("{file}: live.set: {text}"),
            (0, Some((_, text))) => format!("--set {text}"),
            (line, _) => format!("{file}:{line}"),
        };
        Some(format!("{place}: the live mode can't do {name} {reason}; --mode sim can"))
    };
    let wrong: Vec<String> = scenario.faults.iter().filter_map(cant).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// When the way of clients to a region is cut.
#[must_use]
pub fn cuts(scenario: &Scenario) -> Vec<Cut> {
    let cut = |fault: &Fault| match fault.action {
        FaultAction::RegionOutage { region } => Some(Cut { to: region, at_us: fault.at_us }),
        _ => None,
    };
    scenario.faults.iter().filter_map(cut).collect()
}

impl Schedule {
    /// Of a scenario's faults.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let mut deeds = Vec::new();
        for fault in &scenario.faults {
            let nodes: Vec<Node> = match &fault.action {
                FaultAction::RegionOutage { region } => vec![Node::Edge(*region), Node::Replicator(*region)],
                FaultAction::Kill { node } | FaultAction::Pause { node } => vec![*node],
                FaultAction::ReplicationPause { region } => {
                    let all = 0..scenario.system.regions.len();
                    all.filter(|index| region.is_none_or(|r| r == *index)).map(Node::Replicator).collect()
                }
                _ => continue,
            };
            let (begin, end) = match fault.action {
                FaultAction::Kill { .. } => (Deed::Kill, Deed::Start),
                _ => (Deed::Freeze, Deed::Thaw),
            };
            for node in nodes {
                deeds.extend([(fault.at_us, begin, node), (fault.until_us, end, node)]);
            }
        }
        // Stable: what begins and ends at one instant keeps that order.
        deeds.sort_by_key(|&(at_us, ..)| at_us);
        Self(deeds)
    }

    /// Does everything at its instant; returns once all is done or `stop` is set.
    pub fn run(&self, clock: &Clock, topology: &Mutex<Topology>, stop: &AtomicBool) -> Vec<Done> {
        let mut done = Vec::new();
        for &(at_us, deed, node) in &self.0 {
            while clock.now_us() < at_us {
                if stop.load(Ordering::Relaxed) {
                    return done;
                }
                clock.sleep_until(at_us.min(clock.now_us() + NAP_US));
            }
            let mut topology = topology.lock().unwrap_or_else(PoisonError::into_inner);
            let process = topology.process(node);
            let mut failed = String::new();
            match deed {
                Deed::Freeze => process.freeze(),
                Deed::Thaw => process.thaw(),
                Deed::Kill => process.kill(),
                Deed::Start => failed = process.start().err().map_or(failed, |error| format!(" failed: {error}")),
            }
            let what = format!("{} {}{failed}", deed.name(), process.name);
            done.push(Done { at_us, done_us: clock.now_us(), what });
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_fault_that_cant_be_is_named_where_it_was_written() {
        let mut scenario = fixture::scenario();
        let action = FaultAction::ColdFlush { region: None };
        scenario.faults = vec![Fault { at_us: 0, until_us: 0, action, line: 7 }];
        let told = |scenario: &Scenario| check(scenario, "a.toml", false).expect_err("no function is there");
        assert!(told(&scenario).starts_with("a.toml:7: the live mode can't do cold-flush"));
        scenario.faults[0].line = 0;
        scenario.overrides = vec!["faults=[{}]".into(), "seed=2".into()];
        assert!(told(&scenario).starts_with("--set faults=[{}]: the live mode"));
        scenario.live.set = vec!["faults=[{}]".into()];
        assert!(told(&scenario).starts_with("a.toml: live.set: faults=[{}]: the live mode"));
    }
}
