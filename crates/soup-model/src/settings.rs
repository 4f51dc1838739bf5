//! Settings as a TOML table.

use serde::Serialize;
use toml::{Table, Value};

/// Settings as a table, with numbers as a person would write them.
///
/// # Panics
/// Where they hold what TOML lacks: a null that is not skipped, an integer above 2^63.
pub fn settings_table(settings: &impl Serialize) -> Table {
    #[expect(
        clippy::expect_used,
        reason = "TOML lacks only null (skipped) and integers above 2^63 (refused by check)"
    )]
    let mut table = Table::try_from(settings).expect("settings are TOML");
    table.iter_mut().for_each(|(_, value)| shorten(value));
    table
}

/// Writes numbers that came from an `f32` as a person would: 0.56 and not 0.5600000023841858. What
/// is read back into an `f32` is the same.
fn shorten(value: &mut Value) {
    match value {
        Value::Float(number) if f64::from(*number as f32) == *number => {
            *number = (*number as f32).to_string().parse().unwrap_or(*number);
        }
        Value::Array(list) => list.iter_mut().for_each(shorten),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| shorten(value)),
        _ => {}
    }
}
