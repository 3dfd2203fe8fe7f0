//! Runs whose outcome can be worked out by hand, to the last call, and identities that hold in every run without faults.
//! Not here: faults other than a reroute.
//!
//! With a constant lag of L and evenly spaced calls, a region's view at t holds the calls admitted up to and including
//! t - L, and a call is admitted while that is below the quota.

#[path = "support/run.rs"]
mod run;

use georush::{
    oracle::Status,
    outcome::Outcome,
    scenario::{Cause, Clients, Load, Tags},
};
use run::{broken, committed, read, run};

/// One country for each region of `article-10`, nearest to that region.
const HOMES: [(&str, &str); 10] = [
    ("us-east-1", "US"),
    ("us-west-2", "MX"),
    ("ca-central-1", "CA"),
    ("sa-east-1", "BR"),
    ("eu-west-1", "GB"),
    ("eu-central-1", "DE"),
    ("ap-south-1", "IN"),
    ("ap-southeast-1", "SG"),
    ("ap-southeast-2", "AU"),
    ("ap-northeast-2", "KR"),
];
const POLICIES: [&str; 2] = ["replicated", "replicated-plus-local"];

/// The head of a scenario whose capacities are never in the way.
fn head(seconds: u64, regions: &str, policy: &str, pipeline: &str, quota: u64) -> String {
    format!(
        "schema = 1\nquestion = \"How many?\"\nduration = \"{seconds}s\"\n\
         [system]\nstack = \"serverless-2018\"\n{regions}\nenforcement = \"{policy}\"\n\
         [system.table]\nread_capacity = 100_000\nwrite_capacity = 100_000\n\
         [pipeline]\n{pipeline}\n\
         [plans.plan]\nquota = {quota}\nwindow = \"day-utc\"\n"
    )
}

fn fixed(lag: &str) -> String {
    format!("model = \"fixed-lag\"\nlag = {lag}")
}

/// The same calls from each of the first regions of [`HOMES`], all by one key.
fn everywhere(regions: usize, per_second: u64) -> String {
    let group = |(index, (region, country)): (usize, &(&str, &str))| {
        let who = match index {
            0 => "identifier = \"api-key\"\nplan = \"plan\"",
            _ => "population = \"us-east-1\"",
        };
        format!(
            "[[clients]]\nname = \"{region}\"\n{who}\nexecutor = \"constant-arrival-rate\"\narrival = \"constant\"\n\
             rate = {per_second}\nfrom = {{ {country} = 1 }}\n"
        )
    };
    HOMES.iter().take(regions).enumerate().map(group).collect()
}

/// One busy key in Sydney, sent to Seoul after 100 seconds.
fn moved(policy: &str, lag: &str, quota: u64, rate: &str) -> Outcome {
    let regions = "regions = [\"us-east-1\", \"ap-southeast-2\", \"ap-northeast-2\"]";
    let text = head(600, regions, policy, &fixed(lag), quota)
        + &format!(
            "[[clients]]\nname = \"one\"\nidentifier = \"api-key\"\nplan = \"plan\"\nexecutor = \"constant-arrival-rate\"\n\
             arrival = \"constant\"\n{rate}\nfrom = {{ AU = 1 }}\n\
             [[faults]]\nat = \"100s\"\nlasts = \"500s\"\naction = \"reroute\"\n\
             from = \"ap-southeast-2\"\nto = \"ap-northeast-2\"\n"
        );
    let outcome = run(&read(&text));
    assert_eq!(broken(&outcome), Vec::<String>::new());
    outcome
}

/// Runs without a fault, and checks that whatever was not admitted was refused for quota.
fn quiet(text: &str) -> Outcome {
    let outcome = run(&read(text));
    assert_eq!(broken(&outcome), Vec::<String>::new(), "{text}");
    let findings = &outcome.findings;
    assert_eq!(findings.admitted + findings.rejected, outcome.requests, "{text}");
    assert_eq!((findings.count_error_absolute, findings.false_rejections.total()), (0, 0), "{text}");
    outcome
}

fn admitted(text: &str) -> u64 {
    quiet(text).findings.admitted
}

