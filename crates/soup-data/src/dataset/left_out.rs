//! What lay where images were looked for and was not taken. Nothing is left out in silence.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::Error;

/// Names that are kept of each kind; the rest is counted.
const NAMES: usize = 5;

/// Why a file was left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// An image in a format that is not decoded: its extension and the format, or the format alone.
    Format(String),
    /// An image in a folder that is only linked to; links to files are followed, those to folders are not.
    LinkedFolder,
    /// A link that leads nowhere.
    BrokenLink,
    /// An image whose name or folder begins with a dot.
    Hidden,
    /// In an archive, behind a password.
    Encrypted,
    /// In an archive, packed in this way, which is not read.
    Packed(String),
    /// In an archive under a name that stands there twice; the last one is taken, as unpacking would.
    Twice,
    /// An archive beside images or in another archive.
    Archive,
    /// A pack of ours.
    Pack,
    /// An image beside the folder or archive that was taken.
    Beside,
    /// Among glyphs, an image that is in no folder of a label.
    NoGlyph,
    /// An image that no row of the label table names.
    Unlisted,
    /// An image of which the labels say nothing.
    Unlabelled,
    /// An image to test with, beside those to learn from.
    Test,
    /// An image that cannot be decoded, where that was allowed.
    Damaged,
    /// A device, a pipe, or a file that may not be read.
    Unreadable,
    /// A table that was not read.
    Table,
    /// No image, with this extension.
    Other(String),
    /// What an operating system leaves everywhere.
    System,
}

impl Reason {
    /// Whether an image may have been meant; the others are never asked about.
    fn may_be_image(&self) -> bool {
        !matches!(
            self,
            Self::Table | Self::Other(_) | Self::System | Self::Pack
        )
    }

    /// Whether the count is followed by a times sign: `2 x .webp`.
    fn is_extension(&self) -> bool {
        matches!(self, Self::Format(_) | Self::Other(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Format(what) => return write!(formatter, "{what} (not supported)"),
            Self::LinkedFolder => "behind a linked folder",
            Self::BrokenLink => "a broken link",
            Self::Hidden => "hidden",
            Self::Encrypted => "encrypted",
            Self::Packed(how) => return write!(formatter, "packed with {how} (not supported)"),
            Self::Twice => "there under a name that comes again (the last is taken)",
            Self::Archive => "an archive (not looked into)",
            Self::Pack => "a pack",
            Self::Beside => "beside the images that were taken",
            Self::NoGlyph => "in no folder of a label",
            Self::Unlisted => "in no row of the table",
            Self::Unlabelled => "without labels of their own",
            Self::Test => "to test with",
            Self::Damaged => "damaged",
            Self::Unreadable => "unreadable",
            Self::Table => "a table (not read)",
            Self::Other(what) => return write!(formatter, "{what} (no image)"),
            Self::System => "of the operating system",
        })
    }
}

/// Files left out, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut(BTreeMap<Reason, Kind>);

/// Those with one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kind {
    count: usize,
    /// The first ones.
    names: Vec<String>,
}

impl LeftOut {
    /// Counts a file that is left out.
    pub fn add(&mut self, reason: Reason, name: impl Into<String>) {
        let kind = self.0.entry(reason).or_default();
        kind.count += 1;
        // The first by name, in whatever order a system lists them.
        let name = name.into();
        let at = kind.names.partition_point(|other| *other < name);
        kind.names.insert(at, name);
        kind.names.truncate(NAMES);
    }

    pub(crate) fn append(&mut self, other: Self) {
        for (reason, kind) in other.0 {
            let known = kind.names.len();
            for name in kind.names {
                self.add(reason.clone(), name);
            }
            self.0.entry(reason).or_default().count += kind.count - known;
        }
    }

    /// Number of files.
    pub fn count(&self) -> usize {
        self.0.values().map(|kind| kind.count).sum()
    }

    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many were left out for this reason.
    pub fn of(&self, reason: &Reason) -> usize {
        self.0.get(reason).map_or(0, |kind| kind.count)
    }

    /// Where files that may be images were left out, an error that says which.
    pub fn problem(&self, path: &Path, found: usize, hint: &str) -> Option<Error> {
        let may_be = self.0.keys().any(Reason::may_be_image);
        may_be.then(|| Error::NotADataset {
            path: path.into(),
            problem: self.sentence(found),
            hint: hint.into(),
        })
    }

    /// `8 images found; 3 left out: 2 x .webp (not supported), 1 behind a linked folder`, and a line
    /// with the first names of each kind.
    pub fn sentence(&self, found: usize) -> String {
        let found = counted(found);
        if self.is_empty() {
            return format!("{found} found");
        }
        format!("{found} found; {} left out: {self}", self.count())
    }
}

/// `1 image`, `2 images`.
fn counted(images: usize) -> String {
    let plural = if images == 1 { "" } else { "s" };
    format!("{images} image{plural}")
}

impl fmt::Display for LeftOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (reason, kind)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let times = if reason.is_extension() { "x " } else { "" };
            write!(formatter, "{comma}{} {times}{reason}", kind.count)?;
        }
        for (reason, kind) in &self.0 {
            write!(formatter, "\n  {reason}: {}", names(&kind.names))?;
            if kind.count > kind.names.len() {
                write!(formatter, " and {} more", kind.count - kind.names.len())?;
            }
        }
        Ok(())
    }
}

/// Names parted by commas, without what would break the line.
fn names(names: &[String]) -> String {
    let clean = names
        .iter()
        .map(|name| match name.contains(char::is_control) {
            true => name.escape_debug().to_string(),
            false => name.clone(),
        });
    clean.collect::<Vec<_>>().join(", ")
}

/// A list of `{reason, count, names}`.
impl Serialize for LeftOut {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Item<'a> {
            reason: String,
            count: usize,
            names: &'a [String],
        }
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for (reason, kind) in &self.0 {
            list.serialize_element(&Item {
                reason: reason.to_string(),
                count: kind.count,
                names: &kind.names,
            })?;
        }
        list.end()
    }
}
