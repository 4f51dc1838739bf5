//! Where labels are in an image.

use crate::ImageShape;

/// A label and the rectangle that it fills, in pixels of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Index of the label.
    pub label: usize,
    /// Leftmost column.
    pub x0: u32,
    /// Topmost row.
    pub y0: u32,
    /// One past the rightmost column.
    pub x1: u32,
    /// One past the lowest row.
    pub y1: u32,
}

/// All that is known of where labels are in one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotations {
    /// The image's shape.
    pub image: ImageShape,
    /// A label each; a label may have several.
    pub boxes: Vec<Annotation>,
}
