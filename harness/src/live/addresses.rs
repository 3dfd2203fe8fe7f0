//! Addresses of callers, from the same data that the system answers from: a caller from a country has an address there.
//!
//! Not here: who calls from where.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use georush_system::{
    address::{Kind, kind},
    geo::{self, Geo},
};
use ipnet::IpNet;

use crate::facts;

/// Distances at which the data is looked at, in addresses: the first finds most countries, the others the small ones.
const STEPS: [u32; 3] = [1 << 16, 1 << 12, 1 << 8];
/// Addresses of a country that are wanted at least.
const WANTED: u64 = 254;

/// Blocks of addresses by country.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// First address and number of addresses, by index of the country in the model data.
    blocks: BTreeMap<usize, Vec<(u32, u32)>>,
}

impl Addresses {
    /// Looks for addresses of `countries` in the built-in data.
    ///
    /// # Errors
    /// If that can't be read, or knows no address of any of them.
    pub fn find(countries: &[usize]) -> Result<Self, String> {
        let geo = Geo::load(&built_in()).map_err(|error| error.to_string())?;
        let codes = facts::countries();
        let wanted: BTreeMap<_, _> =
            countries.iter().map(|&country| (geo.countries().id(&codes[country].code), country)).collect();
        let mut blocks: BTreeMap<usize, Vec<(u32, u32)>> = BTreeMap::new();
        for step in STEPS {
            let enough = |country: &usize| blocks.get(country).is_some_and(|blocks: &Vec<_>| size(blocks) >= WANTED);
            let missing: Vec<_> = countries.iter().copied().filter(|country| !enough(country)).collect();
            if missing.is_empty() {
                break;
            }
            for first in (0x0100_0000..0xE000_0000_u32).step_by(step as usize) {
                // The middle: the edges of large blocks are often somebody else's.
                let ip = IpAddr::V4(Ipv4Addr::from(first + step / 2));
                let Some(place) = geo.place(ip, "en").filter(|_| kind(ip) == Kind::Global) else { continue };
                let Some(&country) = wanted.get(&place.country).filter(|country| missing.contains(country)) else {
                    continue;
                };
                if let Some(IpNet::V4(block)) = geo.block(ip) {
                    let (first, last) = (u32::from(block.network()), u32::from(block.broadcast()));
                    blocks.entry(country).or_default().push((first, (last - first).saturating_add(1)));
                }
            }
        }
        blocks.values_mut().for_each(|blocks| {
            blocks.sort_unstable();
            blocks.dedup();
        });
        if blocks.is_empty() {
            return Err("the built-in data knows no address of any country that calls".to_owned());
        }
        Ok(Self { blocks })
    }

    /// One of the country's addresses, chosen by `bits`; one of another country if the data has none.
    #[must_use]
    pub fn any(&self, country: usize, bits: u32) -> Ipv4Addr {
        let blocks = self.blocks.get(&country).or_else(|| self.blocks.values().next()).expect("there are blocks");
        let (first, count) = blocks[(bits >> 8) as usize % blocks.len()];
        Ipv4Addr::from(first + (bits & 0xFF) % count)
    }

    /// A hand that deals addresses, each once.
    #[must_use]
    pub fn deal(&self) -> Dealer<'_> {
        Dealer { addresses: self, dealt: BTreeMap::new() }
    }
}

/// Deals addresses, each once.
#[derive(Debug)]
pub struct Dealer<'a> {
    addresses: &'a Addresses,
    /// By country: block, and the next address in it.
    dealt: BTreeMap<usize, (usize, u32)>,
}

impl Dealer<'_> {
    /// The next address of a country; once it has no more, of the first country that has. `None` if nobody has.
    pub fn next(&mut self, country: usize) -> Option<Ipv4Addr> {
        let others = self.addresses.blocks.keys().copied();
        std::iter::once(country).chain(others).find_map(|country| self.of(country))
    }

    fn of(&mut self, country: usize) -> Option<Ipv4Addr> {
        let blocks = self.addresses.blocks.get(&country)?;
        let (block, offset) = self.dealt.entry(country).or_default();
        while *offset >= blocks.get(*block)?.1 {
            (*block, *offset) = (*block + 1, 0);
        }
        *offset += 1;
        Some(Ipv4Addr::from(blocks[*block].0 + *offset - 1))
    }
}

fn size(blocks: &[(u32, u32)]) -> u64 {
    blocks.iter().map(|&(_, count)| u64::from(count)).sum()
}

/// The data in this binary, without an index: it is read through once.
fn built_in() -> geo::Settings {
    geo::Settings { small_memory: true, ..geo::Settings::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_of_a_country_have_addresses_that_the_data_puts_there() {
        let countries: Vec<usize> = ["AU", "DE", "NZ"].map(|code| facts::country(code).expect("known")).to_vec();
        let addresses = Addresses::find(&countries).expect("readable");
        let geo = Geo::load(&built_in()).expect("readable");
        let place = |ip: Ipv4Addr| geo.place(ip.into(), "en").map(|place| place.country);
        for &country in &countries {
            let id = geo.countries().id(&facts::countries()[country].code);
            for bits in (0..50_000_000).step_by(999_983) {
                assert_eq!(place(addresses.any(country, bits)), Some(id));
            }
        }
    }

    #[test]
    fn no_address_is_dealt_twice() {
        let blocks = BTreeMap::from([(0, vec![(16, 2)]), (1, vec![(32, 3)])]);
        let addresses = Addresses { blocks };
        let mut dealer = addresses.deal();
        let dealt: Vec<_> = std::iter::repeat_with(|| dealer.next(0)).map_while(|ip| ip.map(u32::from)).collect();
        assert_eq!(dealt, [16, 17, 32, 33, 34]);
    }
}
