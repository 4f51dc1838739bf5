//! Recipes that come with the program.

use super::ConfigError;

/// Every preset: its name and its TOML, sorted by name.
const PRESETS: [(&str, &str); 7] = [
    ("best", include_str!("../../presets/best.toml")),
    ("dacon12", include_str!("../../presets/dacon12.toml")),
    ("hour", include_str!("../../presets/hour.toml")),
    ("linear", include_str!("../../presets/linear.toml")),
    ("photo", include_str!("../../presets/photo.toml")),
    (
        "photo-scratch",
        include_str!("../../presets/photo-scratch.toml"),
    ),
    ("quick", include_str!("../../presets/quick.toml")),
];

/// Names of the presets, sorted.
pub fn names() -> Vec<&'static str> {
    PRESETS.iter().map(|(name, _)| *name).collect()
}

/// A preset's name and TOML.
pub(super) fn named(name: &str) -> Option<(&'static str, &'static str)> {
    PRESETS.into_iter().find(|(known, _)| *known == name)
}

/// The TOML of a preset by its name or, where no preset has it, of a file.
///
/// # Errors
/// [`ConfigError::UnknownPreset`] where neither is there, [`ConfigError::Syntax`] where the file
/// cannot be read.
pub fn find(name: &str) -> Result<String, ConfigError> {
    if let Some((_, text)) = named(name) {
        return Ok(text.to_owned());
    }
    if !std::path::Path::new(name).is_file() {
        return Err(ConfigError::UnknownPreset {
            name: name.to_owned(),
            known: names().join(", "),
        });
    }
    soup_data::files::read_settings(std::path::Path::new(name)).map_err(|error| {
        ConfigError::Syntax {
            origin: name.to_owned(),
            problem: error.to_string(),
        }
    })
}
