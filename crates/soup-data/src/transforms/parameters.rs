//! The kinds of value that torchvision's parameters take, and their checks.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

/// How values between pixels are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// The nearest pixel, by torchvision's old rule (`floor(index * scale)` in resizing).
    #[default]
    Nearest,
    /// The nearest pixel by the rule of Pillow: differs from `nearest` in resizing only.
    NearestExact,
    /// Weighted mean of the four pixels around.
    Bilinear,
}

/// How an image of another size is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resampling {
    /// The nearest pixel, by torchvision's old rule (`floor(index * scale)`).
    Nearest,
    /// The nearest pixel by the rule of Pillow.
    NearestExact,
    /// Weighted means of the pixels around.
    Bilinear,
    /// Weighted sums of more of them, which can overshoot: what lies outside of the scale is cut off, as torchvision
    /// does on bytes.
    Bicubic,
}

/// A size: one number or `[height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a size must be a whole number or [height, width]"
)]
pub enum Size {
    /// One number: what it means depends on the transform.
    One(usize),
    /// `[height, width]`.
    HeightWidth([usize; 2]),
}

impl Size {
    pub(super) fn check(self) -> Result<(), String> {
        let ok = match self {
            Self::One(size) => size > 0,
            Self::HeightWidth([height, width]) => height > 0 && width > 0,
        };
        if ok {
            Ok(())
        } else {
            Err("`size` must be at least 1".into())
        }
    }
}

/// One number for both axes, or one each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "give one number for both axes or [x, y]")]
pub enum ByAxis {
    /// The same along both axes.
    Same(f64),
    /// `[x, y]`.
    Each([f64; 2]),
}

impl ByAxis {
    /// `[x, y]`.
    pub(super) fn pair(self) -> [f64; 2] {
        match self {
            Self::Same(value) => [value; 2],
            Self::Each(pair) => pair,
        }
    }

    /// Checks that both lie in 0 to `most`.
    pub(super) fn check(self, name: &str, most: f64) -> Result<(), String> {
        match self.pair().iter().find(|v| !(0.0..=most).contains(*v)) {
            None => Ok(()),
            Some(value) => Err(format!("`{name}` is {value}; it must lie in 0 to {most}")),
        }
    }
}

/// An interval to draw from: one number `d` (what it means depends on the transform, mostly
/// `[-d, d]`) or `[low, high]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "an interval must be a number or [low, high]")]
pub enum Span {
    /// One number.
    One(f64),
    /// `[low, high]`.
    LowHigh([f64; 2]),
}

impl Span {
    /// Low and high, `[-d, d]` for one number.
    pub(super) fn around_zero(self) -> [f64; 2] {
        match self {
            Self::One(number) => [-number, number],
            Self::LowHigh(pair) => pair,
        }
    }

    /// Checks that both ends are finite, in order and within `bounds`, and one number not negative.
    pub(super) fn check(self, name: &str, bounds: [f64; 2]) -> Result<(), String> {
        match self {
            Self::One(number) if !(number >= 0.0 && number <= bounds[1]) => Err(format!(
                "`{name}` is {number}; one number must lie in 0 to {}",
                bounds[1]
            )),
            Self::One(_) => Ok(()),
            Self::LowHigh(pair) => check_pair(name, pair, bounds),
        }
    }
}

/// Checks that `[low, high]` is in order and within `bounds`.
pub(super) fn check_pair(
    name: &str,
    [low, high]: [f64; 2],
    bounds: [f64; 2],
) -> Result<(), String> {
    if low >= bounds[0] && low <= high && high <= bounds[1] {
        Ok(())
    } else {
        Err(format!(
            "`{name}` is [{low}, {high}]; give [low, high] with {} <= low <= high <= {}",
            bounds[0], bounds[1]
        ))
    }
}

/// Uniform in `[low, high)`; exactly `low` where both are equal.
pub(super) fn draw(draws: &mut Stream, [low, high]: [f64; 2]) -> f64 {
    low + (high - low) * f64::from(draws.uniform())
}

/// What stands where there was no image: one value for all channels or one a channel, on the
/// image's scale at that place in the pipeline (0..255 before a normalisation).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a fill must be a number or a list of numbers, one a channel"
)]
pub enum Fill {
    /// The same value in all channels.
    One(f32),
    /// A value a channel.
    Channels(Vec<f32>),
}

impl Default for Fill {
    fn default() -> Self {
        Self::One(0.0)
    }
}

impl Fill {
    /// The value of a channel; the fill has passed [`check`](Self::check).
    pub(super) fn of(&self, channel: usize) -> f32 {
        match self {
            Self::One(value) => *value,
            Self::Channels(values) if values.len() == 1 => values[0],
            Self::Channels(values) => values[channel],
        }
    }

    pub(super) fn check(&self, name: &str, channels: usize) -> Result<(), String> {
        let values = match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Channels(values) => {
                if values.len() != 1 && values.len() != channels {
                    return Err(format!(
                        "`{name}` has {} values, but the image has {channels} channels here; \
                         give one value or one a channel",
                        values.len()
                    ));
                }
                values
            }
        };
        if values.iter().all(|value| value.is_finite()) {
            Ok(())
        } else {
            Err(format!("`{name}` must be finite"))
        }
    }
}

/// Checks a probability.
pub(super) fn check_probability(p: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&p) {
        Ok(())
    } else {
        Err(format!("`p` is {p}; a probability lies in 0 to 1"))
    }
}

/// torchvision's default probability.
pub(super) fn half() -> f64 {
    0.5
}

/// True with probability `p`.
pub(super) fn chance(draws: &mut Stream, p: f64) -> bool {
    f64::from(draws.uniform()) < p
}
