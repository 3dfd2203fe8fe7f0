//! A whole service on the emulator: what its callers are answered, also while the endpoint is bad.
//!
//! Not here: the pipeline by itself.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use georush_core::edge::{Enforcement, OnUnavailable};
use georush_system::{
    address::Trusted,
    api::Dialects,
    backend::Backend,
    geo,
    http::Limits,
    key,
    service::{self, Region, RowsFrom, Service, UsageLog},
};
use tokio::sync::watch;

use crate::{
    account, backend, central, eventually, regional,
    way::{DEAD, GARBAGE, SLOW, THROTTLED, WELL, Way},
};

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
            stream_kept: Duration::from_secs(3_600),
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
