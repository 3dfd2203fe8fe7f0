//! Aggregator and replicators as a process of their own, without an edge.
//!
//! Not here: what they do; and the API, whose edges run them, too, unless told not to.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Method, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
    http::request::Parts,
};
use tokio::sync::watch;

use super::{Error, readings};
use crate::{
    api::{Readings, text_of},
    backend::Backend,
    http::{Body, Handler, Limits, Server},
    pipeline::{self, Pipeline},
};

/// Time between two lines of the log on how far behind the counts are.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// What such a process is to do.
#[derive(Debug, Clone)]
pub struct RoleSettings {
    /// Where the tables and the stream are.
    pub backend: Arc<dyn Backend>,
    /// Regions to copy counts to.
    pub regions: Vec<String>,
    /// Whether to count, and the pace of everything.
    pub pipeline: pipeline::Settings,
    /// Where `/metrics` and `/healthz` are answered; nowhere if empty.
    pub metrics: Vec<SocketAddr>,
}

/// Aggregator or replicators at work.
#[derive(Debug)]
pub struct Roles {
    pipeline: Pipeline,
    server: Option<Server>,
}

impl Roles {
    /// Opens everything and begins to work.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn start(settings: &RoleSettings) -> Result<Self, Error> {
        let server = match settings.metrics.as_slice() {
            [] => None,
            addresses => Some(Server::bind(addresses, None, limits())?),
        };
        let names: Vec<&str> = settings.regions.iter().map(String::as_str).collect();
        let pipeline = Pipeline::start(&settings.backend, &names, settings.pipeline)?;
        Ok(Self { pipeline, server })
    }

    /// Where metrics are answered.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.server.as_ref().map_or(&[], Server::local_addresses)
    }

    /// Works until `shutdown` changes or its sender is gone; then ends after the transactions that run.
    ///
    /// # Errors
    ///
    /// If a socket can't be handed to the runtime.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) -> Result<(), Error> {
        let Self { pipeline, server } = self;
        let handler = Arc::new(Watched(readings::of_pipeline(&pipeline, |_| true)));
        let mut over = shutdown.clone();
        let watched = server.map(|server| {
            tokio::spawn(server.run(handler, async move {
                let _ = over.wait_for(|over| *over).await;
            }))
        });
        let mut told = tokio::time::interval(TELL_EVERY);
        loop {
            tokio::select! {
                _ = shutdown.wait_for(|over| *over) => break,
                _ = told.tick() => tell(&pipeline),
            }
        }
        if let Some(watched) = watched {
            watched.await.expect("serving does not panic")?;
        }
        tokio::task::spawn_blocking(move || pipeline.stop()).await.expect("stopping does not panic");
        Ok(())
    }
}

fn tell(pipeline: &Pipeline) {
    if let Some(counters) = pipeline.aggregator() {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let active = counters.active.load(Ordering::Relaxed);
        let (counted, lag) = (read(&counters.counted), read(&counters.lag));
        tracing::info!(active, counted, lag, missing = read(&counters.missing), "aggregator");
    }
    for (region, counters) in pipeline.replicators() {
        let (written, lag) = (counters.written.load(Ordering::Relaxed), counters.lag.load(Ordering::Relaxed));
        tracing::info!(region, written, lag, "replicator");
    }
}

fn limits() -> Limits {
    let short = Duration::from_millis(50);
    Limits { connections: 64, drain_time: Duration::from_secs(1), drain_idle_time: short, ..Limits::default() }
}

/// Answers `/metrics` and `/healthz`.
struct Watched(Readings);

impl Handler for Watched {
    fn answer(&self, request: &Parts, _: IpAddr) -> Response<Body> {
        match request.uri.path() {
            _ if request.method != Method::GET && request.method != Method::HEAD => {
                self.refuse(StatusCode::METHOD_NOT_ALLOWED, "expected GET")
            }
            "/healthz" => reply(StatusCode::OK, "application/json", br#"{"status":"ok"}"#.to_vec()),
            "/metrics" => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                reply(StatusCode::OK, kind, text_of((self.0)()).into_bytes())
            }
            _ => self.refuse(StatusCode::NOT_FOUND, "expected /metrics or /healthz"),
        }
    }

    fn answer_body(&self, request: &Parts, _: Bytes, peer: IpAddr) -> Response<Body> {
        self.answer(request, peer)
    }

    fn refuse(&self, status: StatusCode, message: &str) -> Response<Body> {
        reply(status, "text/plain; charset=utf-8", format!("{message}\n").into_bytes())
    }
}

fn reply(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
