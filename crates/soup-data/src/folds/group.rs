//! Folds that keep the pictures of one source together.

use std::collections::BTreeMap;

use soup_random::{Purpose, Stream};

use crate::{Error, Result};

/// The fold of every row: whole groups, the largest first, each into the fold with the fewest rows;
/// groups of equal size in an order drawn by lot.
pub(super) fn assign(groups: &[String], k: u32, seed: u64) -> Result<Vec<u32>> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, group) in groups.iter().enumerate() {
        members.entry(group).or_default().push(row);
    }
    if members.len() < k as usize {
        return Err(Error::setting(
            "k",
            format!(
                "{k} folds need at least {k} groups, but there are only {}",
                members.len()
            ),
        ));
    }
    let mut groups: Vec<Vec<usize>> = members.into_values().collect();
    Stream::new(seed, Purpose::Split, 0, 0).shuffle(&mut groups);
    groups.sort_by_key(|rows| std::cmp::Reverse(rows.len()));

    let mut sizes = vec![0; k as usize];
    let mut folds = vec![0; groups.iter().map(Vec::len).sum()];
    for rows in groups {
        let smallest = (0..sizes.len())
            .min_by_key(|&fold| sizes[fold])
            .unwrap_or(0);
        sizes[smallest] += rows.len();
        for row in rows {
            folds[row] = smallest as u32;
        }
    }
    Ok(folds)
}
