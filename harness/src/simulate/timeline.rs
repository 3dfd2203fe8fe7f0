//! The scenario's faults, asked two ways: what is wrong now (for requests), and when is this link or process next usable
//! (for the pipeline, which plans ahead).
//!
//! Not here: what a fault does to a model; each model knows that itself.

use crate::scenario::{FaultAction, Node, Phase, Scenario, Service};

/// A stretch of time, microseconds since the epoch like everything in the simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) at_us: u64,
    pub(super) until_us: u64,
}

impl Span {
    fn holds(self, now_us: u64) -> bool {
        self.at_us <= now_us && now_us < self.until_us
    }
}

/// What is wrong at one instant. All vectors are by region index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) outage: Vec<bool>,
    /// Regions that Route 53 believes to be down.
    pub(super) unhealthy: Vec<bool>,
    /// Where requests for a region really go.
    pub(super) rerouted: Vec<usize>,
    pub(super) edge_down: Vec<bool>,
    /// Until when the edge stands still; 0 if it does not.
    pub(super) edge_paused_until_us: Vec<u64>,
    pub(super) gateway_ppm: Vec<u32>,
    pub(super) function_ppm: Vec<u32>,
    pub(super) reads_ppm: Vec<u32>,
    pub(super) skips_logs: Vec<bool>,
    pub(super) duplicates_ppm: Vec<u32>,
    pub(super) stale_dns_ppm: u32,
}

/// Why a process is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It died and is started again.
    Killed,
    /// It stands still.
    Paused,
}

/// All faults, resolved to absolute times.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    faults: Vec<(Span, FaultAction)>,
    regions: usize,
    detection_us: u64,
}

/// What a one-off fault does when its moment comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Once {
    /// Warm environments of these regions are gone (`None`: of all).
    ColdFlush(Option<usize>),
    /// The edge of a region dies; its next life has a new epoch.
    EdgeKilled(usize),
}

