//! The whole pipeline over whatever AWS's own conventions name as the endpoint; `emulated/run` starts emulators and names
//! them.
//!
//! Not here: what needs no server.

mod ceiling;
mod served;
mod way;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use georush_aws::Aws;
use georush_core::{Identifier, Origin, Status, SubjectId, Timestamp, UsageEvent, Version, WindowId};
use georush_system::{
    backend::{Backend, config::Config},
    item::{Account, Item, Usage},
    key,
    pipeline::{
        Aggregator, AggregatorCounters, From, Joined, Pipeline, Replicator, ReplicatorCounters, Settings, join, now,
    },
    store::{Batch, Error},
    usage::Line,
};
use way::{DEAD, GARBAGE, SLOW, THROTTLED, WELL, WITHOUT_ANSWERS, WITHOUT_CHECKPOINTS, Way};

/// A name of the test's own, so that tests share a server.
fn unique(name: &str) -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("{name}-{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn backend(name: &str, more: &str) -> Arc<Aws> {
    of_name(&unique(name), more)
}

/// Everything on AWS, with names that begin with this one.
fn of_name(name: &str, more: &str) -> Arc<Aws> {
    let text = format!(
        "backend = \"aws\"\n[aws]\ncreate = true\nstream = \"{name}\"\n{more}\n[aws.central]\nregion = \"us-east-1\"\ntable = \
         \"{name}-central\"\n[aws.regions.us-east-1]\ntable = \"{name}-us\"\n[aws.regions.eu-west-1]\ntable = \"{name}-eu\"\n"
    )
    .replace("NAME", name);
    let Config::Aws(settings) = Config::parse(&text, "b.toml").expect("it is right") else { panic!("it is aws") };
    Arc::new(Aws::open(settings).expect("an emulator is named by AWS_ENDPOINT_URL"))
}

const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

fn quick() -> Settings {
    Settings { poll: Duration::from_millis(100), ..Settings::default() }
}

fn stranger(number: u32) -> Identifier {
    Identifier::from_ip(Ipv4Addr::from(0xC000_0200 + number).into())
}

/// An edge that admits everything, one line for each request.
struct Edge {
    joined: Joined,
    counts: BTreeMap<u32, u64>,
    lines: u64,
    /// The lines of the last append.
    last: Vec<Line>,
}

impl Edge {
    fn join(backend: &dyn Backend, region: &str) -> Self {
        Self { joined: join(backend, region).expect("it joins"), counts: BTreeMap::new(), lines: 0, last: Vec::new() }
    }

    fn admit(&mut self, subjects: impl IntoIterator<Item = u32>) {
        let mut lines = Vec::new();
        for subject in subjects {
            self.lines += 1;
            let cumulative = self.counts.entry(subject).or_default();
            *cumulative += 1;
            let event = UsageEvent {
                at: now(),
                sequence: self.lines,
                cumulative: *cumulative,
                subject: SubjectId(0),
                window: WindowId(1),
                origin: self.joined.origin,
                cost: 1,
                lane: 0,
            };
            lines.push(Line::new(&event, stranger(subject)));
        }
        self.joined.uplink.append(&lines).expect("written");
        self.last = lines;
    }
}

fn count(item: &Item) -> u64 {
    item.usage.as_ref().map_or(0, Usage::total)
}

fn central(backend: &dyn Backend, subject: &Identifier) -> u64 {
    count(&backend.accounts().and_then(|mut central| central.item(subject)).expect("read"))
}

fn regional(backend: &dyn Backend, region: &str, subject: &Identifier) -> u64 {
    count(&backend.held(region, subject).expect("read").expect("it has a table"))
}

/// Tries until it is so.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn aggregate_until(backend: &dyn Backend, what: &str, mut is_so: impl FnMut() -> bool) -> AggregatorCounters {
    let counters = AggregatorCounters::default();
    let mut aggregator = Aggregator::open(backend, quick()).expect("opens");
    eventually(what, || {
        aggregator.turn(now(), &counters).expect("it counts");
        is_so()
    });
    counters
}

