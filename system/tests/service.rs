//! The service as a whole, over real sockets and files: keys, counts, newer data, the end.
//!
//! Not here: the rows of the contract, which the API's own tests go through.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use georush_system::{
    address::Trusted,
    api::Dialects,
    core::{
        Status, Timestamp, Version,
        edge::{Enforcement, OnUnavailable},
    },
    geo,
    http::{Drained, Limits},
    item::Account,
    key,
    service::{Region, RowsFrom, Service, Settings, UsageLog},
    store::Directory,
};
use serde_json::Value;
use tokio::sync::watch;

/// A directory of the test's own.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("service").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("the target directory is writable");
    path
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{name}.mmdb"))
}

fn settings(directory: &Path, regions: &[&str]) -> Settings {
    let region =
        |name: &&str| Region { name: (*name).to_owned(), addresses: vec![SocketAddr::from(([127, 0, 0, 1], 0))] };
    Settings {
        regions: regions.iter().map(region).collect(),
        backend: Arc::new(Directory::open(&directory.join("state")).expect("a directory")),
        plans: None,
        geo: geo::Settings { files: vec![fixture("GeoLite2-City-Test")], built_in: false, ..geo::Settings::default() },
        reload_every: Duration::from_millis(100),
        trusted: Trusted::new(vec!["127.0.0.0/8".parse().expect("a block")]),
        dialects: Dialects::default(),
        tls: None,
        usage_log: UsageLog::None,
        aggregate: true,
        stream_kept: Duration::from_secs(3_600),
        replicate: true,
        enforcement: Enforcement::ReplicatedPlusLocal,
        on_unavailable: OnUnavailable::Open,
        rows: RowsFrom::Memory,
        rows_kept: Duration::from_secs(10),
        limits: Limits { drain_idle_time: Duration::from_millis(50), ..Limits::default() },
    }
}

/// A service at work.
struct Running {
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    reload: watch::Sender<u64>,
    thread: JoinHandle<Vec<Drained>>,
}

impl Running {
    fn start(settings: &Settings) -> Self {
        let service = Service::open(settings).expect("everything is there");
        let addresses = service.addresses().map(|(_, addresses)| addresses[0]).collect();
        let ((stop, stopped), (reload, asked)) = (watch::channel(false), watch::channel(0));
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.expect("a runtime").block_on(service.run(stopped, asked)).expect("it serves")
        });
        Self { addresses, stop, reload, thread }
    }

    fn get(&self, region: usize, target: &str) -> (u16, Value) {
        Client::new(self.addresses[region]).get(target)
    }

    fn stop(self) -> Vec<Drained> {
        self.stop.send(true).expect("it runs");
        self.thread.join().expect("it ends")
    }
}

/// One kept-alive connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Self(BufReader::new(stream))
    }

    fn get(&mut self, target: &str) -> (u16, Value) {
        self.try_get(target).expect("an answer")
    }

    fn try_get(&mut self, target: &str) -> Option<(u16, Value)> {
        let head = format!("GET {target} HTTP/1.1\r\nHost: api\r\n\r\n");
        self.0.get_mut().write_all(head.as_bytes()).ok()?;
        let (mut line, mut status, mut length) = (String::new(), 0, 0);
        while self.0.read_line(&mut line).ok()? > 2 {
            let text = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = text.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().ok()?;
            } else if let Some(value) = text.strip_prefix("content-length: ") {
                length = value.parse().ok()?;
            }
            line.clear();
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }
}

fn sign_up(directory: &Path, key: &str, plan: &str) {
    let account = Account {
        plan: plan.into(),
        created: Timestamp(1_700_000_000_000_000),
        status: Status::Active,
        whitelist: None,
        label: "".into(),
        version: Version::default(),
    };
    let state = Directory::open(&directory.join("state")).expect("a directory");
    state.central().and_then(|mut central| central.sign_up(&key::identifier(key), &account)).expect("a new key");
}

fn revoke(directory: &Path, key: &str) {
    let state = Directory::open(&directory.join("state")).expect("a directory");
    let changed = state.central().and_then(|mut central| {
        central.change_account(&key::identifier(key), |account| account.status = Status::Revoked)
    });
    assert!(changed.expect("the table is there").is_some());
}

