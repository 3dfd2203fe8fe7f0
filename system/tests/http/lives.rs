//! Connections that live on, and how all of them end.

use std::{
    net::SocketAddr,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use georush_system::http::{Drained, Error, Limits, Server};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::support::{PATIENCE, Site, answer, rest, short, status, try_answer};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_many_requests() {
    let site = Site::start(Limits::default());
    let mut stream = site.connect().await;
    for count in 0..100 {
        let request = match count % 3 {
            0 => GET.to_owned(),
            1 => format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {count}\r\n\r\n{}", "\n".repeat(count)),
            _ => "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\n\n".to_owned(),
        };
        stream.write_all(request.as_bytes()).await.expect("written");
        assert_eq!(status(&answer(&mut stream).await), 200, "request {count}");
    }
    assert_eq!(site.readings().accepted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let site = Site::start(Limits::default());
    let requests: String = (0..500).map(|count| format!("GET /{count} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    let mut stream = site.connect().await;
    stream.write_all(requests.as_bytes()).await.expect("written");
    for count in 0..500 {
        assert!(answer(&mut stream).await.contains(&format!("GET /{count} from")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_head_has_a_length_and_no_body() {
    let site = Site::start(Limits::default());
    let told = site.talk("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let length = "HEAD / from 127.0.0.1".len();
    assert!(told.contains(&format!("content-length: {length}\r\n")) && told.ends_with("\r\n\r\n"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_closed_its_side_gets_its_answer() {
    let site = Site::start(Limits::default());
    let mut stream = site.connect().await;
    stream.write_all(GET.as_bytes()).await.expect("written");
    stream.shutdown().await.expect("half closed");
    assert_eq!(status(&rest(&mut stream).await), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_named_with_its_remedy() {
    let first = Server::bind(&[SocketAddr::from(([127, 0, 0, 1], 0))], None, Limits::default()).expect("free");
    let address = first.local_addresses()[0];
    let error = Server::bind(&[address], None, Limits::default()).expect_err("in use");
    assert!(matches!(error, Error::InUse { .. }), "{error:?}");
    let wanted = format!("can't listen on {address}: the address is in use; stop what listens there or choose another");
    assert!(error.to_string().starts_with(&wanted), "{error}");
    assert!(Server::bind(&[], None, Limits::default()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn both_families_can_have_the_same_port() {
    let any = |family: &str| format!("{family}:0").parse::<SocketAddr>().expect("an address");
    let Ok(four) = Server::bind(&[any("127.0.0.1")], None, Limits::default()) else { return };
    let port = four.local_addresses()[0].port();
    drop(four);
    let six = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port));
    if std::net::TcpListener::bind(six).is_err() {
        // A machine without IPv6.
        return;
    }
    let both = [SocketAddr::from(([127, 0, 0, 1], port)), six];
    assert_eq!(Server::bind(&both, None, Limits::default()).map(|server| server.local_addresses().len()).ok(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_under_load_fails_no_request() {
    let site = Site::start(Limits { drain_idle_time: Duration::from_secs(2), ..short() });
    let (served, stopping) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        clients.spawn(client(site.address, Arc::clone(&served), Arc::clone(&stopping)));
    }
    while served.load(Relaxed) < 500 {
        sleep(Duration::from_millis(2)).await;
    }
    stopping.store(true, Relaxed);
    let drained = timeout(PATIENCE, site.stop()).await.expect("drained in time").expect("no panic");
    while let Some(client) = clients.join_next().await {
        client.expect("no failed request");
    }
    assert_eq!(drained.cut_off, 0);
}

/// Asks until told to close, which may not be before the shutdown.
async fn client(address: SocketAddr, served: Arc<AtomicU64>, stopping: Arc<AtomicBool>) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    loop {
        stream.write_all(GET.as_bytes()).await.expect("a server that reads");
        let told = try_answer(&mut stream).await.expect("a whole answer");
        assert_eq!(status(&told), 200);
        served.fetch_add(1, Relaxed);
        if told.contains("connection: close") {
            assert!(stopping.load(Relaxed), "told to close before the shutdown");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_close_at_a_shutdown_and_requests_on_their_way_are_answered() {
    let site = Site::start(Limits { drain_idle_time: Duration::from_millis(50), ..Limits::default() });
    let (mut unused, mut idle, mut busy) = (site.connect().await, site.connect().await, site.connect().await);
    idle.write_all(GET.as_bytes()).await.expect("written");
    assert_eq!(status(&answer(&mut idle).await), 200);
    busy.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na").await.expect("written");
    site.eventually("three connections", |readings| readings.open == 3).await;
    sleep(Duration::from_millis(50)).await;
    let address = site.address;
    let drained = site.stop();
    assert_eq!((rest(&mut unused).await, rest(&mut idle).await), (String::new(), String::new()));
    assert!(TcpStream::connect(address).await.is_err(), "a server that stops takes no connection");
    busy.write_all(b"bc").await.expect("written");
    let told = rest(&mut busy).await;
    assert!(told.contains("with 3 bytes") && told.contains("connection: close"), "{told}");
    assert_eq!(drained.await.expect("no panic"), Drained { finished: 3, cut_off: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_is_cut_off_after_the_drain_time() {
    let times = Limits { drain_idle_time: Duration::ZERO, drain_time: Duration::from_millis(200), ..Limits::default() };
    let site = Site::start(times);
    let mut stream = site.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na").await.expect("written");
    site.eventually("a connection", |readings| readings.open == 1).await;
    sleep(Duration::from_millis(50)).await;
    let drained = timeout(PATIENCE, site.stop()).await.expect("drained in time").expect("no panic");
    assert_eq!(drained, Drained { finished: 0, cut_off: 1 });
}
