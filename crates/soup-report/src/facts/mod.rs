//! What is to be seen on a page, counted.

mod confusion;
mod data;
mod reliability;
mod thresholds;

pub use confusion::{Confusion, Pair};
pub use data::{DataFacts, FoldFacts, label_counts};
pub use reliability::{Bin, Reliability};
pub use thresholds::{AtThreshold, threshold_curve};

#[cfg(test)]
mod tests;
