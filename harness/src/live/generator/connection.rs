//! One keep-alive connection without blocking: connecting, one request on its way, or idle.
//!
//! Not here: which connection takes which request, and what time it is.

use std::{
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    buffer::spare_capacity,
    io::{self, Errno},
    net::{self, AddressFamily, RecvFlags, SendFlags, sockopt},
};

use super::{
    readiness,
    response::{self, Head},
};

/// Bytes that can be read at once, at least.
const CHUNK: usize = 16 * 1024;

/// What a connection has to say after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing yet.
    Waits,
    /// Its request is on its way now.
    Sent,
    /// Its answer is complete.
    Answered(Head),
    /// It is of no more use. Whether any byte of its request had left.
    Dead { sent: bool },
}

/// A connection to one region.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    pub(super) region: usize,
    connecting: bool,
    /// The request; empty if there is none.
    out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    head: Option<Head>,
    /// Number of the request that waits for its answer.
    pub(super) flight: Option<usize>,
}

impl Connection {
    /// Begins to connect.
    pub(super) fn open(region: usize, address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = readiness::socket(family)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        match net::connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error),
        }
        let (out, input) = (Vec::with_capacity(512), Vec::with_capacity(CHUNK));
        Ok(Self { socket, region, connecting: true, out, written: 0, input, head: None, flight: None })
    }

    /// Where a request is to be written before [`Self::send`].
    pub(super) fn request(&mut self) -> &mut Vec<u8> {
        self.out.clear();
        self.written = 0;
        &mut self.out
    }

    /// Sends what can be sent now.
    pub(super) fn send(&mut self) -> Progress {
        if self.connecting {
            return Progress::Waits;
        }
        while self.written < self.out.len() {
            match net::send(&self.socket, &self.out[self.written..], SendFlags::empty()) {
                Ok(sent) => self.written += sent,
                Err(Errno::AGAIN | Errno::INTR) => return Progress::Waits,
                Err(_) => return Progress::Dead { sent: self.written > 0 },
            }
        }
        Progress::Sent
    }

    /// The socket can be written: connecting is over, one way or the other.
    pub(super) fn writable(&mut self) -> Progress {
        if self.connecting {
            match sockopt::socket_error(&self.socket) {
                Ok(Ok(())) => self.connecting = false,
                Ok(Err(_)) | Err(_) => return Progress::Dead { sent: false },
            }
        }
        if self.flight.is_some() && self.written < self.out.len() { self.send() } else { Progress::Waits }
    }

    /// The socket can be read.
    pub(super) fn readable(&mut self) -> Progress {
        loop {
            self.input.reserve(CHUNK);
            let room = self.input.capacity() - self.input.len();
            match net::recv(&self.socket, spare_capacity(&mut self.input), RecvFlags::empty()) {
                Ok((_, 0)) => return Progress::Dead { sent: self.written > 0 },
                Ok((_, count)) => {
                    match self.answer() {
                        Progress::Waits if count == room => {}
                        progress => return progress,
                    };
                }
                Err(Errno::AGAIN) => return Progress::Waits,
                Err(Errno::INTR) => {}
                Err(_) => return Progress::Dead { sent: self.written > 0 },
            }
        }
    }

    fn answer(&mut self) -> Progress {
        if self.flight.is_none() {
            // Nobody asked anything.
            return Progress::Dead { sent: false };
        }
        if self.head.is_none() {
            match response::read(&self.input) {
                Ok(head) => self.head = head,
                Err(response::Malformed) => return Progress::Dead { sent: true },
            }
        }
        match self.head {
            Some(head) if self.input.len() == head.length => {
                self.head = None;
                self.input.clear();
                Progress::Answered(head)
            }
            Some(head) if self.input.len() > head.length => Progress::Dead { sent: true },
            _ => Progress::Waits,
        }
    }

    /// Whether any byte of the request has left.
    pub(super) fn has_sent(&self) -> bool {
        self.written > 0
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
