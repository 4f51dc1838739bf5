//! Where pictures and labels come from: data sets, the pack, folds, transforms, glyph sources and
//! the composer.

pub mod compose;
pub mod dataset;
pub mod doctor;
pub mod error;
pub mod examples;
pub mod files;
pub mod folds;
pub mod glyphs;
pub mod ids;
pub mod npy;
pub mod pack;
pub mod problems;
pub mod subset;
pub mod tables;
pub mod transforms;

pub use error::{Error, Result};
pub use examples::{Examples, PictureShape};
