//! Views of an image in test-time augmentation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::horizontal_flip::horizontal_flip;
use super::image::{Image, Scratch};
use super::resize::{Method, resize};
use super::rot90::quarter_turns;
use crate::ImageShape;

/// One view of an image: operations that are applied in order, after all transforms. Written and
/// serialised as text, `plain` or its operations with `+` between them:
///
/// | operation | what |
/// |---|---|
/// | `rot90`, `rot180`, `rot270` | quarter turns anticlockwise, exact |
/// | `hflip`, `vflip`, `transpose`, `transverse` | mirrors: left for right, top for bottom, along either diagonal; exact |
/// | `scale:S` | both sides times `S` (.25 to 4), bilinear with antialiasing |
/// | `crop:S`, `crop:S:PLACE` | a part with sides of `S` (.25 to 1) of the image's: `center`, `top-left`, `top-right`, `bottom-left` or `bottom-right` |
///
/// ```
/// use soup_data::transforms::View;
///
/// let view: View = "rot90+scale:1.25".parse()?;
/// assert_eq!(view.to_string(), "rot90+scale:1.25");
/// # Ok::<(), soup_data::transforms::ViewError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct View(Vec<Operation>);

/// A view that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no view; write plain, or rot90, rot180, rot270, hflip, vflip, transpose, transverse, \
     scale:S (.25 to 4) and crop:S or crop:S:PLACE (.25 to 1) with + between them"
)]
pub struct ViewError(String);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    /// A quarter turn that many times, anticlockwise, then left for right.
    Dihedral {
        turns: u32,
        mirrored: bool,
    },
    Scale(f64),
    Crop {
        share: f64,
        place: Place,
    },
}

/// Where a crop lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Center,
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
}

/// The eight symmetries of a square but the one that does nothing.
const DIHEDRAL: [(&str, u32, bool); 7] = [
    ("rot90", 1, false),
    ("rot180", 2, false),
    ("rot270", 3, false),
    ("hflip", 0, true),
    ("transverse", 1, true),
    ("vflip", 2, true),
    ("transpose", 3, true),
];

const PLACES: [(&str, Place); 5] = [
    ("center", Place::Center),
    ("top-left", Place::TopLeft),
    ("top-right", Place::TopRight),
    ("bottom-left", Place::BottomLeft),
    ("bottom-right", Place::BottomRight),
];

const PLAIN: &str = "plain";

impl View {
    /// The image as it is.
    pub fn plain() -> Self {
        Self::default()
    }

    /// The words that its operations begin with.
    pub fn steps() -> impl Iterator<Item = &'static str> {
        let turns = DIHEDRAL.iter().map(|(name, ..)| *name);
        turns.chain(["scale", "crop"])
    }

    /// Whether the image is left as it is.
    pub fn is_plain(&self) -> bool {
        self.0.is_empty()
    }

    /// The shape that an image of shape `input` has in this view.
    pub fn output_shape(&self, input: ImageShape) -> ImageShape {
        self.0
            .iter()
            .fold(input, |shape, operation| operation.shape(shape))
    }

    /// Makes an image this view of itself, on any scale of values.
    pub fn apply(&self, image: &mut Image, scratch: &mut Scratch) {
        let workspace = &mut scratch.workspace;
        for operation in &self.0 {
            let target = operation.shape(image.shape());
            match *operation {
                Operation::Dihedral { turns, mirrored } => {
                    quarter_turns(image, turns, workspace);
                    if mirrored {
                        horizontal_flip(image);
                    }
                }
                Operation::Scale(_) => {
                    let (height, width) = (target.height, target.width);
                    resize(image, height, width, Method::Antialias, workspace);
                }
                Operation::Crop { place, .. } => crop(image, target, place),
            }
        }
    }
}

impl Operation {
    fn shape(self, input: ImageShape) -> ImageShape {
        let sized = |share: f64| {
            let side = |side: usize| ((side as f64 * share).round() as usize).max(1);
            ImageShape {
                height: side(input.height),
                width: side(input.width),
                ..input
            }
        };
        match self {
            Self::Dihedral { turns, .. } if turns % 2 == 1 => ImageShape {
                height: input.width,
                width: input.height,
                ..input
            },
            Self::Dihedral { .. } => input,
            Self::Scale(share) | Self::Crop { share, .. } => sized(share),
        }
    }
}

/// Keeps the part of an image that `target` says.
fn crop(image: &mut Image, target: ImageShape, place: Place) {
    let [spare_rows, spare_columns] = [image.height - target.height, image.width - target.width];
    let (top, left) = match place {
        Place::Center => (spare_rows / 2, spare_columns / 2),
        Place::TopLeft => (0, 0),
        Place::TopRight => (0, spare_columns),
        Place::BottomLeft => (spare_rows, 0),
        Place::BottomRight => (spare_rows, spare_columns),
    };
    let (stride, row_len) = (image.width * image.channels, target.width * target.channels);
    for row in 0..target.height {
        let from = (top + row) * stride + left * image.channels;
        (image.values).copy_within(from..from + row_len, row * row_len);
    }
    image.values.truncate(target.len());
    (image.height, image.width) = (target.height, target.width);
}

impl FromStr for View {
    type Err = ViewError;

    fn from_str(text: &str) -> Result<Self, ViewError> {
        if text == PLAIN {
            return Ok(Self::plain());
        }
        let steps = text.split('+').map(|step| step.trim().parse());
        steps
            .collect::<Result<_, ()>>()
            .map(Self)
            .map_err(|()| ViewError(text.to_owned()))
    }
}

impl FromStr for Operation {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some((_, turns, mirrored)) = DIHEDRAL.iter().find(|known| known.0 == text) {
            return Ok(Self::Dihedral {
                turns: *turns,
                mirrored: *mirrored,
            });
        }
        let share = |text: &str, most: f64| {
            let share = text.parse().map_err(|_| ())?;
            (0.25..=most).contains(&share).then_some(share).ok_or(())
        };
        match text.split(':').collect::<Vec<_>>()[..] {
            ["scale", scale] => Ok(Self::Scale(share(scale, 4.0)?)),
            ["crop", size] => Ok(Self::Crop {
                share: share(size, 1.0)?,
                place: Place::Center,
            }),
            ["crop", size, place] => Ok(Self::Crop {
                share: share(size, 1.0)?,
                place: PLACES
                    .iter()
                    .find(|known| known.0 == place)
                    .map(|known| known.1)
                    .ok_or(())?,
            }),
            _ => Err(()),
        }
    }
}

impl fmt::Display for View {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_plain() {
            return formatter.write_str(PLAIN);
        }
        for (place, operation) in self.0.iter().enumerate() {
            if place > 0 {
                formatter.write_str("+")?;
            }
            match *operation {
                Operation::Dihedral { turns, mirrored } => {
                    let known =
                        |known: &&(&str, u32, bool)| (known.1, known.2) == (turns, mirrored);
                    let name = DIHEDRAL.iter().find(known).map_or(PLAIN, |known| known.0);
                    formatter.write_str(name)?;
                }
                Operation::Scale(share) => write!(formatter, "scale:{share}")?,
                Operation::Crop { share, place } => {
                    write!(formatter, "crop:{share}")?;
                    let name = PLACES.iter().find(|known| known.1 == place);
                    if let Some((name, _)) = name.filter(|_| place != Place::Center) {
                        write!(formatter, ":{name}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for View {
    type Error = ViewError;

    fn try_from(text: String) -> Result<Self, ViewError> {
        text.parse()
    }
}

impl From<View> for String {
    fn from(view: View) -> Self {
        view.to_string()
    }
}
