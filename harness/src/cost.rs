//! What AWS would charge for a simulated run.
//!
//! The simulation counts what it used up ([`Consumed`]); [`bill`] prices that by the era's book and draws it out to a month.
//! All money is integers of nano-dollars, so that a bill is the same everywhere.
//!
//! Not here: prices ([`mod@crate::facts::prices`]). A live run has no bill: it runs on this machine. `docs/cost.md` says what is
//! left out.

mod bill;
mod consumed;
mod quantities;

pub use bill::{Bill, Line, bill};
pub use consumed::{Consumed, OfRegion, OfStream};
