//! Where an address is: the data sets, how they are built, obtained and checked.
//!
//! Not here: answers to requests.

pub mod build;
pub mod check;
pub mod fetch;
pub mod package;
pub mod threat;
