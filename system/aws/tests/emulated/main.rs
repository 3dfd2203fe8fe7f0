//! The whole pipeline over whatever AWS's own conventions name as the endpoint; `emulated/run` starts emulators and names
//! them.
//!
//! Not here: what needs no server.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use georush_aws::Aws;
use georush_core::{
    Identifier, Origin, Status, SubjectId, Timestamp, UsageEvent, Version, WindowId,
    edge::{Enforcement, OnUnavailable},
};
use georush_system::{
    address::Trusted,
    api::Dialects,
    backend::{Backend, config::Config},
    geo,
    http::Limits,
    item::{Account, Item},
    key,
    pipeline::{Aggregator, AggregatorCounters, Joined, Pipeline, Replicator, ReplicatorCounters, Settings, join, now},
    service::{self, Region, RowsFrom, Service, UsageLog},
    store::{Batch, Error},
    usage::Line,
};
use tokio::sync::watch;

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
    item.usage.iter().flat_map(|usage| &usage.components).map(|(_, value)| value).sum()
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
    let name = unique("split");
    kinesis(async |client| {
        client.create_stream().stream_name(&name).shard_count(2).send().await.expect("it makes it");
        active(client, &name).await;
    });
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

fn kinesis(work: impl AsyncFnOnce(&aws_sdk_kinesis::Client)) {
    use aws_smithy_http_client::{Builder, tls::Provider, tls::rustls_provider::CryptoMode};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let loader = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http);
        work(&aws_sdk_kinesis::Client::new(&loader.load().await)).await;
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

/// What the way to the endpoint is like.
const WELL: u8 = 0;
const DEAD: u8 = 1;
const GARBAGE: u8 = 2;
const SLOW: u8 = 3;
const THROTTLED: u8 = 4;
/// Transactions, and so checkpoints, don't get through.
const WITHOUT_CHECKPOINTS: u8 = 5;
/// Writes arrive, their answers don't.
const WITHOUT_ANSWERS: u8 = 6;

/// A way to the emulator that can be made bad.
struct Way {
    url: String,
    is: Arc<AtomicU8>,
}

impl Way {
    fn new() -> Self {
        let to = std::env::var("AWS_ENDPOINT_URL").expect("it names the emulator");
        let to = to.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let is = Arc::new(AtomicU8::new(WELL));
        let shared = Arc::clone(&is);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (is, to) = (Arc::clone(&shared), to.clone());
                thread::spawn(move || carry(client, &to, &is));
            }
        });
        Self { url, is }
    }
}

/// Carries one connection, a request at a time.
fn carry(mut client: TcpStream, to: &str, is: &AtomicU8) {
    let mut read = [0; 65_536];
    while let Ok(number @ 1..) = client.read(&mut read) {
        match is.load(Ordering::Relaxed) {
            DEAD => return,
            GARBAGE => {
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\nnot you");
                return;
            }
            THROTTLED => {
                let body = r#"{"__type":"x#ProvisionedThroughputExceededException","message":"slow down"}"#;
                let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length:";
                let _ =
                    client.write_all(format!("{head} {}\r\nconnection: close\r\n\r\n{body}", body.len()).as_bytes());
                return;
            }
            WITHOUT_CHECKPOINTS if asks(&read[..number], "TransactWriteItems") => return,
            SLOW => thread::sleep(Duration::from_secs(3)),
            _ => {}
        }
        let lost = is.load(Ordering::Relaxed) == WITHOUT_ANSWERS && asks(&read[..number], "UpdateItem");
        let Ok(mut server) = TcpStream::connect(to) else { return };
        if server.write_all(&read[..number]).is_err() {
            return;
        }
        // The rest of a long request, then the answer.
        let _ = client.set_read_timeout(Some(Duration::from_millis(5)));
        while let Ok(number @ 1..) = client.read(&mut read) {
            if server.write_all(&read[..number]).is_err() {
                return;
            }
        }
        let _ = client.set_read_timeout(None);
        let _ = server.set_read_timeout(Some(Duration::from_secs(10)));
        let mut answer = BufReader::new(server);
        let (mut head, mut length) = (Vec::new(), 0);
        while let Ok(1..) = answer.read_until(b'\n', &mut head) {
            let line = head.rsplit(|byte| *byte == b'\n').nth(1).unwrap_or_default();
            let line = String::from_utf8_lossy(line).to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        if answer.read_exact(&mut body).is_err()
            || lost
            || client.write_all(&head).and_then(|()| client.write_all(&body)).is_err()
        {
            return;
        }
    }
}

/// Whether a request is of this operation.
fn asks(request: &[u8], operation: &str) -> bool {
    String::from_utf8_lossy(request).contains(&format!(".{operation}\r\n"))
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

/// A service at work.
struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    _reload: watch::Sender<u64>,
    thread: thread::JoinHandle<()>,
}

impl Running {
    fn start(backend: Arc<dyn Backend>, rows: RowsFrom, on_unavailable: OnUnavailable) -> Self {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/GeoLite2-City-Test.mmdb");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = service::Settings {
            regions: vec![Region { name: "us-east-1".to_owned(), addresses: vec![any] }],
            backend,
            plans: None,
            geo: geo::Settings { files: vec![fixture], built_in: false, ..geo::Settings::default() },
            reload_every: Duration::from_secs(60),
            trusted: Trusted::new(vec!["127.0.0.0/8".parse().expect("a block")]),
            dialects: Dialects::default(),
            tls: None,
            usage_log: UsageLog::None,
            aggregate: true,
            replicate: true,
            enforcement: Enforcement::ReplicatedPlusLocal,
            on_unavailable,
            rows,
            rows_kept: Duration::from_secs(3),
            limits: Limits { drain_idle_time: Duration::from_millis(50), ..Limits::default() },
        };
        let service = Service::open(&settings).expect("it opens");
        let address = service.addresses().next().expect("one region").1[0];
        let ((stop, stopped), (reload, asked)) = (watch::channel(false), watch::channel(0));
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.expect("a runtime").block_on(service.run(stopped, asked)).expect("it runs");
        });
        Self { address, stop, _reload: reload, thread }
    }

    fn get(&self, path: &str) -> u16 {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    fn stop(self) {
        self.stop.send(true).expect("it listens");
        self.thread.join().expect("it ends");
    }
}