#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn counts_reach_the_central_table_and_every_region_exactly_also_when_records_come_twice() {
    let backend = backend("exact", "");
    let mut edges = REGIONS.map(|region| Edge::join(&*backend, region));
    let total = |subject| central(&*backend, &stranger(subject));
    for round in 0..5 {
        edges[0].admit((0..40).map(|request| request % 4));
        edges[1].admit((0..20).map(|request| request % 4));
        if round == 2 {
            // An append whose answer was lost is repeated.
            let again = edges[0].last.clone();
            edges[0].joined.uplink.append(&again).expect("written");
            let counters = aggregate_until(&*backend, "half is counted", || total(0) == 45);
            assert_eq!(counters.dead_letters.load(Ordering::Relaxed), 0);
        }
    }
    aggregate_until(&*backend, "all is counted", || (0..4).all(|subject| total(subject) == 75));
    // Another life begins at the checkpoints and finds nothing new.
    let counters = AggregatorCounters::default();
    let mut second = Aggregator::open(&*backend, quick()).expect("opens");
    for _ in 0..4 {
        second.turn(now(), &counters).expect("it counts");
    }
    assert_eq!(counters.counted.load(Ordering::Relaxed), 0);
    for region in REGIONS {
        let counters = ReplicatorCounters::default();
        let mut replicator = Replicator::open(&*backend, region, quick()).expect("opens");
        eventually("the region has all counts", || {
            replicator.turn(now(), &counters).expect("it carries");
            (0..4).all(|subject| regional(&*backend, region, &stranger(subject)) == 75)
        });
    }
}

#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn what_changes_later_reaches_regions_and_edges_through_the_change_feeds() {
    let backend = backend("feeds", "");
    let mut edge = Edge::join(&*backend, "us-east-1");
    let shared: Arc<dyn Backend> = backend.clone();
    let pipeline = Pipeline::start(&shared, &REGIONS, quick()).expect("starts");
    for round in 1..=3 {
        edge.admit([1, 2]);
        eventually("the region has the count", || {
            REGIONS.iter().all(|region| regional(&*backend, region, &stranger(1)) == round)
        });
    }
    let mut seen = BTreeMap::new();
    let mut poll = |wanted: u64| {
        eventually("the edge sees the count", || {
            for item in edge.joined.feed.poll().expect("read") {
                seen.insert(item.subject.to_string(), count(&item));
            }
            seen.get(&stranger(2).to_string()) == Some(&wanted)
        });
    };
    poll(3);
    let event = UsageEvent {
        at: now(),
        sequence: 7,
        cumulative: 9,
        subject: SubjectId(0),
        window: WindowId(1),
        origin: edge.joined.origin,
        cost: 1,
        lane: 0,
    };
    edge.joined.uplink.append(&[Line::new(&event, stranger(2))]).expect("written");
    poll(9);
    pipeline.stop();
}

#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn lines_that_go_through_a_log_group_are_counted_and_what_is_no_line_is_put_aside() {
    let logs = "[aws.logs]\ngroup = \"/NAME/usage\"\nrole = \"arn:aws:iam::123456789012:role/logs\"";
    let backend = backend("logs", logs);
    let mut edge = Edge::join(&*backend, "eu-west-1");
    edge.admit([5, 5, 6]);
    aggregate_until(&*backend, "the lines are counted", || {
        central(&*backend, &stranger(5)) == 2 && central(&*backend, &stranger(6)) == 1
    });
}

#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn no_epoch_is_given_twice_however_many_edges_begin_at_once() {
    let backend = backend("epochs", "");
    let first = join(&*backend, "us-east-1").expect("joins").origin;
    let lives: Vec<_> = (0..6)
        .map(|_| {
            let backend = backend.clone();
            thread::spawn(move || (0..2).map(|_| join(&*backend, "us-east-1").expect("joins").origin).collect())
        })
        .collect();
    let mut epochs: Vec<Origin> =
        lives.into_iter().flat_map(|life| -> Vec<Origin> { life.join().expect("ends") }).collect();
    epochs.push(first);
    let number = epochs.len();
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!((epochs.len(), number), (13, 13));
    assert!(epochs.iter().all(|origin| origin.region == first.region));
    assert_ne!(join(&*backend, "eu-west-1").expect("joins").origin.region, first.region);
}

