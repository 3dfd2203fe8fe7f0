//! Between hyper and the [`Handler`]: calls it, reads bodies for it, closes connections after their last answer.
//!
//! Not here: what the handler answers.

use std::{
    convert::Infallible,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Body as _, Incoming},
    header::{CONNECTION, CONTENT_LENGTH, HeaderValue},
    http::request::Parts,
    rt::Executor,
};
use tokio::time::timeout;

use super::{Body, Handler, Shared, counters::Event, drain::Phase, pulse::Pulse, refusal::Refusal};

/// The service of one connection.
pub(super) struct Service<H>(Arc<Connection<H>>);

struct Connection<H> {
    shared: Arc<Shared<H>>,
    pulse: Arc<Pulse>,
    peer: IpAddr,
}

/// An answer, at once or after a body. Only the latter is allocated.
pub(super) enum Answer {
    Now(Option<Response<Full<Body>>>),
    AfterBody(Pin<Box<dyn Future<Output = Response<Full<Body>>> + Send>>),
}

impl Future for Answer {
    type Output = Result<Response<Full<Body>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Now(answer) => answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer))),
            Self::AfterBody(answer) => answer.as_mut().poll(cx).map(Ok),
        }
    }
}

impl<H: Handler> Service<H> {
    pub(super) fn new(shared: Arc<Shared<H>>, pulse: Arc<Pulse>, peer: IpAddr) -> Self {
        Self(Arc::new(Connection { shared, pulse, peer }))
    }
}

impl<H: Handler> hyper::service::Service<Request<Incoming>> for Service<H> {
    type Response = Response<Full<Body>>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let connection = &*self.0;
        let (parts, body) = request.into_parts();
        // `GET example.com` has a host and no path: only CONNECT may be asked so (RFC 9112, 3.2.3).
        let is_authority = parts.uri.authority().is_some() && parts.uri.scheme().is_none();
        let handler = &connection.shared.handler;
        let response = match parts.method {
            Method::CONNECT => {
                connection.refuse(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this server is no proxy"))
            }
            _ if is_authority => {
                let why = "the target is neither a path nor a whole URL";
                connection.refuse_last(&parts, Refusal::new(StatusCode::BAD_REQUEST, why))
            }
            Method::POST if !body.is_end_stream() => {
                return Answer::AfterBody(Box::pin(Arc::clone(&self.0).with_body(parts, body)));
            }
            Method::POST => handler.answer_body(&parts, Bytes::new(), connection.peer),
            _ => handler.answer(&parts, connection.peer),
        };
        Answer::Now(Some(connection.finish(&parts, &body, response)))
    }
}

impl<H: Handler> Connection<H> {
    async fn with_body(self: Arc<Self>, parts: Parts, mut body: Incoming) -> Response<Full<Body>> {
        self.pulse.set_reading_body(true);
        let limits = &self.shared.limits;
        let read = timeout(limits.body_time, read(&mut body, limits.body_bytes)).await;
        let response = match read.unwrap_or(Err(TOO_SLOW)) {
            Ok(bytes) => self.shared.handler.answer_body(&parts, bytes, self.peer),
            Err(refusal) => {
                if refusal == TOO_SLOW {
                    self.shared.counters.count(Event::SlowBody);
                }
                self.refuse_last(&parts, refusal)
            }
        };
        self.pulse.set_reading_body(false);
        self.finish(&parts, &body, response)
    }

    fn refuse(&self, refusal: Refusal) -> Response<Body> {
        self.pulse.set_refused();
        self.shared.counters.refused(refusal.status);
        self.shared.handler.refuse(refusal.status, refusal.why)
    }

    /// Refuses, and closes the connection behind it.
    fn refuse_last(&self, parts: &Parts, refusal: Refusal) -> Response<Body> {
        let mut response = self.refuse(refusal);
        close(parts, &mut response);
        response
    }

    fn finish(&self, parts: &Parts, body: &Incoming, mut response: Response<Body>) -> Response<Full<Body>> {
        // After a chunked body the scanner does not know where the next head begins.
        if self.shared.registry.phase() != Phase::Serving || body.size_hint().exact().is_none() {
            close(parts, &mut response);
        }
        if parts.method == Method::HEAD {
            let length = HeaderValue::from(response.body().len());
            response.headers_mut().entry(CONTENT_LENGTH).or_insert(length);
            *response.body_mut() = Body::default();
        }
        self.pulse.answered();
        response.map(Full::new)
    }
}

const TOO_SLOW: Refusal = Refusal { status: StatusCode::REQUEST_TIMEOUT, why: "the body did not arrive in time" };
const TOO_LARGE: Refusal = Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, why: "the body is too large" };
const BROKEN: Refusal = Refusal { status: StatusCode::BAD_REQUEST, why: "the body can't be read" };

async fn read(body: &mut Incoming, limit: usize) -> Result<Bytes, Refusal> {
    // Before the first read, so that a peer that asks (Expect: 100-continue) is not told to go on.
    if body.size_hint().lower() > limit as u64 {
        return Err(TOO_LARGE);
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BROKEN)?.into_data() else { continue };
        if first.len() + all.len() + data.len() > limit {
            return Err(TOO_LARGE);
        }
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        all.extend_from_slice(&std::mem::take(&mut first));
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Makes it the last answer of its connection; HTTP/2 has other means.
fn close(parts: &Parts, response: &mut Response<Body>) {
    if parts.version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Runs the answers of HTTP/2: most are there at once and need no task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inline;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Inline {
    fn execute(&self, future: F) {
        let mut future = Box::pin(future);
        // A task of its own polls it again, with a waker of its own.
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            tokio::spawn(future);
        }
    }
}
