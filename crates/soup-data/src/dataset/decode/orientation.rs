//! Which way up an image is: tag 0x0112 of its EXIF data (Exif 2.32, section 4.6.4). Cameras store
//! what the sensor saw and note how it was held; viewers turn the image, and so do we.

use super::Fit;
use crate::ImageShape;

/// How the stored pixels become the image, by the tag's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Orientation {
    #[default]
    Upright,
    Mirrored,
    UpsideDown,
    Flipped,
    Transposed,
    /// The stored image is turned a quarter clockwise.
    Clockwise,
    Transversed,
    Counterclockwise,
}

const TAG: u16 = 0x0112;

impl Orientation {
    /// Of EXIF data, a TIFF file without pixels. What cannot be understood is upright, as everywhere.
    pub(super) fn of_exif(exif: &[u8]) -> Self {
        read_tag(exif).unwrap_or_default()
    }

    /// Of the tag's value; one that means nothing is upright.
    pub(super) fn of_value(value: u16) -> Self {
        match value {
            2 => Self::Mirrored,
            3 => Self::UpsideDown,
            4 => Self::Flipped,
            5 => Self::Transposed,
            6 => Self::Clockwise,
            7 => Self::Transversed,
            8 => Self::Counterclockwise,
            _ => Self::Upright,
        }
    }

    /// The shape that the image has when it stands upright.
    pub(super) fn of_shape(self, shape: ImageShape) -> ImageShape {
        match self {
            Self::Upright | Self::Mirrored | Self::UpsideDown | Self::Flipped => shape,
            _ => ImageShape {
                height: shape.width,
                width: shape.height,
                channels: shape.channels,
            },
        }
    }

    /// The fit of stored pixels that is this one once they stand upright.
    pub(super) fn of_fit(self, fit: Fit) -> Fit {
        let upright = self.of_shape(fit.of_shape(ImageShape {
            height: 1,
            width: 1,
            channels: 1,
        }));
        Fit {
            height: upright.height,
            width: upright.width,
            ..fit
        }
    }

    /// Sets stored pixels upright.
    pub(super) fn apply(self, shape: ImageShape, pixels: &mut Vec<u8>) -> ImageShape {
        let (height, width) = (shape.height as isize, shape.width as isize);
        let last = height * width - 1;
        // The pixel stored for the corner at the top left, and the way to the next row and column.
        let (start, down, right) = match self {
            Self::Upright => return shape,
            Self::Mirrored => (width - 1, width, -1),
            Self::UpsideDown => (last, -width, -1),
            Self::Flipped => (last + 1 - width, -width, 1),
            Self::Transposed => (0, 1, width),
            Self::Clockwise => (last + 1 - width, 1, -width),
            Self::Transversed => (last, -1, -width),
            Self::Counterclockwise => (width - 1, -1, width),
        };
        let upright = self.of_shape(shape);
        let mut turned = Vec::with_capacity(pixels.len());
        for row in 0..upright.height as isize {
            for column in 0..upright.width as isize {
                let at = (start + row * down + column * right) as usize * shape.channels;
                turned.extend_from_slice(&pixels[at..at + shape.channels]);
            }
        }
        *pixels = turned;
        upright
    }
}

fn read_tag(exif: &[u8]) -> Option<Orientation> {
    let is_little = match exif.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let two = |at: usize| {
        let bytes = exif.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match is_little {
            true => u16::from_le_bytes(bytes),
            false => u16::from_be_bytes(bytes),
        })
    };
    let four = |at: usize| {
        let (first, second) = (two(at)?, two(at + 2)?);
        let (high, low) = if is_little {
            (second, first)
        } else {
            (first, second)
        };
        Some(u32::from(high) << 16 | u32::from(low))
    };
    let directory = four(4)? as usize;
    let count = usize::from(two(directory)?);
    // An entry is its tag, kind, number of values and the value: 2, 2, 4 and 4 bytes.
    let entry = (0..count)
        .map(|number| directory + 2 + 12 * number)
        .find(|&entry| two(entry) == Some(TAG))?;
    let value = match two(entry + 2)? {
        3 => u32::from(two(entry + 8)?),
        4 => four(entry + 8)?,
        _ => return None,
    };
    Some(Orientation::of_value(u16::try_from(value).ok()?))
}
