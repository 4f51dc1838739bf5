//! Labels as people have them: one file a shape, chosen by content or by name.
//!
//! Two roads lead to a data set. A table has rows with ids ([`read_labels`]); everything else is gathered as
//! entries that know their image or its name ([`Gathered`]).

mod box_table;
mod coco;
mod folders;
mod gathered;
mod labelme;
mod lists;
mod lying;
mod marks;
mod parts;
mod tags;
mod voc;
mod yolo;

use std::fmt;
use std::path::Path;

pub(super) use gathered::{Entry, Gathered, Rest};
pub(super) use lying::{Lying, choose, given, parts_with_tables, read, read_file};
pub(crate) use marks::{Mark, Marks};
pub use parts::Part;
use serde::{Deserialize, Serialize};
pub use tags::tags_of_sample;

use super::LabelTable;
use super::table::cell_of;
use crate::{
    Result,
    files::read_unpacked,
    problems::Problems,
    tables::{Cells, Columns, Matrix, Table},
};

/// Cells of a set at most: images times labels.
const MOST_CELLS: usize = 1 << 31;

/// A shape in which labels come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum LabelsFormat {
    /// A table with one 0/1 column a label.
    Table,
    /// A table with a column of tags: several in a cell, or one a row in several rows.
    Tags,
    /// A table with a box a row: file name, class and the sides of the box.
    BoxTable,
    /// A folder a label, with its images.
    Folders,
    /// COCO's JSON: images, annotations and categories.
    Coco,
    /// Pascal VOC's XML, a file an image.
    Voc,
    /// YOLO's text files, a file an image, with data.yaml or classes.txt.
    Yolo,
    /// LabelMe's JSON, a file an image.
    Labelme,
    /// JSON or JSON lines: images, each with a list of labels.
    Json,
    /// No labels, whatever lies there.
    None,
}

impl LabelsFormat {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Table,
        Self::Tags,
        Self::BoxTable,
        Self::Folders,
        Self::Coco,
        Self::Voc,
        Self::Yolo,
        Self::Labelme,
        Self::Json,
        Self::None,
    ];

    /// The name by which it is asked for.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Tags => "tags",
            Self::BoxTable => "box-table",
            Self::Folders => "folders",
            Self::Coco => "coco",
            Self::Voc => "voc",
            Self::Yolo => "yolo",
            Self::Labelme => "labelme",
            Self::Json => "json",
            Self::None => "none",
        }
    }

    /// Whether it is a table of rows and columns.
    pub const fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::Tags | Self::BoxTable)
    }
}

impl fmt::Display for LabelsFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What an empty cell of a 0/1 table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Blank {
    /// The label is not there.
    Zero,
    /// Nobody knows: such a cell neither teaches nor counts.
    Unknown,
}

/// What parts the tags of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Separator {
    /// Any white space.
    Space,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// `|`
    Pipe,
    /// A list as JSON or Python write it: `["a", "b"]`.
    List,
    /// Nothing: a cell is one tag.
    None,
}

/// A label table as read, not yet matched with images.
#[derive(Debug)]
pub(super) struct Labels {
    pub(super) format: LabelsFormat,
    pub(super) ids: Vec<String>,
    /// Line of the file of each id, the header is mostly row 1.
    pub(super) rows: Vec<u64>,
    pub(super) names: Vec<String>,
    /// 0, 1 or [`UNKNOWN`].
    pub(super) labels: Vec<u8>,
    /// The boxes of each id, where the table has any.
    pub(super) marks: Option<Vec<Marks>>,
    /// What a person should know of how it was read.
    pub(super) notes: Vec<String>,
}

/// Reads a label table, and beside it what is wrong with its cells. `path` is for messages.
pub(super) fn read_labels(
    path: &Path,
    bytes: &[u8],
    columns: &Columns,
) -> Result<(Labels, Problems)> {
    if super::arrays::is_array(bytes) {
        return super::arrays::labels(path, bytes, columns.labels.as_deref());
    }
    let table = Table::parse(path, bytes)?;
    match tags::shape_of(&table, columns)? {
        tags::TableShape::Boxes(found) => box_table::read(&table, columns, &found),
        tags::TableShape::Tags(found) => tags::read(&table, columns, &found),
        tags::TableShape::Cells => {
            let (matrix, wrong_cells) = table.matrix_of_rows(columns, Cells::Labels)?;
            Ok((of_matrix(matrix, table.notes()), wrong_cells))
        }
    }
}

fn of_matrix(matrix: Matrix, notes: &[String]) -> Labels {
    Labels {
        format: LabelsFormat::Table,
        ids: matrix.ids,
        rows: matrix.lines,
        names: matrix.names,
        labels: matrix.values.into_iter().map(cell_of).collect(),
        marks: None,
        notes: notes.iter().cloned().chain(matrix.notes).collect(),
    }
}

/// A label table alone, without its images, and what a person should know of how it was read.
///
/// # Errors
/// Named with file and row, all at once: a column that is not there, a label that is not 0 or 1, an id
/// twice, an unreadable row.
pub fn read_label_table(path: &Path, columns: &Columns) -> Result<(LabelTable, Vec<String>)> {
    let (read, wrong_cells) = read_labels(path, &read_unpacked(path)?, columns)?;
    wrong_cells.check()?;
    let table = LabelTable::new(read.ids, read.names, read.labels);
    Ok((table, read.notes))
}

/// Names of labels in order: numbers by their value, and before words.
pub(super) fn in_order(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_by_cached_key(|name| (name.parse::<u64>().unwrap_or(u64::MAX), name.clone()));
    names.dedup();
    names
}

/// Labels that may be meant as one.
fn alike(names: &[String]) -> Vec<String> {
    let mut pairs = Vec::new();
    let mut lower: Vec<(String, &String)> =
        (names.iter().map(|name| (name.to_lowercase(), name))).collect();
    lower.sort();
    for pair in lower.windows(2) {
        if let [(one, first), (other, second)] = pair
            && one == other
        {
            pairs.push(format!(
                "labels: `{first}` and `{second}` differ only in case and are two labels"
            ));
        }
    }
    pairs.truncate(5);
    pairs
}

/// `1 label`, `7 labels`.
fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
