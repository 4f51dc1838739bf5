//! Tests of the transforms: against torchvision, of the whole pipeline, and how long they take.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod boxes;
mod distributions;
mod pipeline;
mod plain;
mod properties;
mod reference;
mod speed;
mod views;

use soup_random::{Purpose, Stream};

use super::{Image, ValueScale};
use crate::ImageShape;

/// The image of `make_transforms.py`.
fn bytes(shape: ImageShape) -> Vec<u8> {
    let mut pixels = Vec::new();
    for y in 0..shape.height {
        for x in 0..shape.width {
            for c in 0..shape.channels {
                let sum = y * y * 31 + x * x * 57 + x * y * 73 + y * 11 + x * 151 + c * 97;
                pixels.push((sum % 256) as u8);
            }
        }
    }
    pixels
}

fn image(shape: ImageShape) -> Image {
    Image {
        height: shape.height,
        width: shape.width,
        channels: shape.channels,
        scale: ValueScale::Bytes,
        values: bytes(shape).into_iter().map(f32::from).collect(),
    }
}

fn shape(height: usize, width: usize, channels: usize) -> ImageShape {
    ImageShape {
        height,
        width,
        channels,
    }
}

fn stream(index: u64) -> Stream {
    Stream::new(42, Purpose::Augment, 0, index)
}
