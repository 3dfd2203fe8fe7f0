//! Virtual time: the event queue, random streams and tables that models draw from.
//!
//! Not here: who calls and when (see [`crate::workload`]).

pub mod queue;
pub mod sample;
pub mod seed;
