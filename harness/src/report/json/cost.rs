//! The bill.
//!
//! Not here: working it out.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Number;

use super::number;
use crate::{
    cost::{self, Bill},
    facts::prices::MONTH_US,
    report::Report,
};

#[derive(Debug, Serialize)]
pub(super) struct Cost {
    prices: &'static str,
    month_us: u64,
    month_requests: u64,
    run_nano_usd: u64,
    month_list_nano_usd: u64,
    month_nano_usd: u64,
    per_million_nano_usd: Option<u64>,
    services: BTreeMap<&'static str, u64>,
    lines: Vec<Line>,
    without_pipeline: bool,
    assumptions: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Line {
    item: &'static str,
    service: &'static str,
    unit: &'static str,
    run_units: Option<Number>,
    month_units: Option<Number>,
    free_units: Option<Number>,
    run_nano_usd: u64,
    month_list_nano_usd: u64,
    month_nano_usd: u64,
    month_nano_usd_by_region: Vec<u64>,
    confidence: &'static str,
}

/// `None` of a live run.
pub(super) fn cost(report: &Report) -> Option<Cost> {
    let bill = cost::bill(report.scenario, report.outcome)?;
    let mut services = BTreeMap::new();
    for line in &bill.lines {
        *services.entry(line.item.service()).or_default() += line.month_nano_usd;
    }
    let lines = bill.lines.iter().map(line).collect();
    let Bill { prices, month_requests, run_nano_usd, month_list_nano_usd, month_nano_usd, .. } = bill;
    Some(Cost {
        prices,
        month_us: MONTH_US,
        month_requests,
        run_nano_usd,
        month_list_nano_usd,
        month_nano_usd,
        per_million_nano_usd: bill.per_million_nano_usd,
        services,
        lines,
        without_pipeline: bill.without_pipeline,
        assumptions: bill.assumptions,
    })
}

fn line(line: &cost::Line) -> Line {
    let unit = line.item.unit();
    let units = |quanta: u128| number(quanta as f64 / unit.quanta as f64);
    Line {
        item: line.item.name(),
        service: line.item.service(),
        unit: unit.name,
        run_units: units(line.run_quanta),
        month_units: units(line.month_quanta),
        free_units: units(line.free_quanta),
        run_nano_usd: line.run_nano_usd,
        month_list_nano_usd: line.month_list_nano_usd,
        month_nano_usd: line.month_nano_usd,
        month_nano_usd_by_region: line.regions.clone(),
        confidence: line.confidence.name(),
    }
}
