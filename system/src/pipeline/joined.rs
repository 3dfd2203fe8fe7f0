//! What an edge needs of the pipeline: who it is, where its lines go, and what changed in its region's table.
//!
//! Not here: what an edge does with it.

use std::path::Path;

use georush_core::Origin;

use super::now;
use crate::{
    item::Item,
    store::{Directory, Error, Regional, SHARDS, Stream},
    usage::Line,
};

/// Lines of one record.
const LINES_MAX: usize = 1_000;
/// Changes that one poll takes in.
const CHANGES_MAX: u64 = 10_000;

/// An edge's place in the pipeline.
#[derive(Debug)]
pub struct Joined {
    /// Who counts: the region and the life that begins now.
    pub origin: Origin,
    /// Where its lines go.
    pub uplink: Uplink,
    /// What changes in its region's table.
    pub feed: Feed,
}

/// Begins a new life of the edge of `region`; its epoch was never used before and is durable now.
///
/// # Errors
/// If a file can't be opened or written.
pub fn join(state: &Path, region: &str) -> Result<Joined, Error> {
    let directory = Directory::open(state)?;
    let mut regional = directory.regional(region)?;
    let origin = regional.claim_epoch(region, &mut directory.central()?)?;
    Ok(Joined {
        origin,
        uplink: Uplink { stream: directory.stream()?, lines: Vec::new() },
        feed: Feed { regional, position: 0 },
    })
}

/// The way of usage log lines to the stream.
#[derive(Debug)]
pub struct Uplink {
    stream: Stream,
    /// Lines of the record in the making, by shard.
    lines: Vec<Vec<u8>>,
}

impl Uplink {
    /// Appends lines to the stream; all of them are durable on return. Lines of one lane stay in order. Appending lines again
    /// does no harm, so that after an error, which says nothing about what is durable, the same lines may be tried again.
    ///
    /// # Errors
    /// If SQLite fails; no line was appended, as far as is known.
    pub fn append(&mut self, lines: &[Line]) -> Result<(), Error> {
        let mut records = Vec::new();
        for lines in lines.chunks(LINES_MAX) {
            self.lines.resize_with(usize::from(SHARDS), Vec::new);
            for line in lines {
                line.write(&mut self.lines[usize::from(line.region.wrapping_add(line.lane) % SHARDS)]);
            }
            let full = self.lines.iter_mut().zip(0..).filter(|(lines, _)| !lines.is_empty());
            records.extend(full.map(|(lines, shard)| (shard, std::mem::take(lines))));
        }
        if records.is_empty() { Ok(()) } else { self.stream.append(now(), &records) }
    }
}

/// What changes in a region's table.
#[derive(Debug)]
pub struct Feed {
    regional: Regional,
    position: u64,
}

impl Feed {
    /// Items that changed since the last poll, whole and in the order of their changes; the first polls return all items in
    /// chunks. An empty answer says that nothing is new.
    ///
    /// # Errors
    /// If SQLite fails; the next poll returns the same changes.
    pub fn poll(&mut self) -> Result<Vec<Item>, Error> {
        let (items, position) = self.regional.changed_since(self.position, CHANGES_MAX)?;
        self.position = position;
        Ok(items)
    }
}
