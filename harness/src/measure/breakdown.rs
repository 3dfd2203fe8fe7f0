//! Which component a latency quantile is made of.
//!
//! Requests are grouped by total latency, eight groups to each doubling; each group keeps the sum of every component. The
//! breakdown of a quantile is the mean of the group that holds it: what requests as slow as that spent their time on.

use super::{Component, Parts};

const GROUPS_PER_DOUBLING: u64 = 8;
const GROUPS: usize = 36 * GROUPS_PER_DOUBLING as usize;

#[derive(Debug, Clone, Copy, Default)]
struct Group {
    requests: u64,
    sums_us: [u64; Component::ALL.len()],
}

/// Sums of components by total latency.
#[derive(Debug, Clone)]
pub struct Breakdown {
    groups: Vec<Group>,
}

impl Default for Breakdown {
    fn default() -> Self {
        Self { groups: vec![Group::default(); GROUPS] }
    }
}

impl Breakdown {
    #[inline]
    pub(super) fn record(&mut self, total_us: u64, parts: &Parts) {
        let group = &mut self.groups[group(total_us)];
        group.requests += 1;
        for (sum, &part) in group.sums_us.iter_mut().zip(parts) {
            *sum += u64::from(part);
        }
    }

    /// Mean time by component, microseconds, of requests around quantile `q` (0 to 1). `None` without requests.
    #[must_use]
    pub fn at(&self, q: f64) -> Option<[f64; Component::ALL.len()]> {
        let total: u64 = self.groups.iter().map(|g| g.requests).sum();
        let rank = (q * total as f64) as u64;
        let mut seen = 0;
        let group = self.groups.iter().find(|g| {
            seen += g.requests;
            g.requests > 0 && (seen > rank || seen == total)
        })?;
        Some(group.sums_us.map(|sum| sum as f64 / group.requests as f64))
    }
}

/// The number of the group for a latency: its power of two and the next three bits.
#[inline]
pub(super) fn group(total_us: u64) -> usize {
    let value = total_us.max(GROUPS_PER_DOUBLING);
    let power = u64::from(value.ilog2());
    let group = (power - 3) * GROUPS_PER_DOUBLING + ((value >> (power - 3)) & (GROUPS_PER_DOUBLING - 1));
    (group as usize).min(GROUPS - 1)
}

/// The middle of a group, microseconds.
pub(super) fn middle_us(group: usize) -> u64 {
    let (power, step) = (group as u64 / GROUPS_PER_DOUBLING, group as u64 % GROUPS_PER_DOUBLING);
    ((GROUPS_PER_DOUBLING + step) << power) + ((1 << power) >> 1)
}

pub(super) const LATENCY_GROUPS: usize = GROUPS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_grow_with_latency_and_hold_their_middle() {
        let mut last = 0;
        for us in 8..1_000_000 {
            let group = group(us);
            assert!(group >= last && group <= last + 1);
            last = group;
        }
        for g in 0..200 {
            assert_eq!(group(middle_us(g)), g);
        }
    }

    #[test]
    fn the_tail_is_explained_by_what_the_tail_did() {
        let mut breakdown = Breakdown::default();
        for n in 0..1_000 {
            let mut parts = Parts::default();
            parts[Component::Table as usize] = 4_000;
            if n >= 980 {
                parts[Component::ColdStart as usize] = 250_000;
            }
            breakdown.record(parts.iter().map(|&p| u64::from(p)).sum(), &parts);
        }
        let median = breakdown.at(0.5).expect("requests");
        let tail = breakdown.at(0.99).expect("requests");
        assert_eq!(median[Component::ColdStart as usize], 0.0);
        assert_eq!(tail[Component::ColdStart as usize], 250_000.0);
    }
}
