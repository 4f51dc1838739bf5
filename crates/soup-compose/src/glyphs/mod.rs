//! Glyphs: shapes of one letter each, and their sources.
//!
//! A [`GlyphSource`] is a numbered set of glyphs: [strokes](strokes) that the program carries
//! itself, a [DACON CSV](csv), [IDX](idx) files such as EMNIST's, a [folder](folder) of images,
//! a TrueType [font](font). A [`GlyphPool`] is a choice from one or more sources; pools that were
//! split from one pool have no glyph in common, which is the only honest way to measure on
//! composed images.

mod bend;
pub mod csv;
pub mod folder;
pub mod font;
pub mod idx;
mod ink;
mod mask;
mod outline;
mod pool;
mod scans;
mod spec;
pub mod strokes;

pub use bend::Bend;
pub use ink::Ink;
pub use mask::{DrawOptions, Mask, Pose};
pub use outline::Outline;
pub use pool::GlyphPool;
pub use scans::Scans;
pub use spec::{GlyphSpec, SourceKind, SourceSpec};
pub use strokes::Pen;

use serde::{Deserialize, Serialize};

/// Which glyph it is: the part of the pool's specification (from 0, in the order in which
/// the sources were named) and its index in that source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GlyphId {
    /// Number of the source, from 0.
    pub part: u32,
    /// Index in its source, from 0.
    pub index: u64,
}

impl std::fmt::Display for GlyphId {
    /// `part:index`, as it stands in `boxes.csv`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.part, self.index)
    }
}

/// One shape of one letter.
#[derive(Clone, Debug, PartialEq)]
pub struct Glyph {
    /// Index of the label in the source's (or the pool's) [`label_names`](GlyphSource::label_names).
    pub label: usize,
    /// Which one it is.
    pub id: GlyphId,
    /// What it looks like.
    pub shape: Shape,
}

/// What a glyph looks like, before it is turned and scaled.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A trimmed image of ink strengths.
    Ink(Ink),
    /// Movements of a pen with a width.
    Pen(Pen),
    /// Closed outlines, filled by the non-zero rule.
    Outline(Outline),
}

impl Shape {
    /// The shape bent, in its own units.
    pub fn bent(&self, bend: &Bend) -> Self {
        match self {
            Self::Ink(ink) => Self::Ink(ink.bent(bend)),
            Self::Pen(pen) => Self::Pen(pen.bent(bend)),
            Self::Outline(outline) => Self::Outline(outline.bent(bend)),
        }
    }

    /// The shape as a hard mask: laid down in a pose, scaled so that the longer side of its upright
    /// box is about `side` pixels, and trimmed to its ink. Empty where nothing is inked.
    pub fn draw(&self, pose: Pose, side: f32, options: &DrawOptions) -> Mask {
        match self {
            Self::Ink(ink) => ink.draw(pose, side, options),
            Self::Pen(pen) => pen.draw(pose, side, options),
            Self::Outline(outline) => outline.draw(pose, side),
        }
    }
}

/// A numbered set of glyphs. The same index gives the same glyph, from any thread and on every
/// machine.
pub trait GlyphSource: Send + Sync + std::fmt::Debug {
    /// Number of glyphs. [`strokes`] says a number so large that it never ends in practice.
    fn len(&self) -> u64;

    /// Whether there is no glyph.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of the labels, for example `a` to `z` (both cases of a letter are one label).
    fn label_names(&self) -> &[String];

    /// Label of glyph `index`, an index into [`label_names`](Self::label_names). `index` must be
    /// below [`len`](Self::len); past the end the answer has no meaning, but is no panic.
    fn label(&self, index: u64) -> usize;

    /// The glyph `index`. Past the end it is an empty shape.
    fn shape(&self, index: u64) -> Shape;

    /// Whether the source is drawn on demand and practically endless; its labels then go round:
    /// `label(index) == index % label_names().len()`.
    fn is_endless(&self) -> bool {
        false
    }
}

/// The labels `a` to `z`.
pub(crate) fn letter_names() -> Vec<String> {
    ('a'..='z').map(String::from).collect()
}
