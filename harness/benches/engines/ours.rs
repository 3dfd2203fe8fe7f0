//! The engine made of georush's parts: arrivals are read from streams and never queued, completions are bare times in a
//! 4-ary heap, chance comes from tables.
//!
//! Not here: the models of a real run.

use std::hint::black_box;

use georush::{
    simulate::{queue::Deadlines, sample::Quantiles, seed::Seed},
    workload::{Arrival, Stream},
};
use rand::{Rng, rngs::Xoshiro256PlusPlus};

use crate::setting::{COLD_START_US, KEYS, NETWORK, Outcome, QUOTA, SERVICE_SIGMA, Setting, WINDOW_US};

/// What each region can see of one key, one cache line.
type Line = [u32; 16];

struct Region {
    index: usize,
    stream: Stream,
    block: Vec<Arrival>,
    next: usize,
    ended: bool,
    completions: Deadlines,
    warm: u32,
    bits: Xoshiro256PlusPlus,
    /// Keys admitted in this window.
    admitted: Vec<u32>,
}

pub(crate) fn run(setting: &Setting, seed: u64) -> Outcome {
    let scenario = setting.scenario(seed);
    let streams = Stream::all(&scenario).into_iter().enumerate();
    let mut regions: Vec<Region> = streams
        .map(|(index, stream)| Region {
            index,
            stream,
            block: Vec::new(),
            next: 0,
            ended: false,
            completions: Deadlines::new(),
            warm: setting.warm,
            bits: Seed(seed).stream(&format!("network/{index}")),
            admitted: Vec::new(),
        })
        .collect();
    let service = lognormal(setting.service_us, SERVICE_SIGMA);
    let network = lognormal(NETWORK.0, NETWORK.1);
    let mut visible: Vec<Line> = vec![[0; 16]; KEYS as usize];
    let mut outcome = Outcome::new();
    let mut window_end = 0;
    while !regions.iter().all(|region| region.ended) {
        window_end += WINDOW_US;
        for region in &mut regions {
            region.run_until(window_end, &service, &network, &mut visible, &mut outcome);
        }
        for region in &mut regions {
            merge(region.index, &mut region.admitted, &mut visible);
        }
    }
    for region in &mut regions {
        while region.completions.pop().is_some() {
            outcome.completed += 1;
        }
    }
    outcome
}

fn lognormal(median_us: f64, sigma: f64) -> Quantiles {
    Quantiles::from_points(&[(0.5, median_us), (0.841_344_746_068_542_9, median_us * libm::exp(sigma))])
}

/// Adds what one region has admitted to what the others see. It sees its own at once.
fn merge(from: usize, admitted: &mut Vec<u32>, visible: &mut [Line]) {
    let mut one: Line = [1; 16];
    one[from] = 0;
    for key in admitted.drain(..) {
        for (count, one) in visible[key as usize].iter_mut().zip(one) {
            *count += one;
        }
    }
}

impl Region {
    fn run_until(
        &mut self,
        end_us: u64,
        service: &Quantiles,
        network: &Quantiles,
        visible: &mut [Line],
        outcome: &mut Outcome,
    ) {
        while let Some(arrival) = self.next_before(end_us, visible) {
            while self.completions.peek().is_some_and(|at_us| at_us <= arrival.at_us) {
                self.completions.pop();
                self.warm += 1;
                outcome.completed += 1;
            }
            let key = arrival.subject.0;
            let count = &mut visible[key as usize][self.index];
            if *count < QUOTA {
                *count += 1;
                self.admitted.push(key);
            } else {
                outcome.rejected += 1;
            }
            let mut busy_us = u64::from(service.draw(arrival.bits));
            if self.warm == 0 {
                busy_us += COLD_START_US;
                outcome.cold += 1;
            } else {
                self.warm -= 1;
            }
            self.completions.push(arrival.at_us + busy_us);
            outcome.latency_us.saturating_record(busy_us + u64::from(network.draw(self.bits.next_u32())));
            outcome.requests += 1;
        }
    }

    fn next_before(&mut self, end_us: u64, visible: &[Line]) -> Option<Arrival> {
        if self.next == self.block.len() {
            self.stream.fill(&mut self.block);
            self.next = 0;
            self.ended = self.block.is_empty();
            // The lines come from memory side by side now instead of one by one later.
            black_box(self.block.iter().fold(0, |sum, arrival| sum ^ visible[arrival.subject.index()][self.index]));
        }
        let arrival = *self.block.get(self.next)?;
        (arrival.at_us < end_us).then(|| {
            self.next += 1;
            arrival
        })
    }
}
