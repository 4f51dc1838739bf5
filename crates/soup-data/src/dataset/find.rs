//! Finds images and labels in a folder or archive that the user points at.

use std::path::{Path, PathBuf};

use super::decode::formats;
use super::images::{ImageFile, Place, has_extension};
use super::labels::{self as shapes, Gathered, LabelsFormat, Lying};
use super::left_out::{LeftOut, Reason};
use super::listing::Listing;
use crate::files::read_unpacked;
use crate::tables::Columns;
use crate::{Error, Result};

/// Names of label tables.
const TABLES: [&str; 3] = ["answer.csv", "dirty_mnist_2nd_answer.csv", "labels.csv"];
/// Names of tables that hold no labels.
const NO_LABELS: [&str; 3] = ["boxes.csv", "sample_submission.csv", "submission.csv"];
/// Names of folders and archives with images, the likeliest first.
const IMAGES: [&str; 4] = [
    "images",
    "dirty_mnist_2nd",
    "images.zip",
    "dirty_mnist_2nd.zip",
];
/// Folders that a person keeps apart; images of several are not one set.
const PARTS: [&str; 8] = [
    "train",
    "training",
    "test",
    "testing",
    "val",
    "valid",
    "validation",
    "eval",
];

/// Images and what lies around them.
pub(super) struct Found {
    pub(super) place: Place,
    /// In the order of their names; of their numbers, where every name is one.
    pub(super) files: Vec<ImageFile>,
    /// Path, for messages, and text of the label table.
    pub(super) table: Option<(PathBuf, Vec<u8>)>,
    /// Labels that are no single table.
    pub(super) gathered: Option<Gathered>,
    pub(super) left: LeftOut,
}

/// Which table a data set has.
pub(super) enum Labels<'a> {
    /// The one that lies with the images, if there is any.
    Beside,
    /// This one; images are those of all folders below.
    Given(&'a Path),
    /// None, whatever lies there.
    None,
}