fn account(label: &str) -> Account {
    Account {
        plan: "business".into(),
        created: Timestamp(now().0),
        status: Status::Active,
        whitelist: None,
        label: label.into(),
        version: Version::default(),
    }
}

#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn an_account_is_made_once_and_each_change_is_newer() {
    let backend = backend("accounts", "");
    let mut central = backend.accounts().expect("opens");
    let (one, other) = (key::identifier("the first key"), key::identifier("the second key"));
    let made = central.sign_up(&one, &account("one")).expect("new");
    central.sign_up(&other, &account("other")).expect("new");
    let twice = central.sign_up(&one, &account("again")).expect_err("it is there");
    assert!(matches!(twice, Error::Exists(_)), "{twice}");
    let revoke = |account: &mut Account| account.status = Status::Revoked;
    let changed = central.change_account(&one, &revoke).expect("written").expect("there");
    assert!(changed.version > made && changed.status == Status::Revoked);
    assert_eq!(central.change_account(&one, &revoke).expect("nothing to write"), Some(changed));
    assert_eq!(central.change_account(&key::identifier("no key"), &revoke).expect("read"), None);
    let labels: Vec<_> = central.signed_up("key:").expect("read").into_iter().filter_map(|item| item.account).collect();
    assert_eq!(labels.iter().map(|account| &*account.label).collect::<Vec<_>>(), ["one", "other"]);
}

#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn whoever_lost_the_lease_moves_no_checkpoint() {
    let backend = backend("lease", "");
    let (mut first, mut stream) = backend.aggregation().expect("opens");
    let (mut second, _) = backend.aggregation().expect("opens");
    let lease = first.acquire(now(), 1_000_000).expect("written").expect("nobody has it");
    assert_eq!(second.acquire(now(), 1_000_000).expect("read"), None);
    let later = now().after(60_000_000);
    let taken = second.acquire(later, 1_000_000).expect("written").expect("it has ended");
    assert!(taken.token() > lease.token());
    let id = stream.id().to_owned();
    first.position(&id).expect("read");
    stream.shards().expect("read");
    let counted_at = Default::default();
    let batch =
        Batch { stream: &id, effects: &[], subjects: &[], counted_at: &counted_at, lanes: &[], dead_letters: &[] };
    assert!(matches!(first.apply(lease, now(), &batch), Err(Error::Fenced)));
    assert!(matches!(first.renew(lease, now()), Err(Error::Fenced)));
    second.renew(taken, later).expect("it is held");
}

#[test]
#[ignore = "needs an emulator that splits shards; system/aws/tests/emulated/run"]
fn resharding_counts_every_line_once() {
    let name = stream("split", 2);
    let backend = of_name(&name, "");
    let mut edge = Edge::join(&*backend, "us-east-1");
    edge.admit((0..30).map(|request| request % 3));
    kinesis(async |client| split_all(client, &name).await);
    edge.admit((0..30).map(|request| request % 3));
    let counted = || (0..3).map(|subject| central(&*backend, &stranger(subject))).sum::<u64>();
    let counters = aggregate_until(&*backend, "both sides of the split are counted", || counted() == 60);
    assert_eq!(counters.missing.load(Ordering::Relaxed), 0);
    kinesis(async |client| split_all(client, &name).await);
    edge.admit([0, 1, 2]);
    aggregate_until(&*backend, "another life goes on in the new shards", || counted() == 63);
}

/// As if the table were its own backup of before anything was counted.
fn restore_without_counts(table: &str, subject: &Identifier) {
    use aws_sdk_dynamodb::types::AttributeValue::S;
    let key = |pk: &str, sk: &str| [("pk".to_owned(), S(pk.to_owned())), ("sk".to_owned(), S(sk.to_owned()))].into();
    with_config(async |config| {
        let client = aws_sdk_dynamodb::Client::new(config);
        let update = |pk: &str, sk: &str| client.update_item().table_name(table).set_key(Some(key(pk, sk)));
        let forget = update(&subject.to_string(), "row").update_expression("REMOVE windows, usage_version");
        forget.send().await.expect("written");
        update("georush", "aggregation").update_expression("REMOVE shards").send().await.expect("written");
        let other = update("georush", "identity").update_expression("SET table_id = :a");
        other.expression_attribute_values(":a", S("another".to_owned())).send().await.expect("written");
    });
}

