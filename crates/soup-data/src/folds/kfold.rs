//! Shuffled folds of equal size: the indices of scikit-learn's `KFold(n_splits, shuffle=True,
//! random_state)`.

use super::numpy::RandomState;

/// The fold of every row. The first `rows % k` folds are one row larger.
pub(super) fn assign(rows: usize, k: u32, seed: u32) -> Vec<u32> {
    let mut order: Vec<usize> = (0..rows).collect();
    RandomState::new(seed).shuffle(&mut order);
    let (size, larger) = (rows / k as usize, rows % k as usize);
    let mut folds = vec![0; rows];
    let mut start = 0;
    for fold in 0..k {
        let end = start + size + usize::from((fold as usize) < larger);
        for &row in &order[start..end] {
            folds[row] = fold;
        }
        start = end;
    }
    folds
}
