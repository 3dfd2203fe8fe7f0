//! The live mode's generator alone, against a server that runs already: how much CPU a request costs it, and how late it sends.
//!
//! `cargo bench -p georush --bench generator -- saturate|open ADDRESS [RATE] [SECONDS]`; `harness/benches/generators` compares it with
//! others.

use std::{net::SocketAddr, sync::atomic::AtomicBool, time::Duration};

use georush::{
    live::{
        clock::Clock,
        generator::{Fate, Generator, Overflow, Plan, Settings, Shot},
    },
    measure::latency_histogram,
};

/// Requests at once of the saturating load, as `wrk -c64` has.
const CONNECTIONS: usize = 64;

struct Even {
    sent: u64,
    requests: u64,
    /// Requests a second; 0 sends all at once.
    rate: u64,
}

impl Plan for Even {
    fn next(&mut self) -> Option<Shot> {
        let number = self.sent;
        self.sent += 1;
        let at_us = (number * 1_000_000).checked_div(self.rate).unwrap_or(0);
        (number < self.requests).then_some(Shot { at_us, to: 0, cut: false })
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"GET /healthz HTTP/1.1\r\nhost: georush\r\n\r\n");
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [mode, address, rest @ ..] = &arguments[..] else {
        println!("usage: generator saturate|open ADDRESS [RATE] [SECONDS]; nothing was measured");
        return;
    };
    let address: SocketAddr = address.parse().expect("an address and a port");
    let number = |index: usize, default: u64| rest.get(index).map_or(default, |text| text.parse().expect("a number"));
    let (rate, seconds) = (number(0, 20_000), number(1, 2));
    let open = mode == "open";
    let mut generator = Generator::new(Settings {
        addresses: vec![address],
        in_flight_max: if open { 4_096 } else { CONNECTIONS },
        timeout_us: 10_000_000,
        overflow: if open { Overflow::Drop } else { Overflow::Wait },
    })
    .expect("the kernel has an epoll instance to give");
    // Without a rate, as many requests as a fast server answers in that time; what counts is the cost of one.
    let mut plan =
        Even { sent: 0, requests: if open { rate } else { 60_000 } * seconds, rate: if open { rate } else { 0 } };
    let clock = Clock::starting(Duration::from_millis(50));
    let (flights, effort) = generator.run(&clock, &mut plan, &AtomicBool::new(false));
    let answered = flights.iter().filter(|flight| matches!(flight.fate, Fate::Answered { .. })).count();
    let (mut lag, mut response) = (latency_histogram(), latency_histogram());
    for flight in &flights {
        lag.saturating_record(flight.taken_us.saturating_sub(flight.at_us));
        response.saturating_record(flight.done_us.saturating_sub(flight.at_us));
    }
    let per_request = effort.cpu_us as f64 / flights.len().max(1) as f64;
    let per_second = flights.len() as f64 * 1e6 / effort.elapsed_us.max(1) as f64;
    print!("{answered} of {} answered, {per_second:.0}/s, {per_request:.2} us of CPU each", flights.len());
    if open {
        let at = |histogram: &hdrhistogram::Histogram<u64>| {
            [0.5, 0.99, 0.999].map(|q| histogram.value_at_quantile(q)).map(|us| us.to_string()).join("/")
        };
        print!("; send lag p50/p99/p99.9 {} us, response {} us", at(&lag), at(&response));
    }
    println!();
}
