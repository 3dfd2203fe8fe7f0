//! Going back in the stream: counting it again from some point on, or the whole central table from its beginning.
//!
//! Counts are cumulative per origin, so that counting again changes nothing. Both need the lease, for as long as it takes to write
//! down where to go on; the next aggregator does the rest. Not here: counting.

use std::{
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use georush_core::Timestamp;

use super::{Settings, micros, now};
use crate::{
    backend::Central,
    crash,
    store::{self, Directory, Error, Lease, Reached, Stream},
};

/// Where to count again from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The oldest record that is kept.
    TrimHorizon,
    /// This sequence number, in every shard.
    Sequence(u64),
    /// The first record appended at this time or later.
    Time(Timestamp),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "trim-horizon" {
            return Ok(Self::TrimHorizon);
        }
        if let Ok(sequence) = text.parse() {
            return Ok(Self::Sequence(sequence));
        }
        let time: jiff::Timestamp = text.parse().map_err(|_| {
            "expected a sequence number, a time such as 2026-11-27T09:00:00Z, or trim-horizon".to_owned()
        })?;
        Ok(Self::Time(Timestamp(time.as_microsecond().max(0) as u64)))
    }
}

/// What is counted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// Records between where aggregation goes on and the end of the stream.
    pub records: u64,
}

/// Lets aggregation go on at `from`, or where it is if that is earlier: nothing is ever skipped.
///
/// # Errors
/// If another aggregator works, or a file fails.
pub fn replay(directory: &Directory, settings: Settings, from: From) -> Result<Replayed, Error> {
    let (mut central, mut stream) = (directory.central()?, directory.stream()?);
    let lease = take_lease(&mut central, settings.lease)?;
    let done = to(&mut stream, from).and_then(|to| {
        central.rewind(lease, now(), &to)?;
        behind(&mut central, &mut stream)
    });
    central.release(lease)?;
    done
}

/// Forgets all counts, so that they are counted from the beginning of the stream. Regions keep theirs until that is done.
///
/// # Errors
/// [`Error::Trimmed`] if the stream does not go back to its beginning, if another aggregator works, or if a file fails.
pub fn rebuild(directory: &Directory, settings: Settings) -> Result<Replayed, Error> {
    let (mut central, mut stream) = (directory.central()?, directory.stream()?);
    let oldest = stream.oldest()?.into_iter().max().unwrap_or(1);
    if oldest > 1 {
        return Err(Error::Trimmed { oldest });
    }
    let lease = take_lease(&mut central, settings.lease)?;
    let newest = stream.newest();
    let done = newest.and_then(|sequences| {
        central.forget_counts(lease, now(), &Reached { stream: stream.id().to_owned(), sequences })?;
        crash::point("aggregator-after-forgetting");
        behind(&mut central, &mut stream)
    });
    central.release(lease)?;
    done
}

/// Takes the lease for as long as it `lasts`; one whose holder has died ends within that time.
///
/// # Errors
/// [`Error::Held`] if its holder lives, or the table can't be written.
pub fn take_lease(central: &mut dyn Central, lasts: Duration) -> Result<Lease, Error> {
    let until = Instant::now() + lasts + lasts / 2;
    loop {
        if let Some(lease) = central.acquire(now(), micros(lasts))? {
            return Ok(lease);
        }
        if Instant::now() > until {
            return Err(Error::Held);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn to(stream: &mut Stream, from: From) -> Result<Reached, Error> {
    let shards = stream.shards()?.len();
    let sequences = match from {
        From::TrimHorizon => vec![0; shards],
        From::Sequence(sequence) => vec![sequence.saturating_sub(1); shards],
        From::Time(at) => stream.before(at)?,
    };
    Ok(Reached { stream: stream.id().to_owned(), sequences })
}

fn behind(central: &mut store::Central, stream: &mut Stream) -> Result<Replayed, Error> {
    let checkpoints = central.position(stream.id())?.checkpoints;
    Ok(Replayed { records: stream.behind(&checkpoints)? })
}
