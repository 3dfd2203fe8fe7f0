//! Addresses to ask for: uniform ones, and ones that come again.
//!
//! Not here: what is measured with them.

use std::net::{IpAddr, Ipv4Addr};

use georush_system::address::{Kind, kind};

/// Draws of one list.
pub(crate) const DRAWS: usize = 1 << 18;
/// Addresses that come again.
const POPULATION: usize = 100_000;
const EXPONENT: f64 = 1.1;

/// SplitMix64. Source: Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    fn global(&mut self) -> IpAddr {
        loop {
            let ip = IpAddr::V4(Ipv4Addr::from_bits(self.next() as u32));
            if kind(ip) == Kind::Global {
                return ip;
            }
        }
    }
}

/// Uniform global IPv4 addresses.
pub(crate) fn uniform() -> Vec<IpAddr> {
    let mut random = Random(2018);
    (0..DRAWS).map(|_| random.global()).collect()
}

/// The same kind of addresses, of which the first of 100,000 come most often: Zipf with exponent 1.1.
pub(crate) fn zipf() -> Vec<IpAddr> {
    let mut random = Random(2019);
    let population: Vec<IpAddr> = (0..POPULATION).map(|_| random.global()).collect();
    let mut sum = 0.0;
    let below: Vec<f64> = (1..=POPULATION)
        .map(|rank| {
            sum += (rank as f64).powf(-EXPONENT);
            sum
        })
        .collect();
    let mut draw = || {
        let at = (random.next() >> 11) as f64 / (1_u64 << 53) as f64 * sum;
        population[below.partition_point(|&mass| mass < at).min(POPULATION - 1)]
    };
    (0..DRAWS).map(|_| draw()).collect()
}
