//! Bills worked out by hand.

use super::*;
use crate::{
    cost::{Consumed, OfRegion, OfStream},
    measure::{Measure, Parts, Sample},
    report::fixture,
    scenario::{Cause, Pipeline, Stages},
};

/// A day in three regions: `calls` answered in each, a million at most.
fn day(calls: u64) -> (Scenario, Outcome) {
    let (mut scenario, mut outcome) = (fixture::scenario(), fixture::outcome());
    scenario.duration_us = MONTH_US / 30;
    scenario.system.pipeline =
        Pipeline::Stages(Stages { shards: 1, poll_us: 1_000_000, checkpoint_every_us: 10_000_000 });
    outcome.measure = Measure::new(3, 2, scenario.duration_us);
    for region in 0..3 {
        for _ in 0..calls {
            let sample = Sample { region, clients: 0, cause: None, answered: true };
            outcome.measure.record(sample, &Parts::default());
        }
    }
    outcome.requests = 3 * calls;
    outcome.consumed = Some(Consumed {
        regions: vec![OfRegion { function_steps: calls, reads: calls, rows: 7, lines: calls }; 3],
        queries: 100,
        stream: Some(OfStream { shards: 1, put_units: 50 }),
    });
    (scenario, outcome)
}

fn of(bill: &Bill, item: Item) -> &Line {
    bill.lines.iter().find(|line| line.item == item).expect("the bill has it")
}

#[test]
fn a_line_is_use_times_price_drawn_out_to_a_month() {
    let (scenario, outcome) = day(20_000);
    let bill = bill(&scenario, &outcome).expect("a simulated run has a bill");
    let gateway = of(&bill, Item::GatewayRequests);
    // Each region: 20,000 a day, 600,000 a month; 3.50, 3.70 and 3.50 dollars for a million.
    assert_eq!(gateway.regions, [2_100_000_000, 2_220_000_000, 2_100_000_000]);
    assert_eq!((gateway.month_nano_usd, gateway.month_list_nano_usd), (6_420_000_000, 6_420_000_000));
    assert_eq!(gateway.run_nano_usd, 214_000_000);
    // A shard for 720 hours at 0.015 dollars.
    assert_eq!(of(&bill, Item::StreamShards).month_nano_usd, 10_800_000_000);
    assert_eq!(of(&bill, Item::StreamPuts).month_nano_usd, 21_000);
    assert_eq!(bill.month_requests, 1_800_000);
    assert_eq!(bill.month_nano_usd, bill.lines.iter().map(|line| line.month_nano_usd).sum::<u64>());
    let per_million = bill.per_million_nano_usd.expect("there were requests");
    assert!((u128::from(per_million) * 18 / 10).abs_diff(bill.month_nano_usd.into()) <= 1);
}

#[test]
fn an_accounts_free_tier_is_taken_off_once() {
    let (scenario, outcome) = day(20_000);
    let bill = bill(&scenario, &outcome).expect("a simulated run has a bill");
    let requests = of(&bill, Item::FunctionRequests);
    assert_eq!((requests.month_quanta, requests.free_quanta), (1_800_000, 999_999));
    // 800,001 at 0.20 dollars a million: thirds of a million leave a request over.
    assert_eq!((requests.month_list_nano_usd, requests.month_nano_usd), (360_000_000, 160_000_200));
    // 1.8 million steps of 100 ms at 256 MB are 45,000 GB-seconds, and 400,000 are free.
    let compute = of(&bill, Item::FunctionCompute);
    assert_eq!((compute.month_quanta / 1_024_000, compute.month_nano_usd), (45_000, 0));
    assert_eq!(compute.free_quanta, compute.month_quanta);
    assert!(compute.month_list_nano_usd > 0);
}

#[test]
fn the_tables_of_the_free_tier_are_free_in_every_region_and_dearer_ones_are_not() {
    let (mut scenario, outcome) = day(1);
    let capacity = |scenario: &Scenario| {
        let bill = bill(scenario, &outcome).expect("a simulated run has a bill");
        of(&bill, Item::TableWriteCapacity).regions.clone()
    };
    assert_eq!(capacity(&scenario), [0, 0, 0]);
    scenario.system.table.write_capacity = 50;
    // 50 units for 720 hours, less 18,600 unit-hours, at the prices of three regions.
    assert_eq!(capacity(&scenario), [17_400 * 650_000, 17_400 * 793_000, 17_400 * 740_000]);
}

#[test]
fn tables_on_demand_are_charged_for_what_they_did() {
    let (mut scenario, outcome) = day(1_000);
    scenario.system.table.on_demand = true;
    let bill = bill(&scenario, &outcome).expect("a simulated run has a bill");
    assert!(bill.lines.iter().all(|line| line.item != Item::TableReadCapacity));
    // Eventually consistent reads are half a unit: 3 x 30,000 x 0.5 units at 0.25 dollars a million.
    assert_eq!(of(&bill, Item::TableReads).month_nano_usd, 11_250_000);
    assert_eq!(of(&bill, Item::TableWrites).month_nano_usd, 3 * 7 * 30 * 1_250);
}

#[test]
fn what_never_reached_a_service_is_not_on_its_line() {
    let (scenario, mut outcome) = day(10);
    for cause in Cause::ALL {
        let sample = Sample { region: 0, clients: 0, cause: Some(cause), answered: true };
        outcome.measure.record(sample, &Parts::default());
    }
    let bill = bill(&scenario, &outcome).expect("a simulated run has a bill");
    // Of nine causes, the outage and the gateway's own limit are not charged; three more never ran.
    assert_eq!(of(&bill, Item::GatewayRequests).run_quanta, 30 + 7);
    assert_eq!(of(&bill, Item::FunctionRequests).run_quanta, 30 + 4);
}

#[test]
fn a_bill_names_what_it_assumes_and_leaves_out() {
    let (scenario, mut outcome) = day(10);
    let told = bill(&scenario, &outcome).expect("a simulated run has a bill");
    assert!(told.assumptions.contains(&"prices-2018: billing.answer_bytes".to_owned()));
    assert!(told.assumptions.contains(&"prices-2018: logs-ingestion.usd.ap-southeast-2".to_owned()));
    assert!(!told.assumptions.iter().any(|path| path.contains("cache-nodes.usd")), "there is no DAX");
    assert_eq!(of(&told, Item::LogsIngestion).confidence, Confidence::Low);
    assert!(!told.without_pipeline);
    outcome.consumed.as_mut().expect("simulated").stream = None;
    let told = bill(&scenario, &outcome).expect("a simulated run has a bill");
    assert!(told.without_pipeline && told.lines.iter().all(|line| line.item != Item::StreamShards));
    outcome.consumed = None;
    assert_eq!(bill(&scenario, &outcome), None);
}
