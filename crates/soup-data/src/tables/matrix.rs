//! Tables of ids and numbers: labels and predictions.

use std::collections::{BTreeSet, HashMap};

use super::{Table, is_missing, is_unnamed, names_ids};
use crate::{
    Error, Result,
    dataset::{Blank, LabelsFormat, Separator},
    ids::{is_image, place_of_name},
    problems::Problems,
};

/// Which columns of a table are what, and how labels are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The column with the images' ids or file names; the first one where nothing is given.
    pub id: Option<String>,
    /// The label columns, in the order wanted; all but the id where nothing is given.
    pub labels: Option<Vec<String>>,
    /// Columns that are no labels (a group, a comment).
    pub ignored: Vec<String>,
    /// The shape in which labels come; told by their content where nothing is given.
    pub format: Option<LabelsFormat>,
    /// What parts the tags of a cell; told by the cells where nothing is given.
    pub separator: Option<Separator>,
    /// What an empty cell of a 0/1 table says; an error where nothing is given.
    pub blank: Option<Blank>,
}

/// What the cells of a table must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// 0 or 1, `yes` or `no`; -1 and `?` are unknown, which is NaN.
    Labels,
    /// From 0 to 1.
    Probabilities,
    /// Anything: they are ignored and read as 0.
    Any,
}

/// Ids, names and numbers of a table: rows of images, columns of labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// The id of each row.
    pub ids: Vec<String>,
    /// The line of each row; the header is mostly line 1.
    pub lines: Vec<u64>,
    /// The name of each label.
    pub names: Vec<String>,
    /// The column of the table that each label is.
    pub columns: Vec<usize>,
    /// `ids.len() * names.len()` numbers, row by row.
    pub values: Vec<f32>,
    /// What a person should know of how cells were read, a line each.
    pub notes: Vec<String>,
}

/// What a cell of a label says: 0, 1 or NaN for unknown.
fn label(table: &Table, cell: &str) -> Option<f32> {
    const WORDS: [(&str, f32); 7] = [
        ("yes", 1.0),
        ("no", 0.0),
        ("y", 1.0),
        ("n", 0.0),
        ("?", f32::NAN),
        ("unknown", f32::NAN),
        ("uncertain", f32::NAN),
    ];
    match table.number(cell) {
        Some(-1.0) => Some(f32::NAN),
        Some(number) => (number == 0.0 || number == 1.0).then_some(number),
        None => (WORDS
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(cell)))
        .map(|(_, value)| *value),
    }
}

/// Whether a cell could be one of a label's 0/1 column.
pub(crate) fn is_label(table: &Table, cell: &str) -> bool {
    label(table, cell).is_some()
}

impl Cells {
    /// What a cell is worth, if it is right.
    fn value(self, number: Option<f32>) -> Option<f32> {
        match self {
            Self::Labels => number.filter(|number| *number == 0.0 || *number == 1.0),
            Self::Probabilities => number.filter(|number| (0.0..=1.0).contains(number)),
            Self::Any => Some(0.0),
        }
    }

    /// What a wrong cell should have been.
    pub fn rule(self, value: &str) -> &'static str {
        match (self, value) {
            (Self::Probabilities | Self::Any, _) => {
                "predictions must be probabilities from 0 to 1 (for logits, apply the sigmoid first)"
            }
            (_, value) if is_missing(value) => {
                "write 0 or 1, or say what blanks mean: --blank zero or --blank unknown (soup labels, pack, train)"
            }
            _ => "labels must be 0 or 1, or -1 for unknown",
        }
    }
}

impl Table {
    /// The table as ids and numbers.
    ///
    /// # Errors
    /// All that is wrong, at once: columns that are not there or twice, a first row that is no header, no label
    /// column or no row; in rows an id that is missing or twice, cells that are not what they must be.
    pub fn matrix(&self, columns: &Columns, cells: Cells) -> Result<Matrix> {
        let (matrix, wrong_cells) = self.matrix_of_rows(columns, cells)?;
        wrong_cells.check()?;
        Ok(matrix)
    }

