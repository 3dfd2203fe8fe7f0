//! The same scenario and seed give the same run, and no scenario breaks the system. Not here: what single faults do.

#[path = "support/run.rs"]
mod run;

use georush::{
    facts,
    outcome::Outcome,
    scenario::{Cause, Tags},
    simulate::{self, Observer, seed::Seed},
};
use rand::{Rng, rngs::Xoshiro256PlusPlus};
use run::{broken, committed, read, run};

/// Everything of a run that a reader of its results can see, as text.
fn seen(outcome: &Outcome) -> String {
    let all = outcome.measure.select(&Tags::default());
    let latency: Vec<(u64, u64)> =
        all.latency.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value())).collect();
    format!("{:x} {latency:?} {:?}", outcome.digest, outcome)
}

#[derive(Default)]
struct Watching {
    blocks: Vec<u64>,
    wanted: Option<usize>,
    lines: Vec<String>,
}

impl Observer for Watching {
    fn block(&mut self, digest: u64) {
        self.blocks.push(digest);
    }

    fn wanted(&self) -> Option<usize> {
        self.wanted
    }

    fn decision(&mut self, line: String) {
        self.lines.push(line);
    }
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_last_bucket() {
    for name in ["aggregator-crash", "region-outage", "replication-stall"] {
        let scenario = committed(name, &[]);
        assert_eq!(seen(&run(&scenario)), seen(&run(&scenario)), "{name}");
    }
}

#[test]
fn another_seed_gives_another_run() {
    let mut scenario = committed("duplicate-delivery", &["duration=6m", "faults[0].lasts=1m"]);
    let digests: Vec<u64> = (0..8)
        .map(|seed| {
            scenario.seed = seed;
            run(&scenario).digest
        })
        .collect();
    let mut distinct = digests.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), digests.len(), "{digests:x?}");
}

#[test]
fn watching_a_run_does_not_change_it() {
    let scenario = committed("aggregator-crash", &[]);
    let plain = run(&scenario);
    let mut watching = Watching { wanted: Some(2), ..Watching::default() };
    let watched = simulate::run(&scenario, &mut watching).expect("nobody stops the run");
    assert_eq!(seen(&plain), seen(&watched));
    assert_eq!(watching.blocks.len() as u64, plain.requests.div_ceil(simulate::BLOCK).max(1) - 1);
    assert_eq!(watching.lines.len() as u64, simulate::BLOCK);
}

/// Draws scenarios.
struct Dice(Xoshiro256PlusPlus);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }

    fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn regions(&mut self) -> Vec<&'static str> {
        let mut all: Vec<&str> = facts::regions().iter().map(|region| region.name.as_str()).collect();
        (0..self.between(1, 6)).map(|_| all.swap_remove(self.below(all.len()))).collect()
    }

    fn from(&mut self) -> String {
        if self.below(3) == 0 {
            return "\"world\"".to_owned();
        }
        let all = facts::countries();
        let country = |dice: &mut Self| format!("{} = {}", all[dice.below(all.len())].code, dice.between(1, 9));
        let mut countries: Vec<String> = (0..self.between(1, 4)).map(|_| country(self)).collect();
        countries.sort();
        countries.dedup_by(|a, b| a[..2] == b[..2]);
        format!("{{ {} }}", countries.join(", "))
    }

    fn clients(&mut self, name: &str) -> String {
        let identifier = self.one(&["api-key", "ip", "referer"]);
        let plan = self.one(&["a", "b"]);
        let (keys, zipf) = (self.between(1, 200), self.one(&["0", "0.8", "1.2"]));
        let arrival = self.one(&["constant", "poisson", "gamma(4)", "gamma(0.4)"]);
        let rate = self.between(1, 30);
        let executor = match self.below(3) {
            0 => format!("\"constant-arrival-rate\"\nrate = {rate}"),
            1 => format!("\"diurnal\"\nrate = {rate}"),
            _ => format!(
                "\"ramping-arrival-rate\"\nstages = [{{ duration = \"1m\", target = {rate} }}, {{ duration = \"2m\", target = 1 }}]"
            ),
        };
        let from = self.from();
        format!(
            "[[clients]]\nname = \"{name}\"\nidentifier = \"{identifier}\"\nplan = \"{plan}\"\nkeys = {keys}\nzipf = {zipf}\n\
             arrival = \"{arrival}\"\nexecutor = {executor}\nfrom = {from}\n"
        )
    }

    /// A fault. Each of a scenario has a minute of its own, since the same action on the same target may not overlap.
    fn fault(&mut self, minute: usize, regions: &[&str]) -> String {
        let (region, other) = (regions[self.below(regions.len())], regions[self.below(regions.len())]);
        let (edge, replicator) = (
            format!("node = \"edge\"\nregion = \"{region}\""),
            format!("node = \"replicator\"\nregion = \"{region}\""),
        );
        let node = match self.below(3) {
            0 => edge,
            1 => replicator,
            _ => "node = \"aggregator\"".to_owned(),
        };
        let part = self.one(&["0", "\"1%\"", "\"30%\""]);
        let at = format!("at = \"{}s\"\n", 60 * minute + self.between(1, 15));
        let lasts = format!("lasts = \"{}s\"\n", self.between(1, 40));
        let keys = match self.below(14) {
            0 => format!("{lasts}action = \"region-outage\"\nregion = \"{region}\""),
            1 if region != other => format!("{lasts}action = \"reroute\"\nfrom = \"{region}\"\nto = \"{other}\""),
            1 | 2 => format!("{lasts}action = \"kill\"\n{node}"),
            3 => format!("action = \"restart\"\n{node}"),
            4 => format!("{lasts}action = \"pause\"\n{node}"),
            5 => format!("{lasts}action = \"partition\"\nregion = \"{region}\""),
            6 => format!("{lasts}action = \"delay\"\nregion = \"{region}\"\nby = \"{}s\"", self.between(1, 20)),
            7 => format!("{lasts}action = \"duplicate\"\nrate = {part}"),
            8 => {
                let service = self.one(&["gateway", "function", "table-reads", "table-writes"]);
                format!(
                    "{lasts}action = \"throttle\"\nservice = \"{service}\"\nregion = \"{region}\"\nremains = {part}"
                )
            }
            9 => format!("{lasts}action = \"throttle\"\nservice = \"stream\"\nremains = {part}"),
            10 => format!("{lasts}action = \"replication-pause\"\nregion = \"{region}\""),
            11 => format!("{lasts}action = \"log-skip\"\nregion = \"{region}\""),
            12 => format!("{lasts}action = \"dns-stale\"\nfraction = {part}"),
            _ => format!("action = \"cold-flush\"\nregion = \"{region}\""),
        };
        format!("[[faults]]\n{at}{keys}\n")
    }

    fn pipeline(&mut self) -> String {
        let (shards, poll, checkpoint) = (self.between(1, 4), self.between(200, 2_000), self.between(1, 30));
        format!("shards = {shards}\npoll = \"{poll}ms\"\ncheckpoint_every = \"{checkpoint}s\"")
    }

    fn scenario(&mut self, seed: u64, aggregation: &str) -> String {
        let regions = self.regions();
        let windows = ["day-utc", "anchored-24h", "month-calendar"];
        let start = self.one(&["2018-11-23", "2018-11-30T23:57:00Z", "2018-12-31T23:58:00Z", "2018-11-23T11:00:00Z"]);
        let stack = self.one(&["serverless-2018", "serverless-now"]);
        let enforcement = self.one(&["replicated", "replicated-plus-local"]);
        let unavailable = self.one(&["\"open\"", "\"closed\"", "{ safe = 10 }"]);
        let table =
            self.one(&["", "cache = \"dax\"\ncache_ttl = \"10s\"\n", "read_capacity = 5\nwrite_capacity = 5\n"]);
        let (first, second) = (self.between(10, 300), self.between(50, 3_000));
        let plans = format!(
            "[plans.a]\nquota = {first}\nwindow = \"{}\"\n[plans.b]\nquota = {second}\nwindow = \"{}\"\n",
            self.one(&windows),
            self.one(&windows)
        );
        let pipeline = self.pipeline();
        let groups: String = (0..self.between(1, 3)).map(|n| self.clients(&format!("group-{n}"))).collect();
        let faults: String = (0..self.below(5)).map(|minute| self.fault(minute, &regions)).collect();
        format!(
            "schema = 1\nquestion = \"Does it hold?\"\nseed = {seed}\nduration = \"5m\"\nstart = \"{start}\"\n\
             [system]\nstack = \"{stack}\"\nregions = {regions:?}\nenforcement = \"{enforcement}\"\n\
             aggregation = \"{aggregation}\"\non_unavailable = {unavailable}\n[system.table]\n{table}\
             [pipeline]\n{pipeline}\n{plans}{groups}{faults}"
        )
    }
}

