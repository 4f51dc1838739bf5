//! Bringing all tables into the order of the first.

use std::borrow::Cow;

use crate::{Predictions, Result};

/// The values of each table, and what a person should know of how all were read and matched.
type Aligned<'a> = (Vec<Cow<'a, [f32]>>, Vec<String>);

/// Brings all tables into the order of the first one.
pub(super) fn align(tables: &[Predictions]) -> Result<Aligned<'_>> {
    let mut notes = Vec::new();
    let values = tables.iter().map(|table| {
        let first = &tables[0];
        if table.ids() == first.ids() && table.labels() == first.labels() {
            notes.extend_from_slice(table.notes());
            return Ok(Cow::Borrowed(table.values()));
        }
        // What is said of ids names the table whose order all others take.
        let arranged = table.arranged(first.ids(), first.labels(), first.source())?;
        notes.extend_from_slice(arranged.notes());
        Ok(Cow::Owned(arranged.values().to_vec()))
    });
    let values = values.collect::<Result<_>>()?;
    Ok((values, notes))
}