#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn a_restored_central_table_publishes_nothing_before_everything_is_counted_again() {
    let name = unique("restored");
    let backend = of_name(&name, "");
    let mut edge = Edge::join(&*backend, "us-east-1");
    edge.admit([1; 9]);
    let subject = stranger(1);
    aggregate_until(&*backend, "the count", || central(&*backend, &subject) == 9);
    let counters = ReplicatorCounters::default();
    let region = || regional(&*backend, "us-east-1", &subject);
    let replicate = |times: usize, backend: &Aws| {
        let mut replicator = Replicator::open(backend, "us-east-1", quick()).expect("opens");
        for _ in 0..times {
            replicator.turn(now(), &counters).expect("it carries, or waits");
            thread::sleep(Duration::from_millis(20));
        }
    };
    eventually("the region has the count", || {
        replicate(3, &backend);
        region() == 9
    });
    restore_without_counts(&format!("{name}-central"), &subject);
    // Whoever opens the table now finds out.
    let backend = of_name(&name, "");
    replicate(5, &backend);
    assert!(counters.held_back.load(Ordering::Relaxed));
    assert_eq!((central(&*backend, &subject), region()), (0, 9), "the region keeps what it has");
    edge.admit([1]);
    let accounts = || backend.accounts().expect("opens");
    let mut aggregator = Aggregator::open(&*backend, quick()).expect("opens");
    let counted = AggregatorCounters::default();
    eventually("all is counted again, and published", || {
        aggregator.turn(now(), &counted).expect("it counts");
        replicate(1, &backend);
        !counters.held_back.load(Ordering::Relaxed) && region() == 10
    });
    assert_eq!((count(&accounts().item(&subject).expect("read")), counted.missing.load(Ordering::Relaxed)), (10, 0));
}

#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn counting_again_changes_nothing_and_a_rebuilt_table_is_the_same_while_regions_keep_their_counts() {
    let backend = backend("again", "");
    let mut edge = Edge::join(&*backend, "us-east-1");
    edge.admit([1, 1, 1, 2, 2]);
    let counts = || [1, 2].map(|subject| central(&*backend, &stranger(subject)));
    let shown = || [1, 2].map(|subject| regional(&*backend, "us-east-1", &stranger(subject)));
    aggregate_until(&*backend, "the counts", || counts() == [3, 2]);
    let counters = ReplicatorCounters::default();
    let mut replicator = Replicator::open(&*backend, "us-east-1", quick()).expect("opens");
    let mut replicate = || replicator.turn(now(), &counters).map(drop).expect("it carries, or waits");
    eventually("the region has them", || {
        replicate();
        shown() == [3, 2]
    });

    backend.count_again(quick(), From::TrimHorizon).expect("nobody works");
    let read = AggregatorCounters::default();
    let mut aggregator = Aggregator::open(&*backend, quick()).expect("opens");
    eventually("all is read again", || {
        aggregator.turn(now(), &read).expect("it counts");
        read.events.load(Ordering::Relaxed) == 5
    });
    assert_eq!((read.counted.load(Ordering::Relaxed), counts()), (0, [3, 2]));
    drop(aggregator);
    let refused = backend.count_again(quick(), From::Sequence(1)).expect_err("not there").to_string();
    assert!(refused.contains("expected --from trim-horizon"), "{refused}");

    backend.rebuild(quick()).expect("nobody works");
    assert_eq!(counts(), [0, 0]);
    replicate();
    assert_eq!((counters.held_back.load(Ordering::Relaxed), shown()), (true, [3, 2]));
    edge.admit([2]);
    let counted = aggregate_until(&*backend, "all is counted anew", || counts() == [3, 3]);
    assert_eq!(counted.missing.load(Ordering::Relaxed), 0);
    eventually("the region has it", || {
        replicate();
        assert!(shown()[0] == 3 && shown()[1] >= 2, "it never shows less: {:?}", shown());
        shown() == [3, 3]
    });
}

