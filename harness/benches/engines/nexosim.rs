//! The same workload on nexosim: ten region models and a hub that passes counts on, on one thread.
//!
//! Not here: queues or ports of ours.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use nexosim::{
    model::{Context, Model, schedulable},
    ports::Output,
    simulation::{Mailbox, SimInit},
    time::MonotonicTime,
};
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use serde::{Deserialize, Serialize};

use crate::{
    heap::Chance,
    setting::{COLD_START_US, KEYS, Outcome, QUOTA, REGIONS, Setting, WINDOW_US},
};

/// Keys admitted by each region in one window.
type Admitted = Arc<[Vec<u32>; REGIONS]>;

#[derive(Serialize, Deserialize)]
struct Region {
    to_hub: Output<(usize, Vec<u32>)>,
    #[serde(skip)]
    state: Option<State>,
}

struct State {
    index: usize,
    chance: Arc<Chance>,
    end: MonotonicTime,
    warm: u32,
    rng: Xoshiro256PlusPlus,
    visible: Vec<u32>,
    admitted: Vec<u32>,
    outcome: Outcome,
    result: Arc<Mutex<Outcome>>,
}

#[derive(Serialize, Deserialize)]
struct Hub {
    to_regions: Output<Admitted>,
    #[serde(skip)]
    admitted: [Vec<u32>; REGIONS],
    reported: usize,
}

#[Model]
impl Region {
    #[nexosim(init)]
    async fn init(&mut self, cx: &Context<Self>) {
        self.schedule_arrival(cx);
        let window = Duration::from_micros(WINDOW_US);
        cx.schedule_periodic_event(window, window, schedulable!(Self::report), ())
            .expect("the window is in the future");
        let state = self.state();
        let drained = state.end + Duration::from_secs(30);
        cx.schedule_event(drained, schedulable!(Self::finish), ()).expect("the end is in the future");
    }

    #[nexosim(schedulable)]
    fn arrive(&mut self, _: (), cx: &Context<Self>) {
        let state = self.state();
        let key = state.chance.key(&mut state.rng);
        let count = &mut state.visible[key as usize];
        if *count < QUOTA {
            *count += 1;
            state.admitted.push(key);
        } else {
            state.outcome.rejected += 1;
        }
        let mut busy_us = state.chance.service_us(&mut state.rng);
        if state.warm == 0 {
            busy_us += COLD_START_US;
            state.outcome.cold += 1;
        } else {
            state.warm -= 1;
        }
        let network_us = state.chance.network_us(&mut state.rng);
        state.outcome.latency_us.saturating_record(busy_us + network_us);
        state.outcome.requests += 1;
        let busy = Duration::from_micros(busy_us);
        cx.schedule_event(busy, schedulable!(Self::complete), ()).expect("service takes time");
        self.schedule_arrival(cx);
    }

    #[nexosim(schedulable)]
    fn complete(&mut self) {
        let state = self.state();
        state.warm += 1;
        state.outcome.completed += 1;
    }

    #[nexosim(schedulable)]
    async fn report(&mut self) {
        let state = self.state();
        let report = (state.index, std::mem::take(&mut state.admitted));
        self.to_hub.send(report).await;
    }

    fn merge(&mut self, admitted: Admitted) {
        let state = self.state();
        for (from, keys) in admitted.iter().enumerate() {
            if from != state.index {
                keys.iter().for_each(|&key| state.visible[key as usize] += 1);
            }
        }
    }

    #[nexosim(schedulable)]
    fn finish(&mut self) {
        let state = self.state();
        state.result.lock().expect("no other thread panics").add(&state.outcome);
    }

    fn state(&mut self) -> &mut State {
        self.state.as_mut().expect("nothing restores this model")
    }

    fn schedule_arrival(&mut self, cx: &Context<Self>) {
        let state = self.state();
        let gap_us = state.chance.gap_us(&mut state.rng);
        let at = cx.time() + Duration::from_nanos((gap_us * 1e3) as u64 + 1);
        if at < state.end {
            cx.schedule_event(at, schedulable!(Self::arrive), ()).expect("a gap takes time");
        }
    }
}

#[Model]
impl Hub {
    async fn report(&mut self, (from, keys): (usize, Vec<u32>)) {
        self.admitted[from] = keys;
        self.reported += 1;
        if self.reported == REGIONS {
            self.reported = 0;
            self.to_regions.send(Arc::new(std::mem::take(&mut self.admitted))).await;
        }
    }
}

pub(crate) fn run(setting: &Setting, seed: u64) -> Outcome {
    let chance = Arc::new(Chance::new(setting));
    let result = Arc::new(Mutex::new(Outcome::new()));
    let end = MonotonicTime::EPOCH + Duration::from_secs(setting.seconds);
    let mut hub = Hub { to_regions: Output::default(), admitted: Default::default(), reported: 0 };
    let hub_mailbox = Mailbox::new();
    let mut bench = SimInit::with_num_threads(1);
    for index in 0..REGIONS {
        let state = State {
            index,
            chance: chance.clone(),
            end,
            warm: setting.warm,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed * REGIONS as u64 + index as u64),
            visible: vec![0; KEYS as usize],
            admitted: Vec::new(),
            outcome: Outcome::new(),
            result: result.clone(),
        };
        let mut region = Region { to_hub: Output::default(), state: Some(state) };
        let mailbox = Mailbox::new();
        region.to_hub.connect(Hub::report, &hub_mailbox);
        hub.to_regions.connect(Region::merge, &mailbox);
        bench = bench.add_model(region, mailbox, &format!("region-{index}"));
    }
    bench = bench.add_model(hub, hub_mailbox, "hub");
    let mut simulation = bench.init(MonotonicTime::EPOCH).expect("the models are connected");
    simulation.step_until(Duration::from_secs(setting.seconds + 31)).expect("no model fails");
    drop(simulation);
    let result = Arc::into_inner(result).expect("the models are gone");
    result.into_inner().expect("no other thread panics")
}
