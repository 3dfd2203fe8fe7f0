//! HTTP/2 without TLS, by prior knowledge.

use std::time::Duration;

use bytes::Bytes;
use georush_system::http::{Drained, Limits};
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use crate::support::{PATIENCE, Site, short};

pub(crate) async fn open(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Full<Bytes>> {
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io));
    let (sender, connection) = timeout(PATIENCE, handshake).await.expect("in time").expect("a handshake");
    tokio::spawn(connection);
    sender
}

pub(crate) async fn ask(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> (StatusCode, String) {
    let response = timeout(PATIENCE, sender.send_request(request)).await.expect("in time").expect("an answer");
    let status = response.status();
    let body = timeout(PATIENCE, response.into_body().collect()).await.expect("in time").expect("a body");
    (status, String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

fn request(method: &str, size: usize) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri("http://a/path");
    request.body(Full::new(Bytes::from(vec![b'x'; size]))).expect("a request")
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_bodies_are_answered() {
    let site = Site::start(Limits::default());
    let mut sender = open(site.connect().await).await;
    for _ in 0..50 {
        let (status, body) = ask(&mut sender, request("GET", 0)).await;
        assert!(status == 200 && body.contains("GET http://a/path from 127.0.0.1"), "{body}");
        let (status, body) = ask(&mut sender, request("POST", 65_536)).await;
        assert!(status == 200 && body.contains("with 65536 bytes"), "{body}");
    }
    assert_eq!(site.readings().accepted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_are_answered_at_once() {
    let site = Site::start(Limits::default());
    let sender = open(site.connect().await).await;
    let asked = (0..300).map(|count| {
        let mut sender = sender.clone();
        tokio::spawn(async move { ask(&mut sender, request(["GET", "POST"][count % 2], count)).await.0 })
    });
    for answer in asked.collect::<Vec<_>>() {
        assert_eq!(answer.await.expect("no panic"), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_request_has_a_length_and_no_body() {
    let site = Site::start(Limits::default());
    let mut sender = open(site.connect().await).await;
    let response = sender.send_request(request("HEAD", 0)).await.expect("an answer");
    assert_eq!(response.headers()["content-length"], "HEAD http://a/path from 127.0.0.1".len().to_string());
    assert!(response.into_body().collect().await.expect("a body").to_bytes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused() {
    let site = Site::start(Limits::default());
    let mut sender = open(site.connect().await).await;
    assert_eq!(ask(&mut sender, request("POST", 70_000)).await.0, 413);
    let mut large = request("GET", 0);
    large.headers_mut().insert("x", "x".repeat(20_000).parse().expect("a value"));
    // The client may also refuse to send it, since the server announces its limit.
    if let Ok(response) = sender.send_request(large).await {
        assert_eq!(response.status(), 431);
    }
    let mut sender = open(site.connect().await).await;
    assert_eq!(ask(&mut sender, request("GET", 0)).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_a_request_close() {
    let site = Site::start(short());
    let mut silent = site.connect().await;
    silent.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("written");
    let _sender = open(site.connect().await).await;
    site.eventually("two connections", |readings| readings.accepted == 2).await;
    site.eventually("all closed", |readings| readings.open == 0).await;
    let mut all = Vec::new();
    let _ = timeout(PATIENCE, silent.read_to_end(&mut all)).await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_finished_at_a_shutdown() {
    let site = Site::start(Limits { drain_idle_time: Duration::from_millis(50), ..Limits::default() });
    let mut sender = open(site.connect().await).await;
    assert_eq!(ask(&mut sender, request("GET", 0)).await.0, 200);
    let mut asked = Vec::new();
    for _ in 0..20 {
        let mut sender = sender.clone();
        asked.push(tokio::spawn(async move { ask(&mut sender, request("POST", 60_000)).await.0 }));
    }
    for answer in asked {
        assert_eq!(answer.await.expect("no panic"), 200);
    }
    let drained = timeout(PATIENCE, site.stop()).await.expect("drained in time").expect("no panic");
    assert_eq!(drained, Drained { finished: 1, cut_off: 0 });
}
