//! Faults: which keys each action takes, and that no two contradict each other. Not here: what a fault does.

use super::super::{
    Fault, FaultAction, Node, Pipeline, Service, System,
    check::Section,
    leaf::{Field, Leaf},
    raw::RawFault,
    units::show_duration,
};

/// A subscription filter stays disabled for at most this long.
// Source: CloudWatch Logs user guide, troubleshooting of subscription filters: disabled for up to 10 minutes.
const LOG_SKIP_US_MAX: u64 = 600_000_000;

const NOT_YET: [&str; 9] = [
    "loss",
    "reorder",
    "clock-skew",
    "shard-split",
    "shard-merge",
    "poison-record",
    "checkpoint-loss",
    "table-restore",
    "deploy-bad",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    RegionOutage,
    Reroute,
    Kill,
    Restart,
    Pause,
    Partition,
    Delay,
    Duplicate,
    Throttle,
    ReplicationPause,
    LogSkip,
    DnsStale,
    ColdFlush,
}

/// Name, and keys beside `at` and `action`.
const ACTIONS: [(&str, Kind, &[&str]); 13] = [
    ("region-outage", Kind::RegionOutage, &["lasts", "region"]),
    ("reroute", Kind::Reroute, &["lasts", "from", "to"]),
    ("kill", Kind::Kill, &["lasts", "node", "region"]),
    ("restart", Kind::Restart, &["node", "region"]),
    ("pause", Kind::Pause, &["lasts", "node", "region"]),
    ("partition", Kind::Partition, &["lasts", "region"]),
    ("delay", Kind::Delay, &["lasts", "region", "by"]),
    ("duplicate", Kind::Duplicate, &["lasts", "region", "rate"]),
    ("throttle", Kind::Throttle, &["lasts", "service", "region", "remains"]),
    ("replication-pause", Kind::ReplicationPause, &["lasts", "region"]),
    ("log-skip", Kind::LogSkip, &["lasts", "region"]),
    ("dns-stale", Kind::DnsStale, &["lasts", "fraction"]),
    ("cold-flush", Kind::ColdFlush, &["region"]),
];

/// Resolves all faults, sorted by start.
pub(super) fn resolve(section: &Section<'_>, raw: &[RawFault], system: &System, duration_us: u64) -> Vec<Fault> {
    let fixed_lag = matches!(system.pipeline, Pipeline::FixedLag { .. });
    let mut faults: Vec<(usize, Fault)> = Vec::new();
    for (i, raw) in raw.iter().enumerate() {
        let at = section.index(i);
        let Some(fault) = one(&at, raw, &system.regions, duration_us) else { continue };
        if fixed_lag && !touches_requests(&fault.action) {
            at.key("action").wrong("a fault of requests: with a fixed lag, the pipeline has no stages that could fail");
        }
        if let Some((j, other)) = faults.iter().find(|(_, other)| contradict(other, &fault)) {
            at.say(format_args!(
                "{} overlaps faults[{j}] (line {}): the same action on the same target at the same time",
                at.at, other.line
            ));
        }
        faults.push((i, fault));
    }
    let mut faults: Vec<Fault> = faults.into_iter().map(|(_, fault)| fault).collect();
    faults.sort_by_key(|fault| fault.at_us);
    faults
}

/// Whether a fault does anything where one constant stands for the pipeline.
fn touches_requests(action: &FaultAction) -> bool {
    match action {
        FaultAction::RegionOutage { .. }
        | FaultAction::Reroute { .. }
        | FaultAction::DnsStale { .. }
        | FaultAction::ColdFlush { .. } => true,
        FaultAction::Kill { node } | FaultAction::Pause { node } => matches!(node, Node::Edge(_)),
        FaultAction::Throttle { service, .. } => !matches!(service, Service::TableWrites | Service::Stream),
        FaultAction::Partition { .. }
        | FaultAction::Delay { .. }
        | FaultAction::Duplicate { .. }
        | FaultAction::ReplicationPause { .. }
        | FaultAction::LogSkip { .. } => false,
    }
}

fn one(section: &Section<'_>, raw: &RawFault, regions: &[String], duration_us: u64) -> Option<Fault> {
    let at_us = section.duration("at", raw.at.leaf());
    let words = ACTIONS.map(|(name, kind, _)| (name, kind));
    let kind = section.choice("action", raw.action.leaf(), &words, &NOT_YET)?;
    let (name, _, keys) = ACTIONS.iter().find(|action| action.1 == kind)?;
    let allowed: Vec<&str> = ["at", "action"].iter().chain(keys.iter()).copied().collect();
    section.only(&allowed, &format!("action {name:?}"));
    let lasts_us = if keys.contains(&"lasts") { section.length("lasts", raw.lasts.needed()) } else { Some(0) };
    let action = action(section, raw, kind, regions);
    let (at_us, lasts_us) = (at_us?, lasts_us?);
    if at_us >= duration_us {
        section
            .key("at")
            .wrong(format_args!("a time before the end of the run, which is {}", show_duration(duration_us)));
        return None;
    }
    if at_us + lasts_us > duration_us {
        let most = show_duration(duration_us - at_us);
        section.key("lasts").wrong(format_args!("at most {most}, when the run ends"));
        return None;
    }
    if kind == Kind::LogSkip && lasts_us > LOG_SKIP_US_MAX {
        section.key("lasts").wrong("at most 10m, the longest that CloudWatch keeps a filter disabled");
        return None;
    }
    Some(Fault { at_us, until_us: at_us + lasts_us, action: action?, line: section.node().place.line() })
}

