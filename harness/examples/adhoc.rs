use georush::{facts, scenario::*, simulate};
use georush_core::{aggregator::Aggregation, edge::*, time::*, *};
fn base(regions: &[&str]) -> Scenario {
    let m = facts::model(Era::Y2018);
    Scenario {
        name: "x".into(),
        question: "?".into(),
        seed: 1,
        start: Timestamp::from_date(2018, 11, 23).unwrap(),
        duration_us: 600 * SECOND_US,
        system: System {
            stack: "serverless-2018".into(),
            era: Era::Y2018,
            regions: regions.iter().map(|s| s.to_string()).collect(),
            central: 0,
            enforcement: Enforcement::Replicated,
            aggregation: Aggregation::Cumulative,
            on_unavailable: OnUnavailable::Closed,
            dns: Dns {
                ttl_us: m.dns.ttl_us,
                stale_resolvers_ppm: m.dns.stale_resolvers_ppm,
                stale_ttl_us: m.dns.stale_ttl_us,
                health_interval_us: m.dns.health_interval_us,
                health_threshold: m.dns.health_threshold,
            },
            keep_alive_ppm: m.keep_alive_ppm,
            gateway: Gateway { rate: m.gateway.rate, burst: m.gateway.burst },
            function: Function {
                runtime: m.function.runtime.clone(),
                memory_mb: m.function.memory_mb,
                concurrency: m.function.concurrency,
                handler_cpu_us: m.function.handler_cpu_us,
            },
            table: Table { read_capacity: 100000, write_capacity: m.table.write_capacity, dax_ttl_us: None },
            pipeline: Pipeline::Stages(Stages {
                shards: 1,
                poll_us: m.stream.poll_us,
                checkpoint_every_us: m.stream.checkpoint_every_us,
            }),
        },
        plans: vec![NamedPlan { name: "b".into(), plan: Plan { quota: 40_000, window: WindowKind::DayUtc } }],
        populations: vec![Population {
            name: "p".into(),
            kind: IdentifierKind::ApiKey,
            plan: 0,
            size: 1,
            zipf_milli: 0,
        }],
        clients: vec![Clients {
            name: "c".into(),
            population: 0,
            start_us: 0,
            load: Load::Segments(vec![Segment {
                duration_us: 600 * SECOND_US,
                from: 100.0,
                to: 100.0,
                unit_us: SECOND_US,
            }]),
            arrival: Arrival::Constant,
            from: vec![(facts::country("AU").unwrap(), 1_000_000)],
        }],
        faults: vec![],
        thresholds: vec![],
        plots: vec![],
        hash: String::new(),
        overrides: vec![],
    }
}
struct O;
impl simulate::Observer for O {}
fn show(name: &str, s: &Scenario) {
    let t = std::time::Instant::now();
    let o = simulate::run(s, &mut O).unwrap();
    let e = t.elapsed().as_secs_f64();
    let f = &o.findings;
    println!(
        "{name}: req {} adm {} rej {} central {} oa {} max {:.3} ident {} cross {} fr {:?} ce {} dup {} loss {}/{} conv {:?} digest {:x} | {:.2}s {:.2} M/s ev {}",
        o.requests,
        f.admitted,
        f.rejected,
        f.central_count,
        f.over_admission,
        f.over_admission_max,
        f.arrivals_before_visible,
        f.crossings,
        f.false_rejections,
        f.count_error,
        f.duplicates,
        f.declared_loss,
        f.silent_loss,
        f.regions.iter().map(|r| r.convergence_us.map(|c| c / 1000)).collect::<Vec<_>>(),
        o.digest,
        e,
        o.requests as f64 / e / 1e6,
        o.events
    );
    for i in &f.invariants {
        if i.violations > 0 {
            println!("   {} {} {:?}", i.id, i.violations, i.first);
        }
    }
    let all = o.measure.select(&Tags::default());
    println!(
        "   lat p50 {} p99 {} causes {:?} cold {} stale p50 {} p99 {} fresh {}",
        all.latency.value_at_quantile(0.5),
        all.latency.value_at_quantile(0.99),
        all.causes,
        all.cold_starts,
        f.regions[0].staleness.value_at_quantile(0.5),
        f.regions[0].staleness.value_at_quantile(0.99),
        f.regions[0].fresh
    );
}
fn main() {
    let reg = ["us-east-1", "ap-southeast-2", "ap-northeast-2"];
    for enf in [Enforcement::Replicated, Enforcement::ReplicatedPlusLocal] {
        for (n, q, lag) in [("G0", 100_000, 5), ("G1", 40_000, 5), ("G2", 10_200, 5), ("G3", 60_000, 5)] {
            let mut s = base(&reg);
            s.system.enforcement = enf;
            s.plans[0].plan.quota = q;
            s.system.pipeline = Pipeline::FixedLag { lag_us: vec![lag * SECOND_US; 3] };
            s.faults = vec![Fault {
                at_us: 100 * SECOND_US,
                until_us: 600 * SECOND_US,
                action: FaultAction::Reroute { from: 1, to: 2 },
                line: 1,
            }];
            show(n, &s);
        }
        let mut s = base(&reg);
        s.system.enforcement = enf;
        s.plans[0].plan.quota = 60_000;
        s.system.pipeline = Pipeline::FixedLag { lag_us: vec![5 * SECOND_US; 3] };
        s.duration_us = 120 * SECOND_US;
        s.clients[0].load = Load::Segments(vec![Segment {
            duration_us: 120 * SECOND_US,
            from: 1000.0,
            to: 1000.0,
            unit_us: SECOND_US,
        }]);
        show("G5", &s);
        let mut s = base(&reg);
        s.system.enforcement = enf;
        show("full G1", &s);
    }
    let ten: Vec<&str> = facts::region_set("article-10").unwrap().iter().map(|s| s.as_str()).collect();
    let world: Vec<(usize, u32)> = {
        let c = facts::countries();
        let t: f64 = c.iter().map(|c| c.weight).sum();
        let mut v: Vec<(usize, u32)> = c.iter().enumerate().map(|(i, c)| (i, (c.weight / t * 1e6) as u32)).collect();
        let s: u32 = v.iter().map(|x| x.1).sum();
        v[0].1 += 1_000_000 - s;
        v
    };
    let mut s = base(&ten);
    s.duration_us = 30 * DAY_US;
    s.plans[0].plan = Plan { quota: 1500, window: WindowKind::DayUtc };
    s.populations =
        vec![Population { name: "k".into(), kind: IdentifierKind::ApiKey, plan: 0, size: 25_000, zipf_milli: 1000 }];
    s.clients[0].from = world.clone();
    s.clients[0].arrival = Arrival::Poisson;
    s.clients[0].load =
        Load::Segments(vec![Segment { duration_us: 30 * DAY_US, from: 25e6 / 30.0, to: 25e6 / 30.0, unit_us: DAY_US }]);
    if std::env::args().nth(1).as_deref() != Some("stress") {
        show("month", &s);
    }
    s.duration_us = 120 * SECOND_US;
    s.plans[0].plan.quota = 100_000;
    s.system.function.concurrency = 5000;
    s.system.table.write_capacity = 10000;
    s.system.gateway.rate = 20000;
    s.system.gateway.burst = 10000;
    s.system.pipeline = Pipeline::Stages(Stages { shards: 8, poll_us: 1_000_000, checkpoint_every_us: 10_000_000 });
    s.clients[0].load = Load::Segments(vec![Segment {
        duration_us: 120 * SECOND_US,
        from: 100_000.0,
        to: 100_000.0,
        unit_us: SECOND_US,
    }]);
    show("stress", &s);
}