#[test]
fn sixty_thousand_calls_are_sixty_thousand_everywhere() {
    for policy in POLICIES {
        let findings = moved(policy, "\"5s\"", 100_000, "rate = 100").findings;
        assert_eq!((findings.admitted, findings.rejected, findings.central_count), (60_000, 0, 60_000), "{policy}");
        assert!(findings.regions.iter().all(|region| region.final_count == 60_000), "{policy}");
    }
}

#[test]
fn a_moved_key_passes_its_quota_by_what_the_lag_hides() {
    // Quota, then what each policy admits. `replicated`: quota + 100/s x 5 s - 1, wherever the calls go. With the region's
    // own part exact: only what Seoul cannot see yet of Sydney.
    for (quota, expected) in [(40_000, [40_499, 40_000]), (10_200, [10_699, 10_350]), (60_000, [60_000, 60_000])] {
        for (policy, expected) in POLICIES.into_iter().zip(expected) {
            let outcome = moved(policy, "\"5s\"", quota, "rate = 100");
            let refused = outcome.measure.select(&Tags::default()).causes[Cause::OverQuota as usize];
            assert_eq!(outcome.findings.admitted, expected, "{policy}, quota {quota}");
            assert_eq!(refused, 60_000 - expected, "{policy}, quota {quota}");
            assert_eq!(outcome.findings.over_admission, expected - quota, "{policy}, quota {quota}");
        }
    }
}

#[test]
fn other_rates_and_units_give_what_the_formula_says() {
    // 40/s written per minute; 4,000 calls before the move; 7 s hide 280. `replicated`: 4,100 + 280 - 1. Own part exact:
    // Seoul's n-th call sees n of its own and 4,000 + n - 279 of Sydney's: refused from the 190th on.
    let rate = "rate = 2_400\ntime_unit = \"1m\"";
    assert_eq!(moved(POLICIES[0], "\"7s\"", 4_100, rate).findings.admitted, 4_379);
    assert_eq!(moved(POLICIES[1], "\"7s\"", 4_100, rate).findings.admitted, 4_190);
}

#[test]
fn each_region_goes_by_its_own_lag() {
    let lags = |sydney: u32, seoul: u32| {
        format!("{{ ap-southeast-2 = \"{sydney}s\", ap-northeast-2 = \"{seoul}s\", default = \"60s\" }}")
    };
    let admitted =
        |sydney, seoul, quota| moved(POLICIES[0], &lags(sydney, seoul), quota, "rate = 100").findings.admitted;
    // Crossed in Seoul, which is 2 s behind.
    assert_eq!(admitted(5, 2, 10_200), 10_399);
    // Crossed in Sydney half a second before the move; Seoul is 8 s behind.
    assert_eq!(admitted(1, 8, 9_950), 10_749);
    // Sydney refuses its last 101 calls, and Seoul then admits 599 until it knows.
    assert_eq!(admitted(1, 8, 9_800), 9_899 + 599);
}

#[test]
fn ten_regions_pass_a_shared_quota_by_their_number() {
    for (policy, expected) in POLICIES.into_iter().zip([64_990, 64_500]) {
        let text = head(120, "region_set = \"article-10\"", policy, &fixed("\"5s\""), 60_000) + &everywhere(10, 100);
        let outcome = quiet(&text);
        assert_eq!(outcome.findings.admitted, expected, "{policy}");
        for (region, (name, _)) in HOMES.iter().enumerate() {
            let tags = Tags { region: Some(region), ..Tags::default() };
            assert_eq!(outcome.measure.select(&tags).requests(), 12_000, "{name}");
        }
    }
}

#[test]
fn ten_regions_with_ten_lags_pass_it_by_their_sum() {
    let lags: Vec<String> = HOMES.iter().enumerate().map(|(i, (name, _))| format!("{name} = \"{}s\"", i + 1)).collect();
    let lags = format!("{{ {} }}", lags.join(", "));
    for (policy, expected) in POLICIES.into_iter().zip([65_490, 64_950]) {
        let text = head(120, "region_set = \"article-10\"", policy, &fixed(&lags), 60_000) + &everywhere(10, 100);
        assert_eq!(admitted(&text), expected, "{policy}");
    }
}

