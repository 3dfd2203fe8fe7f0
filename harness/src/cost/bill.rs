//! A bill: quantities times prices, less what is free, for the run and for a month of runs like it.
//!
//! Not here: what was used ([`super::quantities`]).

use std::collections::BTreeSet;

use super::quantities::{Counted, Quantity};
use crate::{
    facts::{
        self,
        prices::{Book, Confidence, Item, MONTH_US, Price},
    },
    outcome::Outcome,
    scenario::Scenario,
};

/// What AWS would charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// Name of the price book.
    pub prices: &'static str,
    /// What was used at all, in the order of [`Item::ALL`].
    pub lines: Vec<Line>,
    /// Requests in the month.
    pub month_requests: u64,
    /// The run at list prices, without any free tier, nano-dollars.
    pub run_nano_usd: u64,
    /// The month at list prices, without any free tier, nano-dollars.
    pub month_list_nano_usd: u64,
    /// The month as charged, nano-dollars.
    pub month_nano_usd: u64,
    /// The month as charged, for a million requests, nano-dollars; `None` without requests.
    pub per_million_nano_usd: Option<u64>,
    /// Prices and sizes that it rests on and nobody documented: paths in the price book.
    pub assumptions: Vec<String>,
    /// Whether the pipeline is left out because a constant stood in its place.
    pub without_pipeline: bool,
}

/// What one item costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The item.
    pub item: Item,
    /// Used in the run, in quanta of the item's unit.
    pub run_quanta: u128,
    /// Used in the month, in quanta.
    pub month_quanta: u128,
    /// Of the month's, free, in quanta.
    pub free_quanta: u128,
    /// The run at list prices, nano-dollars.
    pub run_nano_usd: u64,
    /// The month at list prices, nano-dollars.
    pub month_list_nano_usd: u64,
    /// The month as charged, nano-dollars.
    pub month_nano_usd: u64,
    /// The same by region index; empty for what belongs to no region.
    pub regions: Vec<u64>,
    /// That of the least trusted price in it.
    pub confidence: Confidence,
}

/// The bill of a simulated run; `None` of a live one.
#[must_use]
pub fn bill(scenario: &Scenario, outcome: &Outcome) -> Option<Bill> {
    let consumed = outcome.consumed.as_ref()?;
    let book = facts::prices(scenario.system.era);
    let counted = Counted::new(scenario, outcome, consumed);
    let mut assumed: BTreeSet<String> = book.assumptions.iter().cloned().collect();
    let priced = |item| line(scenario, book, item, &counted.of(item), &mut assumed);
    let lines: Vec<Line> = Item::ALL.into_iter().filter_map(priced).collect();
    let sum = |of: fn(&Line) -> u64| lines.iter().map(of).sum();
    let month_requests = month(scenario, u128::from(outcome.requests));
    let month_nano_usd: u64 = sum(|line| line.month_nano_usd);
    let per_million = (u128::from(month_nano_usd) * 1_000_000 + month_requests / 2).checked_div(month_requests);
    Some(Bill {
        prices: book.name,
        run_nano_usd: sum(|line| line.run_nano_usd),
        month_list_nano_usd: sum(|line| line.month_list_nano_usd),
        month_nano_usd,
        month_requests: narrow(month_requests),
        per_million_nano_usd: per_million.map(narrow),
        assumptions: assumed.into_iter().map(|path| format!("{}: {path}", book.name)).collect(),
        without_pipeline: consumed.stream.is_none(),
        lines,
    })
}

/// One item's line; `None` if nothing of it was used.
fn line(
    scenario: &Scenario,
    book: &Book,
    item: Item,
    used: &[Quantity],
    assumed: &mut BTreeSet<String>,
) -> Option<Line> {
    let used: Vec<Quantity> = used.iter().copied().filter(|&(_, quanta)| quanta > 0).collect();
    let total: u128 = used.iter().map(|&(_, quanta)| quanta).sum();
    let month_total: u128 = used.iter().map(|&(_, quanta)| month(scenario, quanta)).sum();
    let granted = u128::from(book.free(item)) * item.unit().quanta;
    let mut line = Line {
        item,
        run_quanta: total,
        month_quanta: month_total,
        free_quanta: 0,
        run_nano_usd: 0,
        month_list_nano_usd: 0,
        month_nano_usd: 0,
        regions: Vec::new(),
        confidence: Confidence::High,
    };
    for &(region, quanta) in &used {
        let (price, listed_as) = book.price(item, region.map(|r| scenario.system.regions[r].as_str()));
        let of_month = month(scenario, quanta);
        // What an account has for nothing is taken from its regions in proportion to their use.
        let free = if item.is_free_by_region() { granted } else { granted * of_month / month_total };
        let free = free.min(of_month);
        let charged = charge(item, price, of_month - free);
        line.free_quanta += free;
        line.run_nano_usd += charge(item, price, quanta);
        line.month_list_nano_usd += charge(item, price, of_month);
        line.month_nano_usd += charged;
        line.confidence = line.confidence.min(price.confidence);
        if price.assumed {
            assumed.insert(format!("{}.usd.{listed_as}", item.name()));
        }
        if let Some(region) = region {
            line.regions.resize(scenario.system.regions.len(), 0);
            line.regions[region] += charged;
        }
    }
    (total > 0).then_some(line)
}

/// A quantity of the run, drawn out to a month, rounded up.
fn month(scenario: &Scenario, quanta: u128) -> u128 {
    (quanta * u128::from(MONTH_US)).div_ceil(u128::from(scenario.duration_us.max(1)))
}

/// Nano-dollars, rounded to the nearest.
fn charge(item: Item, price: Price, quanta: u128) -> u64 {
    let for_quanta = item.unit().quanta * item.unit().per;
    narrow((quanta * u128::from(price.nano_usd) + for_quanta / 2) / for_quanta)
}

/// A bill of more than 18 billion dollars stays there.
fn narrow(nano_usd: u128) -> u64 {
    u64::try_from(nano_usd).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
