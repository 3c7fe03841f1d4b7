//! The `coldread` program.
fn main() {}
