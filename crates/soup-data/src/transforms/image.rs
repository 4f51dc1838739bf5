//! The image on its way through a pipeline, and the memory that is kept between images.

use crate::ImageShape;

use super::places::Boxes;
use super::random_erasing::Rectangle;
use super::resize::Axis;

/// What the values of an image range over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueScale {
    /// 0 to 255, as in the file.
    Bytes,
    /// 0 to 1.
    Unit,
    /// Mean and spread of a normalisation: no bounds.
    Normalized,
}

impl ValueScale {
    /// The largest value, for a scale that has one.
    pub fn maximum(self) -> Option<f32> {
        match self {
            Self::Bytes => Some(255.0),
            Self::Unit => Some(1.0),
            Self::Normalized => None,
        }
    }
}

/// An image being transformed: `f32` values, height x width x channels, on the 0..255 scale until
/// a normalisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels a row.
    pub width: usize,
    /// Values a pixel.
    pub channels: usize,
    /// What the values range over.
    pub scale: ValueScale,
    /// `height * width * channels` values, the channels of a pixel beside each other.
    pub values: Vec<f32>,
}

impl Image {
    /// Height, width and channels.
    pub fn shape(&self) -> ImageShape {
        ImageShape {
            height: self.height,
            width: self.width,
            channels: self.channels,
        }
    }

    /// `[height, width]`.
    pub(super) fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// Shape and scale.
    pub fn form(&self) -> Form {
        Form {
            shape: self.shape(),
            scale: self.scale,
        }
    }

    /// Takes the bytes of a decoded image, as `f32` on the 0..255 scale.
    pub(super) fn load(&mut self, pixels: &[u8], shape: ImageShape) {
        self.height = shape.height;
        self.width = shape.width;
        self.channels = shape.channels;
        self.scale = ValueScale::Bytes;
        self.values.clear();
        self.values
            .extend(pixels.iter().map(|&byte| f32::from(byte)));
    }

    /// Takes a part of a decoded image, as [`load`](Self::load) takes all of it.
    pub(super) fn load_part(&mut self, pixels: &[u8], shape: ImageShape, part: Rectangle) {
        (self.height, self.width) = (part.height, part.width);
        self.channels = shape.channels;
        self.scale = ValueScale::Bytes;
        self.values.clear();
        let rows = pixels.chunks_exact(shape.width * shape.channels);
        let columns = part.left * shape.channels..(part.left + part.width) * shape.channels;
        for row in rows.skip(part.top).take(part.height) {
            let row = &row[columns.clone()];
            self.values.extend(row.iter().map(|&byte| f32::from(byte)));
        }
    }
}

/// Shape and scale: all that a check of parameters needs to know about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Height, width and channels.
    pub shape: ImageShape,
    /// What the values range over.
    pub scale: ValueScale,
}

impl Form {
    /// The same with another height and width.
    pub fn sized(self, height: usize, width: usize) -> Self {
        Self {
            shape: ImageShape {
                height,
                width,
                ..self.shape
            },
            ..self
        }
    }

    /// The same with another number of channels.
    pub fn with_channels(self, channels: usize) -> Self {
        Self {
            shape: ImageShape {
                channels,
                ..self.shape
            },
            ..self
        }
    }

    /// The same form.
    ///
    /// # Errors
    /// A message for a transform of colours, where the image is not grey or RGB or its scale has no bounds.
    pub(super) fn in_colours(self) -> Result<Self, String> {
        self.maximum()?;
        match self.shape.channels {
            1 | 3 => Ok(self),
            channels => Err(format!(
                "the image has {channels} channels here; give it 1 or 3 with `to_grey` or `to_rgb`"
            )),
        }
    }

    /// The largest value of the scale.
    ///
    /// # Errors
    /// A message for a transform that needs one, where the scale has none.
    pub fn maximum(self) -> Result<f32, String> {
        self.scale.maximum().ok_or_else(|| {
            "works on values in 0..255 or 0..1; put it before the normalisation".into()
        })
    }
}

/// Memory of [`Pipeline::apply`](super::Pipeline::apply), kept from image to image so that
/// nothing is allocated after the first one. One a thread; holds nothing that changes a result.
#[derive(Debug)]
pub struct Scratch {
    pub(super) image: Image,
    pub(super) workspace: Workspace,
}

impl Scratch {
    /// Empty: grows with the first image.
    pub fn new() -> Self {
        Self {
            image: Image {
                height: 0,
                width: 0,
                channels: 0,
                scale: ValueScale::Bytes,
                values: Vec::new(),
            },
            workspace: Workspace::default(),
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// What a transform may use beside the image.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// The image as it will be, or a step on the way; contents undefined between transforms.
    pub spare: Vec<f32>,
    /// Weights of the resizings met so far.
    pub axes: Vec<Axis>,
    /// A shift a pixel along x and along y, and a step on the way to them; contents undefined
    /// between transforms.
    pub fields: [Vec<f64>; 3],
    /// The image as it was and a sum of what became of it, for transforms that mix several; contents undefined between
    /// transforms.
    pub mixed: [Vec<f32>; 2],
    /// Where the boxes of the image are by now.
    pub boxes: Boxes,
}

impl Workspace {
    /// `spare` with exactly this many values, their contents undefined.
    pub fn spare(&mut self, len: usize) -> &mut [f32] {
        self.spare.resize(len, 0.0);
        &mut self.spare
    }

    /// Gives `spare` and `values` the same capacity. Transforms swap the two, some of them at
    /// random: which one a later image finds where must not matter.
    pub fn level(&mut self, values: &mut Vec<f32>) {
        let most = self.spare.capacity().max(values.capacity());
        for buffer in [&mut self.spare, values] {
            buffer.reserve_exact(most - buffer.len());
        }
    }
}
