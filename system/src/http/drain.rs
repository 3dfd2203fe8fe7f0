//! The open connections, and their end: how each is told that the server stops.
//!
//! Not here: what a connection does when it is told.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::counters::Counters;

/// How long connections that were cut off may take to notice.
const CUT_TIME: Duration = Duration::from_secs(1);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were open at the shutdown, or waiting to be accepted, and ended by themselves.
    pub finished: u64,
    /// Connections that had to be cut off.
    pub cut_off: u64,
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Not begun.
    Serving,
    /// Every answer says that it is the last one of its connection.
    Last,
    /// Connections without a request close.
    Close,
    /// All connections end now.
    Cut,
}

/// The open connections.
#[derive(Debug)]
pub(super) struct Registry {
    phase: AtomicU8,
    next: AtomicU64,
    wakers: Mutex<HashMap<u64, Option<Waker>>>,
    empty: Notify,
    counters: Arc<Counters>,
}

/// One open connection; dropping it says that the connection has ended.
#[derive(Debug)]
pub(super) struct Ticket {
    registry: Arc<Registry>,
    number: u64,
}

impl Registry {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self {
            phase: AtomicU8::new(0),
            next: AtomicU64::new(0),
            wakers: Mutex::default(),
            empty: Notify::new(),
            counters,
        }
    }

    /// Takes a connection in.
    pub(super) fn enter(self: &Arc<Self>) -> Ticket {
        let mut wakers = self.wakers();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        wakers.insert(number, None);
        drop(wakers);
        self.counters.opened();
        Ticket { registry: Arc::clone(self), number }
    }

    /// How far the end has come.
    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Last,
            2 => Phase::Close,
            _ => Phase::Cut,
        }
    }

    /// From now on every answer is the last one of its connection. Returns how many connections have ended by now.
    pub(super) fn begin(&self) -> u64 {
        let wakers = self.wakers();
        let ended = self.next.load(Ordering::Relaxed) - wakers.len() as u64;
        drop(wakers);
        self.enter_phase(Phase::Last);
        ended
    }

    /// Waits until all connections have ended, and makes them; `ended` is what [`begin`](Self::begin) returned.
    pub(super) async fn drain(&self, ended: u64, idle_time: Duration, time: Duration) -> Drained {
        let start = Instant::now();
        let _ = timeout_at(start + idle_time.min(time), self.all_ended()).await;
        self.enter_phase(Phase::Close);
        let _ = timeout_at(start + time, self.all_ended()).await;
        let cut_off = self.wakers().len() as u64;
        self.enter_phase(Phase::Cut);
        let _ = timeout_at(Instant::now() + CUT_TIME, self.all_ended()).await;
        // Some ended before anybody waited for them.
        Drained { finished: self.next.load(Ordering::Relaxed) - ended - cut_off, cut_off }
    }

    fn enter_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
        for waker in self.wakers().values().flatten() {
            waker.wake_by_ref();
        }
    }

    async fn all_ended(&self) {
        loop {
            let ended = self.empty.notified();
            if self.wakers().is_empty() {
                return;
            }
            ended.await;
        }
    }

    fn wakers(&self) -> MutexGuard<'_, HashMap<u64, Option<Waker>>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The task to wake when a phase begins. A task keeps its waker, so once is enough.
    pub(super) fn attend(&self, waker: &Waker) {
        self.registry.wakers().insert(self.number, Some(waker.clone()));
    }

    /// How far the end has come.
    pub(super) fn phase(&self) -> Phase {
        self.registry.phase()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut wakers = self.registry.wakers();
        wakers.remove(&self.number);
        self.registry.counters.closed();
        if wakers.is_empty() {
            self.registry.empty.notify_waiters();
        }
    }
}
