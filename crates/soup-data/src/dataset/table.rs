//! The rows of a data set: one id a picture and, where there are any, its 0/1 labels.

use twox_hash::xxhash3_128::Hasher;

use crate::{Error, Result};

/// The hash that manifests hold: XXH3 of 128 bits, in hexadecimal. It finds damage and mix-ups; it is
/// no defence against forgery.
pub(crate) fn content_hash(bytes: &[u8]) -> String {
    format!("{:032x}", Hasher::oneshot(bytes))
}

/// Ids and labels of a data set, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LabelTable {
    ids: Vec<String>,
    label_names: Vec<String>,
    labels: Vec<u8>,
}

impl LabelTable {
    /// A table of `ids.len()` rows; `labels` holds 0 or 1, row by row.
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

    /// The labels of a row, each 0 or 1; `None` where the set has none or the row does not exist.
    pub fn labels(&self, row: usize) -> Option<&[u8]> {
        let width = self.label_names.len();
        if width == 0 {
            return None;
        }
        self.labels.get(row * width..(row + 1) * width)
    }

    /// Writes the labels of `row` as 0.0 and 1.0.
    pub(crate) fn load_labels(&self, row: usize, labels: &mut [f32]) -> Result<()> {
        if labels.len() != self.label_names.len() {
            return Err(Error::Buffer {
                what: "labels",
                found: labels.len(),
                expected: self.label_names.len(),
            });
        }
        for (value, &label) in labels.iter_mut().zip(self.labels(row).unwrap_or_default()) {
            *value = f32::from(label);
        }
        Ok(())
    }

    /// Hash of ids, label names and labels, without the pictures: a fold file is bound to it, so
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
}
