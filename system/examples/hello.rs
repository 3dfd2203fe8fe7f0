//! The least that a server on hyper can do: every request gets the same JSON. What `benches/peers` compares with.
//!
//! usage: hello ADDRESS FILE. Not here: anything that reads a request.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{convert::Infallible, env, fs};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime::Builder};

fn main() {
    let [address, file] = env::args().skip(1).collect::<Vec<_>>().try_into().expect("usage: hello ADDRESS FILE");
    let body = Bytes::from(fs::read(file).unwrap());
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.unwrap();
        eprintln!("listening on http://{}", listener.local_addr().unwrap());
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            stream.set_nodelay(true).unwrap();
            let body = body.clone();
            tokio::spawn(async move {
                let answer = service_fn(|_| {
                    let mut response = Response::new(Full::new(body.clone()));
                    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                    async { Ok::<_, Infallible>(response) }
                });
                // A peer that goes away is no news here.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
}
