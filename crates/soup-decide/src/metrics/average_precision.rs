//! Average precision.

/// The average precision of one label, as scikit-learn's `average_precision_score`: the sum over
/// distinct scores, from the highest, of precision times the gain in recall. Cells of the same
/// score enter together. `None` where no cell is positive. A score that is not a number sorts by
/// its bits; [`super::ScoredPredictions`] lets none in.
pub fn average_precision(cells: impl IntoIterator<Item = (f32, bool)>) -> Option<f64> {
    let mut cells: Vec<(f32, bool)> = cells.into_iter().collect();
    cells.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let positives = cells.iter().filter(|cell| cell.1).count();
    if positives == 0 {
        return None;
    }
    let (mut seen, mut found, mut sum) = (0usize, 0usize, 0.0);
    for ties in cells.chunk_by(|a, b| a.0 == b.0) {
        let gained = ties.iter().filter(|cell| cell.1).count();
        seen += ties.len();
        found += gained;
        sum += gained as f64 * found as f64 / seen as f64;
    }
    // Divided once: what is perfect is exactly 1.
    Some(sum / positives as f64)
}
