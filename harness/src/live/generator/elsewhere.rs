//! The live mode needs Linux; elsewhere, these types have no value, so that nothing of it can run.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{io::Errno, net::AddressFamily};

use super::Ready;

/// None.
pub(super) fn socket(_family: AddressFamily) -> rustix::io::Result<OwnedFd> {
    Err(Errno::NOTSUP)
}

/// Never told.
#[derive(Debug)]
pub(super) enum Event {}

/// Never made.
#[derive(Debug)]
pub(super) enum Readiness {}

impl Readiness {
    /// # Errors
    /// Always.
    pub(super) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn add(&self, _connection: &impl AsFd, _token: u64) -> io::Result<()> {
        match *self {}
    }

    pub(super) fn wait(&self, _sleep_us: i64, _events: &mut Vec<Event>) {
        match *self {}
    }
}

impl From<&Event> for Ready {
    fn from(event: &Event) -> Self {
        match *event {}
    }
}
