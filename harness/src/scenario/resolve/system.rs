//! Regions, capacities and the pipeline. Not here: the numbers that stand in for what a file leaves out; those are facts.

use std::collections::BTreeMap;

use georush_core::{
    aggregator::Aggregation,
    edge::{Enforcement, OnUnavailable},
};

use super::super::{
    Dns, Era, Function, Gateway, Pipeline, Stages, System, Table,
    check::Section,
    error::suggestion,
    leaf::{Field, Leaf, OrTable},
    raw::{RawPipeline, RawScenario, RawSystem},
    units::show_duration,
};
use crate::facts::{self, Model};

/// Environments that the simulation can tell apart in one region.
const CONCURRENCY_MAX: u32 = 500_000;

/// Resolves `[system]` and `[pipeline]`.
pub(super) fn resolve(top: &Section<'_>, raw: &RawScenario) -> System {
    let section = top.key("system");
    let stacks = [("serverless-2018", Era::Y2018), ("serverless-now", Era::Now)];
    let era = section.choice("stack", raw.system.stack.leaf(), &stacks, &["ec2-2017"]).unwrap_or(Era::Y2018);
    let stack = stacks.iter().find(|stack| stack.1 == era).map_or("", |stack| stack.0);
    let model = facts::model(era);
    let raw_system = &raw.system;
    let regions = regions(&section, raw_system);
    let central = section.name("central", raw_system.central.leaf(), "one of the scenario's regions", &regions);
    let enforcements =
        [("replicated", Enforcement::Replicated), ("replicated-plus-local", Enforcement::ReplicatedPlusLocal)];
    let not_yet = ["leased", "guarded", "central", "last-writer-wins"];
    let enforcement = section.choice("enforcement", raw_system.enforcement.leaf(), &enforcements, &not_yet);
    let aggregations =
        [("cumulative", Aggregation::Cumulative), ("add-then-checkpoint", Aggregation::AddThenCheckpoint)];
    let aggregation = section.choice("aggregation", raw_system.aggregation.leaf(), &aggregations, &["watermark"]);
    System {
        stack: stack.to_owned(),
        era,
        central: central.unwrap_or(0),
        enforcement: enforcement.unwrap_or(Enforcement::Replicated),
        aggregation: aggregation.unwrap_or(Aggregation::Cumulative),
        on_unavailable: on_unavailable(&section, raw_system),
        keep_alive_ppm: section.fraction("keep_alive", raw_system.keep_alive.leaf()).unwrap_or(model.keep_alive_ppm),
        dns: dns(&section.key("dns"), raw_system, model),
        gateway: gateway(&section.key("gateway"), raw_system, model),
        function: function(&section.key("function"), raw_system, model),
        table: table(&section.key("table"), raw_system, model),
        service: None,
        pipeline: pipeline(&top.key("pipeline"), &raw.pipeline, &regions, model),
        regions,
    }
}

fn regions(section: &Section<'_>, raw: &RawSystem) -> Vec<String> {
    let named = match (&raw.regions, &raw.region_set) {
        (Some(named), None) => named,
        (None, Some(set)) => return region_set(section, &set.0),
        (Some(_), Some(_)) => {
            section.key("region_set").say("system has both regions and region_set, expected one of them");
            return Vec::new();
        }
        (None, None) => {
            section.say("system has neither regions nor region_set, expected one of them");
            return Vec::new();
        }
    };
    let list = section.key("regions");
    if named.is_empty() {
        list.wrong("at least one region");
    }
    let known: Vec<String> = facts::regions().iter().map(|region| region.name.clone()).collect();
    let mut regions: Vec<String> = Vec::new();
    for (i, name) in named.iter().enumerate() {
        let at = list.index(i);
        let Leaf::Text(name) = &name.0 else {
            at.wrong("the name of a region");
            continue;
        };
        if regions.contains(name) {
            at.say(format_args!("{} is {name:?} once more, expected each region once", at.at));
        } else if facts::region(name).is_some() {
            regions.push(name.clone());
        } else {
            let near = suggestion(name, known.iter().map(String::as_str));
            at.wrong(format_args!("a region that the model data knows{near}"));
        }
    }
    regions
}

