//! A folder of images per label: `PATH/<label>/*.png`, or of another format that is read.
//!
//! An image may be dark on light, light on dark, or drawn on a transparent ground; what its rim
//! looks like is paper. Folders named by one letter are merged without regard to case.

use std::path::{Path, PathBuf};

use soup_data::{
    Error, Result,
    dataset::{Channels, LeftOut, Reason, decode, images_below},
    files,
    ids::composed,
    problems::Problems,
};

use super::{Ink, scans::Scans};

/// Glyphs are held no larger than this; no composed letter is.
const GREATEST_SIDE: usize = 128;

/// Reads every image in every sub-folder, in the order of their names.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Io`]; all images that cannot be decoded or are all of one colour
/// ([`Error::DamagedImage`]); [`Error::Empty`] where there is no image.
pub fn read(path: &Path) -> Result<Scans> {
    let Listed { found, left } = list(path)?;
    if found.is_empty() {
        let hint = "put images into a folder for each label, such as a/1.png";
        return Err(Error::Empty {
            path: path.into(),
            what: "glyphs",
            hint: match left.is_empty() {
                true => hint.into(),
                false => format!("{hint}; {} left out: {left}", left.count()),
            },
        });
    }
    let mut names: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    let labels = found
        .iter()
        .map(|(name, _)| names.partition_point(|other| other < name))
        .collect();
    let mut problems = Problems::default();
    let mut inks = Vec::with_capacity(found.len());
    for (name, file) in &found {
        match scan(file) {
            Ok(ink) => inks.push(ink),
            Err(problem) => problems.push(Error::DamagedImage {
                path: file.clone(),
                row: None,
                id: name.clone(),
                problem,
            }),
        }
    }
    problems.check()?;
    Ok(Scans::from_inks(names, labels, inks))
}

/// Glyphs and what lies beside them.
pub(super) struct Listed {
    /// Label and file of each.
    pub(super) found: Vec<(String, PathBuf)>,
    pub(super) left: LeftOut,
}

/// Lists what is in the folder.
pub(super) fn list(path: &Path) -> Result<Listed> {
    if !path.is_dir() {
        return Err(Error::NotFound {
            path: path.into(),
            hint: "name a folder that holds a folder of images for each label".into(),
        });
    }
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    let (images, mut left) = images_below(path)?;
    for (file, place) in images {
        // Images beside the folders have no label, and those further below are of other things.
        let Some((name, _)) = file.split_once('/').filter(|(_, rest)| !rest.contains('/')) else {
            left.add(Reason::NoGlyph, file);
            continue;
        };
        let name = if name.len() == 1 {
            name.to_lowercase()
        } else {
            // One label, whichever Unicode form a system gave its folder.
            composed(name).into_owned()
        };
        found.push((name, place));
    }
    Ok(Listed { found, left })
}

/// The ink of one image, or what is wrong with it.
fn scan(path: &Path) -> std::result::Result<Ink, String> {
    let bytes = files::read(path).map_err(|error| error.to_string())?;
    let (shape, bytes) = decode(&bytes, Channels::AsStored)?;
    let (width, height, channels) = (shape.width, shape.height, shape.channels);
    let has_alpha = channels % 2 == 0;
    let pixels = || bytes.chunks_exact(channels);
    let strength: Vec<u8> = if has_alpha && pixels().any(|pixel| pixel[channels - 1] < 255) {
        pixels().map(|pixel| pixel[channels - 1]).collect()
    } else {
        let grey: Vec<u8> = pixels()
            .map(|pixel| match *pixel {
                [red, green, blue, ..] => {
                    let [red, green, blue] = [red, green, blue].map(u32::from);
                    ((red * 299 + green * 587 + blue * 114 + 500) / 1000) as u8
                }
                [grey, ..] => grey,
                [] => 0,
            })
            .collect();
        against_paper(&grey, width, height)
    };
    let ink = shrink(&strength, width, height);
    if ink.is_empty() {
        return Err("the image is all of one colour, so there is no glyph in it".into());
    }
    Ok(ink)
}

