//! A resolved scenario as text, for people to check what their file means. Close to the file's own form, with every
//! default written out. Not here: a form that reads back; the file is that.

use std::fmt::{self, Write};

use georush_core::{
    WindowKind,
    aggregator::Aggregation,
    edge::{Enforcement, OnUnavailable},
};

use super::{
    Arrival, Clients, Fault, FaultAction, Gate, IdentifierKind, Live, Load, Node, Pipeline, Scenario, Service, System,
    units::{show_duration, show_instant, show_ppm},
};
use crate::facts;

/// The scenario with every default written out.
#[must_use]
pub fn print(scenario: &Scenario) -> String {
    let mut out = String::new();
    write_all(&mut out, scenario).expect("a String takes all that is written");
    out
}

fn write_all(out: &mut String, scenario: &Scenario) -> fmt::Result {
    writeln!(out, "# {}, {}", scenario.name, scenario.hash)?;
    for text in &scenario.overrides {
        writeln!(out, "# --set {text}")?;
    }
    writeln!(out, "question = {:?}", scenario.question)?;
    writeln!(out, "seed = {}", scenario.seed)?;
    writeln!(out, "start = \"{}\"", show_instant(scenario.start))?;
    writeln!(out, "duration = \"{}\"", show_duration(scenario.duration_us))?;
    system(out, &scenario.system)?;
    pipeline(out, &scenario.system)?;
    for plan in &scenario.plans {
        let window = match plan.plan.window {
            WindowKind::DayUtc => "day-utc",
            WindowKind::Anchored24h => "anchored-24h",
            WindowKind::MonthCalendar => "month-calendar",
        };
        writeln!(out, "\n[plans.{}]\nquota = {}\nwindow = \"{window}\"", plan.name, plan.plan.quota)?;
    }
    for group in &scenario.clients {
        clients(out, scenario, group)?;
    }
    for one in &scenario.faults {
        fault(out, &scenario.system.regions, one)?;
    }
    if !scenario.thresholds.is_empty() {
        writeln!(out, "\n[thresholds]")?;
    }
    for threshold in &scenario.thresholds {
        writeln!(out, "{:?} = [{:?}]", threshold.selector, threshold.condition)?;
    }
    for plot in &scenario.plots {
        writeln!(out, "\n[report.{}]\nx = {:?}\ny = {:?}", plot.name, plot.x, plot.y)?;
    }
    live(out, &scenario.live)?;
    gate(out, &scenario.gate)
}

fn live(out: &mut String, live: &Live) -> fmt::Result {
    writeln!(out, "\n[live]\ntime_compression = {}\nrate_scale = {}", live.time_compression, live.rate_scale)?;
    if !live.set.is_empty() {
        writeln!(out, "set = {:?}", live.set)?;
    }
    writeln!(out, "port = {}\nmax_in_flight = {}", live.port, live.max_in_flight)?;
    writeln!(out, "timeout = \"{}\"\nwarm_up = \"{}\"", show_duration(live.timeout_us), show_duration(live.warm_up_us))
}

fn gate(out: &mut String, gate: &Gate) -> fmt::Result {
    let digest = if gate.digest_free { "free" } else { "equal" };
    writeln!(out, "\n[gate]\ndigest = \"{digest}\"\ntolerance = \"{}\"", show_ppm(gate.tolerance_ppm))?;
    if !gate.tolerances_ppm.is_empty() {
        writeln!(out, "\n[gate.tolerances]")?;
    }
    gate.tolerances_ppm.iter().try_for_each(|(metric, ppm)| writeln!(out, "{metric:?} = \"{}\"", show_ppm(*ppm)))
}

