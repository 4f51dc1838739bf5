//! The model bundled with the program, so that it predicts before anything is trained.

use std::path::Path;

/// Its name: the 26 letters of the founding task, as preset `best` learned them from real handwriting. How it was made
/// and how good it is stands in `models/README.md`.
pub const LETTERS: &str = "letters";

pub(crate) static LETTERS_BYTES: &[u8] = include_bytes!("../../../models/letters.soup");

/// The `model.soup` of this name, where there is one.
pub(crate) fn bytes(name: &Path) -> Option<&'static [u8]> {
    (name == Path::new(LETTERS)).then_some(LETTERS_BYTES)
}
