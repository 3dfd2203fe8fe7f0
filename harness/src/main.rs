//! The command `georush`. Not here: anything that a test would want to call.

fn main() {}
