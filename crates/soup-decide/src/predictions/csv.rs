//! CSV in submission shape: a header with the id's column first, then a row an image.

use std::path::Path;

use soup_data::dataset::{read_label_table, target};
use soup_data::tables::{Cells, Columns, Table};

use super::Predictions;
use crate::Result;

/// The header of the id column in the files that we write, as in the founding contest.
const ID_COLUMN: &str = "index";

pub(super) fn read(path: &Path) -> Result<Predictions> {
    let table = Table::read(path)?;
    let read = table.matrix(&Columns::default(), Cells::Probabilities)?;
    Ok(Predictions {
        source: path.to_path_buf(),
        ids: read.ids,
        labels: read.names,
        values: read.values,
        notes: table.notes().to_vec(),
    })
}

/// True labels: columns of 0 and 1, or a column of tags. What is unknown is NaN.
pub(super) fn read_answers(path: &Path) -> Result<Predictions> {
    let (table, notes) = read_label_table(path, &Columns::default())?;
    let cells = (0..table.len())
        .filter_map(|row| table.labels(row))
        .flatten();
    Ok(Predictions {
        source: path.to_path_buf(),
        values: cells.map(|cell| target(*cell)).collect(),
        ids: table.ids().to_vec(),
        labels: table.label_names().to_vec(),
        notes,
    })
}

pub(super) fn text(table: &Predictions) -> String {
    let mut text = String::from(ID_COLUMN);
    for label in table.labels() {
        text.push(',');
        push_field(&mut text, label);
    }
    text.push('\n');
    for (row, id) in table.ids().iter().enumerate() {
        push_field(&mut text, id);
        for value in table.row(row) {
            // The shortest digits that read back as the same float32.
            match value.is_nan() {
                true => text.push_str(",-1"),
                false => text.push_str(&format!(",{value}")),
            }
        }
        text.push('\n');
    }
    text
}

/// Quotes a field where it needs that.
fn push_field(text: &mut String, field: &str) {
    if field.contains([',', ';', '\t', '"', '\n', '\r']) {
        text.push('"');
        text.push_str(&field.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(field);
    }
}
