//! The weighted mean.

use std::borrow::Cow;

/// The weighted mean of the probabilities of each cell.
pub(super) fn combine(tables: &[Cow<'_, [f32]>], weights: &[f64]) -> Vec<f32> {
    weighted(tables, weights, f64::from)
        .map(|mean| mean.clamp(0.0, 1.0) as f32)
        .collect()
}

/// The weighted mean of `transform(cell)` for each cell.
pub(super) fn weighted(
    tables: &[Cow<'_, [f32]>],
    weights: &[f64],
    transform: impl Fn(f32) -> f64,
) -> impl Iterator<Item = f64> {
    let total: f64 = weights.iter().sum();
    let cells = tables.first().map_or(0, |table| table.len());
    (0..cells).map(move |cell| {
        let sum: f64 = tables
            .iter()
            .zip(weights)
            .map(|(table, weight)| weight * transform(table[cell]))
            .sum();
        sum / total
    })
}
