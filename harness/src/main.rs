//! The command `georush`.
//!
//! Not here: anything a library user could want.

fn main() {}
