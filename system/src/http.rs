//! An HTTP server around a [`Handler`]: HTTP/1.1 and HTTP/2 on one port, TLS, limits, counters, a graceful end.
//!
//! What a request costs is hyper's cost: a scan for line ends is added (`head`), but no timer, no reading of a clock,
//! no task and no allocation; bodies are written into memory that is used again (`body`). Every connection has one timer, which is
//! armed when it fires; so each time of [`Limits`] but `body_time` is kept to within one tick, the shortest of them: at least `T`, at
//! most `T` and a tick.
//!
//! Not here: what is answered; the server knows nothing of paths, keys or places.

mod accept;
mod body;
mod connection;
mod counters;
mod drain;
mod head;
mod pulse;
mod refusal;
mod service;
mod stream;
pub mod tls;

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    http::request::Parts,
    server::conn::{http1, http2},
};
use hyper_util::rt::TokioTimer;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{sync::watch, task::JoinSet};

pub use self::{
    body::Body,
    counters::{Counters, Readings},
    drain::Drained,
    tls::Tls,
};
use self::{drain::Registry, service::Inline};

/// Connections that the kernel holds for us until they are accepted.
const BACKLOG: i32 = 4096;

/// Requests that one HTTP/2 connection may have open at once.
const STREAMS: u32 = 200;

/// Bytes of bodies that one HTTP/2 connection may send ahead of their being read.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Answers requests. Runs on the thread that reads them and must never wait.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request without a body: GET, HEAD, OPTIONS, anything but POST. The body of an answer to HEAD is left
    /// out, its length stays.
    fn answer(&self, request: &Parts, peer: IpAddr) -> Response<Body>;

    /// Answers a POST. Its body was read in full and has at most [`Limits::body_bytes`].
    fn answer_body(&self, request: &Parts, body: Bytes, peer: IpAddr) -> Response<Body>;

    /// The answer to what the server itself refuses: 400, 405, 408, 413, 414, 431 and 503.
    fn refuse(&self, status: StatusCode, message: &str) -> Response<Body>;
}

/// How much and how long the server puts up with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A request line and its headers, in bytes; at least 8,192.
    pub header_bytes: usize,
    /// A body, in bytes.
    pub body_bytes: usize,
    /// From the first byte of a head to its last; also a TLS handshake.
    pub head_time: Duration,
    /// From the head of a POST to the end of its body.
    pub body_time: Duration,
    /// Without a request. HTTP/2 connections are pinged at half of it.
    pub idle_time: Duration,
    /// Without a byte of an answer being taken by the peer.
    pub write_time: Duration,
    /// Connections at once; the next ones are answered with 503.
    pub connections: usize,
    /// From the shutdown to the cutting off of what still runs.
    pub drain_time: Duration,
    /// From the shutdown to the closing of connections without a request, so that one on its way is answered.
    pub drain_idle_time: Duration,
    /// What a refused peer may go on sending, so that it gets to read its answer.
    pub linger_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 16 * 1024,
            body_bytes: 64 * 1024,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            write_time: Duration::from_secs(20),
            connections: 10_000,
            drain_time: Duration::from_secs(30),
            drain_idle_time: Duration::from_millis(500),
            linger_time: Duration::from_secs(2),
        }
    }
}

/// Why the server can't listen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process, or another address of the same list, has the port.
    #[error("can't listen on {address}: the address is in use; stop what listens there or choose another port")]
    InUse {
        /// What was asked for.
        address: SocketAddr,
    },
    /// Ports below 1024 need a privilege.
    #[error(
        "can't listen on {address}: permission denied; choose a port of 1024 or more, or grant CAP_NET_BIND_SERVICE"
    )]
    Denied {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The machine has no such address.
    #[error("can't listen on {address}: this machine has no such address; 0.0.0.0 or [::] listens on all it has")]
    NoSuchAddress {
        /// What was asked for.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// An empty list.
    #[error("can't listen: found no address, expected at least one, such as 0.0.0.0:8080")]
    NoAddress,
}

/// What every connection shares.
struct Shared<H> {
    handler: Arc<H>,
    limits: Limits,
    counters: Arc<Counters>,
    registry: Arc<Registry>,
    http1: http1::Builder,
    http2: http2::Builder<Inline>,
    tls: Option<Tls>,
}

/// Listening sockets, not yet served.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    tls: Option<Tls>,
    limits: Limits,
    counters: Arc<Counters>,
}

