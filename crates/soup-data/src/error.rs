//! What can be wrong with data: every message says what, in which file and row, and what to do.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::ImageShape;
use crate::problems::Problems;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be wrong with images, labels, packs, folds and glyphs.
///
/// `row` counts the lines of the file from 1, the header included, as editors and spreadsheets
/// show them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `create`, `rename`, ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// A file or folder that the user named is not there.
    #[error("{} does not exist; {hint}", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
        /// What to do.
        hint: String,
    },

    /// A folder is not a data set that is understood.
    #[error("{}: {problem}; {hint}", path.display())]
    NotADataset {
        /// The folder or file.
        path: PathBuf,
        /// What is missing or ambiguous.
        problem: String,
        /// What to do.
        hint: String,
    },

    /// There is nothing to work on.
    #[error("{} holds no {what}; {hint}", path.display())]
    Empty {
        /// The folder or file.
        path: PathBuf,
        /// `images`, `rows`, `glyphs`, ...
        what: &'static str,
        /// What to do.
        hint: String,
    },

    /// A table lacks a column.
    #[error("{}: there is no column `{column}`; the columns are {}", path.display(), list(found))]
    MissingColumn {
        /// The table.
        path: PathBuf,
        /// The column asked for.
        column: String,
        /// The columns there are.
        found: Vec<String>,
    },

    /// A table cannot be read, or a field of it is not what it must be.
    #[error("{}, row {row}: {problem}", path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// Line of the file, the header is row 1.
        row: u64,
        /// What is wrong and what to do.
        problem: String,
    },

    /// A cell is not what it must be: a label neither 0 nor 1, a prediction no probability.
    #[error(
        "{}, row {row} (image `{id}`): label `{label}` is {}; {rule}",
        path.display(), cell(value)
    )]
    Cell {
        /// The table.
        path: PathBuf,
        /// Line of the file, the header is row 1.
        row: u64,
        /// Id of the image.
        id: String,
        /// Name of the label's column.
        label: Box<str>,
        /// What stands there.
        value: Box<str>,
        /// What should stand there, and what to do.
        rule: &'static str,
    },

    /// Two rows or files claim the same image.
    #[error(
        "{}, row {row}: image `{id}` was already named in row {first}; keep one of the two rows",
        path.display()
    )]
    DuplicateId {
        /// The table.
        path: PathBuf,
        /// Line of the file, the header is row 1.
        row: u64,
        /// The row that named the image first.
        first: u64,
        /// Id of the image.
        id: String,
    },

    /// A row of the table names an image that is not there.
    #[error(
        "{}, row {row}: there is no image `{id}` in {}; add the file or remove the row",
        labels.display(), images.display()
    )]
    MissingImage {
        /// The table.
        labels: PathBuf,
        /// Line of the file, the header is row 1.
        row: u64,
        /// Id of the image.
        id: String,
        /// Where images were looked for.
        images: PathBuf,
    },

    /// An image cannot be decoded.
    #[error("{}{}: {problem}; restore the file from its source", path.display(), place(*row, id))]
    DamagedImage {
        /// The image's file, or the archive and the file in it.
        path: PathBuf,
        /// Line of the label table that names it, where there is one.
        row: Option<u64>,
        /// Id of the image.
        id: String,
        /// What the decoder said.
        problem: String,
    },

    /// An image is of another size than the first one.
    #[error(
        "{}{}: the image is {found}, but the first one ({}) is {expected}; all images of a set \
         must have one size: resize or remove it", path.display(), place(*row, id), first.display()
    )]
    ImageShape {
        /// The image's file, or the archive and the file in it.
        path: PathBuf,
        /// Line of the label table that names it, where there is one.
        row: Option<u64>,
        /// Id of the image.
        id: String,
        /// What it is.
        found: Box<ImageShape>,
        /// What it must be.
        expected: Box<ImageShape>,
        /// The image that set the size.
        first: PathBuf,
    },

    /// A file of ours, or in a format that we read (`.npy`, zip, IDX, a pack's manifest), is broken
    /// or of an unknown version.
    #[error("{}: {problem}; {hint}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },

    /// A file was made for other data than it is used with.
    #[error("{}: {problem}; {hint}", path.display())]
    OtherData {
        /// The file, for example a fold file.
        path: PathBuf,
        /// How the two differ.
        problem: String,
        /// What to do.
        hint: String,
    },

    /// A file cannot be written under that name.
    #[error("cannot write {}: {problem}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What is in the way, and what to do.
        problem: String,
    },

    /// A setting has a value that makes no sense.
    #[error("`{name}`: {problem}")]
    Setting {
        /// Name of the setting as the user writes it.
        name: String,
        /// What is wrong and what is allowed.
        problem: String,
    },

    /// An example past the end was asked for.
    #[error("example {index} was asked for, but there are only {len}")]
    OutOfRange {
        /// The index asked for, from 0.
        index: u64,
        /// Number of examples.
        len: u64,
    },

    /// A buffer has another length than the data that must fill it.
    #[error("the buffer for {what} has {found} elements, but {expected} are needed")]
    Buffer {
        /// `pixels` or `labels`.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it must have.
        expected: usize,
    },

    /// Several things are wrong at once.
    #[error("{0}")]
    Several(Box<Problems>),

    /// The caller asked to stop; what is done is kept.
    #[error("interrupted; run the same command again to continue")]
    Interrupted,
}

impl Error {
    /// For `map_err` of file operations: says what was tried on which path.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// A [`Error::Setting`].
    pub fn setting(name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Setting {
            name: name.into(),
            problem: problem.into(),
        }
    }

    /// A [`Error::Table`]: `row` counts from 1, the header included.
    pub fn table(path: impl Into<PathBuf>, row: u64, problem: impl Into<String>) -> Self {
        Self::Table {
            path: path.into(),
            row,
            problem: problem.into(),
        }
    }

    /// A [`Error::Format`].
    pub fn format(
        path: impl Into<PathBuf>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Format {
            path: path.into(),
            problem: problem.into(),
            hint: hint.into(),
        }
    }

    /// Whether the fault lies in the user's data (exit code 3) and not in the machine or the
    /// settings.
    pub fn is_bad_data(&self) -> bool {
        if let Self::Several(problems) = self {
            return problems.shown().iter().any(Self::is_bad_data);
        }
        // The file itself is why it cannot be read: it has no end, or is no text.
        if let Self::Io { source, .. } = self {
            return matches!(
                source.kind(),
                ErrorKind::FileTooLarge | ErrorKind::InvalidData
            );
        }
        !matches!(
            self,
            Self::Output { .. }
                | Self::Setting { .. }
                | Self::OutOfRange { .. }
                | Self::Buffer { .. }
                | Self::Interrupted
        )
    }
}

/// ` (image `id`, row 7)` or, without a label table, ` (image `id`)`.
fn place(row: Option<u64>, id: &str) -> String {
    match row {
        Some(row) => format!(" (image `{id}`, row {row} of the labels)"),
        None => format!(" (image `{id}`)"),
    }
}

/// A cell as a word in a sentence.
fn cell(value: &str) -> String {
    match value {
        "" => "empty".into(),
        value => format!("`{value}`"),
    }
}

/// Up to 30 names in backticks, then a count of the rest.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 30;
    let mut text = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
