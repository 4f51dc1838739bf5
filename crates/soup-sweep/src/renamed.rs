//! Keys of settings by earlier names, wherever a sweep file holds keys.

use soup_train::config::{
    ConfigError,
    renamed::{RENAMED, Renamed, in_settings, key},
};
use toml::{Table, Value};

/// Gives the settings that a sweep file names their present names: in `settings`, in the keys and
/// choices of its options, and in its reference.
///
/// # Errors
/// [`ConfigError::Value`] where a key is given by both names.
pub(super) fn in_file(table: &mut Table) -> Result<(), ConfigError> {
    if let Some(settings) = table.get_mut("settings") {
        in_list(settings)?;
    }
    let options = table.get_mut("option").and_then(Value::as_array_mut);
    // An option without a name is called by its first key, also in the reference.
    let mut names = Vec::new();
    for option in options
        .into_iter()
        .flatten()
        .filter_map(Value::as_table_mut)
    {
        if let Some(Value::String(path)) = option.get_mut("key") {
            *path = key(path);
        }
        let keys = option.get_mut("keys").and_then(Value::as_array_mut);
        for path in keys.into_iter().flatten() {
            if let Value::String(path) = path {
                *path = key(path);
            }
        }
        let choices = option.get_mut("choices").and_then(Value::as_table_mut);
        for (_, choice) in choices.into_iter().flat_map(Table::iter_mut) {
            in_list(choice)?;
        }
        names.extend(
            option
                .get("name")
                .and_then(Value::as_str)
                .map(str::to_owned),
        );
    }
    let Some(reference) = table.get_mut("reference").and_then(Value::as_table_mut) else {
        return Ok(());
    };
    let old: Vec<String> = reference.keys().cloned().collect();
    for name in old.into_iter().filter(|name| !names.contains(name)) {
        if let Some(value) = reference.remove(&name) {
            reference.insert(key(&name), value);
        }
    }
    Ok(())
}

/// Lists of `section.key=value`; what is none is reported where the file is decoded.
fn in_list(list: &mut Value) -> Result<(), ConfigError> {
    let settings = |entry: &Value| entry.as_str().map(str::to_owned);
    let texts: Option<Vec<String>> =
        (list.as_array()).and_then(|entries| entries.iter().map(settings).collect());
    if let Some(texts) = texts {
        *list = in_settings(&texts)?.into();
    }
    Ok(())
}

/// Which of them a sweep file names by their old names.
pub(super) fn used(text: &str) -> Vec<Renamed> {
    let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "._".contains(c)));
    let words: std::collections::BTreeSet<&str> = words.by_ref().collect();
    let is_used = |renamed: &Renamed| {
        let below = format!("{}.", renamed.old);
        (words.iter()).any(|word| *word == renamed.old || word.starts_with(&below))
    };
    RENAMED.into_iter().filter(is_used).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::SweepFile;

    #[test]
    fn old_keys_of_a_sweep_file_are_read() {
        let text = "preset = 'hour'\nsettings = ['data.crowd_share=0.5']\n[race]\nrungs = []\n\
            [reference]\n'data.crowd_labels' = true\nrange = 'few'\n\
            [[option]]\nkey = 'data.crowd_labels'\nvalues = [true, false]\n\
            [[option]]\nname = 'range'\n[option.choices]\nfew = ['data.crowd=[3,4]']\n\
            [[option]]\nname = 'both'\nkeys = ['data.crowd.0', 'data.crowd.1']\nvalues = [9]\n\
            [search]\nkind = 'grid'\n";
        let text = text.replace("range = 'few'\n", "range = 'few'\nboth = 9\n");
        let old = SweepFile::parse(&text, "sweep.toml").unwrap();
        let mut present = text.clone();
        // The longest first, as data.crowd begins two others.
        let mut names = used(&text);
        names.sort_by_key(|renamed| std::cmp::Reverse(renamed.old.len()));
        for renamed in names {
            present = present.replace(renamed.old, renamed.new);
        }
        assert_eq!(used(&text), RENAMED);
        assert!(used(&present).is_empty());
        assert_eq!(old, SweepFile::parse(&present, "sweep.toml").unwrap());
    }
}
