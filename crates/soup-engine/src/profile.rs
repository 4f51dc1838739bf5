//! Where a session spends its time.

use std::time::Duration;

/// Which steps a profile adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Detail {
    /// All of one kind.
    Kinds,
    /// All of one kind and the same shapes.
    Steps,
}

/// Time spent in the steps of one kind.
#[derive(Clone, Debug)]
pub struct StepTime {
    /// What the steps do.
    pub name: String,
    /// How many there are.
    pub count: usize,
    /// Their time together.
    pub time: Duration,
    /// Fused multiply-adds of values, in all of them and one run.
    pub multiply_adds: u64,
    /// Bytes of the tensors that each of them reads or writes, every tensor of a step counted once: what must
    /// pass through memory at least where the caches hold nothing between two steps.
    pub bytes: u64,
}

/// The peak of a device, of all of it together: its roofline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Products with a sum, two operations each, from registers: 10^9 operations a second.
    pub gigaflops: f64,
    /// Copying between arrays larger than the caches, read and written bytes: 10^9 bytes a second.
    pub gigabytes: f64,
}