pub(super) fn find(path: &Path, labels: &Labels<'_>, columns: &Columns) -> Result<Found> {
    let place = Place::new(path)?;
    let Listing {
        images,
        tables,
        archives,
        labels: others,
        mut left,
    } = place.list()?;
    let mut gathered = match labels {
        Labels::Given(given) => gathered_of(given, &place, &images, columns)?,
        Labels::Beside | Labels::None => None,
    };
    let wants_table = columns.format.is_none_or(LabelsFormat::is_table);
    let table = match labels {
        _ if gathered.is_some() => None,
        Labels::Given(path) => Some((path.to_path_buf(), read_unpacked(path)?)),
        Labels::None => None,
        Labels::Beside if !wants_table => None,
        Labels::Beside => {
            // In a folder only those at the top are meant.
            let is_candidate = |file: &&ImageFile| match place {
                Place::Folder(_) => !file.name.contains('/'),
                Place::Zip(_) | Place::Array(_) => {
                    has_extension(Path::new(&file.name), &["csv", "tsv"])
                }
            };
            let candidates: Vec<&ImageFile> = tables.iter().filter(is_candidate).collect();
            let beside = match &place {
                Place::Array(path) => labels_beside(path),
                _ => None,
            };
            if let Some(path) = beside {
                let bytes = read_unpacked(&path)?;
                Some((path, bytes))
            } else {
                choose_table(path, &candidates)?
                    .map(|file| {
                        Ok::<_, Error>((place.display(file), shapes::read_file(&place, file)?))
                    })
                    .transpose()?
            }
        }
    };
    if matches!(labels, Labels::Beside) && table.is_none() {
        let lying = Lying {
            place: &place,
            images: &images,
            labels_place: &place,
            files: &others,
            columns,
        };
        if wants_table && !images.is_empty() {
            gathered = shapes::parts_with_tables(&lying, &tables)?;
        }
        if gathered.is_none() && !images.is_empty() {
            gathered = match shapes::choose(&lying)? {
                None | Some(LabelsFormat::None) => None,
                Some(format) => Some(shapes::read(&lying, format)?),
            };
        }
    }
    let used: Vec<String> = match (&gathered, labels) {
        (Some(gathered), Labels::Beside) => gathered.used.clone(),
        // What was named may lie among the images.
        (Some(_), Labels::Given(given)) => {
            let given = given.canonicalize().unwrap_or_else(|_| given.to_path_buf());
            let is_given = |file: &&ImageFile| {
                let path = place.path_of(file).canonicalize();
                path.is_ok_and(|path| path.starts_with(&given))
            };
            let names = others.iter().filter(is_given);
            names.map(|file| file.name.clone()).collect()
        }
        _ => vec![],
    };
    Listing::leave_labels(&mut left, &others, &used);
    let is_taken = |path: &Path| {
        let same = |(taken, _): &(PathBuf, Vec<u8>)| {
            taken == path
                || taken
                    .canonicalize()
                    .is_ok_and(|taken| path.canonicalize().is_ok_and(|path| path == taken))
        };
        table.as_ref().is_some_and(same)
    };
    for file in &tables {
        let is_known = NO_LABELS.contains(&plain_name(&file.name).as_str());
        if !is_taken(&place.display(file)) && !is_known && !used.contains(&file.name) {
            left.add(Reason::Table, &file.name);
        }
    }
    let (place, mut files) = match labels {
        _ if gathered.is_some() => {
            leave(&mut left, Reason::Archive, &archives);
            // Places of images are those of the listing.
            return Ok(Found {
                place,
                files: images,
                table: None,
                gathered,
                left,
            });
        }
        Labels::Given(_) => {
            leave(&mut left, Reason::Archive, &archives);
            (place, images)
        }
        _ => {
            let is_set = matches!(labels, Labels::Beside);
            let has_table = table.is_some();
            choose_images(place, images, &archives, (is_set, has_table), &mut left)?
        }
    };
    if files.is_empty() {
        return Err(nothing(path, &left));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let number = |file: &ImageFile| file.stem().parse::<u64>().ok();
    if files.iter().all(|file| number(file).is_some()) {
        files.sort_by_key(number);
    }
    Ok(Found {
        place,
        files,
        table,
        gathered: None,
        left,
    })
}

/// The labels of an array of images: `labels.npy` in its folder.
fn labels_beside(images: &Path) -> Option<PathBuf> {
    let labels = images.with_file_name("labels.npy");
    (labels != images && labels.is_file()).then_some(labels)
}

/// Labels that were named and are no single table.
fn gathered_of(
    given: &Path,
    place: &Place,
    images: &[ImageFile],
    columns: &Columns,
) -> Result<Option<Gathered>> {
    let named = match shapes::given(given)? {
        Some(named) if !columns.format.is_some_and(LabelsFormat::is_table) => named,
        Some((labels_place, _)) if given.is_dir() => {
            return Err(Error::NotADataset {
                path: labels_place.path().into(),
                problem: "it is a folder, not a table".into(),
                hint: "name the table itself with --labels".into(),
            });
        }
        _ => return Ok(None),
    };
    let (labels_place, files) = named;
    let lying = Lying {
        place,
        images,
        labels_place: &labels_place,
        files: &files,
        columns,
    };
    match shapes::choose(&lying)? {
        None | Some(LabelsFormat::None | LabelsFormat::Folders) => Err(Error::NotADataset {
            path: given.into(),
            problem: "there are no labels for these images in any shape that is known".into(),
            hint: "soup docs your-images lists the shapes; --labels-format says which one it is, and then what is wrong \
                   with it is named"
                .into(),
        }),
        Some(format) => shapes::read(&lying, format).map(Some),
    }
}

fn nothing(path: &Path, left: &LeftOut) -> Error {
    let hint = format!(
        "files in the formats {} are looked for, in all folders below and in a zip archive",
        formats()
    );
    Error::Empty {
        path: path.into(),
        what: "images",
        hint: match left.is_empty() {
            true => hint,
            false => format!("{hint}; {} left out: {left}", left.count()),
        },
    }
}

fn leave(left: &mut LeftOut, reason: Reason, files: &[ImageFile]) {
    for file in files {
        left.add(reason.clone(), &file.name);
    }
}

/// The name without folders, in lower case, as if it were not gzipped.
fn plain_name(name: &str) -> String {
    let base = name.rsplit('/').next().unwrap_or(name).to_lowercase();
    base.trim_end_matches(".gz").to_owned()
}

/// The label table: one of the known names, else the only one.
fn choose_table<'a>(path: &Path, tables: &[&'a ImageFile]) -> Result<Option<&'a ImageFile>> {
    let with = |is_wanted: &dyn Fn(&str) -> bool| -> Vec<&'a ImageFile> {
        let tables = tables.iter().copied();
        tables
            .filter(|file| is_wanted(&plain_name(&file.name)))
            .collect()
    };
    let mut candidates = with(&|name| TABLES.contains(&name));
    if candidates.is_empty() {
        candidates = with(&|name| !NO_LABELS.contains(&name));
    }
    match candidates[..] {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        _ => Err(Error::NotADataset {
            path: path.into(),
            problem: format!(
                "{} tables could hold the labels: {}",
                candidates.len(),
                listed(candidates.iter().map(|file| file.name.as_str()))
            ),
            hint: "name the right one with --labels and the images with --images".into(),
        }),
    }
}

