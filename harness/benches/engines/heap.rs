//! The engine that one writes first: arrivals and completions in a binary heap per region, the usual crates for chance.
//!
//! Not here: any idea of ours.

use std::{cmp::Reverse, collections::BinaryHeap};

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, Exp1, LogNormal, weighted::WeightedAliasIndex};

use crate::setting::{
    COLD_START_US, KEYS, NETWORK, Outcome, QUOTA, REGIONS, SERVICE_SIGMA, Setting, WINDOW_US, ZIPF_MILLI,
};

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    Completion,
}

struct Region {
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    next_seq: u64,
    warm: u32,
    rng: Xoshiro256PlusPlus,
    visible: Vec<u32>,
    admitted: Vec<u32>,
}

/// What a region draws from.
pub(crate) struct Chance {
    keys: WeightedAliasIndex<f64>,
    service_us: LogNormal<f64>,
    network_us: LogNormal<f64>,
    gap_us: f64,
}

impl Chance {
    pub(crate) fn new(setting: &Setting) -> Self {
        let exponent = f64::from(ZIPF_MILLI) / 1_000.0;
        let weights = (1..=KEYS).map(|n| f64::from(n).powf(-exponent)).collect();
        let lognormal = |median: f64, sigma| LogNormal::new(median.ln(), sigma).expect("sigma is positive");
        Self {
            keys: WeightedAliasIndex::new(weights).expect("weights are positive"),
            service_us: lognormal(setting.service_us, SERVICE_SIGMA),
            network_us: lognormal(NETWORK.0, NETWORK.1),
            gap_us: 1e6 / setting.rate,
        }
    }

    pub(crate) fn key(&self, rng: &mut Xoshiro256PlusPlus) -> u32 {
        self.keys.sample(rng) as u32
    }

    pub(crate) fn service_us(&self, rng: &mut Xoshiro256PlusPlus) -> u64 {
        self.service_us.sample(rng) as u64
    }

    pub(crate) fn network_us(&self, rng: &mut Xoshiro256PlusPlus) -> u64 {
        self.network_us.sample(rng) as u64
    }

    pub(crate) fn gap_us(&self, rng: &mut Xoshiro256PlusPlus) -> f64 {
        let gap: f64 = Exp1.sample(rng);
        gap * self.gap_us
    }
}

pub(crate) fn run(setting: &Setting, seed: u64) -> Outcome {
    let chance = Chance::new(setting);
    let end_us = setting.seconds * 1_000_000;
    let mut regions: Vec<Region> = (0..REGIONS as u64)
        .map(|index| Region {
            events: BinaryHeap::new(),
            next_seq: 0,
            warm: setting.warm,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed * REGIONS as u64 + index),
            visible: vec![0; KEYS as usize],
            admitted: Vec::new(),
        })
        .collect();
    for region in &mut regions {
        region.schedule_arrival(0, &chance, end_us);
    }
    let mut outcome = Outcome::new();
    let mut window_end = 0;
    while regions.iter().any(|region| !region.events.is_empty()) {
        window_end += WINDOW_US;
        for region in &mut regions {
            region.run_until(window_end, &chance, end_us, &mut outcome);
        }
        for from in 0..REGIONS {
            let admitted = std::mem::take(&mut regions[from].admitted);
            for (to, region) in regions.iter_mut().enumerate() {
                if to != from {
                    admitted.iter().for_each(|&key| region.visible[key as usize] += 1);
                }
            }
        }
    }
    outcome
}

impl Region {
    fn schedule(&mut self, at_us: u64, event: Event) {
        self.events.push(Reverse((at_us, self.next_seq, event)));
        self.next_seq += 1;
    }

    fn schedule_arrival(&mut self, now_us: u64, chance: &Chance, end_us: u64) {
        let at_us = now_us + (chance.gap_us(&mut self.rng) + 0.5) as u64;
        if at_us < end_us {
            self.schedule(at_us, Event::Arrival);
        }
    }

    fn run_until(&mut self, window_end: u64, chance: &Chance, end_us: u64, outcome: &mut Outcome) {
        while self.events.peek().is_some_and(|Reverse((at_us, ..))| *at_us < window_end) {
            let Some(Reverse((now_us, _, event))) = self.events.pop() else { return };
            match event {
                Event::Arrival => {
                    self.arrive(now_us, chance, outcome);
                    self.schedule_arrival(now_us, chance, end_us);
                }
                Event::Completion => {
                    self.warm += 1;
                    outcome.completed += 1;
                }
            }
        }
    }

    fn arrive(&mut self, now_us: u64, chance: &Chance, outcome: &mut Outcome) {
        let key = chance.key(&mut self.rng);
        let count = &mut self.visible[key as usize];
        if *count < QUOTA {
            *count += 1;
            self.admitted.push(key);
        } else {
            outcome.rejected += 1;
        }
        let mut busy_us = chance.service_us(&mut self.rng);
        if self.warm == 0 {
            busy_us += COLD_START_US;
            outcome.cold += 1;
        } else {
            self.warm -= 1;
        }
        self.schedule(now_us + busy_us, Event::Completion);
        outcome.latency_us.saturating_record(busy_us + chance.network_us(&mut self.rng));
        outcome.requests += 1;
    }
}
