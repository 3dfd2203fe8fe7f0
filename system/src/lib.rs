//! The live system: performs the effects of [`georush_core`] with real sockets and stores.
//!
//! Not here: any decision on quotas, counts or replication; those are the core's.

pub mod geo;
pub mod item;
pub mod whitelist;

pub use georush_core as core;