fn region_set(section: &Section<'_>, name: &Leaf) -> Vec<String> {
    let name = match name {
        Leaf::Text(name) => name.as_str(),
        _ => "",
    };
    let set = facts::region_set(name);
    if set.is_none() {
        let near = suggestion(name, facts::region_sets());
        section.key("region_set").wrong(format_args!("a set of regions that the model data knows{near}"));
    }
    set.map(<[String]>::to_vec).unwrap_or_default()
}

fn on_unavailable(section: &Section<'_>, raw: &RawSystem) -> OnUnavailable {
    let words = [("open", OnUnavailable::Open), ("closed", OnUnavailable::Closed)];
    let policy = match &raw.on_unavailable {
        Some(OrTable::Table(safe)) => {
            let section = section.key("on_unavailable");
            section.whole("safe", safe.safe.leaf(), (0, u64::MAX / 4), "a number of requests").map(OnUnavailable::Safe)
        }
        Some(OrTable::Single(word)) => {
            let found = words.iter().find(|(name, _)| word.0 == Leaf::Text((*name).to_owned()));
            if found.is_none() {
                section.key("on_unavailable").wrong("\"open\", \"closed\" or { safe = n }");
            }
            found.map(|entry| entry.1)
        }
        None => None,
    };
    policy.unwrap_or(OnUnavailable::Closed)
}

fn dns(section: &Section<'_>, raw: &RawSystem, model: &Model) -> Dns {
    let (raw, model) = (&raw.dns, &model.dns);
    let threshold = section.whole("health_threshold", raw.health_threshold.leaf(), (1, 10), "a number of checks");
    Dns {
        ttl_us: section.duration("ttl", raw.ttl.leaf()).unwrap_or(model.ttl_us),
        stale_resolvers_ppm: (section.fraction("stale_resolvers", raw.stale_resolvers.leaf()))
            .unwrap_or(model.stale_resolvers_ppm),
        stale_ttl_us: section.duration("stale_ttl", raw.stale_ttl.leaf()).unwrap_or(model.stale_ttl_us),
        health_interval_us: (section.length("health_interval", raw.health_interval.leaf()))
            .unwrap_or(model.health_interval_us),
        health_threshold: threshold.and_then(|n| u32::try_from(n).ok()).unwrap_or(model.health_threshold),
    }
}

fn gateway(section: &Section<'_>, raw: &RawSystem, model: &Model) -> Gateway {
    let (raw, model) = (&raw.gateway, &model.gateway);
    Gateway {
        rate: section.whole_u32("rate", raw.rate.leaf(), 1, "requests per second").unwrap_or(model.rate),
        burst: section.whole_u32("burst", raw.burst.leaf(), 1, "requests").unwrap_or(model.burst),
    }
}

fn function(section: &Section<'_>, raw: &RawSystem, model: &Model) -> Function {
    let (raw, model) = (&raw.function, &model.function);
    let runtimes: Vec<String> = model.runtimes.keys().cloned().collect();
    let runtime = section.name("runtime", raw.runtime.leaf(), "a runtime of the stack", &runtimes);
    let range = (u64::from(model.memory_mb_min), u64::from(model.memory_mb_max));
    let memory = section.whole("memory", raw.memory.leaf(), range, "MB that the stack offers");
    let handler_cpu = section.length("handler_cpu", raw.handler_cpu.leaf());
    if handler_cpu.is_some_and(|us| us > 900_000_000) {
        section.key("handler_cpu").wrong("at most 15m, the longest that Lambda lets a function run");
    }
    let concurrency = section.whole_u32("concurrency", raw.concurrency.leaf(), 1, "concurrent executions");
    if concurrency.is_some_and(|n| n > CONCURRENCY_MAX) {
        section.key("concurrency").wrong("at most 500_000 concurrent executions");
    }
    let runtime = runtime.map_or(&model.runtime, |i| &runtimes[i]);
    let default_cpu_us = model.runtimes.get(runtime).map_or(model.handler_cpu_us, |runtime| runtime.handler_cpu_us);
    Function {
        runtime: runtime.clone(),
        memory_mb: memory.and_then(|mb| u32::try_from(mb).ok()).unwrap_or(model.memory_mb),
        concurrency: concurrency.unwrap_or(model.concurrency),
        handler_cpu_us: handler_cpu.and_then(|us| u32::try_from(us).ok()).unwrap_or(default_cpu_us),
    }
}

