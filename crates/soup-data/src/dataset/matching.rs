//! Which file a row means, and what an unlabelled file is called.

use std::path::Path;

use super::images::{ImageFile, Place};
use super::labels::Labels;
use super::left_out::{LeftOut, Reason};
use crate::ids::{Fault, Index};
use crate::problems::Problems;
use crate::{Error, Result};

/// Ids of images without a table: file names without extension; with folder and extension where
/// those alone are not unique.
pub(super) fn ids_of(files: &[ImageFile]) -> Vec<String> {
    // Only looked up, never iterated: its order reaches nothing.
    let mut seen = std::collections::HashSet::new();
    if files.iter().all(|file| seen.insert(file.stem())) {
        files.iter().map(|file| file.stem().to_owned()).collect()
    } else {
        files.iter().map(|file| file.name.clone()).collect()
    }
}

/// The file of every row, in the order of the table, and what was overlooked to find them. Files of no
/// row are left out.
pub(super) fn files_of(
    labels_path: &Path,
    labels: &Labels,
    files: Vec<ImageFile>,
    place: &Place,
    left: &mut LeftOut,
) -> Result<(Vec<ImageFile>, Option<String>)> {
    let met = Index::of_files(files.iter().map(|file| &*file.name)).meet(&labels.ids);
    let at = |file: usize| place.display(&files[file]);
    let id = |asked: usize| &labels.ids[asked];
    let mut problems = Problems::default();
    problems.extend(met.faults.iter().map(|fault| match *fault {
        Fault::Missing { asked } => Error::MissingImage {
            labels: labels_path.into(),
            row: labels.rows[asked],
            id: id(asked).clone(),
            images: place.path().into(),
        },
        Fault::Several { asked, rows } => Error::table(
            labels_path,
            labels.rows[asked],
            format!(
                "`{}` may mean {} or {}; write the file name in full",
                id(asked),
                at(rows[0]).display(),
                at(rows[1]).display()
            ),
        ),
        Fault::Twice { asked, row } => Error::table(
            labels_path,
            labels.rows[asked[1]],
            format!(
                "`{}` and `{}` (row {}) both mean {}; keep one of the two rows",
                id(asked[1]),
                id(asked[0]),
                labels.rows[asked[0]],
                at(row).display()
            ),
        ),
    }));
    if !problems.is_empty() {
        // What is missing may lie there and have been left out.
        let hint = "convert, unpack or move what the rows mean";
        problems.extend(left.problem(place.path(), files.len(), hint));
    }
    problems.check()?;
    let name = labels_path.file_name().unwrap_or_default();
    let note = met.note(&name.to_string_lossy());
    let mut files: Vec<Option<ImageFile>> = files.into_iter().map(Some).collect();
    let chosen = met.rows.into_iter().flatten();
    let chosen = chosen.filter_map(|at| files[at].take()).collect();
    for file in files.into_iter().flatten() {
        left.add(Reason::Unlisted, file.name);
    }
    Ok((chosen, note))
}
