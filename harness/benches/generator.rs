//! The live mode's generator alone, against a server that runs already: how much CPU a request costs it, and how late it sends.
//!
//! `cargo bench -p georush --bench generator -- MODE ADDRESS [RATE] [SECONDS]`; `harness/benches/generators` compares it with others.
//! Modes: `saturate`; `raw`, the floor below any saturating client; `open`; `asleep`, an open load without spinning; `idle`, `open`
//! without sending anything, the floor of lateness on this machine.

#[path = "generator/raw.rs"]
mod raw;

use std::{net::SocketAddr, sync::atomic::AtomicBool, time::Duration};

use cpu_time::ThreadTime;
use georush::{
    live::{
        clock::Clock,
        generator::{Fate, Generator, Overflow, Plan, SPIN_US, Settings, Shot},
    },
    measure::latency_histogram,
};

const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: georush\r\n\r\n";
/// Requests at once of the saturating load, as `wrk -c64` has.
const CONNECTIONS: usize = 64;
/// Requests of a saturating load for each second that it should take: as many as a fast server answers.
const SATURATING: u64 = 60_000;

struct Even {
    sent: u64,
    requests: u64,
    /// Requests a second; 0 sends all at once.
    rate: u64,
    /// Whether nothing is sent.
    cut: bool,
}

impl Plan for Even {
    fn next(&mut self) -> Option<Shot> {
        let number = self.sent;
        self.sent += 1;
        let at_us = (number * 1_000_000).checked_div(self.rate).unwrap_or(0);
        (number < self.requests).then_some(Shot { at_us, to: 0, cut: self.cut })
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(REQUEST);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [mode, address, rest @ ..] = &arguments[..] else {
        println!("usage: generator saturate|raw|open|asleep|idle ADDRESS [RATE] [SECONDS]; nothing was measured");
        return;
    };
    let address: SocketAddr = address.parse().expect("an address and a port");
    let number = |index: usize, default: u64| rest.get(index).map_or(default, |text| text.parse().expect("a number"));
    let (rate, seconds) = (number(0, 20_000), number(1, 2));
    match mode.as_str() {
        "raw" => {
            let (clock, cpu) = (Clock::starting(Duration::ZERO), ThreadTime::now());
            let answered = raw::saturate(address, CONNECTIONS, SATURATING * seconds).expect("the server answers");
            println!("{}", cost(answered, clock.now_us(), cpu.elapsed().as_micros() as u64));
        }
        "saturate" => {
            let plan = Even { sent: 0, requests: SATURATING * seconds, rate: 0, cut: false };
            measure(address, plan, Overflow::Wait, CONNECTIONS, SPIN_US);
        }
        "open" | "asleep" | "idle" => {
            let plan = Even { sent: 0, requests: rate * seconds, rate, cut: mode == "idle" };
            measure(address, plan, Overflow::Drop, 4_096, if mode == "asleep" { 0 } else { SPIN_US });
        }
        mode => panic!("{mode:?} is no mode, expected saturate, raw, open, asleep or idle"),
    }
}

fn measure(address: SocketAddr, mut plan: Even, overflow: Overflow, in_flight_max: usize, spin_us: u64) {
    let settings = Settings { addresses: vec![address], in_flight_max, timeout_us: 10_000_000, overflow, spin_us };
    let mut generator = Generator::new(settings).expect("the kernel has an epoll instance to give");
    let clock = Clock::starting(Duration::from_millis(50));
    let (flights, effort) = generator.run(&clock, &mut plan, &AtomicBool::new(false));
    let answered = flights.iter().filter(|flight| matches!(flight.fate, Fate::Answered { .. })).count();
    let (mut lag, mut response) = (latency_histogram(), latency_histogram());
    for flight in &flights {
        lag.saturating_record(flight.sent_us.saturating_sub(flight.at_us));
        response.saturating_record(flight.done_us.saturating_sub(flight.at_us));
    }
    print!("{}", cost(answered as u64, effort.elapsed_us, effort.cpu_us));
    if overflow == Overflow::Drop {
        let at = |histogram: &hdrhistogram::Histogram<u64>| {
            [0.5, 0.99, 0.999].map(|q| histogram.value_at_quantile(q)).map(|us| us.to_string()).join("/")
        };
        print!("; send lag p50/p99/p99.9 {} us, response {} us", at(&lag), at(&response));
    }
    println!();
}

fn cost(answered: u64, elapsed_us: u64, cpu_us: u64) -> String {
    let per_second = answered as f64 * 1e6 / elapsed_us.max(1) as f64;
    let each = cpu_us as f64 / answered.max(1) as f64;
    format!("{answered} requests, {per_second:.0}/s, {each:.2} us of CPU each")
}
