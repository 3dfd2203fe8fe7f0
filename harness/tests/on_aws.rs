//! Commands on emulated AWS, as processes: every role by its backend file, killed and started again, and what can be asked
//! afterwards. `system/aws/tests/emulated/run` starts the emulator.
//!
//! Not here: the adapters by themselves, which `system/aws/tests` has.

#![cfg(all(unix, feature = "aws"))]
// Real processes take real time.
#![allow(clippy::disallowed_methods)]

#[path = "support/cluster.rs"]
mod support;

use georush_aws::Aws;
use georush_system::{
    backend::{Backend, config::Config},
    key,
    pipeline::now,
};
use support::{Cluster, eventually};

const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn every_command_works_on_a_backend_of_aws_and_counts_are_exact_through_kills() {
    let name = format!("commands-{}", std::process::id());
    let backend = format!(
        "backend = \"aws\"\n[aws]\ncreate = true\nstream = \"{name}\"\n[aws.central]\nregion = \"us-east-1\"\ntable = \
         \"{name}-central\"\n[aws.regions.eu-west-1]\ntable = \"{name}-eu\"\n[aws.regions.us-east-1]\ntable = \"{name}-us\"\n"
    );
    let mut cluster = Cluster::on("on-aws", &backend);
    let key = cluster.key.clone();
    let rows = |cluster: &Cluster, arguments: &[&str]| -> Vec<serde_json::Value> {
        let (worked, told) = cluster.run(&[arguments, &["--format", "json"]].concat());
        assert!(worked, "{told}");
        serde_json::from_str(&told).expect(&told)
    };
    let used = |cluster: &Cluster| -> u64 {
        let rows = rows(cluster, &["usage", "key", &key, "--plans", "plans.toml"]);
        rows.iter().map(|row| row["used"].as_u64().expect("a number")).sum()
    };
    let Config::Aws(settings) = Config::parse(&backend, "b.toml").expect("it is right") else { panic!("it is aws") };
    let aws = Aws::open(settings).expect("the emulator is there");
    let subject = key::identifier(&key);
    let held = |region| aws.held(region, &subject).expect("read").and_then(|item| item.usage);
    let everywhere = |wanted| REGIONS.iter().all(|region| held(region).map_or(0, |usage| usage.total()) == wanted);

    // Edges first, one after the other: where two roles register a region at once, one's transaction is cancelled, after which moto's
    // change feed says nothing more to those who read it already.
    let mut edges = REGIONS.map(|region| cluster.edge(region, None));
    let (aggregator, replicator) = (cluster.aggregator(None), cluster.replicator(&REGIONS, None));
    let mut served = edges.iter_mut().map(|edge| edge.serve(&key, 20)).sum::<u64>();
    eventually("the counts of all edges", || used(&cluster) == served);
    eventually("the count in every region", || everywhere(served));

    aggregator.kill();
    replicator.kill();
    served += edges.iter_mut().map(|edge| edge.serve(&key, 10)).sum::<u64>();
    let (worked, told) = cluster.run(&["aggregator", "--from", "2017-11-24T00:00:00Z"]);
    assert!(!worked && told.contains("expected --from trim-horizon"), "{told}");
    let again = ["aggregator", "--from", "trim-horizon", "--poll", "5", "--lease", "300"];
    let (_aggregator, _replicator) = (cluster.start(&again, None), cluster.replicator(&REGIONS, None));
    served += edges.iter_mut().map(|edge| edge.serve(&key, 10)).sum::<u64>();
    eventually("the next ones go on, once the lease of the dead one is over", || used(&cluster) == served);
    eventually("the count in every region", || everywhere(served));

    let plan = &rows(&cluster, &["usage", "by-plan", "--plans", "plans.toml"])[0];
    assert_eq!((&plan["plan"], &plan["used"]), (&"p".into(), &served.into()));
    assert_eq!(rows(&cluster, &["usage", "export", "--plans", "plans.toml"]).len(), REGIONS.len());

    aws.sink().expect("opens").append(now(), &[(0, b"nonsense\n".to_vec())]).expect("written");
    let letters = |cluster: &Cluster| rows(cluster, &["dead-letters", "list"]);
    // moto shows a new item before all of it is there.
    eventually("a dead letter", || cluster.run(&["dead-letters", "list", "--format", "csv"]).1.contains("nonsense"));
    assert_eq!(letters(&cluster).len(), 1);
    let id = letters(&cluster)[0]["id"].as_str().expect("an id").to_owned();
    let (worked, told) = cluster.run(&["dead-letters", "replay", &id]);
    assert!(!worked && told.contains("0 replayed, 1 refused"), "{told}");
    let line = format!(
        r#"{{"v":1,"at":{},"subject":"ip:192.0.2.7","window":1,"region":0,"epoch":9,"lane":0,"sequence":1,"cumulative":3,"cost":3}}"#,
        now().0
    );
    let (worked, told) = cluster.run(&["dead-letters", "replay", &id, "--text", &line]);
    assert!(worked, "{told}");
    assert!(letters(&cluster).is_empty());
    eventually("its count", || cluster.run(&["usage", "export", "--format", "csv"]).1.contains("ip:192.0.2.7,"));
}