fn system(out: &mut String, system: &System) -> fmt::Result {
    let enforcement = match system.enforcement {
        Enforcement::Replicated => "replicated",
        Enforcement::ReplicatedPlusLocal => "replicated-plus-local",
    };
    let aggregation = match system.aggregation {
        Aggregation::Cumulative => "cumulative",
        Aggregation::AddThenCheckpoint => "add-then-checkpoint",
    };
    let on_unavailable = match system.on_unavailable {
        OnUnavailable::Open => "\"open\"".to_owned(),
        OnUnavailable::Closed => "\"closed\"".to_owned(),
        OnUnavailable::Safe(n) => format!("{{ safe = {n} }}"),
    };
    writeln!(out, "\n[system]\nstack = {:?}", system.stack)?;
    writeln!(out, "regions = {:?}\ncentral = {:?}", system.regions, system.regions[system.central])?;
    writeln!(out, "enforcement = \"{enforcement}\"\naggregation = \"{aggregation}\"")?;
    writeln!(out, "on_unavailable = {on_unavailable}\nkeep_alive = \"{}\"", show_ppm(system.keep_alive_ppm))?;
    let dns = &system.dns;
    writeln!(out, "\n[system.dns]\nttl = \"{}\"", show_duration(dns.ttl_us))?;
    writeln!(out, "stale_resolvers = \"{}\"", show_ppm(dns.stale_resolvers_ppm))?;
    writeln!(out, "stale_ttl = \"{}\"", show_duration(dns.stale_ttl_us))?;
    writeln!(out, "health_interval = \"{}\"", show_duration(dns.health_interval_us))?;
    writeln!(out, "health_threshold = {}", dns.health_threshold)?;
    writeln!(out, "\n[system.gateway]\nrate = {}\nburst = {}", system.gateway.rate, system.gateway.burst)?;
    let function = &system.function;
    writeln!(out, "\n[system.function]\nruntime = {:?}\nmemory = {}", function.runtime, function.memory_mb)?;
    let cpu = show_duration(function.handler_cpu_us.into());
    writeln!(out, "concurrency = {}\nhandler_cpu = \"{cpu}\"", function.concurrency)?;
    let table = &system.table;
    writeln!(out, "\n[system.table]")?;
    if table.on_demand {
        writeln!(
            out,
            "# on demand: at most {} reads and {} writes a second",
            table.read_capacity, table.write_capacity
        )?;
    } else {
        writeln!(out, "read_capacity = {}\nwrite_capacity = {}", table.read_capacity, table.write_capacity)?;
    }
    match table.dax_ttl_us {
        Some(us) => writeln!(out, "cache = \"dax\"\ncache_ttl = \"{}\"", show_duration(us)),
        None => writeln!(out, "cache = \"none\""),
    }
}

fn pipeline(out: &mut String, system: &System) -> fmt::Result {
    match &system.pipeline {
        Pipeline::Stages(stages) => {
            writeln!(out, "\n[pipeline]\nmodel = \"stages\"\nshards = {}", stages.shards)?;
            writeln!(out, "poll = \"{}\"", show_duration(stages.poll_us))?;
            writeln!(out, "checkpoint_every = \"{}\"", show_duration(stages.checkpoint_every_us))
        }
        Pipeline::FixedLag { lag_us } => {
            writeln!(out, "\n[pipeline]\nmodel = \"fixed-lag\"\n\n[pipeline.lag]")?;
            let mut lags = system.regions.iter().zip(lag_us);
            lags.try_for_each(|(region, us)| writeln!(out, "{region} = \"{}\"", show_duration(*us)))
        }
    }
}

fn clients(out: &mut String, scenario: &Scenario, group: &Clients) -> fmt::Result {
    writeln!(out, "\n[[clients]]\nname = {:?}", group.name)?;
    let population = &scenario.populations[group.population];
    if population.name == group.name {
        let kind = match population.kind {
            IdentifierKind::ApiKey => "api-key",
            IdentifierKind::Ip => "ip",
            IdentifierKind::Referer => "referer",
        };
        writeln!(out, "identifier = \"{kind}\"\nplan = {:?}", scenario.plans[population.plan].name)?;
        writeln!(out, "keys = {}\nzipf = {}", population.size, f64::from(population.zipf_milli) / 1_000.0)?;
    } else {
        writeln!(out, "population = {:?}", population.name)?;
    }
    writeln!(out, "start_time = \"{}\"", show_duration(group.start_us))?;
    match &group.load {
        Load::Segments(segments) => {
            for segment in segments {
                let (length, unit) = (show_duration(segment.duration_us), show_duration(segment.unit_us));
                writeln!(out, "# {length}: {} to {} per {unit}", segment.from, segment.to)?;
            }
        }
        Load::Trace(arrivals) => writeln!(out, "# a trace of {} arrivals", arrivals.len())?,
    }
    match group.arrival {
        Arrival::Constant => writeln!(out, "arrival = \"constant\"")?,
        Arrival::Poisson => writeln!(out, "arrival = \"poisson\"")?,
        Arrival::Gamma { cv_milli } => writeln!(out, "arrival = \"gamma({})\"", f64::from(cv_milli) / 1_000.0)?,
    }
    let countries = facts::countries();
    let mut from: Vec<_> = group.from.clone();
    from.sort_by_key(|(country, ppm)| (u32::MAX - ppm, *country));
    let share = |(country, ppm): &(usize, u32)| format!("{} {}", countries[*country].code, show_ppm(*ppm));
    let shown: Vec<String> = from.iter().take(10).map(share).collect();
    let rest = from.len().saturating_sub(10);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    writeln!(out, "# from {}{more}", shown.join(", "))
}

