//! The load generator: sends each request at its instant, whatever became of those before it.
//!
//! One thread, epoll, keep-alive pools, HTTP/1.1. Sends are timed by sleeping to shortly before an instant and spinning from
//! there; no timer of a runtime is involved. Not here: who asks for what and when, which is the [`Plan`]'s.

mod connection;
#[cfg_attr(not(target_os = "linux"), path = "generator/elsewhere.rs")]
mod readiness;
mod response;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use cpu_time::ThreadTime;

use super::clock::Clock;
use connection::{Connection, Progress};
use readiness::{Event, Readiness};

/// What happened on a connection, in words; told by the platform's events.
struct Ready {
    /// Whose.
    token: u64,
    /// Whether it takes bytes, or says why not.
    writable: bool,
    /// Whether it has bytes, or its end, to be read.
    readable: bool,
    /// Whether the other side ended it.
    closed: bool,
}

/// [`Settings::spin_us`] of a live run: timers of the kernel come some 50 us late.
pub const SPIN_US: u64 = 120;
/// Longest sleep, so that a request to stop is heard.
const SLEEP_US_MAX: i64 = 50_000;
/// Requests sent between two looks at what has come back, when many are due at once.
const BURST: usize = 64;
/// Connections looked at between two looks at what is due: each costs some 2 us.
const EVENTS: usize = 16;

/// A request to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shot {
    /// When, microseconds after the clock's start.
    pub at_us: u64,
    /// To which of the addresses.
    pub to: usize,
    /// Whether the way there is cut: it is lost before it is sent.
    pub cut: bool,
}

/// What there is to send, in the order of time.
pub trait Plan {
    /// The next one.
    fn next(&mut self) -> Option<Shot>;
    /// Writes the request that the last `next` was about.
    fn write(&mut self, out: &mut Vec<u8>);
}

/// Time in which no packet passes to or from an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Which of the addresses.
    pub to: usize,
    /// Begin, microseconds after the start.
    pub at_us: u64,
}

/// What a client does when as many requests are on their way as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// Drops the request: the load is open.
    Drop,
    /// Waits: the load is closed, for measuring how fast the generator is.
    Wait,
}

/// How requests are sent.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to.
    pub addresses: Vec<SocketAddr>,
    /// Requests on their way at once.
    pub in_flight_max: usize,
    /// How long to wait for an answer, microseconds.
    pub timeout_us: u64,
    /// What happens beyond `in_flight_max`.
    pub overflow: Overflow,
    /// A sleep ends this much before the next send is due, microseconds; the rest is spun away.
    pub spin_us: u64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Answered.
    Answered {
        /// Status of the answer.
        status: u16,
        /// What the answer says is left of the quota.
        left: Option<u64>,
    },
    /// Never sent: too many were on their way.
    Dropped,
    /// Never sent: the way is cut.
    Cut,
    /// Never sent: there was no connection to be had.
    Unreachable,
    /// Sent; the way was cut before the answer. Nobody knows whether it was served.
    CutOff,
    /// Sent; the connection broke. Nobody knows whether it was served.
    Broken,
    /// Sent; no answer in time. Nobody knows whether it was or will be served.
    TimedOut,
}

/// One request, from its instant to its fate. Microseconds after the clock's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight {
    /// When it should have been sent.
    pub at_us: u64,
    /// When the generator came to it.
    pub taken_us: u64,
    /// When it was about to be handed to the kernel; `taken_us` if it never was.
    pub sent_us: u64,
    /// When its fate was known.
    pub done_us: u64,
    /// What became of it.
    pub fate: Fate,
}

/// What the generator says of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// From the first to the last thing it did, microseconds.
    pub elapsed_us: u64,
    /// Time with something to do, microseconds: neither asleep nor spinning.
    pub busy_us: u64,
    /// CPU time of its thread, spinning included, microseconds.
    pub cpu_us: u64,
    /// Connections opened.
    pub connections: u64,
    /// Most requests on their way at once.
    pub in_flight_max: usize,
}

/// The generator. Connections outlive a run.
#[derive(Debug)]
pub struct Generator {
    settings: Settings,
    readiness: Readiness,
    connections: Vec<Option<Connection>>,
    /// How often each place in `connections` was used: events of its predecessors are ignored.
    generations: Vec<u32>,
    free: Vec<usize>,
    idle: Vec<Vec<usize>>,
    flights: Vec<Flight>,
    /// Requests that wait for an answer in the order of their sending: number and connection.
    waiting: VecDeque<(usize, usize)>,
    in_flight: usize,
    /// When the way to an address is cut; connections there end then. In the order of time.
    cuts: Vec<Cut>,
    /// The next of them.
    cut: usize,
    effort: Effort,
}

