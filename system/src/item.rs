//! What a table holds of one subject, in central and regional tables alike.
//!
//! Not here: storing it, and what an edge keeps of it in memory.

use georush_core::{Identifier, Origin, Status, Timestamp, Version, WindowId, count::WindowCount};

use crate::whitelist::Whitelist;

/// One subject's item. Each group has its own writer and its own version, as in [`georush_core::row`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Whose it is.
    pub subject: Identifier,
    /// The plan group; only keys have one, anonymous subjects are on the free tier.
    pub account: Option<Account>,
    /// The usage group; absent until something was counted.
    pub usage: Option<Usage>,
}

/// The plan group: written by sign-up and account changes only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Name of a plan of the plans file.
    pub plan: Box<str>,
    /// When the key was made; its anchored windows begin here.
    pub created: Timestamp,
    /// Standing.
    pub status: Status,
    /// Who may use the key, if not everybody.
    pub whitelist: Option<Whitelist>,
    /// What its owner calls it.
    pub label: Box<str>,
    /// Version of this group.
    pub version: Version,
}

/// The usage group: written by the aggregator and the replicator only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The window that the counts belong to.
    pub window: WindowId,
    /// Admitted cost by origin; the count is their sum.
    pub components: Vec<(Origin, u64)>,
    /// Version of this group.
    pub version: Version,
    /// When the newest event in it was decided: the count holds nothing newer.
    pub counted_at: Timestamp,
}

impl Usage {
    /// The count: admitted cost of all origins.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.components.iter().map(|(_, cost)| cost).sum()
    }

    /// A count as a table stores it.
    #[must_use]
    pub fn new(count: &WindowCount, version: Version) -> Self {
        let (window, counted_at) = (count.window, count.counted_at);
        Self { window, components: count.count.components().collect(), version, counted_at }
    }

    /// What the core makes of it.
    #[must_use]
    pub fn count(&self) -> WindowCount {
        let count = self.components.iter().copied().collect();
        WindowCount { window: self.window, counted_at: self.counted_at, count }
    }
}
