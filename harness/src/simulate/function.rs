//! Lambda: environments that are busy, idle or not there yet.
//!
//! Not here: what the handler does. An environment runs one request at a time; the one that became idle last is used
//! first (an assumption), so that the others can age and go.

use rand::{Rng, rngs::Xoshiro256PlusPlus};

use super::{bucket::Bucket, queue::Deadlines, sample::Quantiles, seed::Seed};
use crate::{
    facts::{self, model::Growth},
    scenario::{Cause, System},
};

/// Bits of a deadline that name the environment: half a million of them, and 400 days above.
const ENVIRONMENT_BITS: u32 = 19;

#[derive(Debug, Clone, Copy, Default)]
struct Environment {
    /// How long it waits for a call before it goes, microseconds.
    idle_life_us: u64,
    /// When it was last done.
    idle_since_us: u64,
    /// When it goes whatever happens.
    retires_us: u64,
}

struct Region {
    environments: Vec<Environment>,
    free: Vec<u32>,
    /// Ends of running requests (microseconds after the run's start) above, their environments below.
    busy: Deadlines,
    idle: Vec<u32>,
    growth: (Bucket, u64),
    concurrency: usize,
    /// Steps of time that were billed.
    billed_steps: u64,
}

/// Permission to run one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    environment: u32,
    /// What starting the environment takes, microseconds; 0 for a warm one.
    pub(super) cold_us: u32,
}

/// Lambda in all regions.
pub(super) struct Function {
    start_us: u64,
    regions: Vec<Region>,
    concurrency: usize,
    cold: Quantiles,
    overhead: Quantiles,
    /// Steps that a call's time is billed in, microseconds, and whether starting its environment is billed too.
    billing: (u64, bool),
    handler_us: u32,
    idle_life_us: (u64, u64),
    max_life_us: (u64, u64),
    random: Xoshiro256PlusPlus,
}

impl Function {
    pub(super) fn new(system: &System, start_us: u64, seed: Seed) -> Self {
        let model = &facts::model(system.era).function;
        let runtime = model.runtimes.get(&system.function.runtime).expect("a resolved scenario names a known runtime");
        let concurrency = system.function.concurrency as usize;
        let region = |name: &String| Region {
            environments: Vec::new(),
            free: Vec::new(),
            busy: Deadlines::new(),
            idle: Vec::new(),
            growth: growth(&model.growth, name, start_us),
            concurrency,
            billed_steps: 0,
        };
        let billing = &facts::prices(system.era).billing;
        // CPU time is scarce below one full vCPU and no better above: the handler has one thread.
        let (full, memory) = (u64::from(model.full_vcpu_mb), u64::from(system.function.memory_mb));
        let handler_us = u64::from(system.function.handler_cpu_us) * full / memory.min(full);
        Self {
            start_us,
            regions: system.regions.iter().map(region).collect(),
            concurrency,
            cold: Quantiles::from_points(&runtime.cold),
            overhead: Quantiles::from_points(&model.warm_overhead),
            billing: (billing.duration_step_us, billing.cold_start_billed),
            handler_us: handler_us as u32,
            idle_life_us: model.idle_life_us,
            max_life_us: model.max_life_us,
            random: seed.stream("function"),
        }
    }

    /// An environment for a request at `now_us`, or why there is none.
    #[inline]
    pub(super) fn acquire(&mut self, now_us: u64, region: usize) -> Result<Slot, Cause> {
        let Self { regions, start_us, .. } = self;
        let state = &mut regions[region];
        let ended = (now_us - *start_us + 1) << ENVIRONMENT_BITS;
        while let Some(deadline) = state.busy.peek().filter(|&deadline| deadline < ended) {
            state.busy.pop();
            let end_us = *start_us + (deadline >> ENVIRONMENT_BITS);
            let environment = (deadline & ((1 << ENVIRONMENT_BITS) - 1)) as u32;
            state.environments[environment as usize].idle_since_us = end_us;
            state.idle.push(environment);
        }
        while let Some(environment) = state.idle.pop() {
            let Environment { idle_life_us, idle_since_us, retires_us } = state.environments[environment as usize];
            if (idle_since_us + idle_life_us).min(retires_us) > now_us {
                if state.busy.len() >= state.concurrency {
                    state.idle.push(environment);
                    return Err(Cause::ConcurrencyLimit);
                }
                return Ok(Slot { environment, cold_us: 0 });
            }
            state.free.push(environment);
        }
        self.start(now_us, region)
    }

