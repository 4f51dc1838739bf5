//! Keys that had another name in an earlier version. They are still read.

use std::fmt;

use toml::{Table, Value};

use super::{ConfigError, overrides, presets};

/// A key with a new name. As text it is a hint to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// Full path of the key in earlier versions.
    pub old: &'static str,
    /// Full path of the key now.
    pub new: &'static str,
}

/// Every key that was renamed.
pub const RENAMED: [Renamed; 3] = [
    Renamed::new("data.crowd_share", "data.dense_share"),
    Renamed::new("data.crowd", "data.dense_letters"),
    Renamed::new("data.crowd_labels", "data.dense_labels"),
];

impl Renamed {
    const fn new(old: &'static str, new: &'static str) -> Self {
        Self { old, new }
    }
}

impl fmt::Display for Renamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is now called {}", self.old, self.new)
    }
}

/// The present name of a key or of a path below it.
pub fn key(path: &str) -> String {
    let renamed = RENAMED.iter().find_map(|renamed| {
        let rest = path.strip_prefix(renamed.old)?;
        (rest.is_empty() || rest.starts_with('.')).then(|| format!("{}{rest}", renamed.new))
    });
    renamed.unwrap_or_else(|| path.to_owned())
}

/// Gives the keys of a table of settings their present names.
///
/// # Errors
/// [`ConfigError::Value`] where a key is given by both names.
pub fn in_table(table: &mut Table) -> Result<(), ConfigError> {
    below(table, "")
}

/// Does the same in a table that stands at `path`, which is empty or ends in a dot.
fn below(table: &mut Table, path: &str) -> Result<(), ConfigError> {
    for renamed in &RENAMED {
        let (Some(old), Some(new)) = (
            renamed.old.strip_prefix(path),
            renamed.new.strip_prefix(path),
        ) else {
            continue;
        };
        if let Some(value) = remove(table, old)
            && insert(table, new, value).is_some()
        {
            return Err(both(renamed));
        }
    }
    Ok(())
}

/// `section.key=value` settings with the present names of their keys.
///
/// # Errors
/// [`ConfigError::Value`] where a key is given by both names.
pub fn in_settings(settings: &[String]) -> Result<Vec<String>, ConfigError> {
    let new: Vec<String> = settings
        .iter()
        .map(|text| in_setting(text))
        .collect::<Result<_, _>>()?;
    for (old, changed) in settings.iter().zip(&new) {
        let path = path_of(changed);
        let is_old = path != path_of(old);
        if is_old && settings.iter().any(|other| path_of(other) == path) {
            let by_new_name = |renamed: &&Renamed| key(path_of(old)).starts_with(renamed.new);
            if let Some(renamed) = RENAMED.iter().find(by_new_name) {
                return Err(both(renamed));
            }
        }
    }
    Ok(new)
}

fn in_setting(text: &str) -> Result<String, ConfigError> {
    let Some((path, value)) = text.split_once('=') else {
        return Ok(text.to_owned());
    };
    let path = path.trim();
    // `data={crowd_share=0.5}` holds old names in its value.
    if let Value::Table(mut table) = overrides::parse(value.trim()) {
        let before = table.clone();
        below(&mut table, &format!("{path}."))?;
        if table != before {
            return Ok(format!("{path}={}", Value::Table(table)));
        }
    }
    match key(path) {
        new if new == path => Ok(text.to_owned()),
        new => Ok(format!("{new}={value}")),
    }
}

/// What of these names was renamed: for a preset (or a file of settings) and `section.key=value`
/// settings, each key once. What cannot be read is left to [`Config::load`](super::Config::load),
/// which says why.
pub fn used(preset: Option<&str>, settings: &[String]) -> Vec<Renamed> {
    let file = preset
        .and_then(|name| presets::find(name).ok())
        .and_then(|text| text.parse::<Table>().ok());
    let in_file = |path: &str| {
        file.as_ref()
            .is_some_and(|table| get(table, path).is_some())
    };
    let in_setting = |path: &str| {
        settings.iter().any(|text| {
            let mut table = Table::new();
            let given = overrides::apply(&mut table, text).is_ok();
            given && get(&table, path).is_some()
        })
    };
    let is_used = |renamed: &Renamed| in_file(renamed.old) || in_setting(renamed.old);
    RENAMED.into_iter().filter(is_used).collect()
}

fn both(renamed: &Renamed) -> ConfigError {
    let Renamed { old, new } = renamed;
    ConfigError::Value {
        path: (*old).to_owned(),
        problem: format!("is the old name of {new}, and both are given; leave {old} out"),
    }
}

fn path_of(setting: &str) -> &str {
    setting
        .split_once('=')
        .map_or(setting, |(path, _)| path)
        .trim()
}

fn get<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((section, rest)) => get(table.get(section)?.as_table()?, rest),
    }
}

fn remove(table: &mut Table, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => table.remove(path),
        Some((section, rest)) => remove(table.get_mut(section)?.as_table_mut()?, rest),
    }
}

/// Puts a value at a path, and gives back what stood there.
fn insert(table: &mut Table, path: &str, value: Value) -> Option<Value> {
    let Some((section, rest)) = path.split_once('.') else {
        return table.insert(path.to_owned(), value);
    };
    let section = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    insert(section.as_table_mut()?, rest, value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Config;

    fn text(path: &str, value: &Value) -> String {
        format!("{path}={value}")
    }

    /// Every key of the table by its old name, in a file and as an argument, and by both names.
    #[test]
    fn every_old_key_is_read() {
        let defaults = Config::default().to_table();
        for renamed in RENAMED {
            let Renamed { old, new } = renamed;
            let value = get(&defaults, new).unwrap();
            assert!(get(&defaults, old).is_none(), "{old}");
            let default = Config::default();
            let by_old = text(old, value);
            assert_eq!(
                default.with(std::slice::from_ref(&by_old)).unwrap(),
                default
            );
            assert_eq!(Config::from_toml(&by_old, "file").unwrap(), default);
            assert_eq!(used(None, std::slice::from_ref(&by_old)), [renamed]);
            let (section, name) = old.split_once('.').unwrap();
            let inline = format!("{section}={{{name}={value}}}");
            assert_eq!(
                default.with(std::slice::from_ref(&inline)).unwrap(),
                default
            );
            assert_eq!(used(None, &[inline]), [renamed]);

            let both = [by_old, text(new, value)];
            for error in [
                default.with(&both).unwrap_err(),
                Config::from_toml(&both.join("\n"), "file").unwrap_err(),
            ] {
                let error = error.to_string();
                assert!(error.contains(old) && error.contains(new), "{error}");
            }
        }
    }

    #[test]
    fn old_names_reach_their_values() {
        let settings = [
            "data.crowd_share=0.5",
            "data.crowd.1=30",
            "data.crowd_labels = false",
        ];
        let settings = settings.map(str::to_owned);
        let data = Config::load(None, &settings).unwrap().data;
        assert_eq!(data.dense_share, 0.5);
        assert_eq!((data.dense_letters, data.dense_labels), ([22, 30], false));
        assert_eq!(
            RENAMED[0].to_string(),
            "data.crowd_share is now called data.dense_share"
        );
        assert!(used(Some("hour"), &["data.dense_share=1".to_owned()]).is_empty());
        // A preset by the old name, an argument by the new one: the argument wins as ever.
        let config = Config::from_toml("preset = 'hour'\ndata.crowd_share = 0.25", "file").unwrap();
        assert_eq!(config.data.dense_share, 0.25);
    }
}
