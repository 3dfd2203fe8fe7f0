//! One request: from the client's resolver through gateway, function and table to the edge's verdict.
//!
//! Not here: the verdict itself (the core's [`Edge`]) and what the usage event sets in motion ([`super::pipeline`]).

use georush_core::{
    Origin, PlanGroup, Row, Status, SubjectId, Timestamp, UsageGroup, Version,
    edge::{Decision, Edge, Effect, Request, Verdict},
    time::DAY_US,
    window::WindowKind,
};

use rand::{Rng, rngs::Xoshiro256PlusPlus};

use super::{
    function::{Function, Slot},
    gateway::Gateway,
    network::Network,
    pipeline::Pipeline,
    sample::Quantiles,
    seed::Seed,
    table::{Read, Tables},
    timeline::{Now, Once, Timeline},
    ways::Ways,
};
use crate::{
    measure::{Component, Parts, Sample},
    oracle::ledger::Ledger,
    scenario::{Cause, Scenario},
    workload::Arrival,
};

/// What became of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served {
    pub(super) sample: Sample,
    pub(super) parts: Parts,
    /// The count that was compared with the quota; 0 if it did not come to that.
    pub(super) view: u64,
    pub(super) staleness_us: u64,
}

/// The instant of a request and the rest of the system then.
pub(super) struct Moment<'a> {
    pub(super) now_us: u64,
    pub(super) now: &'a Now,
    pub(super) timeline: &'a Timeline,
    pub(super) pipeline: &'a mut Pipeline,
    pub(super) ledger: &'a mut Ledger,
}

/// The request-serving half of the system, in all regions.
pub(super) struct Edges {
    edges: Vec<Edge>,
    ways: Ways,
    gateway: Gateway,
    function: Function,
    tables: Tables,
    /// Instead of gateway, function and table.
    service: Option<(Quantiles, Xoshiro256PlusPlus)>,
    /// Plan attributes by client group.
    plans: Vec<PlanGroup>,
    start_us: u64,
    /// Log streams of an edge: one for each shard, so that lines of one stream stay together.
    lanes: u16,
    outbox: Vec<Effect>,
}

impl Edges {
    pub(super) fn new(scenario: &Scenario, network: Network, subjects: usize, seed: Seed) -> Self {
        let (system, start_us) = (&scenario.system, scenario.start.0);
        let edge = |region: u16| Edge::new(Origin { region, epoch: 0 }, system.enforcement, system.on_unavailable);
        let plan = |clients: &crate::scenario::Clients| PlanGroup {
            plan: scenario.plans[scenario.populations[clients.population].plan].plan,
            anchor: Timestamp(0),
            status: Status::Active,
            version: Version::default(),
        };
        Self {
            edges: (0..system.regions.len() as u16).map(edge).collect(),
            ways: Ways::new(system, network, start_us, seed),
            gateway: Gateway::new(system, start_us, seed),
            function: Function::new(system, start_us, seed),
            tables: Tables::new(system, subjects, start_us, seed),
            service: system.service.as_deref().map(|points| (Quantiles::from_points(points), seed.stream("service"))),
            plans: scenario.clients.iter().map(plan).collect(),
            start_us,
            lanes: match &system.pipeline {
                crate::scenario::Pipeline::Stages(stages) => stages.shards,
                crate::scenario::Pipeline::FixedLag { .. } => 1,
            },
            outbox: Vec::new(),
        }
    }

    /// Brings close what a request for `subject` from `country` is likely to touch. Changes nothing.
    #[inline]
    pub(super) fn prefetch(&self, subject: SubjectId, country: usize) -> u64 {
        self.edges[self.ways.nearest(country)].prefetch(subject)
    }

    /// The timeline has reached a boundary.
    pub(super) fn change(&mut self, at_us: u64, now: &Now, timeline: &Timeline) {
        for region in 0..self.edges.len() {
            self.gateway.throttle(at_us, region, now.gateway_ppm[region]);
            self.function.throttle(region, now.function_ppm[region]);
            self.tables.throttle(at_us, region, now.reads_ppm[region]);
        }
        for once in timeline.once(at_us) {
            match once {
                Once::ColdFlush(Some(region)) => self.function.flush(region),
                Once::ColdFlush(None) => (0..self.edges.len()).for_each(|region| self.function.flush(region)),
                Once::EdgeKilled(region) => {
                    self.function.flush(region);
                    self.edges[region] = self.edges[region].next_life();
                }
            }
        }
    }

    /// Serves one request of client group `clients`.
    #[inline]
    pub(super) fn serve(&mut self, clients: usize, arrival: &Arrival, moment: Moment<'_>) -> Served {
        let Moment { now_us, now, .. } = moment;
        let (region, mut parts) = self.ways.take(now_us, arrival, now);
        if now.outage[region] {
            return refused(region, clients, Cause::RegionOutage, Parts::default());
        }
        if self.service.is_some() {
            return self.serve_measured(clients, region, arrival, parts, moment);
        }
        parts[Component::Gateway as usize] = self.gateway.overhead_us();
        if !self.gateway.admit(now_us, region) {
            return refused(region, clients, Cause::GatewayThrottled, parts);
        }
        if now.edge_down[region] {
            return refused(region, clients, Cause::EdgeDown, parts);
        }
        match self.function.acquire(now_us, region) {
            Ok(slot) => self.run(clients, region, arrival, slot, parts, moment),
            Err(cause) => refused(region, clients, cause, parts),
        }
    }

