//! The live system: performs the effects of [`georush_core`] with real sockets and stores.
//!
//! Not here: any decision on quotas, counts or replication; those are the core's.

pub mod address;
pub mod api;
pub mod backend;
pub mod crash;
pub mod edge;
pub mod geo;
pub mod http;
pub mod item;
pub mod key;
mod nearest;
pub mod pipeline;
pub mod plans;
pub mod record;
pub mod service;
pub mod store;
pub mod toml_text;
pub mod usage;
pub mod whitelist;

pub use georush_core as core;
