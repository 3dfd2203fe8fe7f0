//! What an edge needs of the pipeline: who it is, where its lines go, and what changed in its region's table.
//!
//! Not here: what an edge does with it.

use georush_core::Origin;

use super::now;
use crate::{
    backend::{Backend, Regional, Sink},
    item::Item,
    store::Error,
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
/// If something can't be opened or written.
pub fn join(backend: &dyn Backend, region: &str) -> Result<Joined, Error> {
    let (origin, sink, regional) = backend.join(region)?;
    Ok(Joined { origin, uplink: Uplink { sink, lines: Vec::new() }, feed: Feed { regional, position: 0 } })
}

/// The way of usage log lines to the stream.
#[derive(Debug)]
pub struct Uplink {
    sink: Box<dyn Sink>,
    /// Lines of the record in the making, by part.
    lines: Vec<Vec<u8>>,
}

impl Uplink {
    /// Appends lines to the stream; all of them are durable on return. Lines of one lane stay in order. Appending lines again
    /// does no harm, so that after an error, which says nothing about what is durable, the same lines may be tried again.
    ///
    /// # Errors
    /// If the sink fails; what was appended is not known.
    pub fn append(&mut self, lines: &[Line]) -> Result<(), Error> {
        let (mut records, parts) = (Vec::new(), self.sink.parts());
        for lines in lines.chunks(LINES_MAX) {
            self.lines.resize_with(usize::from(parts), Vec::new);
            for line in lines {
                line.write(&mut self.lines[usize::from(line.part(parts))]);
            }
            let full = self.lines.iter_mut().zip(0..).filter(|(lines, _)| !lines.is_empty());
            records.extend(full.map(|(lines, part)| (part, std::mem::take(lines))));
        }
        if records.is_empty() { Ok(()) } else { self.sink.append(now(), &records) }
    }
}

/// What changes in a region's table.
#[derive(Debug)]
pub struct Feed {
    regional: Box<dyn Regional>,
    position: u64,
}

impl Feed {
    /// Items that changed since the last poll, whole and in the order of their changes; the first polls return all items in
    /// chunks. An empty answer says that nothing is new.
    ///
    /// # Errors
    /// If the table can't be read; the next poll returns the same changes.
    pub fn poll(&mut self) -> Result<Vec<Item>, Error> {
        let (items, position) = self.regional.changed_since(self.position, CHANGES_MAX)?;
        self.position = position;
        Ok(items)
    }
}
