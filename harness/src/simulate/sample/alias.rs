//! Weighted choice in constant time, after Walker and Vose.
//!
//! Not here: continuous distributions.

use std::{hint::select_unpredictable, sync::Arc};

/// A choice among `0..len` by weight; 8 bytes per option, none if all weigh the same. Clones share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    len: u32,
    columns: Arc<[Column]>,
}

/// One option keeps the column up to the threshold (a fraction of 2^32), another has the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Column {
    threshold: u32,
    other: u32,
}

impl Alias {
    /// Option `i` in proportion to `weights[i]`; none negative, not all zero.
    ///
    /// # Panics
    /// Without any weight, or with 2^32 or more.
    #[must_use]
    pub fn weights(weights: &[f64]) -> Self {
        assert!(!weights.is_empty(), "a choice has at least one option");
        let len = u32::try_from(weights.len()).expect("fewer than 2^32 options");
        let total: f64 = weights.iter().sum();
        debug_assert!(total > 0.0 && weights.iter().all(|&weight| weight >= 0.0), "weights are not negative");
        let scale = f64::from(len) / total;
        let mut shares: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
        // Whoever is left over has, but for rounding, exactly one column of its own.
        let mut columns: Vec<Column> = (0..len).map(|own| Column { threshold: u32::MAX, other: own }).collect();
        let (mut poor, mut rich): (Vec<u32>, Vec<u32>) = (0..len).partition(|&option| shares[option as usize] < 1.0);
        while let (Some(small), Some(&large)) = (poor.pop(), rich.last()) {
            let share = shares[small as usize];
            columns[small as usize] = Column { threshold: (share * 4_294_967_296.0) as u32, other: large };
            shares[large as usize] -= 1.0 - share;
            if shares[large as usize] < 1.0 {
                rich.pop();
                poor.push(large);
            }
        }
        Self { len, columns: columns.into() }
    }

    /// Option `i` of `len` (at least 1) in proportion to `1 / (i + 1)^exponent`; all alike if the exponent is 0.
    #[must_use]
    pub fn zipf(len: u32, exponent: f64) -> Self {
        if exponent == 0.0 {
            return Self { len: len.max(1), columns: Arc::new([]) };
        }
        let weights: Vec<f64> = (0..len.max(1)).map(|i| libm::pow(f64::from(i) + 1.0, -exponent)).collect();
        Self::weights(&weights)
    }

    /// An option for 64 random bits.
    #[inline]
    #[must_use]
    pub fn draw(&self, bits: u64) -> u32 {
        let own = (((bits >> 32) * u64::from(self.len)) >> 32) as u32;
        let Some(column) = self.columns.get(own as usize) else { return own };
        // No processor can guess which it is.
        select_unpredictable((bits as u32) < column.threshold, own, column.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::seed::Seed;
    use rand::Rng;

    fn frequencies(choice: &Alias, draws: u32) -> Vec<f64> {
        let mut bits = Seed(1).stream("alias");
        let mut seen = vec![0_u32; choice.len as usize];
        for _ in 0..draws {
            seen[choice.draw(bits.next_u64()) as usize] += 1;
        }
        seen.iter().map(|&count| f64::from(count) / f64::from(draws)).collect()
    }

    #[test]
    fn options_come_in_proportion_to_their_weights() {
        let seen = frequencies(&Alias::weights(&[1.0, 0.0, 2.0, 5.0]), 1_000_000);
        for (seen, expected) in seen.iter().zip([0.125, 0.0, 0.25, 0.625]) {
            assert!((seen - expected).abs() < 0.002, "{seen} instead of {expected}");
        }
        assert_eq!(seen[1], 0.0);
    }

    #[test]
    fn the_nth_of_a_zipf_choice_comes_n_to_the_s_times_less_often_than_the_first() {
        let seen = frequencies(&Alias::zipf(1_000, 1.1), 4_000_000);
        for n in [2, 3, 10, 100] {
            let expected = libm::pow(f64::from(n), -1.1);
            let ratio = seen[n as usize - 1] / seen[0];
            assert!((ratio / expected - 1.0).abs() < 0.05, "{ratio} instead of {expected} for the {n}th");
        }
    }

    #[test]
    fn exponent_zero_draws_all_alike() {
        assert!(frequencies(&Alias::zipf(10, 0.0), 1_000_000).iter().all(|seen| (seen - 0.1).abs() < 0.002));
    }

    #[test]
    fn a_choice_of_one_is_no_choice() {
        for choice in [Alias::zipf(1, 0.0), Alias::zipf(1, 1.1), Alias::weights(&[3.0])] {
            assert_eq!([0, 1 << 40, u64::MAX].map(|bits| choice.draw(bits)), [0; 3]);
        }
    }

    #[test]
    fn tables_have_the_same_bytes_on_every_platform() {
        let choice = Alias::zipf(10_000, 1.1);
        let sum = choice.columns.iter().fold(0_u64, |sum, column| {
            sum.wrapping_mul(0x0100_0000_01b3) ^ (u64::from(column.threshold) << 32 | u64::from(column.other))
        });
        assert_eq!(sum, 275_054_643_746_748_947);
    }
}
