//! Each fault has its effect, and only that. Not here: faults in combination (see `determinism.rs`).
//!
//! Unless a test says otherwise, callers in the United States, Australia and Korea make 20 calls a second each, for ten
//! minutes, to the region nearest to them, and no capacity or quota is in the way.

#[path = "support/run.rs"]
mod run;

use georush::{
    measure::Cell,
    outcome::Outcome,
    scenario::{Cause, Phase, Tags},
};
use run::{broken, committed, read, run};

const VIRGINIA: usize = 0;
const SYDNEY: usize = 1;
const SEOUL: usize = 2;
const REGIONS: [usize; 3] = [VIRGINIA, SYDNEY, SEOUL];
const SECOND_US: u64 = 1_000_000;

/// A quiet scenario with something added: to its `[system]`, and at its end.
fn scenario(system: &str, end: &str) -> String {
    let group = |name: &str, country: &str| {
        format!(
            "[[clients]]\nname = \"{name}\"\nidentifier = \"api-key\"\nplan = \"plan\"\nkeys = 5\n\
             executor = \"constant-arrival-rate\"\nrate = 20\nfrom = {{ {country} = 1 }}\n"
        )
    };
    let tables = if system.contains("[system.table]") {
        ""
    } else {
        "[system.table]\nread_capacity = 1_000\nwrite_capacity = 1_000\n"
    };
    "schema = 1\nquestion = \"What does it do?\"\nseed = 7\nduration = \"10m\"\n[plans.plan]\nquota = 1_000_000\nwindow = \"day-utc\"\n\
     [system]\nstack = \"serverless-2018\"\nregions = [\"us-east-1\", \"ap-southeast-2\", \"ap-northeast-2\"]\n"
        .to_owned()
        + &format!("{system}\n{tables}")
        + &group("americans", "US")
        + &group("australians", "AU")
        + &group("koreans", "KR")
        + end
}

fn fault(at: &str, lasts: &str, keys: &str) -> String {
    format!("[[faults]]\nat = \"{at}\"\nlasts = \"{lasts}\"\n{keys}\n")
}

/// Runs the quiet scenario with one fault, two minutes after the start, and checks what every fault leaves intact.
fn with(lasts: &str, keys: &str) -> Outcome {
    intact(&scenario("", &fault("2m", lasts, keys)))
}

/// Runs a scenario and checks that in the end every call is counted once, everywhere.
fn intact(text: &str) -> Outcome {
    let outcome = run(&read(text));
    let findings = &outcome.findings;
    assert_eq!(broken(&outcome), Vec::<String>::new());
    assert_eq!((findings.count_error_absolute, findings.duplicates), (0, 0));
    assert_eq!((findings.declared_loss, findings.silent_loss), (0, 0));
    for region in &findings.regions {
        assert_eq!(region.final_count, findings.admitted);
        assert!(region.convergence_us.is_some());
    }
    outcome
}

fn without() -> Outcome {
    intact(&scenario("", ""))
}

fn cell(outcome: &Outcome, region: usize, phase: Phase) -> Cell {
    outcome.measure.select(&Tags { region: Some(region), phase: Some(phase), ..Tags::default() })
}

fn failures(outcome: &Outcome) -> u64 {
    outcome.measure.select(&Tags::default()).failures()
}

/// Failures by this cause, and that there are no others and that they lie in `region` during the fault.
fn only(outcome: &Outcome, region: usize, cause: Cause) -> u64 {
    let failed = cell(outcome, region, Phase::During).causes[cause as usize];
    assert_eq!(failures(outcome), failed, "failures elsewhere or for other causes");
    failed
}

/// Greatest staleness of a decision in a region, seconds.
fn stalest_s(outcome: &Outcome, region: usize) -> u64 {
    outcome.findings.regions[region].staleness.max() / SECOND_US
}