/// Rows that were lost, altered or invented in a region are what the centre has again once the region reads all of it.
#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn a_region_whose_rows_were_damaged_is_repaired() {
    use aws_sdk_dynamodb::types::AttributeValue::{N, S};
    let name = unique("damaged");
    let backend = of_name(&name, "");
    let mut edge = Edge::join(&*backend, "us-east-1");
    edge.admit((1..=4).flat_map(|subject| [subject; 3]));
    aggregate_until(&*backend, "the counts", || (1..=4).all(|subject| central(&*backend, &stranger(subject)) == 3));
    let replicate = |backend: &Aws, wanted: u64| {
        let counters = ReplicatorCounters::default();
        let mut replicator = Replicator::open(backend, "us-east-1", quick()).expect("opens");
        eventually("the region has all counts", || {
            replicator.turn(now(), &counters).expect("it carries");
            (1..=4).all(|subject| regional(backend, "us-east-1", &stranger(subject)) == wanted)
        });
        counters.repaired.load(Ordering::Relaxed)
    };
    assert_eq!(replicate(&backend, 3), 0);
    let origin = format!("{}.{}", edge.joined.origin.region, edge.joined.origin.epoch);
    let table = format!("{name}-us");
    with_config(async |config| {
        let client = aws_sdk_dynamodb::Client::new(config);
        let row = |subject: u32| (S(stranger(subject).to_string()), S("row".to_owned()));
        let (pk, sk) = row(1);
        client.delete_item().table_name(&table).key("pk", pk).key("sk", sk).send().await.expect("lost");
        let (pk, sk) = row(2);
        let altered = client.update_item().table_name(&table).key("pk", pk).key("sk", sk);
        let altered = altered.update_expression("SET windows.#w.counts.#o = :a").expression_attribute_names("#w", "1");
        let altered = altered.expression_attribute_names("#o", &origin);
        altered.expression_attribute_values(":a", N("900".to_owned())).send().await.expect("altered");
        let (pk, sk) = row(3);
        let invented = client.update_item().table_name(&table).key("pk", pk).key("sk", sk);
        let invented = invented.update_expression("SET usage_version = :a, windows.#w.counts.#o = :b");
        let invented = invented.expression_attribute_names("#w", "1").expression_attribute_names("#o", &origin);
        let version = format!("{:010}-{:020}", 7, 7);
        let invented = invented.expression_attribute_values(":a", S(version));
        invented.expression_attribute_values(":b", N("1".to_owned())).send().await.expect("invented");
        let (pk, sk) = (S("georush".to_owned()), S("cursor".to_owned()));
        client.delete_item().table_name(&table).key("pk", pk).key("sk", sk).send().await.expect("lost");
    });
    assert_eq!(replicate(&of_name(&name, ""), 3), 2, "what was lost is put again, the others are repaired");
}

/// A stream of its own, of so many shards; its name.
fn stream(prefix: &str, shards: i32) -> String {
    let name = unique(prefix);
    kinesis(async |client| {
        client.create_stream().stream_name(&name).shard_count(shards).send().await.expect("it makes it");
        active(client, &name).await;
    });
    name
}

fn kinesis(work: impl AsyncFnOnce(&aws_sdk_kinesis::Client)) {
    with_config(async |config| work(&aws_sdk_kinesis::Client::new(config)).await);
}

fn with_config(work: impl AsyncFnOnce(&aws_config::SdkConfig)) {
    use aws_smithy_http_client::{Builder, tls::Provider, tls::rustls_provider::CryptoMode};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let loader = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http);
        work(&loader.load().await).await;
    });
}

