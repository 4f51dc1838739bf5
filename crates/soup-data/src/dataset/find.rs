//! Finds pictures and labels in a folder that the user points at.

use std::fs;
use std::path::{Path, PathBuf};

use super::labels::{Columns, read_table_file};
use super::pictures::{FileReader, Place, ReadFault, has_extension};
use super::{Dataset, EXTENSIONS};
use crate::{Error, Result};

/// Names of label tables, the likeliest first.
const TABLES: [&str; 3] = ["answer.csv", "dirty_mnist_2nd_answer.csv", "labels.csv"];
/// Names of tables that hold no labels.
const NO_LABELS: [&str; 3] = ["boxes.csv", "sample_submission.csv", "submission.csv"];
/// Names of folders and archives with pictures, the likeliest first.
const PICTURES: [&str; 4] = [
    "images",
    "dirty_mnist_2nd",
    "images.zip",
    "dirty_mnist_2nd.zip",
];

pub(super) fn open(path: &Path, columns: &Columns) -> Result<Dataset> {
    match Place::new(path)? {
        Place::Folder(folder) => open_folder(&folder, columns),
        place @ Place::Zip(_) => {
            let tables = place.files(&["csv"])?;
            let names: Vec<PathBuf> = tables.iter().map(|file| place.display(file)).collect();
            let Some(chosen) = choose_table(path, &names)? else {
                return Dataset::join(place, None, columns);
            };
            let mut reader = FileReader::new(&place);
            let bytes = match reader.read(&tables[chosen]) {
                Ok(bytes) => bytes.to_vec(),
                Err(ReadFault::Damaged(problem)) => {
                    return Err(Error::format(
                        &names[chosen],
                        problem,
                        "restore the archive from its source",
                    ));
                }
                Err(ReadFault::Io(source)) => return Err(Error::io("read", path)(source)),
                Err(ReadFault::Missing) => {
                    return Err(Error::NotFound {
                        path: path.into(),
                        hint: "it was there a moment ago; restore it".into(),
                    });
                }
            };
            Dataset::join(place, Some((names[chosen].clone(), bytes)), columns)
        }
    }
}

fn open_folder(folder: &Path, columns: &Columns) -> Result<Dataset> {
    let mut entries = fs::read_dir(folder)
        .map_err(Error::io("list", folder))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<PathBuf>>>()
        .map_err(Error::io("list", folder))?;
    entries.sort();

    let tables: Vec<PathBuf> = entries
        .iter()
        .filter(|path| {
            let gzipped = path.to_string_lossy().to_lowercase().ends_with(".csv.gz");
            path.is_file() && (has_extension(path, &["csv"]) || gzipped)
        })
        .cloned()
        .collect();
    let table = choose_table(folder, &tables)?.map(|at| tables[at].clone());
    let place = find_pictures(folder, &entries)?;
    let labels = match table {
        Some(path) => {
            let bytes = read_table_file(&path)?;
            Some((path, bytes))
        }
        None => None,
    };
    Dataset::join(place, labels, columns)
}

/// The label table among `tables`: one of the known names, else the only one.
fn choose_table(folder: &Path, tables: &[PathBuf]) -> Result<Option<usize>> {
    let plain = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.to_lowercase().trim_end_matches(".gz").to_owned()
    };
    for known in TABLES {
        if let Some(at) = tables.iter().position(|path| plain(path) == known) {
            return Ok(Some(at));
        }
    }
    let others: Vec<usize> = (0..tables.len())
        .filter(|&at| !NO_LABELS.contains(&plain(&tables[at]).as_str()))
        .collect();
    match others[..] {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        _ => Err(Error::NotADataset {
            path: folder.into(),
            problem: format!("{} tables could hold the labels", others.len()),
            hint: "name the right one with --labels and the pictures with --images".into(),
        }),
    }
}

fn find_pictures(folder: &Path, entries: &[PathBuf]) -> Result<Place> {
    for known in PICTURES {
        let path = folder.join(known);
        if path.is_dir() || path.is_file() {
            return Place::new(&path);
        }
    }
    if entries.iter().any(|path| has_extension(path, &EXTENSIONS)) {
        return Ok(Place::Folder(folder.into()));
    }
    let archives: Vec<&PathBuf> = entries
        .iter()
        .filter(|path| path.is_file() && has_extension(path, &["zip"]))
        .collect();
    let mut folders = vec![];
    for path in entries.iter().filter(|path| path.is_dir()) {
        if !Place::Folder(path.clone()).files(&EXTENSIONS)?.is_empty() {
            folders.push(path);
        }
    }
    match (&folders[..], &archives[..]) {
        ([only], _) => Ok(Place::Folder((*only).clone())),
        ([], [only]) => Ok(Place::Zip((*only).clone())),
        ([], []) => Err(Error::Empty {
            path: folder.into(),
            what: "pictures",
            hint: "PNG and JPEG files are looked for, in all folders below and in a zip archive"
                .into(),
        }),
        _ => Err(Error::NotADataset {
            path: folder.into(),
            problem: format!(
                "{} folders and {} archives could hold the pictures",
                folders.len(),
                archives.len()
            ),
            hint: "name the right one with --images, and the labels with --labels".into(),
        }),
    }
}