/// Checks that the views of `stale` regions were this much older than in a run without faults, and the others' not.
fn stale_only(outcome: &Outcome, stale: &[usize], by_s: u64) {
    let quiet = without();
    for region in REGIONS {
        let (found, usual) = (stalest_s(outcome, region), stalest_s(&quiet, region));
        if stale.contains(&region) {
            assert!(found >= by_s, "region {region}: {found} s, expected {by_s} s or more");
        } else {
            assert!(found <= 2 * usual, "region {region}: {found} s, usually {usual} s");
        }
    }
}

#[test]
fn without_faults_nothing_fails() {
    let outcome = without();
    assert_eq!(failures(&outcome), 0);
    assert_eq!(outcome.measure.select(&Tags::default()).requests(), outcome.requests);
    for region in REGIONS {
        let cell = cell(&outcome, region, Phase::Before);
        assert!(cell.requests().abs_diff(12_000) < 600, "region {region}: {}", cell.requests());
        assert!(cell.cold_starts * 100 < cell.requests(), "region {region}: {} cold starts", cell.cold_starts);
        // The pipeline's stages add up to about 8 s in the median and 75 s at the 99th percentile.
        assert!((4..90).contains(&stalest_s(&outcome, region)));
    }
}

/// Share of requests from Australia's region that failed between two instants, seconds after the start.
fn failed_share(outcome: &Outcome, from_s: u64, to_s: u64) -> f64 {
    let series = &outcome.measure.series;
    let width_s = series.width_us() / SECOND_US;
    let points = &series.points()[(from_s / width_s) as usize..(to_s / width_s) as usize];
    let failed: u64 = points.iter().map(|p| p.causes[Cause::RegionOutage as usize]).sum();
    // Australians are a third of all callers.
    let all: u64 = points.iter().flat_map(|p| &p.regions).map(|r| r.requests).sum();
    3.0 * failed as f64 / all as f64
}

#[test]
fn an_outage_lasts_until_health_checks_and_dns_have_moved_the_callers() {
    let outcome = with("6m", "action = \"region-outage\"\nregion = \"ap-southeast-2\"");
    assert!(only(&outcome, SYDNEY, Cause::RegionOutage) > 1_500);
    // Three checks of 30 s; then answers of 60 s run out one after the other.
    assert!((0.9..1.1).contains(&failed_share(&outcome, 120, 210)));
    assert!((0.2..0.8).contains(&failed_share(&outcome, 220, 260)));
    // The 8.74 % of resolvers that stretch answers to ten minutes remain.
    assert!((0.02..0.15).contains(&failed_share(&outcome, 280, 340)));
    assert!(failed_share(&outcome, 480, 600) == 0.0);
    assert!(cell(&outcome, SEOUL, Phase::During).requests() > cell(&without(), SEOUL, Phase::Before).requests() / 2);
}

#[test]
fn stale_resolvers_hold_callers_in_a_lost_region() {
    let outage = fault("2m", "6m", "action = \"region-outage\"\nregion = \"ap-southeast-2\"");
    let stale = fault("1m", "8m", "action = \"dns-stale\"\nfraction = 1");
    let free = intact(&scenario("", &outage));
    let held = intact(&scenario("", &(outage + &stale)));
    assert!(failures(&held) > 2 * failures(&free));
    assert!((0.9..1.1).contains(&failed_share(&held, 300, 480)));
    assert_eq!(failed_share(&held, 490, 600), 0.0);
    assert_eq!(cell(&held, SEOUL, Phase::During).failures(), 0);
}

#[test]
fn stale_resolvers_alone_do_nothing() {
    let outcome = with("4m", "action = \"dns-stale\"\nfraction = 1");
    assert_eq!(failures(&outcome), 0);
    stale_only(&outcome, &[], 0);
}