const PATH: &str = "/81.2.69.160?api-key=the-first-key";

#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn requests_are_served_counted_and_replicated_from_end_to_end() {
    let backend = backend("service", "");
    let subject = key::identifier("the-first-key");
    backend.accounts().and_then(|mut central| central.sign_up(&subject, &account(""))).expect("new");
    let service = Running::start(backend.clone(), RowsFrom::Memory, OnUnavailable::Open);
    eventually("the key arrives", || service.get("/readyz") == 200 && service.get(PATH) == 200);
    for _ in 0..60 {
        assert_eq!(service.get(PATH), 200);
    }
    eventually("all are counted", || central(&*backend, &subject) == 61);
    eventually("the region has the count", || regional(&*backend, "us-east-1", &subject) == 61);
    service.stop();
    assert_eq!(central(&*backend, &subject), 61);
}

/// What requests are answered while the way is bad, and how long the slowest takes; then the way is well again.
fn through_a_bad_way(rows: RowsFrom, policy: OnUnavailable, while_bad: u16) {
    let way = Way::new();
    let backend = backend("bad", &format!("endpoint = {:?}", way.url));
    let subject = key::identifier("the-first-key");
    backend.accounts().and_then(|mut central| central.sign_up(&subject, &account(""))).expect("new");
    let service = Running::start(backend.clone(), rows, policy);
    eventually("the key arrives", || service.get(PATH) == 200);
    let mut admitted = 1;
    for bad in [DEAD, GARBAGE, SLOW, THROTTLED] {
        way.is.store(bad, Ordering::Relaxed);
        eventually("it is noticed", || {
            admitted += u64::from(service.get(PATH) == 200);
            service.get("/readyz") == 503
        });
        for _ in 0..10 {
            let status = service.get(PATH);
            assert_eq!(status, while_bad, "{bad}");
            admitted += u64::from(status == 200);
        }
        way.is.store(WELL, Ordering::Relaxed);
        eventually("it is well again", || {
            admitted += u64::from(service.get(PATH) == 200);
            service.get("/readyz") == 200
        });
        eventually("and requests are served", || {
            let served = service.get(PATH) == 200;
            admitted += u64::from(served);
            served
        });
    }
    eventually("all that was admitted is counted", || central(&*backend, &subject) == admitted);
    service.stop();
}

#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn requests_are_served_by_policy_while_the_endpoint_is_bad_and_all_is_counted_once_it_is_well() {
    through_a_bad_way(RowsFrom::Memory, OnUnavailable::Open, 200);
}

#[test]
#[ignore = "needs an emulator; system/aws/tests/emulated/run"]
fn with_rows_from_the_table_a_bad_endpoint_is_answered_by_policy_too() {
    through_a_bad_way(RowsFrom::Table, OnUnavailable::Closed, 503);
}
