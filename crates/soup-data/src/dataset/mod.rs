//! Data sets as people have them: a folder or zip of pictures, and a table of 0/1 labels.

mod decode;
mod find;
mod folder;
mod labels;
mod matching;
mod pictures;
mod table;

use std::path::{Path, PathBuf};

pub use decode::{Channels, EXTENSIONS, decode, picture_size};
pub use folder::FolderExamples;
pub(crate) use labels::read_pairs;
pub use labels::{Columns, read_column, read_label_table};
pub use table::LabelTable;
pub(crate) use table::content_hash;

pub(crate) use decode::Decoder;
pub(crate) use pictures::{FileReader, PictureFile, Place, ReadFault};

use crate::{Error, PictureShape, Result};

/// Pictures that lie in a folder or a zip archive, with their labels where there are any. Nothing
/// is decoded yet.
#[derive(Clone, Debug)]
pub struct Dataset {
    place: Place,
    files: Vec<PictureFile>,
    table: LabelTable,
    labels: Option<LabelSource>,
    unlisted: usize,
    notes: Vec<String>,
}

/// The label file, and in which of its lines each picture stands.
#[derive(Clone, Debug)]
struct LabelSource {
    path: PathBuf,
    /// Hash of its text, unpacked.
    hash: String,
    rows: Vec<u64>,
}

impl Dataset {
    /// Finds pictures and labels below `path`: the contest's layout (a folder or zip archive of
    /// pictures beside `answer.csv` or `dirty_mnist_2nd_answer.csv`, gzipped or not), what
    /// `soup compose` writes (`images/` beside `answer.csv`), or any folder or zip with pictures and
    /// at most one table. Without a table the pictures have no labels, and their ids are their file
    /// names without extension.
    ///
    /// # Errors
    /// What is missing or ambiguous, and everything that [`Dataset::from_parts`] reports.
    pub fn open(path: &Path, columns: &Columns) -> Result<Self> {
        find::open(path, columns)
    }

    /// The pictures in `images` (folder or zip) that the table `labels` (CSV, gzipped or not)
    /// names, in its order; without a table all pictures, in the order of their names.
    ///
    /// Ids and files meet by the rule of [`ids`](crate::ids).
    ///
    /// # Errors
    /// Named with file and row, all at once: a table that cannot be read, a label that is not 0 or 1,
    /// an id twice, a picture that is not there; and no pictures at all.
    pub fn from_parts(images: &Path, labels: Option<&Path>, columns: &Columns) -> Result<Self> {
        let labels = match labels {
            Some(path) if !path.exists() => {
                return Err(Error::NotFound {
                    path: path.into(),
                    hint: "give the CSV file with the labels".into(),
                });
            }
            Some(path) => Some((path.to_path_buf(), labels::read_table_file(path)?)),
            None => None,
        };
        Self::join(Place::new(images)?, labels, columns)
    }

    /// Matches pictures with the table in `labels` (its path for messages, and its text).
    fn join(place: Place, labels: Option<(PathBuf, Vec<u8>)>, columns: &Columns) -> Result<Self> {
        let files = place.pictures()?;
        let Some((path, bytes)) = labels else {
            let ids = matching::ids_of(&files);
            return Ok(Self {
                place,
                files,
                table: LabelTable::new(ids, vec![], vec![]),
                labels: None,
                unlisted: 0,
                notes: vec![],
            });
        };
        let read = labels::read_labels(&path, &bytes, columns)?;
        let found = files.len();
        let (files, note) = matching::files_of(&path, &read, files, &place)?;
        Ok(Self {
            place,
            notes: note.into_iter().collect(),
            unlisted: found - files.len(),
            files,
            table: LabelTable::new(read.ids, read.names, read.labels),
            labels: Some(LabelSource {
                hash: content_hash(&bytes),
                path,
                rows: read.rows,
            }),
        })
    }

    /// Ids, label names and labels.
    pub fn table(&self) -> &LabelTable {
        &self.table
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no picture; never so for a data set that could be opened.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The folder or zip archive with the pictures.
    pub fn pictures_path(&self) -> &Path {
        self.place.path()
    }

    /// The label file.
    pub fn labels_path(&self) -> Option<&Path> {
        self.labels.as_ref().map(|source| source.path.as_path())
    }

    /// Number of pictures that lie there, but that no row of the label table names.
    pub fn unlisted(&self) -> usize {
        self.unlisted
    }

    /// What a person should know of how the table was read and its ids were matched, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The file of picture `index`, inside an archive as if that were a folder.
    pub fn picture_path(&self, index: usize) -> Option<PathBuf> {
        self.files.get(index).map(|file| self.place.display(file))
    }

    /// Name of the file of picture `index` below the folder or inside the archive.
    pub fn file_name(&self, index: usize) -> Option<&str> {
        self.files.get(index).map(|file| file.name.as_str())
    }

    /// The pictures as examples, each read and decoded when it is asked for.
    ///
    /// # Errors
    /// Where the first picture, which sets the shape, cannot be read.
    pub fn examples(self, channels: Channels) -> Result<FolderExamples> {
        FolderExamples::new(self, channels)
    }

    /// Name and hash of the label file.
    pub(crate) fn labels_file(&self) -> Option<(String, &str)> {
        self.labels.as_ref().map(|source| {
            let name = source.path.file_name().unwrap_or_default();
            (name.to_string_lossy().into_owned(), source.hash.as_str())
        })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn files(&self) -> &[PictureFile] {
        &self.files
    }

    /// Line of the label table that names picture `index`.
    fn row(&self, index: usize) -> Option<u64> {
        self.labels
            .as_ref()
            .and_then(|source| source.rows.get(index).copied())
    }

    /// The error for a picture whose bytes could not be had.
    pub(crate) fn read_fault(&self, index: usize, fault: ReadFault) -> Error {
        let path = self.place.display(&self.files[index]);
        match (fault, &self.labels) {
            (ReadFault::Missing, Some(source)) => Error::MissingPicture {
                labels: source.path.clone(),
                row: source.rows[index],
                id: self.table.ids()[index].clone(),
                pictures: self.place.path().into(),
            },
            (ReadFault::Missing, None) => Error::NotFound {
                path,
                hint: "it was there a moment ago; restore it".into(),
            },
            (ReadFault::Io(source), _) => Error::Io {
                action: "read",
                path,
                source,
            },
            (ReadFault::Damaged(problem), _) => self.damaged(index, problem),
        }
    }

    /// The error for a picture that cannot be decoded.
    pub(crate) fn damaged(&self, index: usize, problem: String) -> Error {
        Error::DamagedPicture {
            path: self.place.display(&self.files[index]),
            row: self.row(index),
            id: self.table.ids()[index].clone(),
            problem,
        }
    }

    /// Checks that picture `index` has the shape of the first one.
    pub(crate) fn check_shape(
        &self,
        index: usize,
        found: PictureShape,
        expected: PictureShape,
    ) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        Err(Error::PictureShape {
            path: self.place.display(&self.files[index]),
            row: self.row(index),
            id: self.table.ids()[index].clone(),
            found: Box::new(found),
            expected: Box::new(expected),
            first: self.place.display(&self.files[0]),
        })
    }
}