    /// As [`matrix`](Self::matrix), where ids and columns are right; beside it what is wrong with cells, which are 0 in it.
    pub(crate) fn matrix_of_rows(
        &self,
        columns: &Columns,
        cells: Cells,
    ) -> Result<(Matrix, Problems)> {
        let any_id = match &columns.id {
            Some(name) => self.column(name)?,
            None => 0,
        };
        for name in &columns.ignored {
            self.column(name)?;
        }
        let labels: Vec<usize> = match &columns.labels {
            Some(names) => names
                .iter()
                .map(|name| self.column(name))
                .collect::<Result<_>>()?,
            None => (0..self.header().len())
                .filter(|&at| {
                    let is_ignored = place_of_name(&columns.ignored, &self.header()[at]).is_some();
                    at != any_id && !is_ignored
                })
                .collect(),
        };
        if columns.id.is_none() {
            self.refuse_without_header(&labels, cells)?;
        }
        let id_column = self.id_column(columns.id.as_deref())?;
        self.refuse_columns(&labels)?;
        if self.is_empty() {
            return Err(Error::Empty {
                path: self.path().into(),
                what: "rows",
                hint: "a table has one row an image below its header".into(),
            });
        }
        let mut matrix = Matrix {
            names: labels.iter().map(|at| self.header()[*at].clone()).collect(),
            lines: (0..self.len()).map(|row| self.line(row)).collect(),
            columns: labels,
            ..Matrix::default()
        };
        let mut problems = self.ids_into(&mut matrix, id_column);
        let wrong_cells = self.values_into(&mut matrix, cells, columns.blank);
        if problems.is_empty() {
            return Ok((matrix, wrong_cells));
        }
        problems.append(wrong_cells);
        problems.check()?;
        Ok((matrix, Problems::default()))
    }

    /// Refuses to take a first row of values for names of labels. Labels may be called `0` or `1`, so the id column
    /// decides: it has a name of ids, or a word where ids have digits.
    fn refuse_without_header(&self, labels: &[usize], cells: Cells) -> Result<()> {
        let cells = match cells {
            Cells::Any => Cells::Probabilities,
            cells => cells,
        };
        let header = self.header();
        let is_value = |at: &usize| cells.value(self.number(&header[*at])).is_some();
        let first = &header[0];
        let has_digit = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
        let is_word = !has_digit(first) && !is_image(first);
        let names_ids = is_unnamed(first)
            || names_ids(first)
            || (is_word && (0..self.len().min(20)).all(|row| has_digit(&self.cell(row, 0))));
        let is_row = labels
            .iter()
            .all(|at| header[*at].is_empty() || is_value(at))
            && labels.iter().any(is_value);
        if !is_row || names_ids {
            return Ok(());
        }
        let few: Vec<String> = header
            .iter()
            .take(4)
            .map(|cell| format!("`{cell}`"))
            .collect();
        Err(Error::table(
            self.path(),
            self.header_line(),
            format!(
                "this looks like a row of values ({}), not like a header; put a header such as `index,a,b,c` before it \
                 (if it is one, call its first column `id`)",
                few.join(", ")
            ),
        ))
    }

    fn refuse_columns(&self, labels: &[usize]) -> Result<()> {
        let problem = |text: String| Error::table(self.path(), self.header_line(), text);
        if labels.is_empty() {
            let text =
                "there is no label column; a table begins with a header such as `index,a,b,c`";
            let found = self.header().iter().find(|name| name.contains([' ', '|']));
            let found = found.map_or(String::new(), |name| {
                format!(
                    " (all of `{name}` is one column: part columns by commas, semicolons or tabs)"
                )
            });
            return Err(problem(format!("{text}{found}")));
        }
        let mut problems = Problems::default();
        for column in labels.iter().filter(|at| is_unnamed(&self.header()[**at])) {
            problems.push(problem(format!(
                "column {} has no name; name it, or remove it",
                column + 1
            )));
        }
        problems.check()
    }