impl Server {
    /// Listens on every address, or on none.
    ///
    /// # Errors
    /// If there is no address or the operating system refuses one.
    pub fn bind(addresses: &[SocketAddr], tls: Option<Tls>, limits: Limits) -> Result<Self, Error> {
        let mut listeners = Vec::new();
        let mut bound = Vec::new();
        for &address in addresses {
            // [::] takes IPv4 too, unless the list says otherwise.
            let other = |other: &SocketAddr| other.is_ipv4() && other.port() == address.port();
            let listener = listen(address, addresses.iter().any(other)).map_err(|error| explain(address, error))?;
            bound.push(listener.local_addr().map_err(|error| explain(address, error))?);
            listeners.push(listener);
        }
        if listeners.is_empty() {
            return Err(Error::NoAddress);
        }
        Ok(Self { listeners, addresses: bound, tls, limits, counters: Arc::default() })
    }

    /// Where it listens, in the order asked for; port 0 has become a real one.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What the server counts, during and after its run.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Serves until `shutdown` is done, then drains: stops accepting, answers what is on its way, tells connections to
    /// close, cuts off what is left after [`Limits::drain_time`].
    ///
    /// # Errors
    /// If a socket can't be handed to the runtime.
    pub async fn run<H: Handler>(self, handler: Arc<H>, shutdown: impl Future<Output = ()>) -> Result<Drained, Error> {
        let mut listeners = Vec::new();
        for (listener, address) in self.listeners.into_iter().zip(self.addresses) {
            listeners.push(tokio::net::TcpListener::from_std(listener).map_err(|error| explain(address, error))?);
        }
        let shared = Arc::new(Shared {
            handler,
            http1: http1(&self.limits),
            http2: http2(&self.limits),
            limits: self.limits,
            registry: Arc::new(Registry::new(Arc::clone(&self.counters))),
            counters: self.counters,
            tls: self.tls,
        });
        let (stop, stopped) = watch::channel(());
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(accept::accept(listener, Arc::clone(&shared), stopped.clone()));
        }
        let renewing = shared.tls.clone().map(|tls| tokio::spawn(tls.keep_fresh()));
        shutdown.await;
        let ended = shared.registry.begin();
        drop(stop);
        while accepting.join_next().await.is_some() {}
        let drained = shared.registry.drain(ended, shared.limits.drain_idle_time, shared.limits.drain_time).await;
        if let Some(renewing) = renewing {
            renewing.abort();
        }
        Ok(drained)
    }
}

fn listen(address: SocketAddr, beside_ipv4: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(beside_ipv4)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn explain(address: SocketAddr, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::AddrInUse => Error::InUse { address },
        io::ErrorKind::PermissionDenied => Error::Denied { address },
        io::ErrorKind::AddrNotAvailable => Error::NoSuchAddress { address },
        _ => Error::Listen { address, source },
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // A peer that has shut down its side still gets its answer; it also saves a read after each head.
    builder.half_close(true);
    builder.max_header_size(limits.header_bytes);
    builder.max_buf_size(limits.header_bytes.max(8 * 1024));
    // Answers are small: one copy is cheaper than the queue of buffers and writev (6,060 against 6,480 instructions
    // a request of a bare hyper, callgrind).
    builder.writev(false);
    // It would allocate a timer for each request; see `connection`.
    builder.header_read_timeout(None);
    builder
}

fn http2(limits: &Limits) -> http2::Builder<Inline> {
    let mut builder = http2::Builder::new(Inline);
    builder.timer(TokioTimer::new());
    builder.max_concurrent_streams(STREAMS);
    builder.max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    builder.initial_stream_window_size(u32::try_from(limits.body_bytes).unwrap_or(u32::MAX).clamp(65_535, 1 << 30));
    builder.initial_connection_window_size(CONNECTION_WINDOW);
    builder.keep_alive_interval(limits.idle_time / 2);
    builder.keep_alive_timeout(limits.head_time);
    builder
}
