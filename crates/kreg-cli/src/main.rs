//! `kreg`: see `kreg --help`.

fn main() {}
