//! The least that a server on hyper can do: every request gets the same JSON. What `benches/peers` compares with.
//!
//! usage: hello ADDRESS FILE [HEADERS]. HEADERS is a file of lines `name: value`; without it an answer has a content type, a
//! length and a date. Not here: anything that reads a request.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{convert::Infallible, env, fs};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Response,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime::Builder};

fn main() {
    let mut arguments = env::args().skip(1);
    let usage = "usage: hello ADDRESS FILE [HEADERS]";
    let (address, file) = (arguments.next().expect(usage), arguments.next().expect(usage));
    let body = Bytes::from(fs::read(file).unwrap());
    let headers = arguments.next().map(|file| lines(&fs::read_to_string(file).unwrap()));
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.unwrap();
        eprintln!("listening on http://{}", listener.local_addr().unwrap());
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            stream.set_nodelay(true).unwrap();
            let (body, headers) = (body.clone(), headers.clone());
            tokio::spawn(async move {
                let answer = service_fn(|_| {
                    let mut response = Response::new(Full::new(body.clone()));
                    match &headers {
                        Some(headers) => response.headers_mut().clone_from(headers),
                        None => {
                            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                        }
                    }
                    async { Ok::<_, Infallible>(response) }
                });
                // A peer that goes away is no news here.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
}

/// Headers that are never freed, as a server's own constants.
fn lines(text: &str) -> HeaderMap {
    let pairs = text.lines().map(|line| line.to_owned().leak().split_once(": ").expect("name: value"));
    pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}
