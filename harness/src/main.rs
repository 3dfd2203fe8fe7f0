//! The command `georush`.
//!
//! Not here: everything that it does; that is the library.

fn main() {}