    #[cold]
    fn start(&mut self, now_us: u64, region: usize) -> Result<Slot, Cause> {
        let state = &mut self.regions[region];
        if state.busy.len() >= state.concurrency {
            return Err(Cause::ConcurrencyLimit);
        }
        let (bucket, cost) = &mut state.growth;
        if !bucket.take(now_us, *cost) {
            return Err(Cause::ScalingLimit);
        }
        let environment = state.free.pop().unwrap_or_else(|| {
            state.environments.push(Environment::default());
            state.environments.len() as u32 - 1
        });
        state.environments[environment as usize] = Environment {
            idle_life_us: between(self.idle_life_us, self.random.next_u32()),
            idle_since_us: now_us,
            retires_us: now_us + between(self.max_life_us, self.random.next_u32()),
        };
        Ok(Slot { environment, cold_us: self.cold.draw(self.random.next_u32()).max(1) })
    }

    /// The slot's environment is busy for `busy_us` from `now_us` on.
    #[inline]
    pub(super) fn run(&mut self, now_us: u64, region: usize, slot: Slot, busy_us: u64) {
        let (step_us, cold_start_billed) = self.billing;
        let unbilled_us = if cold_start_billed { 0 } else { u64::from(slot.cold_us) };
        let state = &mut self.regions[region];
        state.billed_steps += busy_us.saturating_sub(unbilled_us).div_ceil(step_us);
        let deadline = (now_us + busy_us - self.start_us) << ENVIRONMENT_BITS | u64::from(slot.environment);
        state.busy.push(deadline);
    }

    /// Steps of time that a region was billed for.
    pub(super) fn billed_steps(&self, region: usize) -> u64 {
        self.regions[region].billed_steps
    }

    /// Time of a warm request beside its reads, microseconds.
    #[inline]
    pub(super) fn handler_us(&mut self) -> u32 {
        self.handler_us + self.overhead.draw(self.random.next_u32())
    }

    /// Requests that run at this moment.
    #[inline]
    pub(super) fn running(&self, region: usize) -> usize {
        self.regions[region].busy.len()
    }

    /// Leaves `remains_ppm` of the concurrency limit to a region.
    pub(super) fn throttle(&mut self, region: usize, remains_ppm: u32) {
        self.regions[region].concurrency = (self.concurrency as u64 * u64::from(remains_ppm) / 1_000_000) as usize;
    }

    /// All environments of a region are gone; what runs, runs to its end and is not used again.
    pub(super) fn flush(&mut self, region: usize) {
        let state = &mut self.regions[region];
        state.free.append(&mut state.idle);
        for environment in &mut state.environments {
            environment.retires_us = 0;
        }
    }
}

/// How fast environments may be added: a bucket of starts, and what one start takes out of it. A start costs as many
/// tokens as the rate's period has seconds, so that no rate is rounded.
fn growth(growth: &Growth, region: &str, start_us: u64) -> (Bucket, u64) {
    let (step, period_s, burst) = match growth {
        Growth::Regional { burst_default, burst_by_region, per_minute } => {
            let index = facts::region(region).expect("a resolved scenario names known regions");
            (*per_minute, 60, *burst_by_region.get(&index).unwrap_or(burst_default))
        }
        Growth::PerFunction { step, period_us } => (*step, period_us / 1_000_000, *step),
    };
    (Bucket::new(u64::from(step), u64::from(burst) * period_s, start_us), period_s)
}

fn between((least, most): (u64, u64), bits: u32) -> u64 {
    least + ((u128::from(most - least) * u128::from(bits)) >> 32) as u64
}
