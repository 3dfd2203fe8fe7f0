//! The run over time: one array per column, one element per bucket.
//!
//! Not here: which columns a plot wants.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    measure::series::{Point, RegionPoint, Series},
    scenario::{Cause, Scenario},
};

#[derive(Debug, Serialize)]
pub(super) struct Columns<'a> {
    width_us: u64,
    buckets: usize,
    requests: Vec<u64>,
    refused: Vec<u64>,
    failed: Vec<u64>,
    latency_p50_us: Vec<u64>,
    latency_p99_us: Vec<u64>,
    admitted: Vec<u64>,
    stream_backlog: Vec<u64>,
    causes: BTreeMap<&'static str, Vec<u64>>,
    regions: BTreeMap<&'a str, RegionColumns>,
}

#[derive(Debug, Serialize)]
struct RegionColumns {
    requests: Vec<u64>,
    refused: Vec<u64>,
    failed: Vec<u64>,
    visible: Vec<u64>,
    replication_lag: Vec<u64>,
    staleness_max_us: Vec<u64>,
}

pub(super) fn columns<'a>(scenario: &'a Scenario, series: &Series) -> Columns<'a> {
    let points = series.points();
    let column = |value: &dyn Fn(&Point) -> u64| points.iter().map(value).collect();
    let sum = |value: fn(&RegionPoint) -> u64| column(&|point| point.regions.iter().map(value).sum());
    let region = |index: usize| {
        let column = |value: fn(&RegionPoint) -> u64| column(&|point| value(&point.regions[index]));
        RegionColumns {
            requests: column(|r| r.requests),
            refused: column(|r| r.refused),
            failed: column(|r| r.failed),
            visible: column(|r| r.visible),
            replication_lag: column(|r| r.replication_lag),
            staleness_max_us: column(|r| r.staleness_us_max),
        }
    };
    let names = scenario.system.regions.iter().map(String::as_str).enumerate();
    Columns {
        width_us: series.width_us(),
        buckets: points.len(),
        requests: sum(|r| r.requests),
        refused: sum(|r| r.refused),
        failed: sum(|r| r.failed),
        latency_p50_us: column(&|p| p.p50_us),
        latency_p99_us: column(&|p| p.p99_us),
        admitted: column(&|p| p.admitted),
        stream_backlog: column(&|p| p.stream_backlog),
        causes: Cause::ALL.map(|cause| (cause.name(), column(&|p| p.causes[cause as usize]))).into(),
        regions: names.map(|(index, name)| (name, region(index))).collect(),
    }
}