#[test]
fn rows_from_the_table_are_those_of_the_moment_and_count_as_rows_in_memory_do() {
    let directory = scratch("table-rows");
    let settings = Settings { rows: RowsFrom::Table, ..settings(&directory, &["us-east-1", "eu-west-1"]) };
    let service = Running::start(&settings);
    assert_eq!(service.get(0, "/81.2.69.160?api-key=secret-key").0, 401);
    sign_up(&directory, "secret-key", "business");
    eventually("the key arrives", || service.get(0, "/81.2.69.160?api-key=secret-key&fields=city").0 == 200);
    for _ in 0..20 {
        assert_eq!(service.get(0, "/81.2.69.160?api-key=secret-key").0, 200);
    }
    eventually("the count arrives", || {
        let (_, record) = service.get(1, "/81.2.69.160?api-key=secret-key&fields=count");
        record["count"].as_str().and_then(|count| count.parse::<u64>().ok()).is_some_and(|count| count > 20)
    });
    revoke(&directory, "secret-key");
    eventually("the key is refused", || service.get(1, "/81.2.69.160?api-key=secret-key").0 == 401);
    service.stop();
}

/// Tries until it is so.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_key_reaches_every_region_and_its_usage_counts_in_all_of_them() {
    let directory = scratch("regions");
    let service = Running::start(&settings(&directory, &["us-east-1", "eu-west-1"]));
    assert_eq!(service.get(0, "/81.2.69.160?api-key=secret-key").0, 401);
    sign_up(&directory, "secret-key", "business");
    for region in [0, 1] {
        eventually("the key arrives", || service.get(region, "/81.2.69.160?api-key=secret-key&fields=city").0 == 200);
    }
    let mut client = Client::new(service.addresses[0]);
    for _ in 0..50 {
        assert_eq!(client.get("/81.2.69.160?api-key=secret-key").0, 200);
    }
    eventually("the count arrives", || {
        let (_, record) = service.get(1, "/81.2.69.160?api-key=secret-key&fields=count");
        record["count"].as_str().and_then(|count| count.parse::<u64>().ok()).is_some_and(|count| count > 50)
    });
    revoke(&directory, "secret-key");
    for region in [0, 1] {
        eventually("the key is gone", || service.get(region, "/81.2.69.160?api-key=secret-key").0 == 401);
    }
    service.stop();
}

#[test]
fn what_was_answered_is_counted_after_a_restart() {
    let directory = scratch("restart");
    sign_up(&directory, "secret-key", "business");
    let settings = settings(&directory, &["us-east-1"]);
    for life in 0..3_u64 {
        let service = Running::start(&settings);
        let count = |record: &Value| record["count"].as_str().and_then(|count| count.parse::<u64>().ok());
        // An address that is none costs nothing, and tells a known key from an unknown one.
        eventually("the key arrives", || service.get(0, "/bleh?api-key=secret-key").0 == 400);
        eventually("the count of earlier lives arrives", || {
            let metrics = reading(&service, "georush_counted_age_seconds");
            life == 0 || metrics.is_some_and(|age| age < 3_600.0)
        });
        let mut client = Client::new(service.addresses[0]);
        for request in 1..=20 {
            let (status, record) = client.get("/81.2.69.160?api-key=secret-key");
            assert_eq!((status, count(&record)), (200, Some(life * 20 + request)), "life {life}");
        }
        service.stop();
        // The last usage is in the stream; whoever counts next finds it there.
        let pipeline = Running::start(&settings);
        eventually("everything is counted", || {
            let (_, record) = pipeline.get(0, "/metrics");
            assert_eq!(record, Value::Null);
            reading(&pipeline, "georush_aggregator_lag_records") == Some(0.0)
                && reading(&pipeline, "georush_replicator_lag_changes") == Some(0.0)
        });
        pipeline.stop();
    }
}

