//! Parts into which a data set came divided: images to train on, to validate by, and to test with.

use serde::{Deserialize, Serialize};

use super::gathered::{Names, renumber};
use super::{Entry, Gathered, LabelsFormat, Lying, Rest, count, lying, read_labels};
use crate::Result;
use crate::dataset::content_hash;
use crate::dataset::images::ImageFile;
use crate::dataset::table::UNKNOWN;
use crate::problems::Problems;

/// What images are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// To learn from.
    Train,
    /// To be held out while training.
    Valid,
    /// To be looked at once, at the end.
    Test,
}

impl Part {
    /// Of the name of a folder or file: `train`, `val2017`, `instances_test`.
    pub(super) fn of(name: &str) -> Option<Self> {
        let lower = name.to_lowercase();
        let stem = lower.split('.').next().unwrap_or_default();
        let mut words = stem.split(|letter: char| !letter.is_ascii_alphabetic());
        words.find_map(|word| match word {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" | "dev" | "eval" => Some(Self::Valid),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        })
    }

    /// Of a whole folder name, such as `train` or `val2017` but not `train station`.
    pub(super) fn of_folder(name: &str) -> Option<Self> {
        let word = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
        match word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            true => Self::of(word),
            false => None,
        }
    }

    /// Of the innermost folder above a file that names one.
    pub(super) fn of_path(name: &str) -> Option<Self> {
        let folders = name.rsplit('/').skip(1);
        folders.into_iter().find_map(Self::of_folder)
    }

    /// `train`, `valid` or `test`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

/// A table a part, read as one: a label that a table does not have is in none of its images.
pub(super) fn tables(lying: &Lying<'_>, of_parts: &[(&str, &ImageFile)]) -> Result<Gathered> {
    let (mut known, mut problems) = (Names::default(), Problems::default());
    let (mut entries, mut notes, mut hashes) = (vec![], vec![], vec![]);
    let mut format = LabelsFormat::Table;
    for (file, (folder, table)) in of_parts.iter().enumerate() {
        let (path, bytes) = (lying.path(table), lying.bytes(table)?);
        hashes.push(content_hash(&bytes));
        let (read, wrong) = read_labels(&path, &bytes, lying.columns)?;
        problems.append(wrong);
        format = read.format;
        notes.extend(read.notes.iter().map(|note| format!("{folder}: {note}")));
        let places: Vec<usize> = read.names.iter().map(|name| known.place(name)).collect();
        let within = format!("{folder}/");
        for (row, id) in read.ids.iter().enumerate() {
            let cells = &read.labels[row * places.len()..][..places.len()];
            let those = |wanted: u8| {
                let found = cells
                    .iter()
                    .zip(&places)
                    .filter(move |(cell, _)| **cell == wanted);
                found.map(|(_, place)| *place).collect()
            };
            let mut marks = read.marks.as_ref().map(|marks| marks[row].clone());
            for mark in marks.iter_mut().flat_map(|marks| &mut marks.boxes) {
                mark.label = places[mark.label];
            }
            entries.push(Entry {
                present: those(1),
                unknown: those(UNKNOWN),
                marks,
                part: Part::of_folder(folder),
                ..Entry::named(id, &within, file, read.rows[row])
            });
        }
    }
    let (names, order) = known.sorted();
    renumber(&mut entries, &order);
    notes.insert(
        0,
        format!(
            "labels: a table in each of {}, {}",
            (of_parts.iter().map(|(folder, _)| *folder))
                .collect::<Vec<_>>()
                .join(", "),
            count(names.len(), "label")
        ),
    );
    Ok(Gathered {
        format,
        path: lying.labels_place.path().into(),
        hash: lying::hash_of(&hashes),
        paths: of_parts
            .iter()
            .map(|(_, table)| lying.path(table))
            .collect(),
        names,
        entries,
        rest: Rest::LeftOut,
        notes,
        problems,
        used: of_parts
            .iter()
            .map(|(_, table)| table.name.clone())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_by_words() {
        for (name, part) in [
            ("train", Some(Part::Train)),
            ("val2017", Some(Part::Valid)),
            ("Testing", Some(Part::Test)),
            ("trains", None),
            ("train station", None),
            ("images", None),
        ] {
            assert_eq!(Part::of_folder(name), part, "{name}");
        }
        assert_eq!(Part::of("instances_train2017.json"), Some(Part::Train));
        assert_eq!(Part::of("my labels.json"), None);
        assert_eq!(Part::of_path("valid/images/1.jpg"), Some(Part::Valid));
        assert_eq!(Part::of_path("test.jpg"), None);
    }
}
