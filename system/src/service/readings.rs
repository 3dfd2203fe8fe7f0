//! What the HTTP server and the pipeline count, as readings for `/metrics`.
//!
//! Not here: what an API counts of its own requests.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::{
    api::{Reading, Readings},
    http::{Counters, Server},
    pipeline::{AggregatorCounters, Pipeline, ReplicatorCounters},
};

/// The readings of one region.
pub(super) fn of_region(region: &str, server: &Server, pipeline: &Pipeline) -> Readings {
    let http = server.counters();
    let pipeline = of_pipeline(pipeline, |name| name == region);
    Box::new(move || {
        let mut all = of_http(&http);
        all.extend(pipeline());
        all
    })
}

/// The readings of a pipeline: its aggregator, if it has one, and the replicators of some regions.
pub(super) fn of_pipeline(pipeline: &Pipeline, region: impl Fn(&str) -> bool) -> Readings {
    let aggregator = pipeline.aggregator().cloned();
    let replicators = pipeline.replicators().iter().filter(|(name, _)| region(name));
    let replicators: Vec<_> = replicators.cloned().collect();
    Box::new(move || {
        let mut all: Vec<_> = aggregator.iter().flat_map(|counters| of_aggregator(counters)).collect();
        all.extend(of_replicators(&replicators));
        all
    })
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn flag(flag: &AtomicBool) -> f64 {
    f64::from(u8::from(flag.load(Ordering::Relaxed)))
}

fn of_http(counters: &Counters) -> Vec<Reading> {
    let seen = counters.read();
    let ended = [
        ("slow-handshake", seen.slow_handshakes),
        ("failed-handshake", seen.failed_handshakes),
        ("slow-head", seen.slow_heads),
        ("slow-body", seen.slow_bodies),
        ("slow-reader", seen.slow_readers),
        ("idle", seen.idle),
        ("turned-away", seen.turned_away),
    ];
    vec![
        Reading::gauge("connections", "Connections that are open.", seen.open as f64),
        Reading::counter("connections_accepted", "Connections since the start.", seen.accepted),
        Reading {
            name: "connections_ended",
            help: "Connections that the server ended, and why.",
            counter: true,
            values: ended.iter().map(|(why, count)| (vec![("why", (*why).to_owned())], *count as f64)).collect(),
        },
    ]
}

fn of_aggregator(counters: &AggregatorCounters) -> Vec<Reading> {
    vec![
        Reading::gauge("aggregator_active", "Whether this process counts, or stands by.", flag(&counters.active)),
        Reading::counter("aggregator_events", "Usage events taken in, repeated ones too.", read(&counters.events)),
        Reading::counter("aggregator_counted", "Cost by which central counts grew.", read(&counters.counted)),
        Reading::counter("aggregator_dead_letters", "Lines that were none.", read(&counters.dead_letters)),
        Reading::counter("aggregator_late", "Updates of windows that are no longer kept.", read(&counters.late)),
        Reading::gauge("aggregator_missing_lines", "Log lines known to be missing.", read(&counters.missing) as f64),
        Reading::gauge("aggregator_lag_records", "Records not counted yet.", read(&counters.lag) as f64),
        Reading::counter("aggregator_failures", "Turns that failed.", read(&counters.failures)),
    ]
}

fn of_replicators(replicators: &[(String, Arc<ReplicatorCounters>)]) -> Vec<Reading> {
    if replicators.is_empty() {
        return Vec::new();
    }
    let each = |name, help, counter, value: fn(&ReplicatorCounters) -> f64| {
        let of = |(region, counters): &(String, Arc<ReplicatorCounters>)| {
            (vec![("region", region.clone())], value(counters))
        };
        Reading { name, help, counter, values: replicators.iter().map(of).collect() }
    };
    vec![
        each("replicator_written", "Groups put into the region's table.", true, |c| read(&c.written) as f64),
        each("replicator_lag_changes", "Central changes not in the region yet.", false, |c| read(&c.lag) as f64),
        each("replicator_held_back", "Whether nothing is published for now.", false, |c| flag(&c.held_back)),
        each("replicator_repaired", "Items that differed from the central ones.", true, |c| read(&c.repaired) as f64),
        each("replicator_refusals", "Writes that the region refused.", true, |c| read(&c.refusals) as f64),
        each("replicator_failures", "Turns that failed otherwise.", true, |c| read(&c.failures) as f64),
    ]
}