fn action(section: &Section<'_>, raw: &RawFault, kind: Kind, regions: &[String]) -> Option<FaultAction> {
    let name = |key: &str, leaf: Option<&Leaf>| section.name(key, leaf, "one of the scenario's regions", regions);
    let region = || name("region", raw.region.needed());
    // An optional region that is wrong has been noted; whether it was there decides.
    let region_or_all = || name("region", raw.region.leaf());
    Some(match kind {
        Kind::RegionOutage => FaultAction::RegionOutage { region: region()? },
        Kind::Reroute => {
            let (from, to) = (name("from", raw.from.needed()), name("to", raw.to.needed()));
            if from.is_some() && from == to {
                section.key("to").wrong("another region than from");
            }
            FaultAction::Reroute { from: from?, to: to? }
        }
        Kind::Kill | Kind::Restart => FaultAction::Kill { node: node(section, raw, regions)? },
        Kind::Pause => FaultAction::Pause { node: node(section, raw, regions)? },
        Kind::Partition => FaultAction::Partition { region: region()? },
        Kind::Delay => {
            let by_us = section.length("by", raw.by.needed());
            FaultAction::Delay { region: region()?, by_us: by_us? }
        }
        Kind::Duplicate => FaultAction::Duplicate {
            region: region_or_all(),
            ppm: section.fraction("rate", raw.rate.leaf()).unwrap_or(1_000_000),
        },
        Kind::Throttle => throttle(section, raw, region_or_all())?,
        Kind::ReplicationPause => FaultAction::ReplicationPause { region: region_or_all() },
        Kind::LogSkip => FaultAction::LogSkip { region: region()? },
        Kind::DnsStale => {
            FaultAction::DnsStale { ppm: section.fraction("fraction", raw.fraction.leaf()).unwrap_or(1_000_000) }
        }
        Kind::ColdFlush => FaultAction::ColdFlush { region: region_or_all() },
    })
}

fn node(section: &Section<'_>, raw: &RawFault, regions: &[String]) -> Option<Node> {
    let words = [("edge", 0), ("aggregator", 1), ("replicator", 2)];
    let word = section.choice("node", raw.node.needed(), &words, &[])?;
    if word == 1 {
        if raw.region.is_some() {
            let at = section.key("region");
            at.say(format_args!("{} does not belong to node \"aggregator\", of which there is one", at.at));
        }
        return Some(Node::Aggregator);
    }
    let region = section.name("region", raw.region.needed(), "one of the scenario's regions", regions)?;
    Some(if word == 0 { Node::Edge(region) } else { Node::Replicator(region) })
}

fn throttle(section: &Section<'_>, raw: &RawFault, region: Option<usize>) -> Option<FaultAction> {
    let services = [
        ("gateway", Service::Gateway),
        ("function", Service::Function),
        ("table-reads", Service::TableReads),
        ("table-writes", Service::TableWrites),
        ("stream", Service::Stream),
    ];
    let service = section.choice("service", raw.service.needed(), &services, &[]);
    let remains_ppm = section.fraction("remains", raw.remains.needed());
    if service == Some(Service::Stream) && raw.region.is_some() {
        let at = section.key("region");
        at.say(format_args!("{} does not belong to service \"stream\", of which there is one", at.at));
    }
    Some(FaultAction::Throttle { service: service?, region, remains_ppm: remains_ppm? })
}

/// Whether two faults do the same to the same target at the same time.
fn contradict(a: &Fault, b: &Fault) -> bool {
    // What has no length still takes an instant.
    let end = |fault: &Fault| fault.until_us.max(fault.at_us + 1);
    a.at_us < end(b) && b.at_us < end(a) && same_target(&a.action, &b.action)
}

fn same_target(a: &FaultAction, b: &FaultAction) -> bool {
    use FaultAction as F;
    let meet = |a: &Option<usize>, b: &Option<usize>| a.is_none() || b.is_none() || a == b;
    match (a, b) {
        (F::RegionOutage { region: a }, F::RegionOutage { region: b })
        | (F::Reroute { from: a, .. }, F::Reroute { from: b, .. })
        | (F::Partition { region: a }, F::Partition { region: b })
        | (F::Delay { region: a, .. }, F::Delay { region: b, .. })
        | (F::LogSkip { region: a }, F::LogSkip { region: b }) => a == b,
        (F::Kill { node: a }, F::Kill { node: b }) | (F::Pause { node: a }, F::Pause { node: b }) => a == b,
        (F::Duplicate { region: a, .. }, F::Duplicate { region: b, .. })
        | (F::ReplicationPause { region: a }, F::ReplicationPause { region: b })
        | (F::ColdFlush { region: a }, F::ColdFlush { region: b }) => meet(a, b),
        (F::Throttle { service: s, region: a, .. }, F::Throttle { service: t, region: b, .. }) => s == t && meet(a, b),
        (F::DnsStale { .. }, F::DnsStale { .. }) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(at_us: u64, until_us: u64, action: FaultAction) -> Fault {
        Fault { at_us, until_us, action, line: 1 }
    }

    #[test]
    fn faults_that_touch_only_at_an_end_do_not_overlap() {
        let outage = |at, until| fault(at, until, FaultAction::RegionOutage { region: 0 });
        assert!(contradict(&outage(0, 10), &outage(9, 20)));
        assert!(!contradict(&outage(0, 10), &outage(10, 20)));
        assert!(contradict(&outage(0, 10), &outage(3, 3)));
        assert!(!contradict(&outage(0, 10), &fault(0, 10, FaultAction::RegionOutage { region: 1 })));
    }

    #[test]
    fn all_regions_meet_each_region() {
        let pause = |region| fault(0, 10, FaultAction::ReplicationPause { region });
        assert!(contradict(&pause(None), &pause(Some(3))));
        assert!(!contradict(&pause(Some(2)), &pause(Some(3))));
        assert!(!contradict(&pause(None), &fault(0, 10, FaultAction::ColdFlush { region: None })));
    }
}
