//! Anti-entropy: walks through the central table and a region's, side by side, and repairs what differs and should not.
//!
//! The change feed carries what changes; this finds what was lost or altered afterwards. A repair goes the way of every change: the
//! centre publishes the item again. Items are compared whole, since on one machine reading them costs no more than a digest. Not
//! here: changes that are on their way; those are the replicator's.

use std::collections::BTreeMap;

use georush_core::{Timestamp, Version};

use super::{Settings, micros};
use crate::{
    backend::{Central, Regional},
    item::Item,
    store::Error,
};

/// Items of one step.
const ITEMS_MAX: u32 = 500;
/// Each side forgets old counts on its own; within this time of it they may differ.
const FORGETTING_US: u64 = 3_600_000_000;

/// A walk through both tables, again and again.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    after: String,
    begins_at: Timestamp,
}

impl Comparison {
    /// Compares the next items, unless the last walk ended a short time ago; says how many differed. The region's cursor must be at
    /// the end of the feed.
    pub(super) fn step(
        &mut self,
        now: Timestamp,
        region: &str,
        central: &mut dyn Central,
        regional: &mut dyn Regional,
        settings: Settings,
    ) -> Result<u64, Error> {
        if now < self.begins_at {
            return Ok(0);
        }
        // In this order: what is newer than the cursor may be on its way, in whichever table it is seen.
        let cursor = regional.cursor()?;
        let ours = central.items_after(&self.after, ITEMS_MAX)?;
        let upto =
            (ours.len() == ITEMS_MAX as usize).then(|| ours.last().map(|item| item.subject.to_string())).flatten();
        let theirs = regional.items_between(&self.after, upto.as_deref())?;
        let newest = central.newest()?;
        if newest.generation != cursor.generation {
            return Ok(0);
        }
        let mut pairs: BTreeMap<String, (Option<&Item>, Option<&Item>)> = BTreeMap::new();
        for item in &ours {
            pairs.entry(item.subject.to_string()).or_default().0 = Some(item);
        }
        for item in &theirs {
            pairs.entry(item.subject.to_string()).or_default().1 = Some(item);
        }
        let forgotten = Timestamp(now.0.saturating_sub(micros(settings.counts_kept))).after(FORGETTING_US);
        let mut repaired = 0;
        for (centre, there) in pairs.into_values() {
            let seen = Seen { centre, there, cursor, newest, forgotten };
            if !seen.differs() {
                continue;
            }
            let Some(item) = centre.or(there) else { continue };
            if centre.is_none() && seen.is_of_an_earlier_generation() {
                tracing::warn!(region, subject = %item.subject, "only this region knows it, from before central.db was restored; it stays");
                continue;
            }
            tracing::warn!(region, subject = %item.subject, "the region's item is not the central one; it is repaired");
            if let Some(there) = there.filter(|_| centre.is_none() || seen.is_invented()) {
                regional.remove(there)?;
            }
            if centre.is_some() {
                central.publish_again(&item.subject)?;
            }
            repaired += 1;
        }
        self.after = upto.unwrap_or_default();
        if self.after.is_empty() {
            self.begins_at = now.after(micros(settings.compare_every));
        }
        Ok(repaired)
    }
}

/// One subject in both tables.
struct Seen<'a> {
    centre: Option<&'a Item>,
    there: Option<&'a Item>,
    cursor: Version,
    newest: Version,
    forgotten: Timestamp,
}

impl Seen<'_> {
    fn differs(&self) -> bool {
        let account = |item: Option<&Item>| item.and_then(|item| item.account.clone());
        let usage = |item: Option<&Item>| {
            item.and_then(|item| item.usage.clone()).filter(|usage| usage.counted_at > self.forgotten)
        };
        let (ours, theirs) = (account(self.centre), account(self.there));
        let accounts = ours != theirs && self.settled(ours.map(|a| a.version), theirs.map(|a| a.version));
        let (ours, theirs) = (usage(self.centre), usage(self.there));
        accounts || (ours != theirs && self.settled(ours.map(|u| u.version), theirs.map(|u| u.version)))
    }

    /// Nothing of it is on its way: both versions are within the cursor, or the region's was never given.
    fn settled(&self, ours: Option<Version>, theirs: Option<Version>) -> bool {
        let within = |version: Option<Version>| version.is_none_or(|version| version <= self.cursor);
        within(ours) && (within(theirs) || theirs > Some(self.newest))
    }

    /// The region has a version that nobody gave.
    fn is_invented(&self) -> bool {
        self.versions().any(|version| version > self.newest)
    }

    fn is_of_an_earlier_generation(&self) -> bool {
        self.versions().all(|version| version.generation < self.newest.generation)
    }

    fn versions(&self) -> impl Iterator<Item = Version> + '_ {
        let groups = |item: &Item| [item.account.as_ref().map(|a| a.version), item.usage.as_ref().map(|u| u.version)];
        self.there.into_iter().flat_map(groups).flatten()
    }
}