fn table(section: &Section<'_>, raw: &RawSystem, model: &Model) -> Table {
    let raw = &raw.table;
    let dax = section.choice("cache", raw.cache.leaf(), &[("none", false), ("dax", true)], &[]).unwrap_or(false);
    let ttl_us = section.duration("cache_ttl", raw.cache_ttl.leaf());
    if ttl_us.is_some() && !dax {
        section.key("cache_ttl").say("system.table.cache_ttl needs cache = \"dax\"");
    }
    let on_demand = raw.read_capacity.is_none() && raw.write_capacity.is_none();
    let (read, write) = if on_demand {
        (model.table.on_demand_read, model.table.on_demand_write)
    } else {
        (model.table.read_capacity, model.table.write_capacity)
    };
    let units = |key, leaf| section.whole_u32(key, leaf, 1, "units per second");
    Table {
        on_demand,
        read_capacity: units("read_capacity", raw.read_capacity.leaf()).unwrap_or(read),
        write_capacity: units("write_capacity", raw.write_capacity.leaf()).unwrap_or(write),
        dax_ttl_us: dax.then(|| ttl_us.unwrap_or(model.dax.ttl_us)),
    }
}

fn pipeline(section: &Section<'_>, raw: &RawPipeline, regions: &[String], model: &Model) -> Pipeline {
    let fixed = section.choice("model", raw.model.leaf(), &[("stages", false), ("fixed-lag", true)], &[]);
    if fixed.unwrap_or(false) {
        section.only(&["model", "lag"], "model \"fixed-lag\"");
        return Pipeline::FixedLag { lag_us: lags(section, raw, regions) };
    }
    section.only(&["model", "shards", "poll", "checkpoint_every"], "model \"stages\"");
    let shards = section.whole("shards", raw.shards.leaf(), (1, 10_000), "a number of shards");
    let poll_us = section.length("poll", raw.poll.leaf());
    let reads = u64::from(model.stream.reads_per_second);
    if poll_us.is_some_and(|us| us * reads < 1_000_000) {
        section.key("poll").wrong(format_args!(
            "at least {}: a shard is read {reads} times a second at most",
            show_duration(1_000_000 / reads)
        ));
    }
    Pipeline::Stages(Stages {
        shards: shards.and_then(|n| u16::try_from(n).ok()).unwrap_or(model.stream.shards),
        poll_us: poll_us.unwrap_or(model.stream.poll_us),
        checkpoint_every_us: (section.duration("checkpoint_every", raw.checkpoint_every.leaf()))
            .unwrap_or(model.stream.checkpoint_every_us),
    })
}

/// Lags by region index.
fn lags(section: &Section<'_>, raw: &RawPipeline, regions: &[String]) -> Vec<u64> {
    let at = section.key("lag");
    let by_region = match &raw.lag {
        Some(OrTable::Table(by_region)) => by_region,
        Some(OrTable::Single(lag)) => {
            return vec![section.duration("lag", lag.leaf()).unwrap_or(0); regions.len()];
        }
        None => {
            at.wrong("a duration, or a table of durations by region");
            return Vec::new();
        }
    };
    let mut lags = BTreeMap::new();
    for (name, lag) in by_region {
        if name != "default" && !regions.contains(name) {
            let near = suggestion(name, regions.iter().map(String::as_str));
            let entry = at.key(name);
            entry.say(format_args!("{} is for no region of this scenario{near}", entry.at));
        }
        lags.insert(name.as_str(), at.duration(name, lag.leaf()).unwrap_or(0));
    }
    let lag_of = |region: &String| {
        let lag = lags.get(region.as_str()).or_else(|| lags.get("default"));
        if lag.is_none() {
            at.say(format_args!("{} has no entry for {region:?} and none for \"default\"", at.at));
        }
        lag.copied().unwrap_or(0)
    };
    regions.iter().map(lag_of).collect()
}
