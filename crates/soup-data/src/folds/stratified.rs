//! Iterative multi-label stratification (Sechidis, Tsoumakas and Vlahavas, "On the stratification
//! of multi-label data", ECML PKDD 2011): every fold gets its share of every label, the rarest label
//! first.

use soup_random::{Purpose, Stream};

use crate::dataset::LabelTable;

/// The part, counted from 0, of every row, where the parts have these shares of the rows.
pub(crate) fn assign(table: &LabelTable, shares: &[f64], seed: u64) -> Vec<u32> {
    const UNDECIDED: u32 = u32::MAX;
    let (rows, width) = (table.len(), table.label_names().len());
    let mut stream = Stream::new(seed, Purpose::Split, 0, 0);
    let mut order: Vec<usize> = (0..rows).collect();
    stream.shuffle(&mut order);

    let has = |row: usize, label: usize| table.labels(row).is_some_and(|cells| cells[label] == 1);
    let mut left = vec![0u64; width];
    for row in 0..rows {
        for (label, left) in left.iter_mut().enumerate() {
            *left += u64::from(has(row, label));
        }
    }
    // What each part still wants, of every label and in rows.
    let wanted = |count: f64| shares.iter().map(|share| count * share).collect();
    let mut wants: Vec<Vec<f64>> = left.iter().map(|&count| wanted(count as f64)).collect();
    let mut wants_rows: Vec<f64> = wanted(rows as f64);
    let mut folds = vec![UNDECIDED; rows];

    // Without a label left, rows only even out the sizes.
    loop {
        let rarest = (0..width).filter(|&l| left[l] > 0).min_by_key(|&l| left[l]);
        for &row in &order {
            if folds[row] != UNDECIDED || rarest.is_some_and(|label| !has(row, label)) {
                continue;
            }
            let empty = [];
            let by_label: &[f64] = rarest.map_or(&empty, |label| &wants[label]);
            let fold = neediest(by_label, &wants_rows, &mut stream);
            folds[row] = fold as u32;
            wants_rows[fold] -= 1.0;
            for label in 0..width {
                if has(row, label) {
                    wants[label][fold] -= 1.0;
                    left[label] -= 1;
                }
            }
        }
        if rarest.is_none() {
            return folds;
        }
    }
}

/// The fold that wants most of the label; among equals the one that wants most rows; then at random.
fn neediest(by_label: &[f64], by_rows: &[f64], stream: &mut Stream) -> usize {
    let want = |fold: usize| (by_label.get(fold).copied().unwrap_or(0.0), by_rows[fold]);
    let mut best = vec![0];
    for fold in 1..by_rows.len() {
        let (new, old) = (want(fold), want(best[0]));
        if new > old {
            best.clear();
            best.push(fold);
        } else if new == old {
            best.push(fold);
        }
    }
    best[stream.below(best.len() as u32) as usize]
}

/// Gives each of the `k` folds that got no row one of the largest fold: the first that has fewest labels,
/// so that rare ones stay where they were put. There must be as many rows as folds.
pub(super) fn fill_empty(folds: &mut [u32], k: u32, table: &LabelTable) {
    let labels = |row: usize| {
        let cells = table.labels(row).unwrap_or_default();
        cells.iter().filter(|cell| **cell == 1).count()
    };
    loop {
        let mut sizes = vec![0; k as usize];
        folds.iter().for_each(|fold| sizes[*fold as usize] += 1);
        let Some(empty) = sizes.iter().position(|size| *size == 0) else {
            return;
        };
        // The first of the largest.
        let largest = (0..sizes.len())
            .rev()
            .max_by_key(|fold| sizes[*fold])
            .unwrap_or(0);
        let rows = (0..folds.len()).filter(|row| folds[*row] as usize == largest);
        let Some(row) = rows.min_by_key(|row| labels(*row)) else {
            return;
        };
        folds[row] = empty as u32;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(rows: usize, labels: Vec<u8>) -> LabelTable {
        let names = (0..labels.len() / rows).map(|label| label.to_string());
        let ids = (0..rows).map(|row| row.to_string());
        LabelTable::new(ids.collect(), names.collect(), labels)
    }

    #[test]
    fn an_empty_fold_gets_the_row_that_says_least() {
        let table = table(5, vec![1, 1, 1, 1, 1, 0, 0, 0, 1, 1]);
        let mut folds = [0, 0, 2, 0, 2];
        fill_empty(&mut folds, 3, &table);
        assert_eq!(folds, [0, 0, 2, 1, 2]);
        let mut folds = [0, 0, 0, 0, 0];
        fill_empty(&mut folds, 5, &table);
        folds.sort_unstable();
        assert_eq!(folds, [0, 1, 2, 3, 4]);
    }

    proptest! {
        #[test]
        fn no_fold_is_empty(
            (rows, k, labels) in (1usize..16, 1usize..6).prop_flat_map(|(rows, width)| {
                let labels = proptest::collection::vec(0u8..2, rows * width);
                (Just(rows), 1..=rows as u32, labels)
            }),
            seed in 0u64..1000,
        ) {
            let table = table(rows, labels);
            let mut folds = assign(&table, &vec![1.0 / f64::from(k); k as usize], seed);
            fill_empty(&mut folds, k, &table);
            prop_assert!((0..k).all(|fold| folds.contains(&fold)));
        }
    }
}