#[test]
fn three_regions_with_three_lags() {
    // 9,000 are reached at the tick number 2,999 (three calls each 20 ms). `replicated`: region r refuses from tick
    // 2,999 + 50 L_r on. Own part exact: n + 2 (n - 50 L_r + 1) >= 9,000, so from tick 3,066, 3,133 and 3,266 on.
    let lags = "{ us-east-1 = \"2s\", us-west-2 = \"4s\", ca-central-1 = \"8s\" }";
    for (policy, expected) in POLICIES.into_iter().zip([9_697, 9_465]) {
        let regions = "regions = [\"us-east-1\", \"us-west-2\", \"ca-central-1\"]";
        let text = head(90, regions, policy, &fixed(lags), 9_000) + &everywhere(3, 50);
        assert_eq!(admitted(&text), expected, "{policy}");
    }
}

#[test]
fn a_hot_key_in_one_region_is_exact_with_its_own_part() {
    for (policy, expected) in POLICIES.into_iter().zip([64_999, 60_000]) {
        let text = head(120, "region_set = \"article-10\"", policy, &fixed("\"5s\""), 60_000) + &everywhere(1, 1_000);
        assert_eq!(admitted(&text), expected, "{policy}");
    }
}

#[test]
fn midnight_starts_a_new_count() {
    // 6,000 calls on either side of midnight, 5,000 and what the lag hides are admitted on each.
    for (policy, expected) in POLICIES.into_iter().zip([2 * 5_499, 2 * 5_000]) {
        let text = head(120, "region_set = \"article-10\"", policy, &fixed("\"5s\""), 5_000) + &everywhere(1, 100);
        let text = text.replace("schema = 1", "schema = 1\nstart = \"2018-11-23T23:59:00Z\"");
        assert_eq!(admitted(&text), expected, "{policy}");
    }
}

#[test]
fn no_lag_is_no_overshoot() {
    for policy in POLICIES {
        let text = head(60, "region_set = \"article-10\"", policy, &fixed("\"0s\""), 2_000) + &everywhere(1, 100);
        assert_eq!(admitted(&text), 2_000, "{policy}");
    }
}

#[test]
fn the_full_pipeline_counts_sixty_thousand_in_every_region() {
    for policy in POLICIES {
        for aggregation in ["cumulative", "add-then-checkpoint"] {
            let overrides = [format!("system.enforcement={policy}"), format!("system.aggregation={aggregation}")];
            let overrides = overrides.each_ref().map(String::as_str);
            let outcome = run(&committed("sixty-thousand", &overrides));
            let findings = &outcome.findings;
            assert_eq!(broken(&outcome), Vec::<String>::new());
            assert_eq!((findings.admitted, findings.central_count), (60_000, 60_000), "{overrides:?}");
            assert_eq!(findings.regions.len(), 10);
            for region in &findings.regions {
                assert_eq!(region.final_count, 60_000, "{overrides:?}");
                assert!(region.convergence_us.is_some(), "{overrides:?}");
            }
        }
    }
}

