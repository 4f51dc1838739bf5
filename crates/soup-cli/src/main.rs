//! The binary `soup`.
fn main() {}