/// Difference from the rim's median, stretched so that the strongest ink is 255.
fn against_paper(grey: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut rim: Vec<u8> = (0..grey.len())
        .filter(|at| {
            let (x, y) = (at % width, at / width);
            x == 0 || y == 0 || x + 1 == width || y + 1 == height
        })
        .map(|at| grey[at])
        .collect();
    rim.sort_unstable();
    let paper = rim.get(rim.len() / 2).copied().unwrap_or(0);
    let most = grey.iter().map(|value| value.abs_diff(paper)).max();
    let most = u32::from(most.unwrap_or(0).max(1));
    let dirt = if most < 16 { u32::MAX } else { most / 10 };
    grey.iter()
        .map(|value| match u32::from(value.abs_diff(paper)) {
            difference if difference <= dirt => 0,
            difference => (difference * 255 / most) as u8,
        })
        .collect()
}

/// Ink of an image, averaged over squares of pixels where it is large.
fn shrink(strength: &[u8], width: usize, height: usize) -> Ink {
    let by = width.max(height).div_ceil(GREATEST_SIDE).max(1);
    let (columns, rows) = (width.div_ceil(by), height.div_ceil(by));
    let mut sums = vec![0u32; columns * rows];
    for (at, &value) in strength.iter().enumerate() {
        sums[at / width / by * columns + at % width / by] += u32::from(value);
    }
    let area = (by * by) as u32;
    let means: Vec<u8> = sums.iter().map(|&sum| (sum / area) as u8).collect();
    Ink::new(columns, &means)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::fs::{self, File};

    use super::*;
    use crate::glyphs::{GlyphSource, Shape};

    fn write(path: &Path, width: u32, color: png::ColorType, data: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let height = (data.len() / color.samples()) as u32 / width;
        let mut encoder = png::Encoder::new(File::create(path).unwrap(), width, height);
        encoder.set_color(color);
        encoder
            .write_header()
            .unwrap()
            .write_image_data(data)
            .unwrap();
    }

    #[test]
    fn dark_light_and_transparent_grounds_give_the_same_ink() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let cross = [0, 0, 0, 0, 0, 9, 0, 0, 0, 9, 9, 0, 0, 0, 0, 0].map(|value| value > 0);
        let grey = |ink: u8, paper: u8| cross.map(|inked| if inked { ink } else { paper });
        write(&at("a/1.png"), 4, png::ColorType::Grayscale, &grey(20, 250));
        write(&at("A/2.png"), 4, png::ColorType::Grayscale, &grey(250, 3));
        let clear: Vec<u8> = cross
            .iter()
            .flat_map(|&inked| [7, 7, 7, u8::from(inked) * 255])
            .collect();
        write(&at("seven/1.png"), 4, png::ColorType::Rgba, &clear);
        fs::write(at("seven/notes.txt"), "not an image").unwrap();
        let scans = read(folder.path()).unwrap();
        assert_eq!(scans.label_names(), ["a", "seven"]);
        assert_eq!(scans.len(), 3);
        let expected = Shape::Ink(Ink::new(2, &[255, 0, 255, 255]));
        for (index, label) in [(0, 0), (1, 0), (2, 1)] {
            assert_eq!(
                (scans.label(index), scans.shape(index)),
                (label, expected.clone())
            );
        }
    }

    #[test]
    fn large_images_are_averaged() {
        let ink = shrink(&vec![200; 300 * 600], 300, 600);
        assert_eq!((ink.width(), ink.height()), (60, 120));
        assert!(ink.strength().iter().all(|&value| value == 200));
    }

    #[test]
    fn faults_name_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(&folder.path().join("nowhere"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("does not exist"), "{error}");
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("holds no glyphs"), "{error}");
        let path = folder.path().join("b/blank.png");
        write(&path, 2, png::ColorType::Grayscale, &[9; 4]);
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("blank.png") && error.contains("one colour"),
            "{error}"
        );
        fs::write(&path, b"\x89PNG\r\n").unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("blank.png"), "{error}");
    }
}
