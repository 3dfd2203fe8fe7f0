//! One seed per scenario, one named random stream per use.
//!
//! Not here: what the random bits are turned into (see [`super::sample`]).

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

/// The seed of a run. Every stream depends on the seed and its own name only, so that adding one never moves another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of that name, for example `arrivals/one-busy-site`. Equal names give equal streams.
    #[must_use]
    pub fn stream(self, name: &str) -> Xoshiro256PlusPlus {
        let mut state = split_mix(self.0) ^ fnv_1a(name);
        let mut bytes = [0; 32];
        for word in bytes.chunks_exact_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            word.copy_from_slice(&split_mix(state).to_le_bytes());
        }
        Xoshiro256PlusPlus::from_seed(bytes)
    }
}

/// The finaliser of SplitMix64: a bijection that spreads every bit over all others.
const fn split_mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn fnv_1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    fn first(seed: u64, name: &str) -> u64 {
        Seed(seed).stream(name).next_u64()
    }

    #[test]
    fn a_stream_is_a_function_of_seed_and_name() {
        assert_eq!(first(2017, "arrivals/a"), first(2017, "arrivals/a"));
        assert_ne!(first(2017, "arrivals/a"), first(2017, "arrivals/b"));
        assert_ne!(first(2017, "arrivals/a"), first(2018, "arrivals/a"));
    }

    #[test]
    fn streams_are_the_same_on_every_platform() {
        assert_eq!(first(2017, "arrivals/a"), 5_587_688_088_647_378_205);
    }
}
