//! Images of any size brought to one size, with the antialiased bilinear filter of Pillow and torchvision.

use std::fmt;
use std::str::FromStr;

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use serde::{Deserialize, Serialize};

use crate::ImageShape;

/// The size that all images get, and how those of another shape get it.
///
/// In text `256x320-crop`: height, width, mode. One number is both sides, and without a mode it is squashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fit {
    /// Rows of the result.
    pub height: usize,
    /// Columns of the result.
    pub width: usize,
    /// What happens to images of another aspect.
    pub mode: FitMode,
}

/// What happens to images of another aspect than the wanted one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FitMode {
    /// Height and width are scaled apart: nothing is cut off, shapes are distorted.
    #[default]
    Squash,
    /// The largest piece of the wanted aspect is taken from the middle; what lies outside is lost.
    Crop,
    /// The whole image in the middle, black beside it (and transparent, where there is alpha).
    Pad,
}

impl FitMode {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Squash, Self::Crop, Self::Pad];

    /// `squash`, `crop` or `pad`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Squash => "squash",
            Self::Crop => "crop",
            Self::Pad => "pad",
        }
    }
}

impl FromStr for FitMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == text);
        found.ok_or_else(|| format!("`{text}` is none of squash, crop, pad"))
    }
}

impl Fit {
    /// For data sets whose images differ in size, where nothing else is asked for: no label can be cut off.
    pub const DEFAULT: Self = Self {
        height: 256,
        width: 256,
        mode: FitMode::Squash,
    };

    /// The largest side that is made.
    const MOST: usize = 8192;

    /// Brings `pixels` of `shape` to this size; an image that has it stays as it is.
    ///
    /// # Errors
    /// Why that cannot be, in a few words.
    pub fn apply(self, shape: ImageShape, pixels: &mut Vec<u8>) -> Result<ImageShape, String> {
        Fitter::default().apply(self, shape, pixels)
    }

    /// What of an image of this shape is seen: left, top, width and height as shares of its sides. Less than the whole
    /// where it is cropped, more where it is padded.
    pub fn area(self, shape: ImageShape) -> [f64; 4] {
        let scale = [
            self.width as f64 / shape.width as f64,
            self.height as f64 / shape.height as f64,
        ];
        let both = match self.mode {
            FitMode::Squash => return [0.0, 0.0, 1.0, 1.0],
            FitMode::Crop => scale[0].max(scale[1]),
            FitMode::Pad => scale[0].min(scale[1]),
        };
        let [width, height] = scale.map(|scale| scale / both);
        [(1.0 - width) / 2.0, (1.0 - height) / 2.0, width, height]
    }

    /// The shape of what comes out.
    pub fn of_shape(self, shape: ImageShape) -> ImageShape {
        ImageShape {
            height: self.height,
            width: self.width,
            ..shape
        }
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}x{}-{}",
            self.height,
            self.width,
            self.mode.name()
        )
    }
}

impl FromStr for Fit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no size and mode such as 256 or 256x320-crop, with sides from 1 to {}",
                Self::MOST
            )
        };
        let (size, mode) = match text.split_once('-') {
            Some((size, mode)) => (size, mode.parse()?),
            None => (text, FitMode::default()),
        };
        let (height, width) = size.split_once('x').unwrap_or((size, size));
        let side = |text: &str| {
            let side = text.parse().ok();
            side.filter(|side| (1..=Self::MOST).contains(side))
        };
        Ok(Self {
            height: side(height).ok_or_else(wrong)?,
            width: side(width).ok_or_else(wrong)?,
            mode,
        })
    }
}

impl TryFrom<String> for Fit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Fit> for String {
    fn from(fit: Fit) -> Self {
        fit.to_string()
    }
}

/// Fits one image after the other; keeps its buffers between them.
#[derive(Default)]
pub(super) struct Fitter {
    resizer: Resizer,
    made: Vec<u8>,
}

impl Fitter {
    /// Brings `pixels` of `shape` to the wanted size; one that has it stays as it is.
    pub(super) fn apply(
        &mut self,
        fit: Fit,
        shape: ImageShape,
        pixels: &mut Vec<u8>,
    ) -> Result<ImageShape, String> {
        let target = fit.of_shape(shape);
        if target == shape {
            return Ok(shape);
        }
        let inner = match fit.mode {
            FitMode::Squash | FitMode::Crop => target,
            FitMode::Pad => contained(shape, target),
        };
        self.made.clear();
        self.made.resize(inner.len(), 0);
        self.resize(fit, shape, pixels, inner)?;
        pixels.clear();
        if inner == target {
            pixels.extend_from_slice(&self.made);
        } else {
            pixels.resize(target.len(), 0);
            let (row, wide) = (inner.width * inner.channels, target.width * target.channels);
            // Half of what is left over, rounded as Pillow's `ImageOps.pad` rounds.
            let half = |over: usize| (over as f64 / 2.0).round_ties_even() as usize;
            let left = half(target.width - inner.width) * target.channels;
            let top = half(target.height - inner.height);
            let rows = pixels.chunks_exact_mut(wide).skip(top);
            for (into, from) in rows.zip(self.made.chunks_exact(row)) {
                into[left..left + row].copy_from_slice(from);
            }
        }
        Ok(target)
    }

    fn resize(
        &mut self,
        fit: Fit,
        shape: ImageShape,
        pixels: &[u8],
        inner: ImageShape,
    ) -> Result<(), String> {
        let kind = match shape.channels {
            1 => PixelType::U8,
            2 => PixelType::U8x2,
            3 => PixelType::U8x3,
            _ => PixelType::U8x4,
        };
        let side = |side: usize| u32::try_from(side).map_err(|_| format!("{side} pixels in a row"));
        let from = ImageRef::new(side(shape.width)?, side(shape.height)?, pixels, kind);
        let from = from.map_err(|error| error.to_string())?;
        let (width, height) = (side(inner.width)?, side(inner.height)?);
        let into = Image::from_slice_u8(width, height, &mut self.made, kind);
        let mut into = into.map_err(|error| error.to_string())?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let options = match fit.mode {
            FitMode::Crop => options.fit_into_destination(None),
            FitMode::Squash | FitMode::Pad => options,
        };
        let resized = self.resizer.resize(&from, &mut into, &options);
        resized.map_err(|error| error.to_string())
    }
}

/// The largest shape of the aspect of `shape` within `target`, as Pillow's `ImageOps.contain` rounds.
fn contained(shape: ImageShape, target: ImageShape) -> ImageShape {
    let scaled = |side: usize, over: usize, by: usize| {
        (side as f64 / over as f64 * by as f64)
            .round_ties_even()
            .max(1.0) as usize
    };
    let mut inner = target;
    // Compared as products: no aspect is rounded.
    let (wide, high) = (shape.width * target.height, shape.height * target.width);
    if wide > high {
        inner.height = scaled(shape.height, shape.width, target.width);
    } else if wide < high {
        inner.width = scaled(shape.width, shape.height, target.height);
    }
    inner
}
