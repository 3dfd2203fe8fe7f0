//! The central table and, through it, all regional ones.
//!
//! A region's table is a prefix of the central table's history: replication is in order, and its writes are conditional
//! on the version. So each row keeps its recent versions and each region a horizon, the newest version it holds; what a
//! region shows is the newest version at or below its horizon. Nothing is copied ten times.
//!
//! Not here: when a horizon moves (see [`super::replication`]).

use std::collections::{BTreeMap, VecDeque};

use georush_core::{
    Origin, SubjectId, UsageGroup, Version as RowVersion, WindowId,
    aggregator::{Effect, Update},
    count::{Change, Count},
};

/// One version of a row's usage group.
#[derive(Debug, Clone, Copy)]
struct Version {
    stamp: u64,
    total: u64,
}

/// Component of each region's newest epoch, with that epoch.
type Components = Box<[(u16, u64)]>;

/// One subject's row. What a read needs comes first: most regions show the newest version.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
struct Row {
    window: WindowId,
    /// The newest version; also what the change feed calls this row's last change.
    stamp: u64,
    total: u64,
    /// A count of the window that every region shows at least.
    floor: u64,
    /// Older versions that some region shows or may come to show; the newest too where components are kept.
    versions: VecDeque<Version>,
    /// The components of each of `versions`, where edges compare them with their own.
    #[allow(clippy::box_collection, reason = "eight bytes in a row of two cache lines; most runs have none")]
    components: Option<Box<VecDeque<Components>>>,
    count: Count,
}

/// What a write did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Count before.
    pub(super) before: u64,
    /// Count after.
    pub(super) after: u64,
    /// The row's change before this one, 0 if none.
    pub(super) previous: u64,
    /// A count that every region shows already.
    pub(super) floor: u64,
}

/// The rows of all subjects.
pub(super) struct Rows {
    rows: Vec<Row>,
    /// Counts of windows that are over but were not complete when the next one began.
    closed: BTreeMap<(SubjectId, WindowId), Count>,
    /// Newest version that each region holds.
    pub(super) horizons: Vec<u64>,
    /// A version that every region holds; the least horizon when [`Self::look_round`] was called last.
    lowest: u64,
    /// Newest epoch of each region's origin that has been counted.
    epochs: Vec<u16>,
}

impl Rows {
    pub(super) fn new(subjects: usize, regions: usize, keep_components: bool) -> Self {
        let row = Row {
            window: WindowId(0),
            stamp: 0,
            total: 0,
            floor: 0,
            versions: VecDeque::new(),
            components: keep_components.then(Box::default),
            count: Count::default(),
        };
        Self {
            rows: vec![row; subjects],
            closed: BTreeMap::new(),
            horizons: vec![0; regions],
            lowest: 0,
            epochs: vec![0; regions],
        }
    }

    /// Brings a row close, ahead of its request. Changes nothing.
    #[inline]
    pub(super) fn prefetch(&self, subject: SubjectId) -> u64 {
        self.rows[subject.index()].stamp
    }

    /// Brings a row close, ahead of a write to it. Changes nothing.
    #[inline]
    pub(super) fn prefetch_write(&self, subject: SubjectId) -> u64 {
        let row = &self.rows[subject.index()];
        row.stamp ^ row.count.total()
    }

    /// Brings close what a row that is close already points to, ahead of a write. Changes nothing.
    #[inline]
    pub(super) fn prefetch_history(&self, subject: SubjectId, origin: Origin) -> u64 {
        let row = &self.rows[subject.index()];
        row.count.of(origin) ^ row.versions.front().map_or(0, |v| v.stamp) ^ row.versions.back().map_or(0, |v| v.stamp)
    }

    /// Finds out which versions every region holds; returns the newest of them.
    pub(super) fn look_round(&mut self) -> u64 {
        self.lowest = self.horizons.iter().copied().min().unwrap_or(0);
        self.lowest
    }

    /// What `region` shows of a row, as read by `origin`.
    #[inline]
    pub(super) fn read(&self, subject: SubjectId, region: usize, origin: Origin) -> UsageGroup {
        let row = &self.rows[subject.index()];
        let horizon = self.horizons[region];
        let (stamp, total, own) = if row.stamp <= horizon && row.components.is_none() {
            (row.stamp, row.total, 0)
        } else {
            match row.versions.partition_point(|v| v.stamp <= horizon).checked_sub(1) {
                Some(index) => {
                    let Version { stamp, total } = row.versions[index];
                    let component = row.components.as_ref().map(|c| c[index][region]);
                    (stamp, total, component.filter(|c| c.0 == origin.epoch).map_or(0, |c| c.1))
                }
                None => (0, row.floor, 0),
            }
        };
        UsageGroup { window: row.window, total, own, version: RowVersion { generation: 0, number: stamp } }
    }

