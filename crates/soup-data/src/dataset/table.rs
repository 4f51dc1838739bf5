//! The rows of a data set: one id an image and, where there are any, its labels: 0, 1 or unknown.

use std::collections::HashMap;

use twox_hash::xxhash3_128::Hasher;

use crate::problems::Problems;
use crate::{Error, Result};

/// The hash that manifests hold: XXH3 of 128 bits, in hexadecimal. It finds damage and mix-ups; it is
/// no defence against forgery.
pub(crate) fn content_hash(bytes: &[u8]) -> String {
    format!("{:032x}", Hasher::oneshot(bytes))
}

/// A label of which nobody knows whether it is there: it neither teaches nor counts.
pub const UNKNOWN: u8 = 2;

/// What a label is to a network and to scores: 0.0, 1.0 or, where it is unknown, NaN.
pub fn target(cell: u8) -> f32 {
    match cell {
        UNKNOWN => f32::NAN,
        cell => f32::from(cell),
    }
}

/// What a [`target`] is in a table.
pub fn cell_of(target: f32) -> u8 {
    match target.is_nan() {
        true => UNKNOWN,
        false => u8::from(target > 0.5),
    }
}

/// Ids and labels of a data set, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LabelTable {
    ids: Vec<String>,
    label_names: Vec<String>,
    labels: Vec<u8>,
}

impl LabelTable {
    /// A table of `ids.len()` rows; `labels` holds 0, 1 or [`UNKNOWN`], row by row.
    ///
    /// # Panics
    /// Where `labels.len()` is not `ids.len() * label_names.len()`.
    pub fn new(ids: Vec<String>, label_names: Vec<String>, labels: Vec<u8>) -> Self {
        assert_eq!(labels.len(), ids.len() * label_names.len());
        Self {
            ids,
            label_names,
            labels,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The id of every row, as the label file writes it or, without one, the file name without its
    /// extension.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Names of the labels; empty where there are none.
    pub fn label_names(&self) -> &[String] {
        &self.label_names
    }

    /// The labels of a row, each 0, 1 or [`UNKNOWN`]; `None` where the set has none or the row does not exist.
    pub fn labels(&self, row: usize) -> Option<&[u8]> {
        let width = self.label_names.len();
        if width == 0 {
            return None;
        }
        self.labels.get(row * width..(row + 1) * width)
    }

    /// Number of cells of which nobody knows.
    pub fn unknown(&self) -> usize {
        self.labels.iter().filter(|cell| **cell == UNKNOWN).count()
    }

    /// Writes the labels of `row` as 0.0 and 1.0, and NaN for one that is unknown.
    pub(crate) fn load_labels(&self, row: usize, labels: &mut [f32]) -> Result<()> {
        if labels.len() != self.label_names.len() {
            return Err(Error::Buffer {
                what: "labels",
                found: labels.len(),
                expected: self.label_names.len(),
            });
        }
        for (value, &label) in labels.iter_mut().zip(self.labels(row).unwrap_or_default()) {
            *value = target(label);
        }
        Ok(())
    }

    /// Hash of ids, label names and labels, without the images: a fold file is bound to it, so
    /// that folds made from a folder also fit its pack.
    pub fn hash(&self) -> String {
        let mut hasher = Hasher::new();
        hasher.write(b"soup-table 1");
        for names in [&self.ids, &self.label_names] {
            hasher.write(&(names.len() as u64).to_le_bytes());
            for name in names {
                hasher.write(&(name.len() as u64).to_le_bytes());
                hasher.write(name.as_bytes());
            }
        }
        hasher.write(&self.labels);
        format!("xxh3-128:{:032x}", hasher.finish_128())
    }

    /// How the table `now` differs from this one, which is older: a line a difference, the first hundred, and how many
    /// more there are; nothing where the two are equal.
    pub fn difference(&self, now: &Self) -> Option<String> {
        if self == now {
            return None;
        }
        let mut lines = Vec::new();
        if self.label_names != now.label_names {
            let (then, now) = (self.label_names.join(", "), now.label_names.join(", "));
            lines.push(format!("the labels were {then} and are {now}"));
        }
        let rows = |table: &Self| -> HashMap<String, usize> {
            let ids = table.ids.iter().cloned();
            ids.enumerate().map(|(row, id)| (id, row)).collect()
        };
        // Only looked up, never iterated: their order reaches nothing.
        let (rows_then, rows_now) = (rows(self), rows(now));
        for (row, id) in self.ids.iter().enumerate() {
            let Some(now_row) = rows_now.get(id) else {
                lines.push(format!("image `{id}` is gone"));
                continue;
            };
            if self.label_names != now.label_names {
                continue;
            }
            let (then, now) = (self.labels(row), now.labels(*now_row));
            let cells = then.unwrap_or_default().iter().zip(now.unwrap_or_default());
            for ((then, now), name) in cells.zip(&self.label_names) {
                if then != now {
                    let said = |cell: &u8| match *cell {
                        UNKNOWN => "unknown".to_owned(),
                        cell => cell.to_string(),
                    };
                    lines.push(format!(
                        "image `{id}`: label `{name}` was {} and is {}",
                        said(then),
                        said(now)
                    ));
                }
            }
        }
        let new = now.ids.iter().filter(|id| !rows_then.contains_key(*id));
        lines.extend(new.map(|id| format!("image `{id}` is new")));
        if lines.is_empty() {
            lines.push("the images stand in another order".to_owned());
        }
        let more = lines.len().saturating_sub(Problems::SHOWN);
        lines.truncate(Problems::SHOWN);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        Some(lines.join("\n  "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table(ids: &[&str], names: &[&str], labels: &[u8]) -> LabelTable {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        LabelTable::new(owned(ids), owned(names), labels.to_vec())
    }

    #[test]
    fn differences_are_named() {
        let old = table(&["p", "q"], &["a", "b"], &[0, 1, 1, 1]);
        assert_eq!(old.difference(&old.clone()), None);
        let now = table(&["q", "r"], &["a", "b"], &[1, 0, 0, 0]);
        assert_eq!(
            old.difference(&now).unwrap(),
            "image `p` is gone\n  image `q`: label `b` was 1 and is 0\n  image `r` is new"
        );
        let now = table(&["p", "q"], &["a", "c"], &[0, 1, 1, 1]);
        assert_eq!(
            old.difference(&now).unwrap(),
            "the labels were a, b and are a, c"
        );
        let now = table(&["q", "p"], &["a", "b"], &[1, 1, 0, 1]);
        assert_eq!(
            old.difference(&now).unwrap(),
            "the images stand in another order"
        );
        let ids: Vec<String> = (0..250).map(|id| id.to_string()).collect();
        let many = LabelTable::new(ids, vec!["a".into(), "b".into()], vec![0; 500]);
        let lines = old.difference(&many).unwrap();
        assert_eq!(lines.lines().count(), 101);
        assert!(lines.ends_with("\n  and 152 more"), "{lines}");
    }
}