#[test]
fn a_reroute_moves_callers_at_once_and_back() {
    let outcome = with("4m", "action = \"reroute\"\nfrom = \"ap-southeast-2\"\nto = \"ap-northeast-2\"");
    assert_eq!(failures(&outcome), 0);
    assert_eq!(cell(&outcome, SYDNEY, Phase::During).requests(), 0);
    assert!(cell(&outcome, SYDNEY, Phase::After).requests() > 4_000);
    let australians = |phase| {
        let tags = Tags { clients: Some(1), phase: Some(phase), ..Tags::default() };
        outcome.measure.select(&tags).latency.value_at_quantile(0.5)
    };
    assert!(australians(Phase::During) > australians(Phase::Before) + 100_000, "Seoul is 157 ms from Sydney");
    stale_only(&outcome, &[], 0);
}

#[test]
fn a_dead_edge_fails_its_own_region_and_starts_cold() {
    let outcome = with("1m", "action = \"kill\"\nnode = \"edge\"\nregion = \"ap-southeast-2\"");
    let failed = only(&outcome, SYDNEY, Cause::EdgeDown);
    assert!(failed.abs_diff(1_200) < 150, "{failed}");
    assert!(cell(&outcome, SYDNEY, Phase::After).cold_starts > 0);
    stale_only(&outcome, &[], 0);
}

#[test]
fn a_restarted_edge_fails_nobody_and_counts_on() {
    for policy in ["replicated", "replicated-plus-local"] {
        let restart = "[[faults]]\nat = \"2m\"\naction = \"restart\"\nnode = \"edge\"\nregion = \"ap-southeast-2\"\n";
        let outcome = intact(&scenario(&format!("enforcement = \"{policy}\""), restart));
        assert_eq!(failures(&outcome), 0);
        let cold = |o: &Outcome| cell(o, SYDNEY, Phase::Before).cold_starts + cell(o, SYDNEY, Phase::After).cold_starts;
        assert!(cold(&outcome) > cold(&without()));
    }
}

#[test]
fn a_dead_or_paused_aggregator_makes_every_view_old_and_nothing_else() {
    for action in ["kill", "pause"] {
        let outcome = with("2m", &format!("action = \"{action}\"\nnode = \"aggregator\""));
        assert_eq!(failures(&outcome), 0);
        stale_only(&outcome, &REGIONS, 115);
        assert!(outcome.measure.series.points().iter().any(|p| p.stream_backlog > 5_000), "{action}");
    }
}

#[test]
fn a_dead_or_paused_replicator_makes_one_regions_views_old() {
    let keys = [
        "action = \"kill\"\nnode = \"replicator\"",
        "action = \"pause\"\nnode = \"replicator\"",
        "action = \"replication-pause\"",
    ];
    for keys in keys {
        let outcome = with("2m", &format!("{keys}\nregion = \"ap-southeast-2\""));
        assert_eq!(failures(&outcome), 0);
        stale_only(&outcome, &[SYDNEY], 115);
    }
}

#[test]
fn paused_replication_everywhere_makes_every_view_old() {
    stale_only(&with("2m", "action = \"replication-pause\""), &REGIONS, 115);
}

#[test]
fn a_paused_edge_answers_late_and_then_as_before() {
    let outcome = with("10s", "action = \"pause\"\nnode = \"edge\"\nregion = \"ap-southeast-2\"");
    assert_eq!(failures(&outcome), 0);
    assert!(cell(&outcome, SYDNEY, Phase::During).latency.value_at_quantile(0.5) > 3 * SECOND_US);
    assert!(cell(&outcome, SYDNEY, Phase::During).latency.max() < 14 * SECOND_US);
    assert!(cell(&outcome, SYDNEY, Phase::After).latency.value_at_quantile(0.5) < SECOND_US / 10);
    assert!(cell(&outcome, SEOUL, Phase::During).latency.value_at_quantile(0.5) < SECOND_US / 10);
}

