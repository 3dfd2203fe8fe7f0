//! What the server counts of connections and of requests that it refused itself.
//!
//! Not here: requests that the handler answered; nothing is counted for them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::StatusCode;

/// Statuses that the server refuses with.
const STATUSES: [StatusCode; 7] = [
    StatusCode::BAD_REQUEST,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::URI_TOO_LONG,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// Counters, all since the start. None is touched on behalf of a request that the handler answers, so they share
/// cache lines without harm.
#[derive(Debug, Default)]
pub struct Counters {
    accepted: AtomicU64,
    open: AtomicU64,
    turned_away: AtomicU64,
    failed_accepts: AtomicU64,
    refused: [AtomicU64; STATUSES.len()],
    slow_handshakes: AtomicU64,
    failed_handshakes: AtomicU64,
    slow_heads: AtomicU64,
    slow_bodies: AtomicU64,
    slow_readers: AtomicU64,
    idle: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readings {
    /// Connections accepted, those turned away included.
    pub accepted: u64,
    /// Connections open now.
    pub open: u64,
    /// Connections above [`Limits::connections`](super::Limits::connections).
    pub turned_away: u64,
    /// Times that the operating system had no connection to give, for want of file descriptors for example.
    pub failed_accepts: u64,
    /// Requests refused by the server itself, by status. What the HTTP/2 protocol layer refuses is not in it.
    pub refused: Vec<(StatusCode, u64)>,
    /// TLS handshakes given up for their time.
    pub slow_handshakes: u64,
    /// TLS handshakes that failed.
    pub failed_handshakes: u64,
    /// Connections closed because a head did not end.
    pub slow_heads: u64,
    /// Requests refused because a body did not end.
    pub slow_bodies: u64,
    /// Connections closed because the peer did not read.
    pub slow_readers: u64,
    /// Connections closed for having had no request.
    pub idle: u64,
}

/// Events without a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    FailedAccept,
    TurnedAway,
    SlowHandshake,
    FailedHandshake,
    SlowHead,
    SlowBody,
    SlowReader,
    Idle,
}

impl Counters {
    /// What was counted until now.
    pub fn read(&self) -> Readings {
        let refused = STATUSES.iter().zip(&self.refused).map(|(status, count)| (*status, count.load(Relaxed)));
        Readings {
            accepted: self.accepted.load(Relaxed),
            open: self.open.load(Relaxed),
            turned_away: self.turned_away.load(Relaxed),
            failed_accepts: self.failed_accepts.load(Relaxed),
            refused: refused.collect(),
            slow_handshakes: self.slow_handshakes.load(Relaxed),
            failed_handshakes: self.failed_handshakes.load(Relaxed),
            slow_heads: self.slow_heads.load(Relaxed),
            slow_bodies: self.slow_bodies.load(Relaxed),
            slow_readers: self.slow_readers.load(Relaxed),
            idle: self.idle.load(Relaxed),
        }
    }

    /// Connections open now.
    pub(super) fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Relaxed);
    }

    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    pub(super) fn refused(&self, status: StatusCode) {
        if let Some(count) = STATUSES.iter().position(|known| *known == status).and_then(|at| self.refused.get(at)) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn count(&self, event: Event) {
        let counter = match event {
            Event::FailedAccept => &self.failed_accepts,
            Event::TurnedAway => &self.turned_away,
            Event::SlowHandshake => &self.slow_handshakes,
            Event::FailedHandshake => &self.failed_handshakes,
            Event::SlowHead => &self.slow_heads,
            Event::SlowBody => &self.slow_bodies,
            Event::SlowReader => &self.slow_readers,
            Event::Idle => &self.idle,
        };
        counter.fetch_add(1, Relaxed);
    }
}
