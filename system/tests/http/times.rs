//! Peers that are too slow.

use std::time::Duration;

use georush_system::http::Limits;
use tokio::{
    io::AsyncWriteExt,
    time::{sleep, timeout},
};

use crate::support::{PATIENCE, Site, answer, rest, short, status};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_is_answered_with_408() {
    let site = Site::start(short());
    for part in ["G", "GET / HT", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX"] {
        let told = site.talk(part).await;
        assert!(status(&told) == 408 && told.contains("{\"message\":"), "{part:?}: {told:?}");
    }
    assert_eq!(site.readings().slow_heads, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_comes_byte_by_byte_is_answered_with_408() {
    let site = Site::start(short());
    let mut stream = site.connect().await;
    let dripped = timeout(PATIENCE, async {
        for byte in b"GET / HTTP/1.1\r\nX: ".iter().chain(std::iter::repeat(&b'x')) {
            if site.readings().slow_heads > 0 || stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    dripped.await.expect("given up in time");
    assert_eq!(status(&rest(&mut stream).await), 408);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_head_is_timed_like_the_first() {
    let site = Site::start(short());
    let mut stream = site.connect().await;
    stream.write_all(format!("{GET}{}", &GET[..20]).as_bytes()).await.expect("written");
    assert_eq!(status(&answer(&mut stream).await), 200);
    assert_eq!(status(&rest(&mut stream).await), 408);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_time_are_never_timed_out() {
    let site = Site::start(Limits { idle_time: Duration::from_secs(5), ..short() });
    let mut stream = site.connect().await;
    for _ in 0..8 {
        stream.write_all(GET.as_bytes()).await.expect("written");
        assert_eq!(status(&answer(&mut stream).await), 200);
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(site.readings().slow_heads, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_end_is_answered_with_408() {
    let site = Site::start(short());
    let told = site.talk("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await;
    assert!(status(&told) == 408 && told.contains("connection: close"), "{told:?}");
    let told = site.talk("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc").await;
    assert_eq!(status(&told), 408);
    assert_eq!(site.readings().slow_bodies, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_a_request_close_quietly() {
    let site = Site::start(short());
    assert_eq!(site.talk("").await, "");
    let told = site.talk(GET).await;
    assert_eq!(told.matches("HTTP/1.1").count(), 1, "{told:?}");
    assert_eq!(site.readings().idle, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_is_cut_off() {
    let site = Site::start(short());
    let mut stream = site.connect().await;
    let request = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n".repeat(8);
    stream.write_all(request.as_bytes()).await.expect("written");
    site.eventually("the connection cut off", |readings| readings.slow_readers == 1 && readings.open == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closes_early_leaves_nothing_behind() {
    let site = Site::start(Limits::default());
    for part in ["", "GET", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", GET] {
        let mut stream = site.connect().await;
        stream.write_all(part.as_bytes()).await.expect("written");
        drop(stream);
    }
    site.eventually("all closed", |readings| readings.accepted == 4 && readings.open == 0).await;
}
