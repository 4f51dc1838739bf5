//! Letters in IDX files, the format of MNIST and EMNIST: a file of images and one of labels,
//! packed with gzip or not.
//!
//! Labels are EMNIST's of the "letters" split: 1 = A to 26 = Z. EMNIST's own files hold every
//! image transposed (rows and columns swapped); say so with `transpose`.

use std::path::Path;

use soup_data::{Error, Result};

use super::{
    letter_names,
    scans::{Scans, read_file},
};

/// First bytes of a file of bytes with three dimensions.
const IMAGES: u32 = 0x0803;
/// First bytes of a file of bytes with one dimension.
const LABELS: u32 = 0x0801;

/// Reads a pair of files.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Io`]; [`Error::Format`] where a file is no IDX file, is cut off,
/// or the two do not belong together, and naming the item whose label is no letter;
/// [`Error::Empty`].
pub fn read(images: &Path, labels: &Path, transpose: bool) -> Result<Scans> {
    let (found, [count, height, width]) = open::<3>(images, IMAGES)?;
    let (label_bytes, [label_count]) = open::<1>(labels, LABELS)?;
    if count != label_count {
        return Err(Error::format(
            labels,
            format!(
                "there are {label_count} labels, but {} holds {count} images",
                images.display()
            ),
            "name the pair of files that belong together",
        ));
    }
    let size = height * width;
    if count == 0 || size == 0 {
        return Err(Error::Empty {
            path: images.into(),
            what: "glyphs",
            hint: "name a file with images".into(),
        });
    }
    let letters = label_bytes
        .iter()
        .zip(1u64..)
        .map(|(&label, item)| match label {
            1..=26 => Ok(usize::from(label - 1)),
            _ => Err(Error::format(
                labels,
                format!("item {item}: the label is {label}, but letters are 1 (A) to 26 (Z)"),
                "use the letters split of EMNIST, or number the labels so",
            )),
        })
        .collect::<Result<Vec<usize>>>()?;
    let upright: Vec<Vec<u8>> = found
        .chunks_exact(size)
        .map(|image| {
            if transpose {
                (0..size)
                    .map(|at| image[at % height * width + at / height])
                    .collect()
            } else {
                image.to_vec()
            }
        })
        .collect();
    let width = if transpose { height } else { width };
    Ok(Scans::new(letter_names(), letters, &upright, width))
}

/// The data of an IDX file of bytes and its dimensions.
fn open<const DIMENSIONS: usize>(
    path: &Path,
    magic: u32,
) -> Result<(Vec<u8>, [usize; DIMENSIONS])> {
    let mut bytes = read_file(path)?;
    let word = |at: usize| -> Option<u32> {
        let four = bytes.get(at * 4..at * 4 + 4)?;
        Some(u32::from_be_bytes(four.try_into().ok()?))
    };
    let found = word(0);
    if found != Some(magic) {
        let is = found.map_or("too short".into(), |found| format!("{found:#010x}"));
        return Err(Error::format(
            path,
            format!(
                "an IDX file of bytes with {DIMENSIONS} dimensions starts with {magic:#010x}, this one is {is}"
            ),
            "name the images first and the labels second, both as EMNIST gives them",
        ));
    }
    let cut_off = |expected: String| {
        Error::format(
            path,
            format!(
                "the file has {} bytes, its header asks for {expected}",
                bytes.len()
            ),
            "fetch the file again",
        )
    };
    let mut sizes = [0; DIMENSIONS];
    for (at, size) in sizes.iter_mut().enumerate() {
        let Some(word) = word(at + 1) else {
            return Err(cut_off("more".into()));
        };
        *size = word as usize;
    }
    let header = 4 * (DIMENSIONS + 1);
    let expected = sizes
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size))
        .and_then(|product| product.checked_add(header));
    if expected != Some(bytes.len()) {
        return Err(cut_off(
            expected.map_or("more than there can be".into(), |count| count.to_string()),
        ));
    }
    bytes.drain(..header);
    Ok((bytes, sizes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::io::Write as _;

    use super::*;
    use crate::glyphs::{GlyphSource, Ink, Shape};

    fn file(magic: u32, sizes: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = magic.to_be_bytes().to_vec();
        for size in sizes {
            bytes.extend(size.to_be_bytes());
        }
        bytes.extend(data);
        bytes
    }

    fn read_bytes(images: &[u8], labels: &[u8], transpose: bool) -> Result<Scans> {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["images", "labels"].map(|name| folder.path().join(name));
        std::fs::write(&paths[0], images).unwrap();
        std::fs::write(&paths[1], labels).unwrap();
        read(&paths[0], &paths[1], transpose)
    }

    /// Two images of 2 rows and 3 columns.
    const DATA: [u8; 12] = [255, 0, 0, 255, 255, 250, 0, 0, 0, 0, 255, 0];

    #[test]
    fn images_and_labels_are_paired_packed_or_not() {
        let images = file(IMAGES, &[2, 2, 3], &DATA);
        let labels = file(LABELS, &[2], &[1, 26]);
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&images).unwrap();
        let packed = packer.finish().unwrap();
        for images in [images, packed] {
            let scans = read_bytes(&images, &labels, false).unwrap();
            assert_eq!((scans.len(), scans.label(0), scans.label(1)), (2, 0, 25));
            assert_eq!(scans.shape(0), Shape::Ink(Ink::new(3, &DATA[..6])));
            let scans = read_bytes(&images, &labels, true).unwrap();
            let transposed = [255, 255, 0, 255, 0, 250];
            assert_eq!(scans.shape(0), Shape::Ink(Ink::new(2, &transposed)));
        }
    }

    #[test]
    fn faults_are_named() {
        let images = file(IMAGES, &[2, 2, 3], &DATA);
        let labels = file(LABELS, &[2], &[1, 26]);
        let huge = file(IMAGES, &[u32::MAX, u32::MAX, u32::MAX], &DATA);
        for (images, labels, expected) in [
            (
                &labels,
                &images,
                "starts with 0x00000803, this one is 0x00000801",
            ),
            (&vec![], &labels, "too short"),
            (&images[..9].to_vec(), &labels, "asks for more"),
            (&images[..20].to_vec(), &labels, "28"),
            (&huge, &labels, "more than there can be"),
            (&images, &file(LABELS, &[3], &[1, 2, 3]), "3 labels"),
            (
                &images,
                &file(LABELS, &[2], &[1, 27]),
                "item 2: the label is 27",
            ),
            (
                &images,
                &file(LABELS, &[2], &[0, 1]),
                "item 1: the label is 0",
            ),
            (&vec![0x1f, 0x8b, 8, 1, 2], &labels, "gzip data is damaged"),
            (
                &file(IMAGES, &[0, 28, 28], &[]),
                &file(LABELS, &[0], &[]),
                "holds no glyphs",
            ),
        ] {
            let error = read_bytes(images, labels, false).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