/// Up to ten names, then a count of the rest.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 10;
    let more = names.len().saturating_sub(SHOWN);
    let mut text = names.take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Which of the images are meant, and where they lie: those of a folder or archive with a known name
/// beside a table; else all (of a whole set from the folder that holds them); else those of the only archive.
fn choose_images(
    place: Place,
    images: Vec<ImageFile>,
    archives: &[ImageFile],
    (is_set, has_table): (bool, bool),
    left: &mut LeftOut,
) -> Result<(Place, Vec<ImageFile>)> {
    let Place::Folder(root) = &place else {
        leave(left, Reason::Archive, archives);
        refuse_parts(place.path(), &images)?;
        return Ok((place, images));
    };
    let at_top = |file: &&ImageFile| !file.name.contains('/');
    let known = IMAGES.iter().find(|known| {
        let inside = format!("{known}/");
        images.iter().any(|file| file.name.starts_with(&inside))
            || archives.iter().any(|file| file.name == **known)
    });
    let archive = match known {
        Some(known) if has_table || images.is_empty() => {
            archives.iter().find(|file| file.name == *known)
        }
        _ if images.is_empty() => match archives.iter().filter(at_top).collect::<Vec<_>>()[..] {
            [] => None,
            [only] => Some(only),
            ref several => {
                return Err(Error::NotADataset {
                    path: root.clone(),
                    problem: format!(
                        "{} archives could hold the images: {}",
                        several.len(),
                        listed(several.iter().map(|file| file.name.as_str()))
                    ),
                    hint: "name the right one with --images, and the labels with --labels".into(),
                });
            }
        },
        _ => None,
    };
    for other in archives.iter().filter(|other| archive != Some(*other)) {
        left.add(Reason::Archive, &other.name);
    }
    if let Some(archive) = archive {
        leave(left, Reason::Beside, &images);
        let place = Place::Zip(place.path_of(archive));
        let inside = place.list()?;
        left.append(inside.left);
        leave(left, Reason::Archive, &inside.archives);
        leave(left, Reason::Table, &inside.tables);
        refuse_parts(place.path(), &inside.images)?;
        return Ok((place, inside.images));
    }
    let (mut images, mut folder) = (images, None);
    if let (Some(known), true) = (known, has_table) {
        let inside = format!("{known}/");
        let (taken, others): (Vec<_>, Vec<_>) =
            (images.into_iter()).partition(|file| file.name.starts_with(&inside));
        leave(left, Reason::Beside, &others);
        (images, folder) = (taken, Some((*known).to_owned()));
    } else if is_set
        && let Some((first, _)) = images.first().and_then(|file| file.name.split_once('/'))
    {
        let inside = format!("{first}/");
        if images.iter().all(|file| file.name.starts_with(&inside)) {
            folder = Some(first.to_owned());
        }
    }
    refuse_parts(root, &images)?;
    let Some(folder) = folder else {
        return Ok((place, images));
    };
    for file in &mut images {
        file.name.drain(..=folder.len());
    }
    Ok((Place::Folder(root.join(folder)), images))
}

/// Images to train on and images to be tested by are not one set.
fn refuse_parts(path: &Path, images: &[ImageFile]) -> Result<()> {
    let mut parts: Vec<&str> = images
        .iter()
        .filter_map(|file| Some(file.name.split_once('/')?.0))
        .filter(|folder| PARTS.contains(&folder.to_lowercase().as_str()))
        .collect();
    parts.sort_unstable();
    parts.dedup();
    if parts.len() < 2 {
        return Ok(());
    }
    Err(Error::NotADataset {
        path: path.into(),
        problem: format!(
            "{} folders could hold the images: {}",
            parts.len(),
            listed(parts.iter().copied())
        ),
        hint: "name the right one with --images, and the labels with --labels".into(),
    })
}
