//! The error for a setting with a bad value.

use std::fmt::Display;

/// A setting whose value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is {value}: {rule}")]
pub struct InvalidSetting {
    /// The key as it stands in the configuration, e.g. `loss.gamma`.
    pub key: &'static str,
    /// The value that was given.
    pub value: String,
    /// What the value must be.
    pub rule: String,
}

/// Gives an error that names the key unless the rule holds.
///
/// # Errors
/// [`InvalidSetting`] where it does not.
pub fn require(
    holds: bool,
    key: &'static str,
    value: impl Display,
    rule: impl Display,
) -> Result<(), InvalidSetting> {
    if holds {
        return Ok(());
    }
    Err(InvalidSetting {
        key,
        value: value.to_string(),
        rule: rule.to_string(),
    })
}