    /// Serves in a time that was measured, by a process that is not limited.
    #[cold]
    fn serve_measured(
        &mut self,
        clients: usize,
        region: usize,
        arrival: &Arrival,
        mut parts: Parts,
        moment: Moment<'_>,
    ) -> Served {
        if moment.now.edge_down[region] {
            return refused(region, clients, Cause::EdgeDown, parts);
        }
        if let Some((times, random)) = &mut self.service {
            parts[Component::Handler as usize] = times.draw(random.next_u32());
        }
        let paused_us = moment.now.edge_paused_until_us[region].saturating_sub(moment.now_us);
        parts[Component::Queue as usize] = u32::try_from(paused_us).unwrap_or(u32::MAX);
        self.decide(clients, region, arrival, true, parts, moment)
    }

    /// What a region used: steps of the function's time, reads of its table.
    pub(super) fn consumed(&self, region: usize) -> (u64, u64) {
        (self.function.billed_steps(region), self.tables.reads(region))
    }

    /// Look-ups that Route 53 answered.
    pub(super) fn queries(&self) -> u64 {
        self.ways.queries()
    }

    /// Runs the handler in its environment.
    fn run(
        &mut self,
        clients: usize,
        region: usize,
        arrival: &Arrival,
        slot: Slot,
        mut parts: Parts,
        moment: Moment<'_>,
    ) -> Served {
        let now_us = moment.now_us;
        let read = self.read(region, arrival.subject, &moment);
        let Read { table_us, queue_us } = read.unwrap_or(Read { table_us: 0, queue_us: 0 });
        let paused_us = moment.now.edge_paused_until_us[region].saturating_sub(now_us);
        let waited_us = u64::from(queue_us) + paused_us;
        let handler_us = self.function.handler_us();
        let busy_us = u64::from(slot.cold_us) + waited_us + u64::from(table_us) + u64::from(handler_us);
        parts[Component::ColdStart as usize] = slot.cold_us;
        let timeout_us = self.gateway.timeout_us;
        if busy_us > u64::from(timeout_us) {
            self.function.run(now_us, region, slot, u64::from(timeout_us));
            // What the environment was at until then, in this order.
            let mut left_us = timeout_us.saturating_sub(slot.cold_us);
            let waited_us = u32::try_from(waited_us).unwrap_or(u32::MAX);
            for (component, us) in
                [(Component::Queue, waited_us), (Component::Table, table_us), (Component::Handler, handler_us)]
            {
                parts[component as usize] = us.min(left_us);
                left_us -= us.min(left_us);
            }
            return refused(region, clients, Cause::Timeout, parts);
        }
        self.function.run(now_us, region, slot, busy_us);
        parts[Component::Queue as usize] = waited_us as u32;
        parts[Component::Table as usize] = table_us;
        parts[Component::Handler as usize] = handler_us;
        self.decide(clients, region, arrival, read.is_some(), parts, moment)
    }

    /// Reads the row's way: through DAX if there is one. `None` if the table had no capacity for it.
    #[inline]
    fn read(&mut self, region: usize, subject: SubjectId, moment: &Moment<'_>) -> Option<Read> {
        self.tables.hit(moment.now_us, region, subject).or_else(|| self.tables.read(moment.now_us, region, subject))
    }

    #[inline]
    fn decide(
        &mut self,
        clients: usize,
        region: usize,
        arrival: &Arrival,
        readable: bool,
        parts: Parts,
        moment: Moment<'_>,
    ) -> Served {
        let Moment { now_us, now, timeline, pipeline, ledger } = moment;
        let lane = ((arrival.bits & 0xFFFF) % u32::from(self.lanes)) as u16;
        let request = Request { subject: arrival.subject, cost: 1, lane };
        let edge = &mut self.edges[region];
        let usage = if readable {
            let fresh = || pipeline.read(now_us, request.subject, region, edge.origin(), timeline, ledger);
            self.tables.through_cache(now_us, region, request.subject, fresh)
        } else {
            UsageGroup::default()
        };
        let plan = anchored(self.plans[clients], self.start_us, request.subject);
        self.outbox.clear();
        let decision = edge.authorize(Timestamp(now_us), request, &Row { plan, usage }, readable, &mut self.outbox);
        let event = self.outbox.first().map(|Effect::Log(event)| event);
        let staleness_us = ledger.decided(Timestamp(now_us), region, request, readable, &decision, event);
        if let Some(&event) = event {
            pipeline.log(event, self.function.running(region), now, ledger);
        }
        let sample = Sample { region, clients, cause: cause(&decision), answered: true };
        Served { sample, parts, view: decision.view, staleness_us }
    }
}

fn cause(decision: &Decision) -> Option<Cause> {
    match decision.verdict {
        Verdict::Admitted => None,
        Verdict::OverQuota => Some(Cause::OverQuota),
        Verdict::Revoked => Some(Cause::Revoked),
        Verdict::Unavailable => Some(Cause::TableThrottled),
    }
}

fn refused(region: usize, clients: usize, cause: Cause, parts: Parts) -> Served {
    let answered = cause.status() != 0;
    Served { sample: Sample { region, clients, cause: Some(cause), answered }, parts, view: 0, staleness_us: 0 }
}

/// The plan group of one subject. Sign-ups are spread over the day before the run, so that anchored windows do not all
/// end at once.
#[inline]
fn anchored(plan: PlanGroup, start_us: u64, subject: SubjectId) -> PlanGroup {
    match plan.plan.window {
        WindowKind::DayUtc | WindowKind::MonthCalendar => plan,
        WindowKind::Anchored24h => {
            let spread = u64::from(subject.0).wrapping_mul(0x9E37_79B9_7F4A_7C15) % DAY_US;
            PlanGroup { anchor: Timestamp(start_us - spread), ..plan }
        }
    }
}