fn fault(out: &mut String, regions: &[String], fault: &Fault) -> fmt::Result {
    writeln!(out, "\n[[faults]]\nat = \"{}\"", show_duration(fault.at_us))?;
    if fault.until_us > fault.at_us {
        writeln!(out, "lasts = \"{}\"", show_duration(fault.until_us - fault.at_us))?;
    }
    let (action, keys) = action(regions, fault);
    writeln!(out, "action = \"{action}\"")?;
    keys.iter().try_for_each(|(key, value)| writeln!(out, "{key} = {value:?}"))
}

/// A fault's action as files name it, and the action with its keys in one line: `delay (region us-east-1, by 2s)`.
#[must_use]
pub fn fault_text(regions: &[String], fault: &Fault) -> (&'static str, String) {
    let (action, keys) = action(regions, fault);
    let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key} {value}")).collect();
    let text = if keys.is_empty() { action.to_owned() } else { format!("{action} ({})", keys.join(", ")) };
    (action, text)
}

/// The action and its keys.
fn action(regions: &[String], fault: &Fault) -> (&'static str, Vec<(&'static str, String)>) {
    let some = |region: &Option<usize>| region.map(|region| ("region", regions[region].clone()));
    let of = |region: &usize| vec![("region", regions[*region].clone())];
    let with = |region: &Option<usize>, key, value| some(region).into_iter().chain([(key, value)]).collect();
    let node = |node: &Node| match node {
        Node::Edge(region) => [vec![("node", "edge".to_owned())], of(region)].concat(),
        Node::Aggregator => vec![("node", "aggregator".to_owned())],
        Node::Replicator(region) => [vec![("node", "replicator".to_owned())], of(region)].concat(),
    };
    match &fault.action {
        FaultAction::RegionOutage { region } => ("region-outage", of(region)),
        FaultAction::Reroute { from, to } => {
            ("reroute", vec![("from", regions[*from].clone()), ("to", regions[*to].clone())])
        }
        FaultAction::Kill { node: which } if fault.until_us == fault.at_us => ("restart", node(which)),
        FaultAction::Kill { node: which } => ("kill", node(which)),
        FaultAction::Pause { node: which } => ("pause", node(which)),
        FaultAction::Partition { region } => ("partition", of(region)),
        FaultAction::Delay { region, by_us } => ("delay", with(&Some(*region), "by", show_duration(*by_us))),
        FaultAction::Duplicate { region, ppm } => ("duplicate", with(region, "rate", show_ppm(*ppm))),
        FaultAction::Throttle { service, region, remains_ppm } => {
            let rest: Vec<_> = with(region, "remains", show_ppm(*remains_ppm));
            ("throttle", [vec![("service", service_name(*service).to_owned())], rest].concat())
        }
        FaultAction::ReplicationPause { region } => ("replication-pause", some(region).into_iter().collect()),
        FaultAction::LogSkip { region } => ("log-skip", of(region)),
        FaultAction::DnsStale { ppm } => ("dns-stale", vec![("fraction", show_ppm(*ppm))]),
        FaultAction::ColdFlush { region } => ("cold-flush", some(region).into_iter().collect()),
    }
}

fn service_name(service: Service) -> &'static str {
    match service {
        Service::Gateway => "gateway",
        Service::Function => "function",
        Service::TableReads => "table-reads",
        Service::TableWrites => "table-writes",
        Service::Stream => "stream",
    }
}
