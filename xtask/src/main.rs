//! `cargo xtask`: kreg's own chores.

fn main() {}
