//! The options of a sweep and the candidates that they span.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use soup_random::Stream;
use toml::Value;

use soup_train::config::ConfigError;

/// One thing that is varied: a table `[[option]]` of a sweep file, with `values`, `choices` or a
/// range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepOption {
    /// Name in tables; none takes the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The setting, e.g. `train.rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Several settings that take the same value, e.g. the chances of two flips.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// The values that are tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
    /// Named groups of `section.key=value` settings that are tried.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub choices: BTreeMap<String, Vec<String>>,
    /// Lowest value of a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Highest value of a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Whether the range is even in its logarithm.
    #[serde(default)]
    pub log: bool,
    /// Whether values of the range are whole numbers.
    #[serde(default)]
    pub integer: bool,
    /// Points of the range that a grid takes.
    #[serde(default = "default_steps")]
    pub steps: usize,
}

fn default_steps() -> usize {
    3
}

/// Where a candidate stands in one option: the place of a value or choice, or a point from 0 to 1 of a
/// range.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Point {
    /// Place of a value or choice, counted from 0.
    Value(usize),
    /// From 0 (`low`) to 1 (`high`).
    Range(f64),
}

/// A point in every option.
pub type Candidate = Vec<Point>;

impl SweepOption {
    /// Name in tables.
    pub fn name(&self) -> &str {
        let first = self.keys.first().map(String::as_str);
        self.name
            .as_deref()
            .or(self.key.as_deref())
            .or(first)
            .unwrap_or("?")
    }

    fn keys(&self) -> impl Iterator<Item = &String> {
        self.key.iter().chain(&self.keys)
    }

    /// Number of values or choices; none for a range.
    pub fn count(&self) -> Option<usize> {
        match (self.values.len(), self.choices.len()) {
            (0, 0) => None,
            (values, choices) => Some(values + choices),
        }
    }

    /// Refuses an option that says nothing or too much.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn check(&self) -> Result<(), ConfigError> {
        let range = self.low.is_some() || self.high.is_some();
        let given = [!self.values.is_empty(), !self.choices.is_empty(), range];
        let keys = self.keys().count();
        let (low, high) = (self.low.unwrap_or(f64::NAN), self.high.unwrap_or(f64::NAN));
        let problem = if given.iter().filter(|given| **given).count() != 1 {
            "give it values = [...], [option.choices], or low and high: one of the three"
        } else if keys == 0 && self.choices.is_empty() {
            "give it the key that its values are for, e.g. key = \"train.rate\""
        } else if keys > 0 && !self.choices.is_empty() {
            "its choices name their own keys; leave key and keys out and give it a name"
        } else if !self.choices.is_empty() && self.name.is_none() {
            "give it a name"
        } else if range && !(low < high && low.is_finite() && high.is_finite()) {
            "low and high must be numbers, and low below high"
        } else if range && self.log && low <= 0.0 {
            "low must be above 0 where log = true"
        } else if range && self.steps < 2 {
            "steps must be at least 2"
        } else {
            return Ok(());
        };
        Err(ConfigError::Value {
            path: format!("option `{}`", self.name()),
            problem: problem.to_owned(),
        })
    }

    /// The points that a grid takes.
    pub fn grid(&self) -> Vec<Point> {
        match self.count() {
            Some(count) => (0..count).map(Point::Value).collect(),
            None => (0..self.steps)
                .map(|step| Point::Range(step as f64 / (self.steps - 1) as f64))
                .collect(),
        }
    }

    /// A point drawn evenly.
    pub fn draw(&self, stream: &mut Stream) -> Point {
        match self.count() {
            Some(count) => Point::Value(stream.below(count as u32) as usize),
            None => Point::Range(f64::from(stream.uniform())),
        }
    }

    /// The point of a value, or of a choice by its name; none for what is not tried, and in a range.
    pub fn find(&self, value: &Value) -> Option<Point> {
        let choice = |name: &String| value.as_str() == Some(name);
        (self.values.iter().position(|tried| tried == value))
            .or_else(|| self.choices.keys().position(choice))
            .map(Point::Value)
    }

    /// The value in words.
    pub fn show(&self, point: Point) -> String {
        match point {
            Point::Value(place) => match self.values.get(place) {
                Some(value) => value.to_string(),
                None => self.choices.keys().nth(place).cloned().unwrap_or_default(),
            },
            Point::Range(share) => self.at(share).to_string(),
        }
    }

    /// The settings of a point, as `section.key=value`.
    pub fn settings(&self, point: Point) -> Vec<String> {
        if let Point::Value(place) = point
            && let Some(choice) = self.choices.values().nth(place)
        {
            return choice.clone();
        }
        let value = self.show(point);
        self.keys().map(|key| format!("{key}={value}")).collect()
    }

    /// The value at a share of the range, to three digits: more would not mean more.
    fn at(&self, share: f64) -> Value {
        let (low, high) = (self.low.unwrap_or(0.0), self.high.unwrap_or(1.0));
        let value = if self.log {
            low * (high / low).powf(share)
        } else {
            low + (high - low) * share
        };
        if self.integer {
            return Value::Integer(value.round() as i64);
        }
        let short = format!("{value:.2e}").parse().unwrap_or(value);
        Value::Float(short)
    }
}

