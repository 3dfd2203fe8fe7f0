//! The live system: performs the effects of [`georush_core`] with real sockets and stores.
//!
//! Nothing is performed here yet; the package holds the place where adapters go, so that the arrows between the packages
//! are those that stay: `georush -> georush-system -> georush-core`.

pub use georush_core as core;
