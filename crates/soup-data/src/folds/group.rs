//! Folds that keep the images of one source together.

use std::collections::{BTreeMap, BTreeSet};

use soup_random::{Purpose, Stream};

use crate::{Error, Result};

/// The fold of every row: whole groups, the largest first, each into the fold with the fewest rows;
/// groups of equal size in random order.
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

/// Groups whose names differ only in case, spaces or zeros before numbers, a line for each of them.
pub fn spellings(groups: &[String]) -> Vec<String> {
    let mut alike: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for group in groups {
        alike.entry(plain(group)).or_default().insert(group);
    }
    let several = alike.into_values().filter(|names| names.len() > 1);
    several
        .map(|names| {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!(
                "groups {} differ only in case, spaces or zeros and are kept apart; write them alike if they are one",
                names.join(", ")
            )
        })
        .collect()
}

/// A name in small letters, without spaces and without zeros before numbers.
fn plain(group: &str) -> String {
    let mut plain = String::with_capacity(group.len());
    for letter in group.chars().filter(|letter| !letter.is_whitespace()) {
        if letter.is_ascii_digit() && plain.ends_with('0') {
            let before = plain[..plain.len() - 1].chars().next_back();
            if !before.is_some_and(|before| before.is_ascii_digit()) {
                plain.pop();
            }
        }
        plain.extend(letter.to_lowercase());
    }
    plain
}

/// Groups with more images than a fold should have, a line each.
pub(super) fn too_large(groups: &[String], k: u32) -> Vec<String> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for group in groups {
        *sizes.entry(group).or_default() += 1;
    }
    let fold = groups.len().div_ceil(k as usize);
    let large = sizes.into_iter().filter(|(_, size)| *size > fold);
    large
        .map(|(group, size)| {
            format!(
                "group `{group}` holds {size} of {} images, more than a fold of {fold}: folds differ in size",
                groups.len()
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_nothing_that_counts_are_named() {
        let groups = ["p1", "P1", "p 01", "p10", "p100", "q", "p2"].map(String::from);
        assert_eq!(
            spellings(&groups),
            [
                "groups `P1`, `p 01`, `p1` differ only in case, spaces or zeros and are kept apart; write them alike if \
                 they are one"
            ]
        );
        assert_eq!(spellings(&groups[3..]), [""; 0]);
    }

    #[test]
    fn a_group_larger_than_a_fold_is_named() {
        let groups: Vec<String> = "aaaaabcd".chars().map(String::from).collect();
        assert_eq!(
            too_large(&groups, 4),
            ["group `a` holds 5 of 8 images, more than a fold of 2: folds differ in size"]
        );
        assert_eq!(too_large(&groups[3..], 2), [""; 0]);
    }
}
