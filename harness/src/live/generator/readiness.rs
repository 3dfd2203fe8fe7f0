//! Which connections have something to do, told by epoll at each change, after a sleep as exact as the kernel can make it.
//!
//! Not here: systems other than Linux, on which nothing can be told (`elsewhere.rs`).

use std::{
    io,
    num::NonZeroU64,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    event::{Timespec, epoll},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with},
};

use super::Ready;

/// A TCP socket that never waits, and that no child inherits.
pub(super) fn socket(family: AddressFamily) -> rustix::io::Result<OwnedFd> {
    socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, Some(ipproto::TCP))
}

/// What the kernel told of one connection.
pub(super) type Event = epoll::Event;

/// The connections that are watched.
#[derive(Debug)]
pub(super) struct Readiness(OwnedFd);

impl Readiness {
    /// Watches none yet.
    ///
    /// # Errors
    /// If the kernel gives no epoll instance.
    pub(super) fn new() -> io::Result<Self> {
        // Without it timers may be 50 us later. Best effort.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// Watches a connection until it is closed; `token` is in its events.
    pub(super) fn add(&self, connection: &impl AsFd, token: u64) -> io::Result<()> {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        Ok(epoll::add(&self.0, connection, epoll::EventData::new_u64(token), flags)?)
    }

    /// Waits `sleep_us` at most, less than a second, and puts what happened into `events`, as far as it has room.
    pub(super) fn wait(&self, sleep_us: i64, events: &mut Vec<Event>) {
        events.clear();
        let timeout = Timespec { tv_sec: 0, tv_nsec: sleep_us * 1_000 };
        match epoll::wait(&self.0, rustix::buffer::spare_capacity(events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => unreachable!("an epoll instance that is open can be waited for: {error}"),
        }
    }
}

impl From<&Event> for Ready {
    fn from(event: &Event) -> Self {
        use epoll::EventFlags as Flags;
        let flags = event.flags;
        let closed = flags.intersects(Flags::RDHUP | Flags::HUP | Flags::ERR);
        Self {
            token: event.data.u64(),
            writable: flags.intersects(Flags::OUT | Flags::ERR | Flags::HUP),
            readable: flags.contains(Flags::IN) || closed,
            closed,
        }
    }
}