/// What holds in every run, whatever happens in it.
fn sound(outcome: &Outcome, text: &str) {
    let all = outcome.measure.select(&Tags::default());
    let findings = &outcome.findings;
    assert_eq!(all.requests(), outcome.requests, "{text}");
    assert_eq!((all.ok, all.causes[Cause::OverQuota as usize]), (findings.admitted, findings.rejected), "{text}");
    for region in &findings.regions {
        assert!(region.convergence_us.is_some(), "a region never converged\n{text}");
        assert_eq!(region.final_count, findings.central_count, "{text}");
        // Nothing is older than the run and what it took to drain.
        assert!(region.staleness.max() <= outcome.simulated_us + outcome.simulated_us / 64, "{text}");
        assert!(region.crossing_lag.max() <= outcome.simulated_us + outcome.simulated_us / 64, "{text}");
    }
    let balance = findings.invariants.iter().find(|i| i.id == "I-22").expect("the oracle knows it");
    assert!(balance.checks > 0 && balance.violations == 0, "{balance:?}\n{text}");
}

#[test]
fn a_swarm_of_random_scenarios_breaks_nothing_where_counts_are_cumulative() {
    let (mut requests, mut crossings, mut failures) = (0, 0, 0);
    for seed in 0..120 {
        let text = Dice(Seed(seed).stream("swarm")).scenario(seed, "cumulative");
        let outcome = run(&read(&text));
        sound(&outcome, &text);
        let findings = &outcome.findings;
        assert_eq!(findings.duplicates, 0, "{text}");
        // Skipped lines of an origin that logs no more are lost, and the system knows.
        assert_eq!(findings.count_error, -((findings.declared_loss + findings.silent_loss) as i64), "{text}");
        if !text.contains("log-skip") {
            assert_eq!(findings.count_error_absolute, 0, "{text}");
            assert_eq!(broken(&outcome), Vec::<String>::new(), "{text}");
        }
        requests += outcome.requests;
        crossings += findings.crossings;
        failures += outcome.measure.select(&Tags::default()).failures();
    }
    assert!(requests > 300_000 && crossings > 500 && failures > 1_000, "{requests}, {crossings}, {failures}");
}

#[test]
fn a_swarm_of_random_scenarios_is_sound_where_costs_are_added() {
    let mut duplicates = 0;
    for seed in 0..60 {
        let text = Dice(Seed(1_000 + seed).stream("swarm")).scenario(seed, "add-then-checkpoint");
        let outcome = run(&read(&text));
        sound(&outcome, &text);
        duplicates += outcome.findings.duplicates;
    }
    assert!(duplicates > 0, "no run repeated anything");
}