    /// Performs the updates of one write, all of the same subject and window, as version `stamp`. `settled` says whether a
    /// window left behind is complete.
    pub(super) fn write(
        &mut self,
        updates: &[Effect],
        stamp: u64,
        settled: impl Fn(SubjectId, WindowId) -> bool,
    ) -> Written {
        let Some(Update { subject, window, .. }) = each(updates).next() else { return Written::default() };
        let row = &mut self.rows[subject.index()];
        let previous = row.stamp;
        if window > row.window {
            if row.count.total() > 0 && !settled(subject, row.window) {
                self.closed.insert((subject, row.window), std::mem::take(&mut row.count));
            }
            row.count.clear();
            row.versions.clear();
            row.components.iter_mut().for_each(|c| c.clear());
            (row.window, row.total, row.floor) = (window, 0, 0);
        } else if window < row.window {
            return self.write_closed(updates, previous, settled);
        }
        let before = row.count.total();
        for update in each(updates) {
            row.count.apply(update.origin, update.change);
            let epoch = &mut self.epochs[usize::from(update.origin.region)];
            *epoch = update.origin.epoch.max(*epoch);
        }
        let after = row.count.total();
        if after == before {
            return Written { before, after, previous, floor: 0 };
        }
        if let Some(components) = &mut row.components {
            let of = |(region, &epoch): (usize, &u16)| (epoch, row.count.of(Origin { region: region as u16, epoch }));
            components.push_back(self.epochs.iter().enumerate().map(of).collect());
            row.versions.push_back(Version { stamp, total: after });
        } else if before > 0 && row.stamp <= self.lowest {
            // Every region shows what is now replaced, so that nothing older is needed.
            row.versions.clear();
            row.floor = before;
        } else if before > 0 {
            row.versions.push_back(Version { stamp: row.stamp, total: before });
        }
        (row.stamp, row.total) = (stamp, after);
        self.prune(subject);
        Written { before, after, previous, floor: self.rows[subject.index()].floor }
    }

    /// A late write to a window that is over. If that window was complete, a raise changes nothing and an addition is a
    /// second effect.
    fn write_closed(
        &mut self,
        updates: &[Effect],
        previous: u64,
        settled: impl Fn(SubjectId, WindowId) -> bool,
    ) -> Written {
        let Some(Update { subject, window, .. }) = each(updates).next() else { return Written::default() };
        if !self.closed.contains_key(&(subject, window)) && settled(subject, window) {
            let repeated = each(updates).map(|u| match u.change {
                Change::Raise(_) => 0,
                Change::Add(cost) => cost,
            });
            let repeated: u64 = repeated.sum();
            if repeated == 0 {
                return Written { before: 0, after: 0, previous, floor: 0 };
            }
        }
        let count = self.closed.entry((subject, window)).or_default();
        let before = count.total();
        for update in each(updates) {
            count.apply(update.origin, update.change);
        }
        Written { before, after: count.total(), previous, floor: 0 }
    }

    /// Forgets versions that no region shows any more.
    fn prune(&mut self, subject: SubjectId) {
        let row = &mut self.rows[subject.index()];
        if let Some(components) = &mut row.components {
            // A region compares its own component too: the version that it shows must stay.
            while row.versions.get(1).is_some_and(|v| v.stamp <= self.lowest) {
                row.versions.pop_front();
                components.pop_front();
            }
            row.floor = row.versions.front().filter(|v| v.stamp <= self.lowest).map_or(row.floor, |v| v.total);
            return;
        }
        while let Some(oldest) = row.versions.front().filter(|v| v.stamp <= self.lowest) {
            row.floor = oldest.total;
            row.versions.pop_front();
        }
    }

    /// The central count of a subject in a window.
    pub(super) fn central(&self, subject: SubjectId, window: WindowId) -> u64 {
        let row = &self.rows[subject.index()];
        if row.window == window {
            row.count.total()
        } else {
            self.closed.get(&(subject, window)).map_or(0, Count::total)
        }
    }

    /// Whether `region` shows the central count of a subject.
    pub(super) fn agrees(&self, region: usize, subject: SubjectId) -> bool {
        self.rows[subject.index()].stamp <= self.horizons[region]
    }
}

/// The updates among the effects of one write: all of them.
fn each(effects: &[Effect]) -> impl Iterator<Item = Update> {
    effects.iter().filter_map(|effect| match effect {
        Effect::Update(update) => Some(*update),
        Effect::Checkpoint { .. } => None,
    })
}
