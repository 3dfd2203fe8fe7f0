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
    aggregator::Update,
    count::{Change, Count},
};

/// One version of a row's usage group.
#[derive(Debug, Clone)]
struct Version {
    stamp: u64,
    total: u64,
    /// Component of each region's newest epoch, where edges compare with their own.
    components: Option<Box<[(u16, u64)]>>,
}

#[derive(Debug, Clone)]
struct Row {
    window: WindowId,
    /// The newest change of this row, for whoever counts distinct rows in a range of changes.
    newest: u64,
    count: Count,
    versions: VecDeque<Version>,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Newest epoch of each region's origin that has been counted.
    epochs: Vec<u16>,
    keep_components: bool,
}

impl Rows {
    pub(super) fn new(subjects: usize, regions: usize, keep_components: bool) -> Self {
        let row = Row { window: WindowId(0), newest: 0, count: Count::default(), versions: VecDeque::new() };
        Self {
            rows: vec![row; subjects],
            closed: BTreeMap::new(),
            horizons: vec![0; regions],
            epochs: vec![0; regions],
            keep_components,
        }
    }

    /// Brings a row close, ahead of its request. Changes nothing.
    #[inline]
    pub(super) fn prefetch(&self, subject: SubjectId) -> u64 {
        self.rows[subject.index()].versions.back().map_or(0, |v| v.stamp)
    }

    /// What `region` shows of a row, as read by `origin`.
    #[inline]
    pub(super) fn read(&self, subject: SubjectId, region: usize, origin: Origin) -> UsageGroup {
        let row = &self.rows[subject.index()];
        let horizon = self.horizons[region];
        let shown = match row.versions.back() {
            None => None,
            Some(newest) if newest.stamp <= horizon => Some(newest),
            Some(_) => row.versions.partition_point(|v| v.stamp <= horizon).checked_sub(1).map(|i| &row.versions[i]),
        };
        let Some(version) = shown else { return UsageGroup { window: row.window, ..UsageGroup::default() } };
        let own = match &version.components {
            Some(components) if components[region].0 == origin.epoch => components[region].1,
            _ => 0,
        };
        UsageGroup {
            window: row.window,
            total: version.total,
            own,
            version: RowVersion { generation: 0, number: version.stamp },
        }
    }

    /// Performs the updates of one write, all of the same subject and window, as version `stamp`. `settled` says whether a
    /// window left behind is complete.
    pub(super) fn write(
        &mut self,
        updates: &[Update],
        stamp: u64,
        settled: impl Fn(SubjectId, WindowId) -> bool,
    ) -> Written {
        let Update { subject, window, .. } = updates[0];
        let row = &mut self.rows[subject.index()];
        let previous = row.newest;
        if window > row.window {
            if row.count.total() > 0 && !settled(subject, row.window) {
                self.closed.insert((subject, row.window), std::mem::take(&mut row.count));
            }
            row.count.clear();
            row.versions.clear();
            row.window = window;
        } else if window < row.window {
            return self.write_closed(updates, previous, settled);
        }
        let before = row.count.total();
        for update in updates {
            row.count.apply(update.origin, update.change);
            let epoch = &mut self.epochs[usize::from(update.origin.region)];
            *epoch = update.origin.epoch.max(*epoch);
        }
        let after = row.count.total();
        if after == before {
            return Written { before, after, previous, floor: 0 };
        }
        let components = self.keep_components.then(|| {
            let of = |(region, &epoch): (usize, &u16)| (epoch, row.count.of(Origin { region: region as u16, epoch }));
            self.epochs.iter().enumerate().map(of).collect()
        });
        row.newest = stamp;
        row.versions.push_back(Version { stamp, total: after, components });
        let floor = self.prune(subject);
        Written { before, after, previous, floor }
    }

    /// A late write to a window that is over. If that window was complete, a raise changes nothing and an addition is a
    /// second effect.
    fn write_closed(
        &mut self,
        updates: &[Update],
        previous: u64,
        settled: impl Fn(SubjectId, WindowId) -> bool,
    ) -> Written {
        let Update { subject, window, .. } = updates[0];
        if !self.closed.contains_key(&(subject, window)) && settled(subject, window) {
            let repeated = updates.iter().map(|u| match u.change {
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
        for update in updates {
            count.apply(update.origin, update.change);
        }
        Written { before, after: count.total(), previous, floor: 0 }
    }

    /// Forgets versions that no region shows any more; returns the count that every region shows at least.
    fn prune(&mut self, subject: SubjectId) -> u64 {
        let row = &mut self.rows[subject.index()];
        if row.versions.len() < 2 {
            return 0;
        }
        let lowest = self.horizons.iter().copied().min().unwrap_or(0);
        while row.versions.get(1).is_some_and(|v| v.stamp <= lowest) {
            row.versions.pop_front();
        }
        row.versions.front().filter(|v| v.stamp <= lowest).map_or(0, |v| v.total)
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
        self.rows[subject.index()].versions.back().is_none_or(|newest| newest.stamp <= self.horizons[region])
    }
}
