//! Autonomous systems: which blocks of addresses belong to each.
//!
//! Not here: routes as a router sees them. The blocks are those of the data, joined where they touch.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use hashbrown::HashMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    place::Record,
    source::{Error, Family, Source},
};

/// A block, packed: nobody announces IPv6 blocks longer than /64, so half an address is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Block {
    asn: u32,
    v6: bool,
    prefix: u8,
    upper: u64,
}

/// The blocks of all systems.
#[derive(Debug, Default)]
pub(super) struct Systems {
    blocks: Box<[Block]>,
}

/// One autonomous system's blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    /// IPv4, ascending.
    pub v4: Vec<Ipv4Net>,
    /// IPv6, ascending.
    pub v6: Vec<Ipv6Net>,
}

impl Systems {
    /// Reads the networks of all files; the first file with networks of a family is the one believed.
    pub(super) fn new(sources: &[Source]) -> Result<Self, Error> {
        let mut blocks = Vec::new();
        for family in [Family::V4, Family::V6] {
            for source in sources {
                let before = blocks.len();
                read(source, family, &mut blocks)?;
                if blocks.len() > before {
                    break;
                }
            }
        }
        blocks.sort_unstable();
        blocks.dedup();
        Ok(Self { blocks: blocks.into() })
    }

    fn range(&self, asn: u32) -> Range<usize> {
        let begin = self.blocks.partition_point(|block| block.asn < asn);
        begin..begin + self.blocks[begin..].partition_point(|block| block.asn == asn)
    }

    /// An address of the system.
    pub(super) fn address(&self, asn: u32) -> Option<IpAddr> {
        self.blocks[self.range(asn)].first().map(|block| block.net().addr())
    }

    /// The blocks of a system; `None` if the data has none.
    pub(super) fn get(&self, asn: u32) -> Option<Blocks> {
        let blocks = &self.blocks[self.range(asn)];
        if blocks.is_empty() {
            return None;
        }
        let v4: Vec<_> =
            blocks.iter().filter_map(|b| if let IpNet::V4(net) = b.net() { Some(net) } else { None }).collect();
        let v6: Vec<_> =
            blocks.iter().filter_map(|b| if let IpNet::V6(net) = b.net() { Some(net) } else { None }).collect();
        Some(Blocks { v4: Ipv4Net::aggregate(&v4), v6: Ipv6Net::aggregate(&v6) })
    }

    /// The bytes it takes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.blocks)
    }
}

impl Block {
    fn net(self) -> IpNet {
        let address = match self.v6 {
            true => IpAddr::V6(Ipv6Addr::from_bits(u128::from(self.upper) << 64)),
            false => IpAddr::V4(Ipv4Addr::from_bits(self.upper as u32)),
        };
        IpNet::new_assert(address, self.prefix)
    }
}

fn read(source: &Source, family: Family, blocks: &mut Vec<Block>) -> Result<(), Error> {
    let mut seen: HashMap<u32, Option<u32>> = HashMap::new();
    source.networks(family, |start, prefix, offset, read| {
        let asn = *seen.entry(offset).or_insert_with(|| {
            let mut asn = None;
            read(&mut |record: &Record<'_>| asn = record.network().and_then(|network| network.asn));
            asn
        });
        let Some(asn) = asn else { return };
        let upper = match start {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
        };
        blocks.push(Block { asn, v6: family == Family::V6, prefix: prefix.min(64), upper });
    })
}