impl Generator {
    /// A generator without connections.
    ///
    /// # Errors
    /// If the kernel can't watch connections.
    pub fn new(settings: Settings) -> std::io::Result<Self> {
        Ok(Self {
            readiness: Readiness::new()?,
            connections: Vec::new(),
            generations: Vec::new(),
            free: Vec::new(),
            idle: vec![Vec::new(); settings.addresses.len()],
            flights: Vec::new(),
            waiting: VecDeque::new(),
            in_flight: 0,
            cuts: Vec::new(),
            cut: 0,
            effort: Effort::default(),
            settings,
        })
    }

    /// When ways are cut in the next run; in the order of time.
    pub fn set_cuts(&mut self, cuts: Vec<Cut>) {
        (self.cuts, self.cut) = (cuts, 0);
    }

    /// Sends all of `plan` and waits for the last fate. Stops sending once `stop` is set.
    pub fn run(&mut self, clock: &Clock, plan: &mut dyn Plan, stop: &AtomicBool) -> (Vec<Flight>, Effort) {
        let (began_us, cpu) = (clock.signed_us(), ThreadTime::now());
        self.effort = Effort::default();
        let mut next = plan.next();
        let mut events = Vec::with_capacity(EVENTS);
        let mut awake_us = began_us;
        loop {
            let mut now_us = clock.signed_us();
            let mut sent = 0;
            while let Some(shot) = next.filter(|shot| shot.at_us.cast_signed() <= now_us && sent < BURST) {
                if self.settings.overflow == Overflow::Wait && self.in_flight >= self.settings.in_flight_max {
                    break;
                }
                self.shoot(clock, now_us.cast_unsigned(), shot, plan);
                next = if stop.load(Ordering::Relaxed) { None } else { plan.next() };
                sent += 1;
                now_us = clock.signed_us();
            }
            self.expire(now_us);
            if next.is_none() && self.in_flight == 0 {
                break;
            }
            self.effort.busy_us += (now_us - awake_us).max(0).cast_unsigned();
            let due_us = self.due_us(next);
            let more = sent == BURST && due_us <= now_us;
            self.wait(clock, if more { now_us } else { due_us }, &mut events);
            awake_us = clock.signed_us();
            self.take_events(awake_us, &events);
        }
        let ended_us = clock.signed_us();
        self.effort.busy_us += (ended_us - awake_us).max(0).cast_unsigned();
        self.effort.elapsed_us = (ended_us - began_us).max(0).cast_unsigned();
        self.effort.cpu_us = cpu.elapsed().as_micros() as u64;
        self.waiting.clear();
        (std::mem::take(&mut self.flights), self.effort)
    }

    /// When something is to be done, whatever comes back.
    fn due_us(&self, next: Option<Shot>) -> i64 {
        let full = self.settings.overflow == Overflow::Wait && self.in_flight >= self.settings.in_flight_max;
        let send_us = next.filter(|_| !full).map(|shot| shot.at_us.cast_signed());
        let oldest = self.waiting.front().map(|&(number, _)| self.flights[number].sent_us);
        let expire_us = oldest.map(|sent_us| (sent_us + self.settings.timeout_us).cast_signed());
        let cut_us = self.cuts.get(self.cut).map(|cut| cut.at_us.cast_signed());
        [send_us, expire_us, cut_us].into_iter().flatten().min().unwrap_or(i64::MAX)
    }

    /// Waits for events until `due_us`: asleep as long as that is far, spinning from then on. Events end either.
    fn wait(&self, clock: &Clock, due_us: i64, events: &mut Vec<Event>) {
        loop {
            let left_us = due_us.saturating_sub(clock.signed_us());
            let sleep_us = (left_us - self.settings.spin_us.cast_signed()).clamp(0, SLEEP_US_MAX);
            self.readiness.wait(sleep_us, events);
            if !events.is_empty() || left_us <= 0 || sleep_us == SLEEP_US_MAX {
                return;
            }
            if sleep_us == 0 {
                std::hint::spin_loop();
            }
        }
    }

    fn shoot(&mut self, clock: &Clock, now_us: u64, shot: Shot, plan: &mut dyn Plan) {
        let number = self.flights.len();
        let mut flight =
            Flight { at_us: shot.at_us, taken_us: now_us, sent_us: now_us, done_us: now_us, fate: Fate::TimedOut };
        if shot.cut {
            flight.fate = Fate::Cut;
        } else if self.in_flight >= self.settings.in_flight_max {
            flight.fate = Fate::Dropped;
        }
        self.flights.push(flight);
        if flight.fate != Fate::TimedOut {
            return;
        }
        let Some(place) = self.idle[shot.to].pop().or_else(|| self.connect(shot.to)) else {
            self.flights[number].fate = Fate::Unreachable;
            return;
        };
        let connection = self.connections[place].as_mut().expect("a place that is idle or new holds a connection");
        plan.write(connection.request());
        connection.flight = Some(number);
        self.in_flight += 1;
        self.effort.in_flight_max = self.effort.in_flight_max.max(self.in_flight);
        self.waiting.push_back((number, place));
        // Before the call: the kernel may let the server run, and answer, before it returns.
        let sent_us = clock.now_us();
        let progress = connection.send();
        self.take_progress(sent_us, place, progress);
    }

