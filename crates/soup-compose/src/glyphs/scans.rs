//! Scanned glyphs held in memory: what every file of images becomes.

use std::path::Path;

use soup_data::{Error, Result, files};

use super::{GlyphSource, Ink, Shape};

/// Scanned glyphs with their labels.
#[derive(Clone, Debug, Default)]
pub struct Scans {
    label_names: Vec<String>,
    labels: Vec<usize>,
    inks: Vec<Ink>,
}

impl Scans {
    /// Glyphs from images of `width` pixels a row, where 0 is paper and more is more ink.
    ///
    /// The level of full ink is found from all images together (see [`full_ink`]), so that
    /// EMNIST's letters (255) and letters printed at half strength come out equal.
    pub(super) fn new(
        label_names: Vec<String>,
        labels: Vec<usize>,
        images: &[Vec<u8>],
        width: usize,
    ) -> Self {
        let full = full_ink(images.iter().flatten().copied());
        let strength = |&value: &u8| {
            let strength = u32::from(value) * 255 / full;
            // Less than a tenth of full ink is dirt on the paper.
            if strength < 26 {
                0
            } else {
                strength.min(255) as u8
            }
        };
        let inks = images
            .iter()
            .map(|image| Ink::new(width, &image.iter().map(strength).collect::<Vec<u8>>()))
            .collect();
        Self {
            label_names,
            labels,
            inks,
        }
    }

    /// Glyphs that are already ink.
    pub(super) fn from_inks(label_names: Vec<String>, labels: Vec<usize>, inks: Vec<Ink>) -> Self {
        Self {
            label_names,
            labels,
            inks,
        }
    }
}

impl GlyphSource for Scans {
    fn len(&self) -> u64 {
        self.inks.len() as u64
    }

    fn label_names(&self) -> &[String] {
        &self.label_names
    }

    fn label(&self, index: u64) -> usize {
        self.labels.get(index as usize).copied().unwrap_or(0)
    }

    fn shape(&self, index: u64) -> Shape {
        let ink = self.inks.get(index as usize).cloned();
        Shape::Ink(ink.unwrap_or_else(|| Ink::new(1, &[])))
    }
}

/// The level of full ink: the upper end of the most common sixteenth of the scale, paper (below
/// 64) left out. Where a digit is printed over letters of half strength, most of the letters' ink
/// is still bare, so the letters' own level wins.
fn full_ink(values: impl Iterator<Item = u8>) -> u32 {
    let mut counts = [0u64; 16];
    for value in values {
        counts[usize::from(value / 16)] += 1;
    }
    let most = (4..16).max_by_key(|&bin| (counts[bin], bin)).unwrap_or(15);
    most as u32 * 16 + 15
}

/// Reads a whole file, unpacked where it is a gzip file.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>> {
    if !path.exists() {
        return Err(Error::NotFound {
            path: path.into(),
            hint: "check the path of the glyphs".into(),
        });
    }
    files::read_unpacked(path)
}

/// Index of a letter's label, `a` and `A` being one.
pub(super) fn letter_label(name: &str) -> Option<usize> {
    match name.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => {
            Some(usize::from(letter.to_ascii_lowercase() - b'a'))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_ink_is_the_letters_own_level() {
        // Half strength letters with some of a digit over them.
        let printed = [[2; 700].as_slice(), &[120; 60], &[180; 20], &[250; 30]].concat();
        assert_eq!(full_ink(printed.into_iter()), 127);
        let emnist = [[0; 700].as_slice(), &[70; 20], &[180; 20], &[250; 30]].concat();
        assert_eq!(full_ink(emnist.into_iter()), 255);
        assert_eq!(full_ink(std::iter::empty()), 255);
    }

    #[test]
    fn dirt_is_paper_and_full_ink_is_255() {
        let scans = Scans::new(
            vec!["a".into()],
            vec![0],
            &[vec![4, 12, 64, 120, 250, 120]],
            6,
        );
        let Shape::Ink(ink) = scans.shape(0) else {
            unreachable!("scans are ink");
        };
        assert_eq!(ink.strength(), [128, 240, 255, 240]);
        assert!(matches!(scans.shape(1), Shape::Ink(ink) if ink.is_empty()));
    }

    #[test]
    fn letters_of_both_cases_are_one_label() {
        assert_eq!((letter_label("a"), letter_label("Z")), (Some(0), Some(25)));
        assert_eq!(
            (letter_label("1"), letter_label("ab"), letter_label("")),
            (None, None, None)
        );
    }
}
