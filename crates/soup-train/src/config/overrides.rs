//! `section.key=value` from the command line.

use toml::{Table, Value};

use super::ConfigError;

/// Puts one `section.key=value` into a table. The value is read as TOML (`1e-3`, `true`,
/// `[1, 2]`, `"text"`); what is no TOML value is text. An entry of a list is named by its place:
/// `transforms.train.2.degrees=20`.
///
/// # Errors
/// [`ConfigError::Override`] where there is no `=`, a name is empty or a path leads through
/// something that is no section.
pub fn apply(table: &mut Table, text: &str) -> Result<(), ConfigError> {
    let wrong = |problem: &str| ConfigError::Override {
        text: text.to_owned(),
        problem: problem.to_owned(),
    };
    let (path, value) = text
        .split_once('=')
        .ok_or_else(|| wrong("write it as section.key=value"))?;
    let names: Vec<&str> = path.trim().split('.').collect();
    if names.iter().any(|name| name.is_empty()) {
        return Err(wrong("an empty name; write it as section.key=value"));
    }
    let value = parse(value.trim());
    let Some((last, above)) = names.split_last() else {
        return Err(wrong("an empty name; write it as section.key=value"));
    };
    let mut place = Place::Table(table);
    for name in above {
        place = place.descend(name).map_err(|problem| wrong(&problem))?;
    }
    place.set(last, value).map_err(|problem| wrong(&problem))
}

pub(super) fn parse(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        // `1\nother = 2` must not smuggle in a second key.
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

enum Place<'a> {
    Table(&'a mut Table),
    List(&'a mut Vec<Value>),
}

impl<'a> Place<'a> {
    fn descend(self, name: &str) -> Result<Self, String> {
        let value = match self {
            Self::Table(table) => table
                .entry(name)
                .or_insert_with(|| Value::Table(Table::new())),
            Self::List(list) => entry(list, name)?,
        };
        match value {
            Value::Table(table) => Ok(Self::Table(table)),
            Value::Array(list) => Ok(Self::List(list)),
            _ => Err(format!("{name} is a value, not a section")),
        }
    }

    fn set(self, name: &str, value: Value) -> Result<(), String> {
        match self {
            Self::Table(table) => {
                // The settings of another kind of loss, optimiser, ... mean nothing to the new one.
                if name == "kind" && table.get(name) != Some(&value) {
                    table.clear();
                }
                table.insert(name.to_owned(), value);
            }
            Self::List(list) => *entry(list, name)? = value,
        }
        Ok(())
    }
}

fn entry<'a>(list: &'a mut [Value], name: &str) -> Result<&'a mut Value, String> {
    let length = list.len();
    name.parse::<usize>()
        .ok()
        .and_then(|index| list.get_mut(index))
        .ok_or_else(|| format!("the list has {length} entries, counted from 0; there is no {name}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn values_reach_sections_and_lists() {
        let mut table: Table = "[[transforms.train]]\nkind = 'rotate'\ndegrees = 40"
            .parse()
            .unwrap();
        for text in [
            "optimizer.rate=1e-3",
            "model.name = repvgg_a0",
            "transforms.train.0.degrees=20",
            "train.folds=[0, 2]",
            "model.founding_head=true",
        ] {
            apply(&mut table, text).unwrap();
        }
        assert_eq!(table["optimizer"]["rate"].as_float(), Some(1e-3));
        assert_eq!(table["model"]["name"].as_str(), Some("repvgg_a0"));
        assert_eq!(table["model"]["founding_head"].as_bool(), Some(true));
        assert_eq!(
            table["transforms"]["train"][0]["degrees"].as_integer(),
            Some(20)
        );
        assert_eq!(table["train"]["folds"][1].as_integer(), Some(2));
    }

    #[test]
    fn what_cannot_be_placed_is_refused() {
        let mut table: Table = "[train]\nseed = 1\nlist = [1]".parse().unwrap();
        for (text, part) in [
            ("train.seed", "section.key=value"),
            ("train..seed=1", "empty name"),
            ("train.seed.deep=1", "seed is a value"),
            ("train.list.1=1", "there is no 1"),
        ] {
            let error = apply(&mut table, text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
