//! Laying one table of settings over another.

use toml::{Table, Value};

use super::ConfigError;

/// Lays `over` over `base`, section by section. Lists are replaced whole. Where `over` names
/// another `kind` for a section (another loss, another optimiser), what `base` had in that section
/// belongs to the old kind and is dropped.
pub fn merge(base: &mut Table, over: Table) {
    if let (Some(old), Some(new)) = (base.get("kind"), over.get("kind"))
        && old != new
    {
        base.clear();
    }
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Refuses keys of `given` that `known`, the same settings read and written again, does not have:
/// they would be ignored silently.
///
/// # Errors
/// [`ConfigError::UnknownKey`] with the key's path.
pub fn refuse_ignored(given: &Table, known: &Table) -> Result<(), ConfigError> {
    refuse_in(given, known, "")
}

fn refuse_in(given: &Table, known: &Table, path: &str) -> Result<(), ConfigError> {
    for (key, value) in given {
        let path = format!("{path}{key}");
        match (value, known.get(key)) {
            (_, None) => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                return Err(ConfigError::unknown_key(&path, &names));
            }
            (Value::Table(given), Some(Value::Table(known))) => {
                refuse_in(given, known, &format!("{path}."))?;
            }
            (Value::Array(given), Some(Value::Array(known))) => {
                for (index, pair) in given.iter().zip(known).enumerate() {
                    if let (Value::Table(given), Value::Table(known)) = pair {
                        refuse_in(given, known, &format!("{path}[{index}]."))?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn another_kind_drops_the_settings_of_the_old_one() {
        let mut base = table("[loss]\nkind = 'bce'\nlabel_smoothing = 0.1\n[train]\nseed = 1");
        merge(&mut base, table("loss.label_smoothing = 0.2"));
        assert_eq!(base["loss"]["kind"].as_str(), Some("bce"));
        merge(&mut base, table("loss.kind = 'focal'"));
        assert_eq!(base, table("[loss]\nkind = 'focal'\n[train]\nseed = 1"));
    }

    #[test]
    fn a_key_that_would_be_ignored_is_refused() {
        let known = table("[train]\nseed = 1\n[[list]]\nside = 3");
        refuse_ignored(&table("train.seed = 2"), &known).unwrap();
        let error = refuse_ignored(&table("train.sede = 2"), &known).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown key train.sede; did you mean train.seed?"
        );
        let error = refuse_ignored(&table("list = [{size = 2}]"), &known).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown key list[0].size; did you mean list[0].side?"
        );
    }
}
