//! From what a run counted to quantities of what AWS charges for.
//!
//! Not here: prices.

use super::Consumed;
use crate::{
    facts::{
        self,
        prices::{Billing, Item},
    },
    measure::Cell,
    outcome::Outcome,
    scenario::{Cause, Scenario, Tags},
};

/// So much of an item, in the quanta of its unit, in a region or (`None`) nowhere in particular.
pub(super) type Quantity = (Option<usize>, u128);

/// An interval of health checks below this is an option that is charged for, microseconds.
const CHECK_INTERVAL_US: u64 = 30_000_000;

/// Everything that a run's items are counted from.
pub(super) struct Counted<'a> {
    scenario: &'a Scenario,
    consumed: &'a Consumed,
    billing: &'a Billing,
    /// What was measured, by region index.
    cells: Vec<Cell>,
}

impl<'a> Counted<'a> {
    pub(super) fn new(scenario: &'a Scenario, outcome: &Outcome, consumed: &'a Consumed) -> Self {
        let cell = |region| outcome.measure.select(&Tags { region: Some(region), ..Tags::default() });
        let cells = (0..scenario.system.regions.len()).map(cell).collect();
        Self { scenario, consumed, billing: &facts::prices(scenario.system.era).billing, cells }
    }

    /// What the run used of an item; nothing if it has no such thing.
    pub(super) fn of(&self, item: Item) -> Vec<Quantity> {
        let system = &self.scenario.system;
        let duration_us = u128::from(self.scenario.duration_us);
        let regions = system.regions.len() as u128;
        let provisioned = |units: u32| if system.table.on_demand { 0 } else { u128::from(units) * duration_us };
        let on_demand = |units: u64| if system.table.on_demand { u128::from(units) } else { 0 };
        let cached = system.table.dax_ttl_us.is_some();
        match item {
            Item::GatewayRequests => self.by_region(|_, cell| gateway_requests(cell)),
            Item::FunctionRequests => self.by_region(|_, cell| calls(cell)),
            Item::FunctionCompute => {
                let mb_ms = u128::from(system.function.memory_mb) * u128::from(self.billing.duration_step_us) / 1_000;
                self.by_region(|region, _| u128::from(self.consumed.regions[region].function_steps) * mb_ms)
            }
            Item::TableReadCapacity => self.by_region(|_, _| provisioned(system.table.read_capacity)),
            Item::TableWriteCapacity => self.by_region(|_, _| provisioned(system.table.write_capacity)),
            Item::TableReads => self.by_region(|region, _| on_demand(self.consumed.regions[region].reads)),
            Item::TableWrites => self.by_region(|region, _| on_demand(self.consumed.regions[region].rows)),
            Item::CacheNodes if cached => self.by_region(|_, _| u128::from(self.billing.cache_nodes) * duration_us),
            Item::CacheNodes => Vec::new(),
            Item::LogsIngestion => self.by_region(|_, cell| {
                calls(cell) * u128::from(self.billing.log_call_bytes)
                    + u128::from(cell.ok) * u128::from(self.billing.log_line_bytes)
            }),
            Item::StreamShards => self.central(|stream| u128::from(stream.shards) * duration_us),
            Item::StreamPuts => self.central(|stream| u128::from(stream.put_units)),
            Item::CentreHost => self.central(|_| duration_us),
            Item::DnsZone => vec![(None, duration_us)],
            Item::DnsQueries => vec![(None, u128::from(self.consumed.queries))],
            Item::HealthChecks => vec![(None, regions * duration_us)],
            Item::HealthOptions => {
                let options = 1 + u128::from(system.dns.health_interval_us < CHECK_INTERVAL_US);
                vec![(None, regions * options * duration_us)]
            }
            Item::TransferOut => self.by_region(|_, cell| {
                let refusals = cell.requests() - cell.ok - cell.causes[Cause::RegionOutage as usize];
                u128::from(cell.ok) * u128::from(self.billing.answer_bytes)
                    + u128::from(refusals) * u128::from(self.billing.refusal_bytes)
            }),
            Item::TransferBetween => self.transfer_between(),
        }
    }

    fn by_region(&self, of: impl Fn(usize, &Cell) -> u128) -> Vec<Quantity> {
        self.cells.iter().enumerate().map(|(region, cell)| (Some(region), of(region, cell))).collect()
    }

    fn central(&self, of: impl Fn(&super::OfStream) -> u128) -> Vec<Quantity> {
        self.consumed.stream.iter().map(|stream| (Some(self.scenario.system.central), of(stream))).collect()
    }

    /// Log lines to the centre, rows from it. What stays in the central region does not count.
    fn transfer_between(&self) -> Vec<Quantity> {
        let central = self.scenario.system.central;
        let line_bytes = u128::from(facts::model(self.scenario.system.era).logs.line_bytes);
        let far = || self.consumed.regions.iter().enumerate().filter(|(region, _)| *region != central);
        let rows: u128 = far().map(|(_, used)| u128::from(used.rows)).sum();
        let lines = far().map(|(region, used)| (Some(region), u128::from(used.lines) * line_bytes));
        let mut quantities: Vec<Quantity> = lines.collect();
        quantities.insert(0, (Some(central), rows * u128::from(self.billing.row_bytes)));
        quantities
    }
}

/// Source: API Gateway developer guide, pricing: what is throttled at the gateway is not charged; what reaches the integration is.
fn gateway_requests(cell: &Cell) -> u128 {
    let free = [Cause::RegionOutage, Cause::GatewayThrottled];
    u128::from(cell.requests()) - free.iter().map(|&cause| u128::from(cell.causes[cause as usize])).sum::<u128>()
}

/// Requests that a function ran for.
fn calls(cell: &Cell) -> u128 {
    let never_ran = [Cause::EdgeDown, Cause::ConcurrencyLimit, Cause::ScalingLimit];
    gateway_requests(cell) - never_ran.iter().map(|&cause| u128::from(cell.causes[cause as usize])).sum::<u128>()
}
