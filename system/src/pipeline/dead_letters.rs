//! Dead letters on their way back: a line that can be accepted now goes through the stream once more.
//!
//! Lines are cumulative, so that one that goes twice, because this died between the stream and the mark, counts once. Not here: why
//! lines are put aside; that is the aggregator's.

use std::collections::BTreeSet;

use super::{aggregator::check, now};
use crate::{
    backend::Backend,
    crash,
    store::{Error, Letter},
    usage::NotALine,
};

/// Sends a dead letter through the stream again, as it is or as the repaired `text`, and marks it as settled. `Ok(Err(_))` says
/// why it still can't be accepted; it is left as it was then.
///
/// # Errors
/// If table or stream fails.
pub fn resend(backend: &dyn Backend, letter: &Letter, text: Option<&str>) -> Result<Result<(), NotALine>, Error> {
    let mut central = backend.accounts()?;
    let regions: BTreeSet<u16> = central.regions()?.into_iter().map(|(number, _)| number).collect();
    let line = text.unwrap_or(&letter.text).trim_end().parse().and_then(|line| check(now(), line, &regions));
    let line = match line {
        Ok(line) => line,
        Err(why) => return Ok(Err(why)),
    };
    let mut bytes = Vec::new();
    line.write(&mut bytes);
    let mut sink = backend.sink()?;
    sink.append(now(), &[(line.part(sink.parts()), bytes)])?;
    crash::point("dead-letters-after-sending");
    central.settle(letter, "replayed")?;
    Ok(Ok(()))
}
