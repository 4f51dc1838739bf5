//! Bringing all tables into the order of the first.

use std::borrow::Cow;

use crate::{Predictions, Result};

/// The values of each table in the order of the first one.
pub(super) fn align(tables: &[Predictions]) -> Result<Vec<Cow<'_, [f32]>>> {
    let Some(first) = tables.first() else {
        return Ok(Vec::new());
    };
    tables
        .iter()
        .map(|table| {
            if table.ids() == first.ids() && table.labels() == first.labels() {
                return Ok(Cow::Borrowed(table.values()));
            }
            let arranged = table.arranged(first.ids(), first.labels(), first.source())?;
            Ok(Cow::Owned(arranged.values().to_vec()))
        })
        .collect()
}