    fn connect(&mut self, to: usize) -> Option<usize> {
        let connection = Connection::open(to, self.settings.addresses[to]).ok()?;
        let place = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.generations.push(0);
            self.connections.len() - 1
        });
        self.generations[place] = self.generations[place].wrapping_add(1);
        let token = u64::from(self.generations[place]) << 32 | place as u64;
        if self.readiness.add(&connection, token).is_err() {
            self.free.push(place);
            return None;
        }
        self.connections[place] = Some(connection);
        self.effort.connections += 1;
        Some(place)
    }

    fn take_events(&mut self, now_us: i64, events: &[Event]) {
        let now_us = now_us.max(0).cast_unsigned();
        for Ready { token, writable, readable, closed } in events.iter().map(Ready::from) {
            let place = (token & 0xFFFF_FFFF) as usize;
            if self.generations[place] != (token >> 32) as u32 {
                continue;
            }
            if writable && let Some(connection) = self.connections[place].as_mut() {
                let progress = connection.writable();
                self.take_progress(now_us, place, progress);
            }
            if readable && let Some(connection) = self.connections[place].as_mut() {
                let progress = connection.readable();
                self.take_progress(now_us, place, progress);
                if closed && self.connections[place].as_ref().is_some_and(|connection| connection.flight.is_none()) {
                    self.discard(place);
                }
            }
        }
    }

    fn take_progress(&mut self, now_us: u64, place: usize, progress: Progress) {
        let connection = self.connections[place].as_mut().expect("progress is made by connections that are there");
        match progress {
            Progress::Waits => {}
            Progress::Sent => {
                if let Some(number) = connection.flight {
                    self.flights[number].sent_us = now_us;
                }
            }
            Progress::Answered(head) => {
                let (region, flight) = (connection.region, connection.flight.take());
                if let Some(number) = flight {
                    self.finish(now_us, number, Fate::Answered { status: head.status, left: head.left });
                }
                if head.closes {
                    self.discard(place);
                } else {
                    self.idle[region].push(place);
                }
            }
            Progress::Dead { sent } => {
                if let Some(number) = connection.flight.take() {
                    self.finish(now_us, number, if sent { Fate::Broken } else { Fate::Unreachable });
                }
                self.discard(place);
            }
        }
    }

    fn finish(&mut self, now_us: u64, number: usize, fate: Fate) {
        let flight = &mut self.flights[number];
        (flight.done_us, flight.fate) = (now_us, fate);
        self.in_flight -= 1;
        // What is answered already need not be waited for.
        while let Some(&(first, place)) = self.waiting.front() {
            let waits = self.connections[place].as_ref().is_some_and(|connection| connection.flight == Some(first));
            if waits {
                break;
            }
            self.waiting.pop_front();
        }
    }

    /// Gives up what has waited too long, and what is on a way that is cut now.
    fn expire(&mut self, now_us: i64) {
        let now_us = now_us.max(0).cast_unsigned();
        while let Some(&Cut { to, .. }) = self.cuts.get(self.cut).filter(|cut| cut.at_us <= now_us) {
            self.cut += 1;
            for place in 0..self.connections.len() {
                if self.connections[place].as_ref().is_some_and(|connection| connection.region == to) {
                    self.give_up(now_us, place, Fate::CutOff, Fate::Cut);
                }
            }
        }
        while let Some(&(number, place)) = self.waiting.front() {
            if self.flights[number].sent_us + self.settings.timeout_us > now_us {
                break;
            }
            self.waiting.pop_front();
            if self.connections[place].as_ref().is_some_and(|connection| connection.flight == Some(number)) {
                self.give_up(now_us, place, Fate::TimedOut, Fate::Unreachable);
            }
        }
    }

    /// Ends a connection and what waits on it.
    fn give_up(&mut self, now_us: u64, place: usize, sent: Fate, unsent: Fate) {
        let Some(connection) = self.connections[place].as_mut() else { return };
        let fate = if connection.has_sent() { sent } else { unsent };
        if let Some(number) = connection.flight.take() {
            self.finish(now_us, number, fate);
        }
        self.discard(place);
    }

    /// Closes a connection. The kernel no longer watches it then.
    fn discard(&mut self, place: usize) {
        if let Some(connection) = self.connections[place].take() {
            self.generations[place] = self.generations[place].wrapping_add(1);
            self.idle[connection.region].retain(|&idle| idle != place);
            self.free.push(place);
        }
    }
}