/// The settings of a candidate, in the order of the options.
pub fn settings(options: &[SweepOption], candidate: &[Point]) -> Vec<String> {
    let pairs = options.iter().zip(candidate);
    pairs
        .flat_map(|(option, point)| option.settings(*point))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn option(text: &str) -> SweepOption {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn options_become_settings() {
        let rate = option("key = 'train.rate'\nlow = 2e-4\nhigh = 2e-3\nlog = true");
        rate.check().unwrap();
        let settings: Vec<_> = rate
            .grid()
            .into_iter()
            .flat_map(|p| rate.settings(p))
            .collect();
        assert_eq!(
            settings,
            [
                "train.rate=0.0002",
                "train.rate=0.000632",
                "train.rate=0.002"
            ]
        );
        let flip = option(
            "name = 'flip'\nkeys = ['transforms.1.p', 'transforms.2.p']\nvalues = [0.1, 0.8]",
        );
        assert_eq!(
            flip.settings(Point::Value(1)),
            ["transforms.1.p=0.8", "transforms.2.p=0.8"]
        );
        let choice =
            option("name = 'size'\n[choices]\nlarge = ['a.b=1', 'a.c=2']\nsmall = ['a.b=0']");
        choice.check().unwrap();
        assert_eq!(choice.settings(Point::Value(0)), ["a.b=1", "a.c=2"]);
        assert_eq!(
            (choice.show(Point::Value(1)), choice.name()),
            ("small".into(), "size")
        );
        assert_eq!(choice.find(&Value::from("small")), Some(Point::Value(1)));
        assert_eq!(flip.find(&Value::from(0.8)), Some(Point::Value(1)));
        assert_eq!(
            (flip.find(&Value::from(0.7)), rate.find(&Value::from(2e-4))),
            (None, None)
        );
        let batch = option("key = 'train.batch'\nlow = 4\nhigh = 24\ninteger = true");
        assert_eq!(batch.show(Point::Range(0.5)), "14");
    }

    #[test]
    fn senseless_options_are_named() {
        for (text, part) in [
            ("key = 'a'", "one of the three"),
            ("key = 'a'\nvalues = [1]\nlow = 1", "one of the three"),
            ("values = [1]", "give it the key"),
            ("key = 'a'\nlow = 2\nhigh = 1", "low below high"),
            ("key = 'a'\nlow = 2", "low below high"),
            ("key = 'a'\nlow = 0\nhigh = 1\nlog = true", "above 0"),
            ("[choices]\nx = ['a=1']", "give it a name"),
        ] {
            let error = option(text).check().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