impl Timeline {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let start = scenario.start.0;
        let span = |at: u64, until: u64| Span { at_us: start + at, until_us: start + until };
        let dns = &scenario.system.dns;
        Self {
            faults: scenario.faults.iter().map(|f| (span(f.at_us, f.until_us), f.action.clone())).collect(),
            regions: scenario.system.regions.len(),
            detection_us: dns.health_interval_us * u64::from(dns.health_threshold),
        }
    }

    /// Every instant at which [`Self::now`] changes or a [`Once`] comes, sorted.
    pub(super) fn boundaries(&self) -> Vec<u64> {
        let mut all = Vec::new();
        for (span, action) in &self.faults {
            all.extend([span.at_us, span.until_us]);
            if matches!(action, FaultAction::RegionOutage { .. }) {
                all.extend([span.at_us + self.detection_us, span.until_us + self.detection_us]);
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What is wrong at `now_us`.
    pub(super) fn now(&self, now_us: u64) -> Now {
        let n = self.regions;
        let mut now = Now {
            outage: vec![false; n],
            unhealthy: vec![false; n],
            rerouted: (0..n).collect(),
            edge_down: vec![false; n],
            edge_paused_until_us: vec![0; n],
            gateway_ppm: vec![1_000_000; n],
            function_ppm: vec![1_000_000; n],
            reads_ppm: vec![1_000_000; n],
            skips_logs: vec![false; n],
            duplicates_ppm: vec![0; n],
            stale_dns_ppm: 0,
        };
        for (span, action) in &self.faults {
            if let FaultAction::RegionOutage { region } = action {
                let seen = Span { at_us: span.at_us + self.detection_us, until_us: span.until_us + self.detection_us };
                now.unhealthy[*region] |= seen.holds(now_us);
            }
            if span.holds(now_us) {
                now.apply(*span, action);
            }
        }
        now
    }

    /// What happens once at exactly `now_us`.
    pub(super) fn once(&self, now_us: u64) -> Vec<Once> {
        let once = |(span, action): &(Span, FaultAction)| match action {
            _ if span.at_us != now_us => None,
            FaultAction::ColdFlush { region } => Some(Once::ColdFlush(*region)),
            FaultAction::Kill { node: Node::Edge(region) } => Some(Once::EdgeKilled(*region)),
            _ => None,
        };
        self.faults.iter().filter_map(once).collect()
    }

    /// When `now_us` is, relative to the faults.
    pub(super) fn phase(&self, now_us: u64) -> Phase {
        if self.faults.iter().any(|(span, _)| span.holds(now_us)) {
            Phase::During
        } else if self.faults.iter().any(|(span, _)| span.until_us <= now_us) {
            Phase::After
        } else {
            Phase::Before
        }
    }

    #[inline]
    fn until(&self, now_us: u64, is: impl Fn(&FaultAction) -> bool) -> Option<u64> {
        self.faults
            .iter()
            .filter(|(span, action)| span.holds(now_us) && is(action))
            .map(|(span, _)| span.until_us)
            .max()
    }

    /// Until when nothing passes between `region` and the centre; `None` if it does pass.
    #[inline]
    pub(super) fn link_down_until(&self, now_us: u64, region: usize) -> Option<u64> {
        self.until(now_us, |action| match action {
            FaultAction::Partition { region: r } | FaultAction::RegionOutage { region: r } => *r == region,
            _ => false,
        })
    }

    /// What the way between `region` and the centre takes longer, microseconds one way.
    #[inline]
    pub(super) fn delay_us(&self, now_us: u64, region: usize) -> u64 {
        let delay = |(span, action): &(Span, FaultAction)| match action {
            FaultAction::Delay { region: r, by_us } if *r == region && span.holds(now_us) => *by_us,
            _ => 0,
        };
        self.faults.iter().map(delay).sum()
    }

    /// Until when the replicator of `region` is told not to write.
    #[inline]
    pub(super) fn replication_paused_until(&self, now_us: u64, region: usize) -> Option<u64> {
        self.until(now_us, |action| match action {
            FaultAction::ReplicationPause { region: r } => r.is_none_or(|r| r == region),
            FaultAction::Pause { node } => *node == Node::Replicator(region),
            _ => false,
        })
    }

    /// The next stop of a process that begins at or after `from_us`, or is under way then.
    pub(super) fn next_stop(&self, node: Node, from_us: u64) -> Option<(Span, Stop)> {
        let stop = |(span, action): &(Span, FaultAction)| match action {
            FaultAction::Kill { node: n } if *n == node => Some((*span, Stop::Killed)),
            FaultAction::Pause { node: n } if *n == node => Some((*span, Stop::Paused)),
            _ => None,
        };
        let begins_later = |s: &(Span, Stop)| s.0.at_us >= from_us || s.0.holds(from_us);
        self.faults.iter().filter_map(stop).filter(begins_later).min_by_key(|(span, _)| span.at_us)
    }

    /// If the process was killed after `since_us` and by `now_us`: when it is up again.
    #[inline]
    pub(super) fn killed_until(&self, node: Node, since_us: u64, now_us: u64) -> Option<u64> {
        let until = |(span, action): &(Span, FaultAction)| match action {
            FaultAction::Kill { node: n } if *n == node && span.at_us > since_us && span.at_us <= now_us => {
                Some(span.until_us)
            }
            _ => None,
        };
        self.faults.iter().filter_map(until).max()
    }

    /// Whether a capacity of this service is ever cut.
    pub(super) fn throttles(&self, service: Service) -> bool {
        self.faults.iter().any(|(_, a)| matches!(a, FaultAction::Throttle { service: s, .. } if *s == service))
    }

    /// What remains of a pipeline service's capacity, millionths.
    pub(super) fn remains_ppm(&self, now_us: u64, service: Service, region: Option<usize>) -> u32 {
        let remains = |(span, action): &(Span, FaultAction)| match action {
            FaultAction::Throttle { service: s, region: r, remains_ppm }
                if *s == service && span.holds(now_us) && (r.is_none() || *r == region) =>
            {
                Some(*remains_ppm)
            }
            _ => None,
        };
        self.faults.iter().filter_map(remains).min().unwrap_or(1_000_000)
    }

    /// Whether any fault is scheduled.
    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }
}

impl Now {
    fn apply(&mut self, span: Span, action: &FaultAction) {
        let of = |region: &Option<usize>, index: usize| region.is_none_or(|r| r == index);
        for index in 0..self.outage.len() {
            match action {
                FaultAction::RegionOutage { region } => self.outage[index] |= *region == index,
                FaultAction::Reroute { from, to } if *from == index => self.rerouted[index] = *to,
                FaultAction::Kill { node: Node::Edge(region) } => self.edge_down[index] |= *region == index,
                FaultAction::Pause { node: Node::Edge(region) } if *region == index => {
                    self.edge_paused_until_us[index] = span.until_us;
                }
                FaultAction::Throttle { service, region, remains_ppm } if of(region, index) => {
                    let target = match service {
                        Service::Gateway => &mut self.gateway_ppm,
                        Service::Function => &mut self.function_ppm,
                        Service::TableReads => &mut self.reads_ppm,
                        Service::TableWrites | Service::Stream => continue,
                    };
                    target[index] = target[index].min(*remains_ppm);
                }
                FaultAction::LogSkip { region } => self.skips_logs[index] |= *region == index,
                FaultAction::Duplicate { region, ppm } if of(region, index) => {
                    self.duplicates_ppm[index] = self.duplicates_ppm[index].max(*ppm);
                }
                FaultAction::DnsStale { ppm } => self.stale_dns_ppm = self.stale_dns_ppm.max(*ppm),
                // The pipeline asks for these itself; one-off faults happen once.
                FaultAction::Reroute { .. }
                | FaultAction::Duplicate { .. }
                | FaultAction::Throttle { .. }
                | FaultAction::Kill { .. }
                | FaultAction::Pause { .. }
                | FaultAction::Partition { .. }
                | FaultAction::Delay { .. }
                | FaultAction::ReplicationPause { .. }
                | FaultAction::ColdFlush { .. } => {}
            }
        }
    }
}
