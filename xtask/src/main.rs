//! Disk-image recipes and other chores.
fn main() {}
