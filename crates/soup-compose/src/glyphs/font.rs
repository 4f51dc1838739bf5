//! Letters of a TrueType or OpenType font, both cases.

use std::path::Path;

use soup_data::{Error, Result};

use super::{GlyphSource, Outline, Shape, letter_names, scans::read_file};

/// Straight pieces a curve of an outline is cut into.
const PIECES: usize = 8;

/// The letters of a font, in the order `A`, `a`, `B`, `b`, ...; letters it lacks are left out.
#[derive(Clone, Debug)]
pub struct Font {
    label_names: Vec<String>,
    letters: Vec<(usize, Outline)>,
}

/// Reads the outlines of a font's letters (of the first font in a collection).
///
/// # Errors
/// [`Error::NotFound`], [`Error::Io`]; [`Error::Format`] where the file is no font;
/// [`Error::Empty`] where it has no Latin letters.
pub fn read(path: &Path) -> Result<Font> {
    let bytes = read_file(path)?;
    let face = ttf_parser::Face::parse(&bytes, 0).map_err(|error| {
        let problem = format!("this is no TrueType or OpenType font ({error})");
        Error::format(path, problem, "name a .ttf or .otf file")
    })?;
    let mut letters = Vec::new();
    for (label, letter) in ('a'..='z').enumerate() {
        for character in [letter.to_ascii_uppercase(), letter] {
            let mut tracer = Tracer::default();
            let traced = face
                .glyph_index(character)
                .and_then(|glyph| face.outline_glyph(glyph, &mut tracer));
            if traced.is_some() && !tracer.polygons.is_empty() {
                letters.push((label, Outline::new(&tracer.polygons)));
            }
        }
    }
    if letters.is_empty() {
        return Err(Error::Empty {
            path: path.into(),
            what: "glyphs",
            hint: "use a font that has the letters A to Z as outlines".into(),
        });
    }
    Ok(Font {
        label_names: letter_names(),
        letters,
    })
}

impl GlyphSource for Font {
    fn len(&self) -> u64 {
        self.letters.len() as u64
    }

    fn label_names(&self) -> &[String] {
        &self.label_names
    }

    fn label(&self, index: u64) -> usize {
        self.letters
            .get(index as usize)
            .map_or(0, |letter| letter.0)
    }

    fn shape(&self, index: u64) -> Shape {
        let letter = self.letters.get(index as usize);
        Shape::Outline(letter.map_or_else(Outline::default, |letter| letter.1.clone()))
    }
}

/// Collects polygons; fonts have y up, images have it down.
#[derive(Default)]
struct Tracer {
    polygons: Vec<Vec<[f32; 2]>>,
}

impl Tracer {
    fn last(&self) -> [f32; 2] {
        let point = self.polygons.last().and_then(|polygon| polygon.last());
        point.copied().unwrap_or_default()
    }

    fn push(&mut self, point: [f32; 2]) {
        if let Some(polygon) = self.polygons.last_mut() {
            polygon.push(point);
        }
    }
}

impl ttf_parser::OutlineBuilder for Tracer {
    fn move_to(&mut self, x: f32, y: f32) {
        self.polygons.push(vec![[x, -y]]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.push([x, -y]);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (from, control, to) = (self.last(), [x1, -y1], [x, -y]);
        for piece in 1..=PIECES {
            let t = piece as f32 / PIECES as f32;
            let s = 1.0 - t;
            self.push(
                [0, 1].map(|axis| {
                    s * s * from[axis] + 2.0 * s * t * control[axis] + t * t * to[axis]
                }),
            );
        }
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (from, first, second, to) = (self.last(), [x1, -y1], [x2, -y2], [x, -y]);
        for piece in 1..=PIECES {
            let t = piece as f32 / PIECES as f32;
            let s = 1.0 - t;
            self.push([0, 1].map(|axis| {
                s * s * (s * from[axis] + 3.0 * t * first[axis])
                    + t * t * (3.0 * s * second[axis] + t * to[axis])
            }));
        }
    }

    fn close(&mut self) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::glyphs::DrawOptions;

    const FONT: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/glyphs/three_letters.ttf"
    );

    #[test]
    fn letters_with_an_outline_are_drawn() {
        let font = read(Path::new(FONT)).unwrap();
        // `b` has no outline.
        assert_eq!((font.len(), font.label(0), font.label(1)), (2, 0, 14));
        let options = DrawOptions {
            stroke_width: [3.0, 14.0],
            ink_threshold: 128,
            ink_dilation: 0.0,
        };
        let ring = font.shape(0).draw([1.0, 0.0].into(), 40.0, &options);
        assert_eq!((ring.width, ring.height), (40, 40));
        assert_eq!(ring.area(), 40 * 40 - 24 * 24);
        let disc = font.shape(1).draw([0.8, 0.6].into(), 40.0, &options).area() as f32;
        assert!(
            (disc / (20.0 * 20.0 * std::f32::consts::PI) - 1.0).abs() < 0.02,
            "{disc}"
        );
        assert_eq!(
            font.shape(2).draw([1.0, 0.0].into(), 40.0, &options).area(),
            0
        );
    }

    #[test]
    fn what_is_no_font_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("font.ttf");
        let bytes = std::fs::read(FONT).unwrap();
        for cut in [0, 4, 100, bytes.len() / 2] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("font.ttf"), "{error}");
        }
    }
}