/// What the shapes below vary: arrivals, executor, window, start and pipeline.
fn shape(seed: u64) -> String {
    let pick = |of: &[&str], by: u64| of[(by % of.len() as u64) as usize].to_owned();
    let arrival = pick(&["poisson", "gamma(3)", "constant", "gamma(0.5)"], seed);
    let executor = pick(
        &[
            "executor = \"constant-arrival-rate\"\nrate = 25",
            "executor = \"ramping-arrival-rate\"\nstages = [{ duration = \"200s\", target = 60 }, { duration = \"200s\", target = 0 }]",
            "executor = \"diurnal\"\nrate = 25",
        ],
        seed / 4,
    );
    let (window, start, quota) = match seed % 5 {
        0 => ("day-utc", "2018-11-23T23:57:00Z", 250),
        1 => ("month-calendar", "2018-11-30T23:57:30Z", 400),
        2 => ("anchored-24h", "2018-11-23T12:00:00Z", 500),
        3 => ("day-utc", "2018-11-23T06:00:00Z", 300),
        _ => ("month-calendar", "2018-12-31T23:56:00Z", 150),
    };
    let pipeline = match seed % 3 {
        0 => fixed("{ eu-west-1 = \"1s\", sa-east-1 = \"20s\", default = \"6s\" }"),
        1 => "shards = 1".to_owned(),
        _ => "shards = 4\npoll = \"250ms\"".to_owned(),
    };
    let head = head(400, "region_set = \"article-10\"", POLICIES[0], &pipeline, quota)
        .replace("day-utc", window)
        .replace("schema = 1", &format!("schema = 1\nseed = {seed}\nstart = \"{start}\""));
    let group = |name: &str, who: &str, from: &str| {
        format!("[[clients]]\nname = \"{name}\"\n{who}\narrival = \"{arrival}\"\n{executor}\nfrom = {from}\n")
    };
    let owner = "identifier = \"api-key\"\nplan = \"plan\"\nkeys = 40\nzipf = 1.0";
    let other = "identifier = \"ip\"\nplan = \"plan\"\nkeys = 7";
    head + &group("a", owner, "\"world\"")
        + &group("b", "population = \"a\"", "{ AU = 2, KR = 1 }")
        + &group("c", other, "{ DE = 1, US = 1 }")
}

#[test]
fn over_admission_is_what_arrives_between_crossing_and_visibility() {
    let mut crossings = 0;
    for seed in 0..60 {
        let text = shape(seed);
        let findings = quiet(&text).findings;
        assert_eq!(findings.over_admission, findings.arrivals_before_visible, "seed {seed}");
        let identity = findings.invariants.iter().find(|i| i.id == "I-18").expect("the oracle knows it");
        assert!(findings.crossings == 0 || identity.status == Status::Held, "seed {seed}: {identity:?}");
        assert!(findings.regions.iter().all(|r| r.final_count == findings.admitted), "seed {seed}");
        crossings += findings.crossings;
    }
    assert!(crossings > 300, "{crossings} crossings are too few to say much");
}

#[test]
fn the_own_part_never_makes_it_worse() {
    for seed in 0..12 {
        let text = shape(seed);
        let with_own = text.replace("\"replicated\"", "\"replicated-plus-local\"");
        let (without, with) = (quiet(&text).findings, quiet(&with_own).findings);
        assert!(with.over_admission <= without.over_admission, "seed {seed}");
    }
}

/// Calls per second of a group at an instant, microseconds after the start.
fn rate(group: &Clients, at_us: u64) -> f64 {
    let Load::Segments(segments) = &group.load else { panic!("{} is a trace", group.name) };
    let mut begin_us = group.start_us;
    for segment in segments {
        if (begin_us..begin_us + segment.duration_us).contains(&at_us) {
            let done = (at_us - begin_us) as f64 / segment.duration_us as f64;
            return (segment.from + (segment.to - segment.from) * done) * 1e6 / segment.unit_us as f64;
        }
        begin_us += segment.duration_us;
    }
    0.0
}

#[test]
fn black_friday_peaks_at_four_point_four_times_the_hours_usual_load() {
    let scenario = committed("black-friday", &[]);
    let at_us = 16 * 3_600_000_000;
    let usual: f64 = scenario.clients.iter().filter(|c| c.name != "spike").map(|c| rate(c, at_us)).sum();
    let all: f64 = scenario.clients.iter().map(|c| rate(c, at_us)).sum();
    assert!((18.0..20.0).contains(&usual), "{usual}");
    assert!(all >= 4.4 * usual, "{all} is {} times {usual}", all / usual);

    // The stress has the same shape and, at its top, 100,000 a second over ten regions.
    let stress = committed("black-friday-stress", &[]);
    let at = |us| stress.clients.iter().map(|c| rate(c, us)).sum::<f64>();
    assert!((at(180_000_000) - 100_000.0).abs() < 1.0);
    assert!((at(180_000_000) / at(45_000_000) - 4.44).abs() < 0.01);
}
