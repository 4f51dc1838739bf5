//! What differs between two configurations.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// One key that differs: its path and both values as TOML, `-` where a side does not have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Path of the key, e.g. `optimizer.rate`.
    pub key: String,
    /// Value on the first side.
    pub old: String,
    /// Value on the second side.
    pub new: String,
}

/// The keys in which two tables differ, sorted.
pub fn differences(old: &Table, new: &Table) -> Vec<Difference> {
    let (old, new) = (flatten(old), flatten(new));
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let show = |side: &BTreeMap<String, String>, key: &String| {
        side.get(key).cloned().unwrap_or_else(|| "-".to_owned())
    };
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| Difference {
            key: key.clone(),
            old: show(&old, key),
            new: show(&new, key),
        })
        .collect()
}

/// Every value with its full path; lists are counted from 0.
pub fn flatten(table: &Table) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    for (key, value) in table {
        flatten_into(&mut flat, key.clone(), value);
    }
    flat
}

fn flatten_into(flat: &mut BTreeMap<String, String>, path: String, value: &Value) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                flatten_into(flat, format!("{path}.{key}"), value);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_table) => {
            for (index, value) in list.iter().enumerate() {
                flatten_into(flat, format!("{path}[{index}]"), value);
            }
        }
        value => {
            flat.insert(path, value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn differences_are_named_by_their_path() {
        let old: Table = "[a]\nb = 1\nc = [1, 2]\n[[a.d]]\ne = 'x'".parse().unwrap();
        let new: Table = "[a]\nb = 2\nc = [1, 2]\nf = true\n[[a.d]]\ne = 'y'"
            .parse()
            .unwrap();
        let found: Vec<String> = differences(&old, &new)
            .into_iter()
            .map(|d| format!("{} {} {}", d.key, d.old, d.new))
            .collect();
        assert_eq!(found, ["a.b 1 2", "a.d[0].e \"x\" \"y\"", "a.f - true"]);
        assert!(differences(&old, &old).is_empty());
    }
}
