//! Counting the whole stream again, with what is counted kept or forgotten.
//!
//! Not here: counting, and taking the lease that both need.

use std::{
    thread,
    time::{Duration, Instant},
};

use georush_system::{
    pipeline::now,
    store::{Error, Lease},
};

use super::{
    Central, IDENTIFY_EVERY,
    counting::{fenced, held},
};
use crate::{
    rows::{self, Attributes, USAGE_VERSION, WINDOWS, string},
    table::Write,
};

impl Central {
    /// Lets aggregation go on at the oldest record of the stream.
    pub(crate) fn rewind(&self, lease: Lease) -> Result<(), Error> {
        let kept = held(lease, now().after(lease.lasts_us()), Vec::new());
        self.table.write(&Write { remove: vec!["shards".to_owned()], ..kept }).map_err(fenced)
    }

    /// Forgets all counts, to be counted anew; regions keep theirs until that is done. Whatever dies on the way, the next aggregator
    /// counts whatever was forgotten.
    pub(crate) fn forget_counts(&mut self, lease: Lease) -> Result<(), Error> {
        self.raise_barrier()?;
        self.keep_lease(lease, now())?;
        // By then every replicator has looked.
        thread::sleep(IDENTIFY_EVERY + Duration::from_secs(1));
        self.rewind(lease)?;
        let mut start = None;
        loop {
            self.keep_lease(lease, now())?;
            let (page, next) = self.table.scan(start)?;
            let forgotten: Vec<Write> = page.iter().filter_map(without_counts).collect();
            for done in self.table.write_all(&forgotten) {
                done.map_err(fenced)?;
            }
            start = next;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    fn raise_barrier(&mut self) -> Result<(), Error> {
        self.table.write(&self.saying_whole(false)).map_err(fenced)?;
        self.identity.whole = false;
        self.held_back_since = Some(Instant::now());
        Ok(())
    }
}

/// The write that takes its counts from a row, if it has any.
fn without_counts(row: &Attributes) -> Option<Write> {
    let version = row.get(USAGE_VERSION)?.clone();
    Some(Write {
        key: rows::key(string(row, rows::PK)?, string(row, rows::SK)?),
        remove: vec![WINDOWS.to_owned(), USAGE_VERSION.to_owned()],
        condition: Some(format!("{USAGE_VERSION} = :a")),
        values: vec![(":a", version)],
        ..Write::default()
    })
}
