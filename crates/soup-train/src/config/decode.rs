//! Reads a configuration out of a TOML table and says exactly where it is wrong: the full path of
//! the key, and for an unknown key the nearest known one.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use toml::{Table, Value};

use super::ConfigError;

/// Reads a `T` whose structs refuse unknown fields.
///
/// # Errors
/// [`ConfigError::UnknownKey`] or [`ConfigError::Value`], with the key's path.
pub fn decode<T: DeserializeOwned>(table: Table) -> Result<T, ConfigError> {
    T::deserialize(Decoder(Value::Table(table))).map_err(ConfigError::from)
}

/// An error on its way up; every level puts its key in front.
#[derive(Debug)]
struct Problem {
    path: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Unknown { known: &'static [&'static str] },
    Other(String),
}

impl Problem {
    fn under(mut self, key: &str) -> Self {
        if self.path.is_empty() || self.path.starts_with('[') {
            self.path.insert_str(0, key);
        } else {
            self.path = format!("{key}.{}", self.path);
        }
        self
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        match problem.what {
            What::Unknown { known } => Self::unknown_key(&problem.path, known),
            What::Other(text) => Self::Value {
                path: problem.path,
                problem: text,
            },
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {:?}", self.path, self.what)
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            path: String::new(),
            what: What::Other(message.to_string()),
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self {
            path: field.to_owned(),
            what: What::Unknown { known: expected },
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let near = nearest(variant, expected)
            .map(|near| format!("; did you mean \"{near}\"?"))
            .unwrap_or_default();
        Self::custom(format!("\"{variant}\" is none of {}{near}", list(expected)))
    }
}

/// The nearest of `known` to a mistyped word, if one is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|&candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .min()
        .filter(|&(distance, candidate)| {
            distance <= word.len().max(candidate.len()) / 2 && distance < word.len()
        })
        .map(|(_, candidate)| candidate)
}

/// Words in a row, sorted.
pub(super) fn list(words: &[&str]) -> String {
    let mut words = words.to_vec();
    words.sort_unstable();
    words.join(", ")
}

struct Decoder(Value);

impl<'de> IntoDeserializer<'de, Problem> for Decoder {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Decoder {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            Value::Integer(number) => visitor.visit_i64(number),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Boolean(yes) => visitor.visit_bool(yes),
            Value::Datetime(moment) => visitor.visit_string(moment.to_string()),
            Value::Array(values) => visitor.visit_seq(Items {
                values: values.into_iter(),
                index: 0,
            }),
            Value::Table(table) => visitor.visit_map(Entries {
                entries: table.into_iter(),
                value: None,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(text.into_deserializer()),
            Value::Table(table) => de::value::MapAccessDeserializer::new(Entries {
                entries: table.into_iter(),
                value: None,
            })
            .deserialize_enum(name, variants, visitor),
            _ => Err(de::Error::custom(format!(
                "needs one of {}",
                list(variants)
            ))),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Entries<I> {
    entries: I,
    value: Option<(String, Value)>,
}

impl<'de, I: Iterator<Item = (String, Value)>> de::MapAccess<'de> for Entries<I> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Problem> {
        match self.entries.next() {
            None => Ok(None),
            Some((key, value)) => {
                self.value = Some((key.clone(), value));
                seed.deserialize(key.into_deserializer()).map(Some)
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        match self.value.take() {
            Some((key, value)) => seed
                .deserialize(Decoder(value))
                .map_err(|problem| problem.under(&key)),
            None => Err(de::Error::custom("a value was read twice")),
        }
    }
}

struct Items<I> {
    values: I,
    index: usize,
}

impl<'de, I: Iterator<Item = Value>> de::SeqAccess<'de> for Items<I> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Problem> {
        let Some(value) = self.values.next() else {
            return Ok(None);
        };
        let key = format!("[{}]", self.index);
        self.index += 1;
        seed.deserialize(Decoder(value))
            .map(Some)
            .map_err(|problem| problem.under(&key))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Outer {
        optimizer: Inner,
        steps: Vec<Step>,
        near: Option<u32>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        rate: f64,
        momentum: f64,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
    enum Step {
        Resize { side: u32 },
        Rotate { degrees: f32 },
    }

    fn read(text: &str) -> Result<Outer, String> {
        decode(text.parse::<Table>().unwrap()).map_err(|error: ConfigError| error.to_string())
    }

    #[test]
    fn values_of_every_shape_arrive() {
        let outer = read(
            "near = 3\noptimizer.rate = 1\n[[steps]]\nkind = 'resize'\nside = 331\n[[steps]]\nkind = 'rotate'\ndegrees = 40.0",
        )
        .unwrap();
        assert_eq!(outer.optimizer.rate, 1.0);
        assert_eq!(outer.near, Some(3));
        assert_eq!(
            outer.steps,
            [Step::Resize { side: 331 }, Step::Rotate { degrees: 40.0 }]
        );
    }

    #[test]
    fn a_wrong_key_or_value_is_named_with_its_path() {
        let error = read("optimizer.rat = 1").unwrap_err();
        assert_eq!(
            error,
            "unknown key optimizer.rat; did you mean optimizer.rate?"
        );
        let error = read("optimizer.colour = 1").unwrap_err();
        assert_eq!(
            error,
            "unknown key optimizer.colour; known there: momentum, rate"
        );
        let error =
            read("[[steps]]\nkind = 'resize'\nside = 3\n[[steps]]\nkind = 'rotat'").unwrap_err();
        assert!(error.contains("steps[1]"), "{error}");
        assert!(error.contains("did you mean \"rotate\"?"), "{error}");
        let error = read("optimizer.rate = 'fast'").unwrap_err();
        assert!(error.starts_with("optimizer.rate: "), "{error}");
        let error = read("near = -1").unwrap_err();
        assert!(error.starts_with("near: "), "{error}");
    }
}
