//! A column of a table that says something of images: their groups, their sources.

use std::path::Path;

use crate::{
    Error, Result,
    ids::{Fault, Index},
    problems::Problems,
    tables::{Table, is_missing},
};

/// What a column says of each image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// The cell of each image, in the order of the ids asked for; none is empty.
    pub values: Vec<String>,
    /// What a person should know of how the table was read and its ids were matched, a line each.
    pub notes: Vec<String>,
}

/// The value of `column` for each of `ids`, for example the source of each image for folds by
/// group. Ids meet by the rule of [`ids`](crate::ids). The table may hold other rows too.
///
/// # Errors
/// [`Error::MissingColumn`]; and, all at once and by row, an id twice, an id without a row or with
/// several, a cell that is blank or says that nothing is known (`nan`, `NA`, ...).
pub fn read_column(
    path: &Path,
    id_column: Option<&str>,
    column: &str,
    ids: &[String],
) -> Result<Column> {
    let table = Table::read(path)?;
    let id_column = table.id_column(id_column)?;
    let column_name = column;
    let column = table.column(column)?;
    let rows: Vec<_> = (0..table.len())
        .map(|row| table.cell(row, id_column))
        .collect();
    let mut problems = Problems::default();
    // Only looked up, never iterated: its order reaches nothing.
    let mut first = std::collections::HashMap::new();
    for (row, id) in rows.iter().enumerate() {
        if let Some(first) = first.insert(&**id, row) {
            problems.push(Error::DuplicateId {
                path: path.into(),
                row: table.line(row),
                first: table.line(first),
                id: id.to_string(),
            });
        }
    }
    let met = Index::new(rows.iter().map(|id| &**id)).meet(ids);
    problems.extend(met.faults.iter().map(|fault| match *fault {
        Fault::Missing { asked } => Error::OtherData {
            path: path.into(),
            problem: format!("no row for image `{}`", ids[asked]),
            hint: format!("add its row, with its `{column_name}`"),
        },
        Fault::Several { asked, rows: [one, other] } => Error::table(
            path,
            table.line(other),
            format!(
                "`{}` and `{}` (row {}) may both mean image `{}`; write the ids as the images' are, or remove one row",
                rows[other],
                rows[one],
                table.line(one),
                ids[asked]
            ),
        ),
        Fault::Twice { asked, row } => Error::table(
            path,
            table.line(row),
            format!(
                "`{}` may mean the images `{}` and `{}`; give each a row with its own id",
                rows[row], ids[asked[0]], ids[asked[1]]
            ),
        ),
    }));
    let mut values = Vec::with_capacity(ids.len());
    for row in met.rows.iter().flatten() {
        let value = table.cell(*row, column).into_owned();
        if is_missing(&value) {
            let what = if value.is_empty() {
                "blank".into()
            } else {
                format!("`{value}`")
            };
            problems.push(Error::table(
                path,
                table.line(*row),
                format!(
                    "`{column_name}` of image `{}` is {what}; name its group, as no two unknown ones are one",
                    rows[*row]
                ),
            ));
        }
        values.push(value);
    }
    problems.check()?;
    let mut notes = table.notes().to_vec();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    notes.extend(met.note(&format!("the data in {name}")));
    let others = met.unmet(table.len());
    if let Some(example) = others.first() {
        notes.push(format!(
            "{name}: {} rows are for images that the data has not, such as `{}`",
            others.len(),
            rows[*example]
        ));
    }
    Ok(Column { values, notes })
}

/// The id (first column) and the value of `column` in each row of a table; ids may come again.
pub(crate) fn read_pairs(path: &Path, column: &str) -> Result<Vec<(String, String)>> {
    let table = Table::read(path)?;
    let id = table.id_column(None)?;
    let column = table.column(column)?;
    let cell = |row, column| table.cell(row, column).into_owned();
    Ok((0..table.len())
        .map(|row| (cell(row, id), cell(row, column)))
        .collect())
}