#[test]
fn a_long_pause_of_an_edge_times_out() {
    let outcome = with("1m", "action = \"pause\"\nnode = \"edge\"\nregion = \"ap-southeast-2\"");
    let failed = only(&outcome, SYDNEY, Cause::Timeout);
    // Whoever comes in the first 31 s waits for longer than the gateway's 29 s.
    assert!(failed.abs_diff(31 * 20) < 120, "{failed}");
}

#[test]
fn a_partition_cuts_a_region_off_from_counts_and_from_nothing_else() {
    let outcome = with("3m", "action = \"partition\"\nregion = \"ap-southeast-2\"");
    assert_eq!(failures(&outcome), 0);
    // Sydney's lines do not come through either: the others' views of Sydney's keys would be old, but nobody else uses
    // those keys.
    stale_only(&outcome, &[SYDNEY], 175);
}

#[test]
fn a_longer_way_makes_one_regions_views_older_by_it() {
    let outcome = with("4m", "action = \"delay\"\nregion = \"ap-southeast-2\"\nby = \"20s\"");
    assert_eq!(failures(&outcome), 0);
    stale_only(&outcome, &[SYDNEY], 45);
    let median = |o: &Outcome| o.findings.regions[SYDNEY].staleness.value_at_quantile(0.9);
    assert!(median(&outcome) > median(&without()) + 20 * SECOND_US);
}

#[test]
fn duplicates_change_nothing_where_counts_are_cumulative() {
    let outcome = with("4m", "action = \"duplicate\"\nrate = 1");
    assert_eq!((failures(&outcome), outcome.findings.rejected), (0, 0));
    stale_only(&outcome, &[], 0);
}

#[test]
fn a_cut_gateway_refuses_with_429() {
    let cut = fault(
        "2m",
        "4m",
        "action = \"throttle\"\nservice = \"gateway\"\nregion = \"ap-southeast-2\"\nremains = \"10%\"",
    );
    let outcome = intact(&scenario("[system.gateway]\nrate = 100\nburst = 50", &cut));
    // 10 of 20 a second remain.
    let failed = only(&outcome, SYDNEY, Cause::GatewayThrottled);
    assert!(failed.abs_diff(2_400) < 250, "{failed}");
}

#[test]
fn a_cut_function_refuses_for_concurrency() {
    let keys = "action = \"throttle\"\nservice = \"function\"\nregion = \"ap-southeast-2\"\nremains = 0";
    let failed = only(&with("1m", keys), SYDNEY, Cause::ConcurrencyLimit);
    assert!(failed.abs_diff(1_200) < 150, "{failed}");
}

#[test]
fn cut_reads_refuse_once_the_saved_up_capacity_is_spent() {
    // 15 units are 30 reads a second, and 300 s of them are saved up: 20 a second last for less than eight minutes.
    let cut = fault(
        "30s",
        "9m",
        "action = \"throttle\"\nservice = \"table-reads\"\nregion = \"ap-southeast-2\"\nremains = 0",
    );
    let outcome = intact(&scenario("[system.table]\nread_capacity = 15\nwrite_capacity = 1_000", &cut));
    assert!(only(&outcome, SYDNEY, Cause::TableThrottled) > 500);
}

#[test]
fn unreadable_rows_are_decided_as_the_policy_says() {
    let cut = fault(
        "30s",
        "9m",
        "action = \"throttle\"\nservice = \"table-reads\"\nregion = \"ap-southeast-2\"\nremains = 0",
    );
    let refused = |policy: &str| {
        let system = format!("on_unavailable = {policy}\n[system.table]\nread_capacity = 15\nwrite_capacity = 1_000");
        failures(&intact(&scenario(&system, &cut)))
    };
    let (closed, open, safe) = (refused("\"closed\""), refused("\"open\""), refused("{ safe = 2_100 }"));
    assert_eq!(open, 0);
    assert!(safe > 0 && safe < closed, "{safe} of {closed}");
}

