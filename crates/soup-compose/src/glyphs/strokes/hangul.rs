//! Distractors: handwritten Hangul-like syllables from the strokes of the jamo.
//!
//! They carry no label. A syllable is an initial consonant, a vowel beside or below it and, in
//! half of them, a final consonant at the bottom; a word has one to three syllables.

use soup_random::{Purpose, Stream};

use super::hand::Hand;
use super::letters::Stroke::{self, Curve, Line};
use super::{LETTER_STEP, Pen};

/// The strokes of a jamo on the grid of the letters.
type Jamo = &'static [Stroke];

const CIRCLE: Stroke = Curve(&[
    [50, 0],
    [10, 20],
    [5, 65],
    [45, 100],
    [90, 75],
    [90, 25],
    [55, 0],
]);

#[rustfmt::skip]
const CONSONANTS: &[Jamo] = &[
    &[Line(&[[5, 10], [90, 10], [75, 95]])],
    &[Line(&[[15, 5], [15, 85], [95, 85]])],
    &[Line(&[[90, 8], [12, 8], [12, 90], [95, 90]])],
    &[Line(&[[5, 5], [90, 5], [90, 48], [10, 48], [10, 95], [95, 95]])],
    &[Line(&[[10, 8], [10, 92], [90, 92], [90, 8], [10, 8]])],
    &[Line(&[[12, 0], [12, 95], [88, 95], [88, 0]]), Line(&[[12, 48], [88, 48]])],
    &[Line(&[[50, 0], [42, 40], [5, 100]]), Line(&[[45, 40], [95, 100]])],
    &[CIRCLE],
    &[Line(&[[10, 8], [88, 8], [8, 100]]), Line(&[[50, 52], [95, 100]])],
    &[Line(&[[35, 0], [65, 0]]), Line(&[[10, 20], [90, 20], [8, 100]]), Line(&[[50, 60], [95, 100]])],
    &[Line(&[[5, 8], [90, 8], [78, 100]]), Line(&[[10, 52], [85, 50]])],
    &[Line(&[[90, 5], [10, 5], [10, 95], [95, 95]]), Line(&[[12, 48], [80, 48]])],
    &[Line(&[[5, 5], [95, 5]]), Line(&[[30, 5], [35, 92]]), Line(&[[70, 5], [65, 92]]), Line(&[[2, 95], [98, 92]])],
    &[Line(&[[35, 0], [65, 2]]), Line(&[[8, 22], [92, 22]]), Curve(&[[50, 40], [15, 60], [25, 98], [75, 95], [80, 58], [50, 40]])],
];

/// Vowels that stand to the right of the initial consonant.
#[rustfmt::skip]
const UPRIGHT_VOWELS: &[Jamo] = &[
    &[Line(&[[40, 0], [40, 100]]), Line(&[[40, 48], [95, 48]])],
    &[Line(&[[70, 0], [70, 100]]), Line(&[[10, 48], [70, 48]])],
    &[Line(&[[50, 0], [50, 100]])],
    &[Line(&[[35, 0], [35, 100]]), Line(&[[35, 35], [90, 35]]), Line(&[[35, 62], [90, 62]])],
    &[Line(&[[72, 0], [72, 100]]), Line(&[[12, 35], [72, 35]]), Line(&[[12, 62], [72, 62]])],
    &[Line(&[[25, 0], [25, 100]]), Line(&[[25, 48], [75, 48]]), Line(&[[75, 0], [75, 100]])],
    &[Line(&[[5, 48], [45, 48]]), Line(&[[45, 5], [45, 95]]), Line(&[[85, 0], [85, 100]])],
];

/// Vowels that lie below the initial consonant.
#[rustfmt::skip]
const FLAT_VOWELS: &[Jamo] = &[
    &[Line(&[[50, 5], [50, 80]]), Line(&[[0, 85], [100, 82]])],
    &[Line(&[[0, 20], [100, 18]]), Line(&[[50, 20], [50, 100]])],
    &[Line(&[[0, 50], [100, 48]])],
    &[Line(&[[32, 5], [32, 80]]), Line(&[[68, 5], [68, 80]]), Line(&[[0, 85], [100, 82]])],
    &[Line(&[[0, 20], [100, 18]]), Line(&[[32, 20], [30, 100]]), Line(&[[68, 20], [66, 100]])],
];

/// A word of 1 to 3 syllables; its width is about its number of syllables times its height.
pub(crate) fn word(style_seed: u64, index: u64) -> Pen {
    let mut stream = Stream::new(style_seed, Purpose::Glyph, LETTER_STEP + 1, index);
    let hand = Hand::upright(&mut stream);
    let syllables = 1 + stream.below(6).saturating_sub(2).min(2);
    let mut word = Pen::default();
    for at in 0..syllables {
        let left = at as f32 * 1.15;
        for (jamo, [x, y, width, height]) in syllable(&mut stream) {
            let mut pen = hand.write(jamo, &mut stream);
            for segment in &mut pen.segments {
                for end in &mut segment.ends {
                    // A hand writes within -1 to 1.
                    end[0] = left + x + width * (end[0] * 0.5 + 0.5);
                    end[1] = y + height * (end[1] * 0.5 + 0.5);
                }
            }
            word.segments.append(&mut pen.segments);
        }
    }
    word
}

/// The jamo of a syllable, each with its box `[left, top, width, height]` in the unit square.
fn syllable(stream: &mut Stream) -> Vec<(Jamo, [f32; 4])> {
    let mut pick = |jamo: &[Jamo]| jamo[stream.below(jamo.len() as u32) as usize];
    let (initial, last) = (pick(CONSONANTS), pick(CONSONANTS));
    let (upright, flat) = (pick(UPRIGHT_VOWELS), pick(FLAT_VOWELS));
    let has_last = stream.chance(0.5);
    let body = if has_last { 0.58 } else { 1.0 };
    let mut parts = if stream.chance(0.6) {
        vec![
            (initial, [0.0, 0.05, 0.5, body * 0.8]),
            (upright, [0.58, 0.0, 0.42, body]),
        ]
    } else {
        vec![
            (initial, [0.15, 0.0, 0.7, body * 0.5]),
            (flat, [0.0, body * 0.58, 1.0, body * 0.42]),
        ]
    };
    if has_last {
        parts.push((last, [0.15, 0.66, 0.7, 0.34]));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glyphs::DrawOptions;

    #[test]
    fn words_have_thin_strokes_and_are_all_different() {
        let options = DrawOptions {
            stroke_width: [3.0, 3.0],
            ink_threshold: 128,
            ink_dilation: 0.0,
        };
        let mut widest = 0.0f32;
        for index in 0..200 {
            let mask = word(1, index).draw([1.0, 0.0].into(), 40.0, &options);
            assert!((36..=44).contains(&mask.width.max(mask.height)));
            assert!(mask.area() > 100 && mask.area() < 900, "{}", mask.area());
            widest = widest.max(mask.width as f32 / mask.height as f32);
            assert_ne!(word(1, index), word(1, index + 1));
        }
        assert!(widest > 2.0, "no word of three syllables: {widest}");
    }
}