async fn active(client: &aws_sdk_kinesis::Client, name: &str) {
    for _ in 0..100 {
        let summary = client.describe_stream_summary().stream_name(name).send().await.expect("it tells");
        let status = summary.stream_description_summary.map(|summary| summary.stream_status);
        if status == Some(aws_sdk_kinesis::types::StreamStatus::Active) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Splits every open shard in the middle.
async fn split_all(client: &aws_sdk_kinesis::Client, name: &str) {
    for shard in client.list_shards().stream_name(name).send().await.expect("it lists").shards.unwrap_or_default() {
        let closed = shard.sequence_number_range.is_some_and(|range| range.ending_sequence_number.is_some());
        if closed {
            continue;
        }
        let range = shard.hash_key_range.expect("a shard has one");
        let number = |text: &str| text.parse::<u128>().expect("a number");
        let middle = number(&range.starting_hash_key) / 2 + number(&range.ending_hash_key) / 2 + 1;
        let call = client.split_shard().stream_name(name).shard_to_split(&shard.shard_id);
        call.new_starting_hash_key(middle.to_string()).send().await.expect("it splits");
        active(client, name).await;
    }
}

/// What both roles say of a bad way, and that each goes on by itself when it is well again.
#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn aggregator_and_replicator_name_the_bad_endpoint_and_go_on_by_themselves() {
    let way = Way::new();
    let backend = backend("roles", &format!("endpoint = {:?}", way.url));
    let mut edge = Edge::join(&*backend, "us-east-1");
    let shared: Arc<dyn Backend> = backend.clone();
    let pipeline = Pipeline::start(&shared, &["us-east-1"], quick()).expect("starts");
    let failures = || {
        let counted = pipeline.aggregator().map_or(0, |counters| counters.failures.load(Ordering::Relaxed));
        let copied = &pipeline.replicators()[0].1;
        (counted, copied.failures.load(Ordering::Relaxed) + copied.refusals.load(Ordering::Relaxed))
    };
    let mut wanted = 0;
    for (bad, found) in [
        (DEAD, "connection"),
        (GARBAGE, "; is this the service's endpoint? Correct it"),
        (SLOW, "no answer in time; it is slow or out of reach, and will be asked again"),
        (THROTTLED, "ProvisionedThroughputExceededException: slow down; it will be asked again"),
    ] {
        edge.admit([1; 5]);
        wanted += 5;
        let before = failures();
        way.is.store(bad, Ordering::Relaxed);
        let told = backend.aggregation().map(drop).expect_err("it is bad").to_string();
        let named = format!("DynamoDB of us-east-1 at {}: DescribeTable failed: ", way.url);
        assert!(told.starts_with(&named) && told.contains(found), "{told}");
        eventually("both roles notice", || {
            let now = failures();
            now.0 > before.0 && now.1 > before.1
        });
        way.is.store(WELL, Ordering::Relaxed);
        eventually("all is counted and copied", || regional(&*backend, "us-east-1", &stranger(1)) == wanted);
    }
    pipeline.stop();
    assert_eq!(central(&*backend, &stranger(1)), wanted);
}

#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn counts_are_exact_although_checkpoints_fail_and_answers_get_lost() {
    let way = Way::new();
    let backend = backend("crash", &format!("endpoint = {:?}", way.url));
    let mut edge = Edge::join(&*backend, "us-east-1");
    let counters = AggregatorCounters::default();
    for (bad, wanted) in [(WITHOUT_CHECKPOINTS, 5), (WITHOUT_ANSWERS, 10), (DEAD, 15), (THROTTLED, 20)] {
        edge.admit((0..20).map(|request| request % 4));
        way.is.store(bad, Ordering::Relaxed);
        // As its thread would: after a failure all that was held in memory is gone. Leases of the dead are over at once.
        let later = || now().after(wanted * 60_000_000);
        eventually("it fails", || {
            let turns = Aggregator::open(&*backend, quick()).and_then(|mut aggregator| {
                thread::sleep(Duration::from_millis(300));
                aggregator.turn(later(), &counters)
            });
            turns.is_err()
        });
        if bad == WITHOUT_CHECKPOINTS {
            way.is.store(WELL, Ordering::Relaxed);
            assert_eq!(central(&*backend, &stranger(0)), wanted, "counts go first");
        }
        way.is.store(WELL, Ordering::Relaxed);
        let mut aggregator = Aggregator::open(&*backend, quick()).expect("it is well");
        eventually("all is counted", || {
            aggregator.turn(later().after(30_000_000), &counters).expect("it is well");
            (0..4).all(|subject| central(&*backend, &stranger(subject)) == wanted)
        });
    }
    assert_eq!(counters.missing.load(Ordering::Relaxed), 0);
}
