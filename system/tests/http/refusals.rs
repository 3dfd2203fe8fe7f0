//! Requests that are refused, and those beside them that are not.

use std::time::Duration;

use georush_system::http::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Site, answer, rest, short, status};

const H: &str = "Host: a\r\n";

/// Name, request, the statuses that will do.
fn malformed() -> Vec<(&'static str, String, &'static [u16])> {
    let get = |headers: &str| format!("GET / HTTP/1.1\r\n{H}{headers}\r\n");
    let post = |headers: &str, body: &str| format!("POST / HTTP/1.1\r\n{H}{headers}\r\n{body}");
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    vec![
        ("nonsense", "nonsense\r\n\r\n".into(), &[400]),
        ("binary", "\x16\x03\x01\x02\r\n\r\n".into(), &[400]),
        ("no target", format!("GET HTTP/1.1\r\n{H}\r\n"), &[400]),
        ("no version", format!("GET /\r\n{H}\r\n"), &[400]),
        ("two spaces", format!("GET  / HTTP/1.1\r\n{H}\r\n"), &[400]),
        ("space in the target", format!("GET /a b HTTP/1.1\r\n{H}\r\n"), &[400]),
        ("NUL in the target", format!("GET /\0 HTTP/1.1\r\n{H}\r\n"), &[400]),
        ("bad method", format!("G@T / HTTP/1.1\r\n{H}\r\n"), &[400]),
        ("HTTP/0.9", format!("GET / HTTP/0.9\r\n{H}\r\n"), &[400, 505]),
        ("HTTP/1.2", format!("GET / HTTP/1.2\r\n{H}\r\n"), &[400, 505]),
        ("HTTP/2.0", format!("GET / HTTP/2.0\r\n{H}\r\n"), &[400, 505]),
        ("HTTP/9", format!("GET / HTTP/9\r\n{H}\r\n"), &[400, 505]),
        ("half of the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".into(), &[400]),
        ("no colon", get("X\r\n"), &[400]),
        ("space before the colon", get("X : 1\r\n"), &[400]),
        ("space before the colon of a length", post("Content-Length : 1\r\n", "x"), &[400]),
        ("empty name", get(": 1\r\n"), &[400]),
        ("folded", get("X: 1\r\n 2\r\n"), &[400]),
        ("folded first", format!("GET / HTTP/1.1\r\n {H}\r\n"), &[400]),
        ("NUL in a value", get("X: \0\r\n"), &[400]),
        ("CR in a value", get("X: a\rb\r\n"), &[400]),
        ("not ASCII in a name", get("Xé: 1\r\n"), &[400]),
        ("bare LF after the request line", format!("GET / HTTP/1.1\n{H}\r\n"), &[400]),
        ("bare LF after a header", "GET / HTTP/1.1\r\nHost: a\n\r\n".into(), &[400]),
        ("bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n".into(), &[400]),
        ("bare LF everywhere", "GET / HTTP/1.1\nHost: a\n\n".into(), &[400]),
        ("no host", "GET / HTTP/1.1\r\n\r\n".into(), &[400]),
        ("two hosts", get("Host: b\r\n"), &[400]),
        ("the same host twice", get(H), &[400]),
        ("length and coding", post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), &[400]),
        ("coding and length", post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n"), &[400]),
        ("length and coding of a GET", get("content-length: 3\r\ntransfer-encoding: chunked\r\n"), &[400]),
        ("two lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n", "xx"), &[400]),
        ("the same length twice", post("Content-Length: 1\r\nContent-Length: 1\r\n", "x"), &[400]),
        ("a list of lengths", post("Content-Length: 1, 1\r\n", "x"), &[400]),
        ("signed length", post("Content-Length: +1\r\n", "x"), &[400]),
        ("negative length", post("Content-Length: -1\r\n", "x"), &[400]),
        ("hexadecimal length", post("Content-Length: 0x1\r\n", "x"), &[400]),
        ("empty length", post("Content-Length:\r\n", "x"), &[400]),
        ("endless length", post("Content-Length: 99999999999999999999999\r\n", "x"), &[400]),
        ("unknown coding", post("Transfer-Encoding: gzip\r\n", "x"), &[400, 501]),
        ("coding before chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), &[400, 501]),
        ("coding after chunked", post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), &[400, 501]),
        ("coding that only looks like chunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), &[400, 501]),
        ("coding twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", ""), &[400]),
        ("coding of HTTP/1.0", format!("POST / HTTP/1.0\r\n{H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), &[400]),
        ("chunk size in no numeral system", chunked("zz\r\n\r\n"), &[400]),
        ("chunk without a size", chunked("\r\n\r\n"), &[400]),
        ("negative chunk size", chunked("-1\r\nx\r\n"), &[400]),
        ("chunk longer than its size", chunked("1\r\nxx\r\n0\r\n\r\n"), &[400]),
        ("chunk size over all bounds", chunked("fffffffffffffffff\r\nx"), &[400, 413]),
        ("large body that is announced", post("Content-Length: 65537\r\n", ""), &[413]),
        ("large body that is asked for", post("Expect: 100-continue\r\nContent-Length: 65537\r\n", ""), &[413]),
        ("large body in chunks", chunked(&("8000\r\n".to_owned() + &"x".repeat(0x8000) + "\r\n").repeat(3)), &[413]),
        ("large header", get(&format!("X: {}\r\n", "x".repeat(20_000))), &[431]),
        ("large headers", get(&format!("X: {}\r\n", "x".repeat(1000)).repeat(20)), &[431]),
        ("many headers", get(&"X: 1\r\n".repeat(200)), &[431]),
        ("one header too many", get(&"X: 1\r\n".repeat(100)), &[431]),
        ("an authority as its target", format!("GET a.example HTTP/1.1\r\n{H}\r\n"), &[400]),
        ("an authority posted to", format!("POST a.example:80 HTTP/1.1\r\n{H}Content-Length: 1\r\n\r\nx"), &[400]),
        ("a space in the host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".into(), &[400]),
        ("a path in the host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".into(), &[400]),
        ("endless headers", get(&format!("X: {}\r\n", "x".repeat(1000)).repeat(1000)), &[431]),
        ("long URL", format!("GET /{} HTTP/1.1\r\n{H}\r\n", "x".repeat(20_000)), &[414, 431]),
        ("endless URL", format!("GET /{} HTTP/1.1\r\n{H}\r\n", "x".repeat(1_000_000)), &[414, 431]),
        ("endless method", "x".repeat(1_000_000), &[400, 414, 431]),
        ("CONNECT", format!("CONNECT a:443 HTTP/1.1\r\n{H}Connection: close\r\n\r\n"), &[400, 405]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_a_4xx_with_a_body_and_are_counted() {
    let site = Site::start(Limits { linger_time: Duration::from_secs(5), ..Limits::default() });
    let mut wrong = Vec::new();
    for (name, request, allowed) in malformed() {
        let mut stream = site.connect().await;
        let written = stream.write_all(request.as_bytes()).await;
        assert!(written.is_ok(), "{name}: the server hung up while being sent the request");
        // An answer must also end by the server's closing, without waiting for a time limit of ours.
        let told = rest(&mut stream).await;
        let bare = !told.contains("{\"message\":") || !told.contains("access-control-allow-origin: *");
        if !allowed.contains(&status(&told)) || bare {
            wrong.push(format!("{name}: {:?}", told.chars().take(300).collect::<String>()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let refused: u64 = site.readings().refused.iter().map(|(_, count)| count).sum();
    assert_eq!(refused, malformed().len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused_byte_by_byte_too() {
    let site = Site::start(Limits::default());
    for (name, request, allowed) in malformed().into_iter().filter(|(_, request, _)| request.len() < 200) {
        let mut stream = site.connect().await;
        let _ = stream.set_nodelay(true);
        for byte in request.bytes() {
            // It may hang up before the end, but not on its answer.
            let _ = stream.write_all(&[byte]).await;
            tokio::task::yield_now().await;
        }
        let told = rest(&mut stream).await;
        assert!(allowed.contains(&status(&told)), "{name}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn well_formed_oddities_pass() {
    let site = Site::start(Limits::default());
    let close = "Connection: close\r\n\r\n";
    let long = "x".repeat(15_000);
    let rows = [
        ("empty lines first", format!("\r\n\r\nGET /a HTTP/1.1\r\n{H}{close}"), "GET /a from 127.0.0.1"),
        ("absolute form", format!("GET http://api.a/8.8.8.8?x HTTP/1.1\r\n{H}{close}"), "GET http://api.a/8.8.8.8?x"),
        ("OPTIONS *", format!("OPTIONS * HTTP/1.1\r\n{H}{close}"), "OPTIONS * from"),
        ("unknown method", format!("BREW /pot HTTP/1.1\r\n{H}{close}"), "BREW /pot from"),
        ("HTTP/1.0 without a host", "GET /old HTTP/1.0\r\n\r\n".to_owned(), "GET /old from"),
        ("empty host", format!("GET /a HTTP/1.1\r\nHost:\r\n{close}"), "GET /a from"),
        ("long URL", format!("GET /{long} HTTP/1.1\r\n{H}{close}"), &*format!("GET /{long} from")),
        ("empty POST", format!("POST /p HTTP/1.1\r\n{H}{close}"), "POST /p with 0 bytes"),
        ("POST", format!("POST /p HTTP/1.1\r\n{H}Content-Length: 3\r\n{close}abc"), "POST /p with 3 bytes"),
        (
            "chunks",
            format!(
                "POST /p HTTP/1.1\r\n{H}Transfer-Encoding: Chunked\r\n{close}3;a=b\r\nabc\r\n1\r\nd\r\n0\r\nX: 1\r\n\r\n"
            ),
            "POST /p with 4 bytes",
        ),
        ("GET with a body", format!("GET /b HTTP/1.1\r\n{H}Content-Length: 3\r\n{close}abc"), "GET /b from"),
        ("upgrade that is not taken", format!("GET /u HTTP/1.1\r\n{H}Upgrade: h2c\r\n{close}"), "GET /u from"),
    ];
    for (name, request, wanted) in rows {
        let told = site.talk(&request).await.replace("HTTP/1.0", "HTTP/1.1");
        assert!(status(&told) == 200 && told.contains(wanted), "{name}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_body_passes_and_a_byte_more_does_not() {
    let site = Site::start(Limits::default());
    let post = |count: usize| format!("POST / HTTP/1.1\r\n{H}Content-Length: {count}\r\n\r\n{}", "x".repeat(count));
    let mut stream = site.connect().await;
    stream.write_all(post(65_536).as_bytes()).await.expect("written");
    assert!(answer(&mut stream).await.ends_with("with 65536 bytes"));
    stream.write_all(post(65_537).as_bytes()).await.expect("written");
    assert_eq!(status(&rest(&mut stream).await), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_outlives_a_client_that_goes_on_sending() {
    let site = Site::start(Limits { linger_time: Duration::from_secs(20), ..Limits::default() });
    let mut stream = site.connect().await;
    let head = format!("POST / HTTP/1.1\r\n{H}Content-Length: 4000000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("written");
    for _ in 0..4 {
        stream.write_all(&vec![b'x'; 1_000_000]).await.expect("no reset");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(status(&rest(&mut stream).await), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let site = Site::start(Limits::default());
    let mut stream = site.connect().await;
    let head = format!("POST / HTTP/1.1\r\n{H}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.expect("an interim answer");
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.expect("written");
    assert!(answer(&mut stream).await.ends_with("with 3 bytes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_before_a_malformed_one_are_answered() {
    let site = Site::start(Limits::default());
    let good = format!("GET /good HTTP/1.1\r\n{H}\r\n");
    for bad in ["GET /bad HTTP/1.1\r\n\r\n".to_owned(), format!("GET /bad HTTP/7\r\n{H}\r\n")] {
        let told = site.talk(format!("{good}{good}{bad}{good}")).await;
        assert_eq!(told.matches("GET /good from").count(), 2, "{told}");
        assert_eq!(told.matches("HTTP/1.1 400").count(), 1, "{told}");
        assert!(!told.contains("/bad"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_above_the_limit_are_answered_with_503() {
    let site = Site::start(Limits { connections: 2, ..short() });
    let open = [site.connect().await, site.connect().await];
    site.eventually("two open connections", |readings| readings.open == 2).await;
    let told = site.talk(format!("GET / HTTP/1.1\r\n{H}\r\n")).await;
    assert!(status(&told) == 503 && told.contains("retry-after: "), "{told}");
    drop(open);
    site.eventually("room again", |readings| readings.open == 0 && readings.turned_away == 1).await;
    assert_eq!(status(&site.talk(format!("GET / HTTP/1.1\r\n{H}Connection: close\r\n\r\n")).await), 200);
}
