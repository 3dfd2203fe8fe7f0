//! The bill in a few lines, a service each.
//!
//! Not here: working it out.

use super::{Paint, hanging, heading};
use crate::{
    cost::{Bill, Line, bill},
    report::{Report, format},
};

pub(super) fn block(report: &Report, paint: Paint) -> String {
    let Some(bill) = bill(report.scenario, report.outcome) else { return String::new() };
    let mut out = format!("{}  a month of such runs, at list prices of AWS\n", heading("COST", paint));
    for lines in bill.lines.chunk_by(|a, b| a.item.service() == b.item.service()) {
        out += &service(lines, paint);
    }
    let per_million = bill.per_million_nano_usd.map_or_else(|| "no data".to_owned(), format::dollars);
    let total = format::dollars(bill.month_nano_usd);
    let told = format!("{per_million} per million requests; {}", basis(&bill));
    out += &format!("  {:<16}{}  {}\n", "all", paint.bold(&format!("{total:>10}")), hanging(&told, 30));
    out
}

/// For example `Lambda  $8.55  24,998,000 requests, 625,000 GB-seconds`.
fn service(lines: &[Line], paint: Paint) -> String {
    let nano_usd: u64 = lines.iter().map(|line| line.month_nano_usd).sum();
    let shown = match nano_usd {
        0 => "free".to_owned(),
        charged => format::dollars(charged),
    };
    let used: Vec<String> = lines.iter().map(used).collect();
    let name = lines.first().map_or("", |line| line.item.service());
    format!("  {} {shown:>10}  {}\n", paint.dim(&format!("{name:<15}")), hanging(&used.join(", "), 30))
}

fn used(line: &Line) -> String {
    let unit = line.item.unit();
    let units = line.month_quanta as f64 / unit.quanta as f64;
    let shown = if line.month_quanta.is_multiple_of(unit.quanta) {
        format::count(units as u64)
    } else {
        format::significant(units)
    };
    let name = match unit.name {
        "queries" if units == 1.0 => "query",
        name if units == 1.0 && !name.starts_with("GB ") => name.strip_suffix('s').unwrap_or(name),
        name => name,
    };
    format!("{shown} {name}")
}

/// What the bill rests on.
fn basis(bill: &Bill) -> String {
    let free = bill.month_list_nano_usd - bill.month_nano_usd;
    let pipeline = if bill.without_pipeline { ", without a pipeline" } else { "" };
    let assumed = format::plural(bill.assumptions.len() as u64, "assumption");
    format!("{}, {} free, {assumed}{pipeline}", bill.prices, format::dollars(free))
}