/// A value of `/metrics`.
fn reading(service: &Running, name: &str) -> Option<f64> {
    let mut stream = TcpStream::connect(service.addresses[0]).expect("it listens");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn newer_data_is_swapped_in_without_a_failed_request_and_bad_data_never() {
    let directory = scratch("reload");
    let file = directory.join("city.mmdb");
    let put = |name: &str| {
        fs::copy(fixture(name), directory.join("next")).expect("writable");
        fs::rename(directory.join("next"), &file).expect("writable");
    };
    put("GeoLite2-City-Test");
    let mut settings = settings(&directory, &["us-east-1"]);
    settings.geo.files = vec![file.clone()];
    let plans = directory.join("plans.toml");
    fs::write(&plans, "[plans.free]\nquota = 1_000_000_000\n[anonymous]\nplan = \"free\"\n").expect("writable");
    settings.plans = Some(plans);
    let service = Running::start(&settings);

    let (over, answered, failed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = Client::new(service.addresses[0]);
                while !over.load(Ordering::Relaxed) {
                    let answer = client.try_get("/81.2.69.160");
                    let good = answer.is_some_and(|(status, record)| status == 200 && record["city"] == "London");
                    let counter = if good { &answered } else { &failed };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 1..=10 {
            service.reload.send_modify(|times| *times += 1);
            eventually("it loads anew", || {
                reading(&service, "georush_data_reloads_total").is_some_and(|n| n >= f64::from(round))
            });
        }
        put("GeoIP2-City-Test-Broken-Double-Format");
        eventually("it refuses", || reading(&service, "georush_data_reload_failures_total").is_some_and(|n| n >= 1.0));
        fs::write(&file, "no data at all").expect("writable");
        eventually("it refuses", || reading(&service, "georush_data_reload_failures_total").is_some_and(|n| n >= 2.0));
        put("GeoLite2-City-Test");
        eventually("it loads anew", || reading(&service, "georush_data_reloads_total").is_some_and(|n| n >= 11.0));
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(failed.load(Ordering::Relaxed), 0);
    assert!(answered.load(Ordering::Relaxed) > 100);
    service.stop();
}

#[test]
fn usage_lines_go_to_the_log_as_well_and_refusals_leave_none() {
    let directory = scratch("log");
    let log = directory.join("usage.jsonl");
    let service =
        Running::start(&Settings { usage_log: UsageLog::File(log.clone()), ..settings(&directory, &["us-east-1"]) });
    for target in ["/81.2.69.160", "/bleh", "/81.2.69.160?api-key=nobodys", "/89.160.20.112"] {
        service.get(0, target);
    }
    let forwarded =
        b"GET /81.2.69.160 HTTP/1.1\r\nHost: api\r\nX-Forwarded-For: 89.160.20.112\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(service.addresses[0]).expect("it listens");
    stream.write_all(forwarded).expect("it reads");
    stream.read_to_end(&mut Vec::new()).expect("it answers");
    service.stop();
    let text = fs::read_to_string(log).expect("the log is there");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    // Admissions of one caller that come close together share a line.
    let cost = |subject: &str| {
        let of = lines.iter().filter(|line| line["subject"] == subject);
        let costs: Vec<_> = of.map(|line| (line["cost"].as_u64(), line["cumulative"].as_u64())).collect();
        (costs.iter().filter_map(|(cost, _)| *cost).sum::<u64>(), costs.last().and_then(|(_, cumulative)| *cumulative))
    };
    assert_eq!((cost("ip:127.0.0.1"), cost("ip:89.160.20.112")), ((2, Some(2)), (1, Some(1))));
    assert!(lines.iter().all(|line| line["subject"] == "ip:127.0.0.1" || line["subject"] == "ip:89.160.20.112"));
}

#[test]
fn what_is_wrong_at_the_start_is_one_clear_error() {
    let directory = scratch("errors");
    let error = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings(&directory, &["us-east-1"]);
        change(&mut settings);
        let told = Service::open(&settings).map(|_| ()).expect_err("something is wrong").to_string();
        assert!(!told.contains('\n'), "{told}");
        told
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    for (change, wanted) in [
        (
            &(|s: &mut Settings| s.geo.files = vec!["no.mmdb".into()]) as &dyn Fn(&mut Settings),
            "no.mmdb: can't be read",
        ),
        (&|s| s.plans = Some("no.toml".into()), "no.toml: can't be read"),
        (&|s| s.tls = Some(("no.pem".into(), "no.pem".into())), "no.pem"),
        (&|s| s.usage_log = UsageLog::File("no/such/place".into()), "no/such/place: can't be appended to"),
        (&|s| s.geo.threats = Some("no-lists".into()), "no-lists"),
        (&move |s| s.regions[0].addresses = vec![address], "the address is in use"),
    ] {
        let told = error(change);
        assert!(told.contains(wanted), "{told}");
    }
}

#[test]
fn answers_on_their_way_are_finished_when_it_is_told_to_stop() {
    let directory = scratch("drain");
    let plans = directory.join("plans.toml");
    fs::write(&plans, "[plans.free]\nquota = 1_000_000_000\n[anonymous]\nplan = \"free\"\n").expect("writable");
    let settings = Settings { plans: Some(plans), ..settings(&directory, &["us-east-1"]) };
    let service = Running::start(&settings);
    let address = service.addresses[0];
    let answered = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let answered = Arc::clone(&answered);
            thread::spawn(move || {
                let mut client = Client::new(address);
                while client.try_get("/81.2.69.160").is_some_and(|(status, _)| status == 200) {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    eventually("requests are answered", || answered.load(Ordering::Relaxed) > 100);
    let drained = service.stop();
    clients.into_iter().for_each(|client| client.join().expect("it ends"));
    assert_eq!(drained.iter().map(|region| region.cut_off).sum::<u64>(), 0);
    let after = Running::start(&settings);
    let counted = || {
        let (_, record) = after.get(0, "/81.2.69.160?fields=count");
        record["count"].as_str().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0)
    };
    let before = answered.load(Ordering::Relaxed);
    eventually("every answer is counted", || counted() > before);
    after.stop();
}