    fn ids_into(&self, matrix: &mut Matrix, id_column: usize) -> Problems {
        let mut problems = Problems::default();
        // Only looked up, never iterated: its order reaches nothing.
        let mut first: HashMap<String, u64> = HashMap::with_capacity(self.len());
        for row in 0..self.len() {
            let (id, line) = (self.cell(row, id_column).into_owned(), self.line(row));
            if id.is_empty() {
                let name = &self.header()[id_column];
                problems.push(Error::table(
                    self.path(),
                    line,
                    format!("column `{name}` is empty; each row needs an id"),
                ));
            } else if let Some(first) = first.get(&id) {
                problems.push(Error::DuplicateId {
                    path: self.path().into(),
                    row: line,
                    first: *first,
                    id: id.clone(),
                });
            } else {
                first.insert(id.clone(), line);
            }
            matrix.ids.push(id);
        }
        problems
    }

    fn values_into(&self, matrix: &mut Matrix, cells: Cells, blank: Option<Blank>) -> Problems {
        let mut wrong: Vec<(usize, usize)> = vec![];
        let (mut unknown, mut blanks) = (0, 0);
        matrix.values.reserve(self.len() * matrix.columns.len());
        for row in 0..self.len() {
            for (at, &column) in matrix.columns.iter().enumerate() {
                let value = match cells {
                    Cells::Any => Some(0.0),
                    Cells::Labels => {
                        let cell = self.cell(row, column);
                        match (label(self, &cell), blank) {
                            (None, Some(blank)) if is_missing(&cell) => {
                                blanks += 1;
                                Some(match blank {
                                    Blank::Zero => 0.0,
                                    Blank::Unknown => f32::NAN,
                                })
                            }
                            (value, _) => value,
                        }
                    }
                    Cells::Probabilities => cells.value(self.number(&self.cell(row, column))),
                };
                unknown += usize::from(value.is_some_and(f32::is_nan));
                if value.is_none() {
                    wrong.push((row, at));
                }
                matrix.values.push(value.unwrap_or_default());
            }
        }
        if blanks > 0 {
            let zeros = if blank == Some(Blank::Zero) {
                "0"
            } else {
                "unknown"
            };
            let note = format!("{}: {blanks} blank cells are taken as {zeros}", self.name());
            matrix.notes.push(note);
        }
        if unknown > 0 {
            matrix.notes.push(format!(
                "{}: {unknown} of {} cells are unknown; they neither teach nor count",
                self.name(),
                matrix.values.len()
            ));
        }
        let mut problems = Problems::default();
        let mut wrong_in = vec![0; matrix.columns.len()];
        wrong.iter().for_each(|(_, at)| wrong_in[*at] += 1);
        let mut holds_words = vec![false; matrix.columns.len()];
        for (at, &column) in matrix.columns.iter().enumerate() {
            // A column of words alone is no column of labels with slips in it.
            if wrong_in[at] == self.len()
                && let Some(words) = self.words(column)
            {
                holds_words[at] = true;
                let name = &matrix.names[at];
                let what_to_do = match cells {
                    Cells::Labels => format!(
                        "if these are tags, say so with --label-columns {name}, else leave it out with --ignore {name}"
                    ),
                    _ => cells.rule("word").into(),
                };
                problems.push(Error::table(
                    self.path(),
                    self.header_line(),
                    format!("column `{name}` holds words ({words}), no numbers; {what_to_do}"),
                ));
            }
        }
        problems.extend(
            wrong
                .into_iter()
                .filter(|(_, at)| !holds_words[*at])
                .map(|(row, at)| {
                    let value = self.cell(row, matrix.columns[at]).into_owned();
                    Error::Cell {
                        path: self.path().into(),
                        row: self.line(row),
                        id: matrix.ids[row].clone(),
                        label: matrix.names[at].clone().into(),
                        rule: cells.rule(&value),
                        value: value.into(),
                    }
                }),
        );
        problems
    }

    /// The first words of a column that holds nothing but words.
    fn words(&self, column: usize) -> Option<String> {
        let cells: Vec<_> = (0..self.len()).map(|row| self.cell(row, column)).collect();
        let is_word = |cell: &str| !is_missing(cell) && cell.parse::<f64>().is_err();
        if !cells.iter().all(|cell| is_word(cell)) {
            return None;
        }
        let different: BTreeSet<String> = cells.iter().map(|cell| format!("`{cell}`")).collect();
        let more = if different.len() > 3 { ", ..." } else { "" };
        let first: Vec<String> = different.into_iter().take(3).collect();
        Some(first.join(", ") + more)
    }
}
