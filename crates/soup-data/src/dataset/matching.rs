//! Which file a row means, and what an unlabelled file is called.

use std::collections::HashMap;
use std::path::Path;

use super::labels::Labels;
use super::pictures::{PictureFile, Place};
use crate::{Error, Result};

/// Ids of pictures without a table: file names without extension; with folder and extension where
/// those alone are not unique.
pub(super) fn ids_of(files: &[PictureFile]) -> Vec<String> {
    // Only looked up, never walked: its order reaches nothing.
    let mut seen = std::collections::HashSet::new();
    if files.iter().all(|file| seen.insert(file.stem())) {
        files.iter().map(|file| file.stem().to_owned()).collect()
    } else {
        files.iter().map(|file| file.name.clone()).collect()
    }
}

/// What a key leads to.
#[derive(Clone, Copy)]
enum Found {
    One(usize),
    Several(usize, usize),
}

/// The file of every row, in the order of the table.
pub(super) fn files_of(
    labels_path: &Path,
    labels: &Labels,
    files: Vec<PictureFile>,
    place: &Place,
) -> Result<Vec<PictureFile>> {
    // Only looked up, never walked: their order reaches nothing.
    let mut by_name: HashMap<&str, Found> = HashMap::new();
    let mut by_number: HashMap<u64, Found> = HashMap::new();
    let add = |slot: Option<Found>, at: usize| match slot {
        None => Found::One(at),
        Some(Found::One(first)) if first == at => Found::One(at),
        Some(Found::One(first) | Found::Several(first, _)) => Found::Several(first, at),
    };
    for (at, file) in files.iter().enumerate() {
        let base = file.name.rsplit('/').next().unwrap_or(&file.name);
        let bare = file
            .name
            .rsplit_once('.')
            .map_or(&*file.name, |(bare, _)| bare);
        for key in [file.name.as_str(), base, bare, file.stem()] {
            let slot = by_name.get(key).copied();
            by_name.insert(key, add(slot, at));
        }
        if let Ok(number) = file.stem().parse() {
            let slot = by_number.get(&number).copied();
            by_number.insert(number, add(slot, at));
        }
    }

    let mut row_of: Vec<Option<usize>> = vec![None; files.len()];
    let mut chosen = Vec::with_capacity(labels.ids.len());
    for (index, id) in labels.ids.iter().enumerate() {
        let row = labels.rows[index];
        let number = || {
            id.parse()
                .ok()
                .and_then(|number: u64| by_number.get(&number))
        };
        match by_name.get(id.as_str()).or_else(number) {
            Some(&Found::One(at)) => {
                if let Some(first) = row_of[at].replace(index) {
                    return Err(Error::table(
                        labels_path,
                        row,
                        format!(
                            "`{id}` and `{}` (row {}) both mean {}; keep one of the two rows",
                            labels.ids[first],
                            labels.rows[first],
                            place.display(&files[at]).display()
                        ),
                    ));
                }
                chosen.push(at);
            }
            Some(&Found::Several(one, other)) => {
                return Err(Error::table(
                    labels_path,
                    row,
                    format!(
                        "`{id}` may mean {} or {}; write the file name in full",
                        place.display(&files[one]).display(),
                        place.display(&files[other]).display()
                    ),
                ));
            }
            None => {
                return Err(Error::MissingPicture {
                    labels: labels_path.into(),
                    row,
                    id: id.clone(),
                    pictures: place.path().into(),
                });
            }
        }
    }
    let mut files: Vec<Option<PictureFile>> = files.into_iter().map(Some).collect();
    Ok(chosen
        .into_iter()
        .filter_map(|at| files[at].take())
        .collect())
}