#[test]
fn cut_writes_make_one_regions_views_old() {
    // 300 s of 3 units are saved up, 900 writes; the 15 counts change about once a second.
    let cut = fault(
        "30s",
        "9m",
        "action = \"throttle\"\nservice = \"table-writes\"\nregion = \"ap-southeast-2\"\nremains = 0",
    );
    let outcome = intact(&scenario("[system.table]\nread_capacity = 1_000\nwrite_capacity = 3", &cut));
    assert_eq!(failures(&outcome), 0);
    stale_only(&outcome, &[SYDNEY], 300);
}

#[test]
fn a_cut_stream_makes_every_view_old_and_loses_nothing() {
    // One second's intake is saved up, 1 MB; 60 lines of 300 bytes a second use it in a minute.
    let outcome = with("4m", "action = \"throttle\"\nservice = \"stream\"\nremains = 0");
    assert_eq!(failures(&outcome), 0);
    stale_only(&outcome, &REGIONS, 170);
}

#[test]
fn skipped_lines_heal_where_counts_are_cumulative() {
    let outcome = with("1m", "action = \"log-skip\"\nregion = \"ap-southeast-2\"");
    assert_eq!(failures(&outcome), 0);
    // Until the first line after it.
    stale_only(&outcome, &[SYDNEY], 55);
}

#[test]
fn skipped_lines_are_a_declared_loss_where_costs_are_added() {
    let skip = fault("2m", "1m", "action = \"log-skip\"\nregion = \"ap-southeast-2\"");
    let outcome = run(&read(&scenario("aggregation = \"add-then-checkpoint\"", &skip)));
    let findings = &outcome.findings;
    assert!(findings.declared_loss.abs_diff(1_200) < 150, "{}", findings.declared_loss);
    assert_eq!((findings.silent_loss, findings.duplicates), (0, 0));
    assert_eq!(findings.count_error, -(findings.declared_loss as i64));
    assert_eq!(broken(&outcome), Vec::<String>::new(), "what is known to be lost breaks nothing");
}

#[test]
fn a_cold_flush_makes_one_region_start_anew() {
    let flush = "[[faults]]\nat = \"2m\"\naction = \"cold-flush\"\nregion = \"ap-southeast-2\"\n";
    let outcome = intact(&scenario("", flush));
    assert_eq!(failures(&outcome), 0);
    let quiet = without();
    let cold =
        |o: &Outcome, region| cell(o, region, Phase::After).cold_starts + cell(o, region, Phase::Before).cold_starts;
    assert!(cold(&outcome, SYDNEY) > cold(&quiet, SYDNEY));
    assert!(cold(&outcome, SEOUL).abs_diff(cold(&quiet, SEOUL)) <= 5);
}

#[test]
fn adding_counts_twice_what_a_crash_replays_or_delivery_repeats() {
    for name in ["aggregator-crash", "duplicate-delivery"] {
        let outcome = run(&committed(name, &["system.aggregation=add-then-checkpoint"]));
        let findings = &outcome.findings;
        assert!(findings.duplicates > 100, "{name}: {}", findings.duplicates);
        assert_eq!((findings.silent_loss, findings.declared_loss), (0, 0), "{name}");
        let broken = broken(&outcome).join("\n");
        assert!(broken.contains("I-06") && broken.contains("L-01"), "{name}: {broken}");
    }
}

#[test]
fn the_greatest_count_survives_a_crash_and_repeated_delivery() {
    for name in ["aggregator-crash", "duplicate-delivery", "replication-stall", "region-outage"] {
        let outcome = run(&committed(name, &[]));
        let findings = &outcome.findings;
        assert_eq!(broken(&outcome), Vec::<String>::new(), "{name}");
        assert_eq!((findings.count_error_absolute, findings.false_rejections.total()), (0, 0), "{name}");
        assert!(findings.regions.iter().all(|r| r.final_count == findings.admitted), "{name}");
    }
}
