//! Letters from strokes: a source that needs no file.
//!
//! Every letter has several [forms](letters); a glyph is one of them, written by an imaginary
//! hand: its control points are shifted, the sheet is bent, sheared and stretched, strokes start
//! early or late, and the pen has a width and a pressure of its own. Glyph `index` of a style seed
//! is always the same, and no two are alike. Only operations that IEEE 754 rounds exactly are used, so a
//! glyph is equal bit for bit on every machine.

mod hand;
pub(crate) mod hangul;
mod letters;
mod pen;

pub use pen::{Pen, Segment};

use hand::Hand;
use letters::{FORMS, Form};
use soup_random::{Purpose, Stream};

use super::{GlyphSource, Shape, letter_names};

/// Number of variations of one letter: more than anyone draws.
const VARIATIONS: u64 = 1 << 32;

/// Step of the letters' streams; distractors have another one.
const LETTER_STEP: u32 = 0;

/// The endless source of letters from strokes.
#[derive(Clone, Debug)]
pub struct Strokes {
    style_seed: u64,
    label_names: Vec<String>,
}

impl Strokes {
    /// The hands of one style seed. Another seed gives other glyphs at every index.
    pub fn new(style_seed: u64) -> Self {
        Self {
            style_seed,
            label_names: letter_names(),
        }
    }
}

impl GlyphSource for Strokes {
    fn len(&self) -> u64 {
        VARIATIONS * self.label_names.len() as u64
    }

    fn label_names(&self) -> &[String] {
        &self.label_names
    }

    fn label(&self, index: u64) -> usize {
        (index % self.label_names.len() as u64) as usize
    }

    fn shape(&self, index: u64) -> Shape {
        let mut stream = Stream::new(self.style_seed, Purpose::Glyph, LETTER_STEP, index);
        let letter = b'a' + self.label(index) as u8;
        let pen = choose(letter, &mut stream).map_or_else(Pen::default, |form| {
            Hand::new(&mut stream)
                .wider(natural_width(letter))
                .write(form.strokes, &mut stream)
        });
        Shape::Pen(pen)
    }

    fn is_endless(&self) -> bool {
        true
    }
}

/// How much wider than others people write a letter; measured on scanned letters.
fn natural_width(letter: u8) -> f32 {
    match letter {
        b'm' | b'w' => 1.3,
        b'a' | b'e' | b'n' | b'z' => 1.1,
        b'h' | b'l' | b'y' => 0.87,
        _ => 1.0,
    }
}

/// One of the letter's forms, by weight.
fn choose(letter: u8, stream: &mut Stream) -> Option<&'static Form> {
    let forms = || FORMS.iter().filter(|form| form.letter == letter);
    let mut ticket = stream.below(forms().map(|form| form.weight).sum());
    forms().find(|form| {
        let hit = ticket < form.weight;
        ticket = ticket.saturating_sub(form.weight);
        hit
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glyphs::DrawOptions;

    #[test]
    fn a_glyph_is_a_function_of_its_index_and_no_two_are_alike() {
        let source = Strokes::new(1);
        let draw = |source: &Strokes, index| {
            let options = DrawOptions {
                stroke_width: [3.0, 14.0],
                ink_threshold: 128,
                ink_dilation: 0.0,
            };
            source.shape(index).draw([1.0, 0.0].into(), 40.0, &options)
        };
        let mut seen = std::collections::HashSet::new();
        for index in 0..26 * 40 {
            let mask = draw(&source, index);
            assert_eq!(mask, draw(&source, index));
            assert!(mask.area() > 60, "glyph {index} has {} pixels", mask.area());
            assert!((35..=45).contains(&mask.width.max(mask.height)));
            // Bars of `i` and `l` can coincide as masks; as shapes they do not.
            seen.insert(format!("{:?}", source.shape(index)));
        }
        assert_eq!(seen.len(), 26 * 40);
        assert_ne!(source.shape(5), Strokes::new(2).shape(5));
    }

    #[test]
    fn every_form_of_a_letter_is_used() {
        let mut stream = Stream::new(3, Purpose::Glyph, 0, 0);
        let mut used = std::collections::HashSet::new();
        for _ in 0..400 {
            used.insert(choose(b'q', &mut stream).map(|form| form.strokes.as_ptr()));
        }
        assert_eq!(
            used.len(),
            FORMS.iter().filter(|form| form.letter == b'q').count()
        );
        assert!(!used.contains(&None));
    }
}
