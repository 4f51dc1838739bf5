//! Composed pictures against the law measured on the founding contest's pictures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::sync::Arc;

use soup_data::compose::{ComposeConfig, Composer};
use soup_data::glyphs::GlyphPool;
use soup_data::glyphs::strokes::Strokes;

const PIXELS: usize = 256 * 256;

fn composer() -> Composer {
    let pool = GlyphPool::new(Arc::new(Strokes::new(0)));
    Composer::new(ComposeConfig::default(), pool).unwrap()
}

/// What the contest's pictures have: area at 0 .891, at 100 .064, at 200 .043, 6.3 % of the pixels
/// at 255, 10 to 14 letters, longer sides of 14 to 58 pixels with a median of 36.
#[test]
fn statistics_are_those_of_the_contest() {
    let composer = composer();
    let pictures = 1000;
    let mut areas = [0usize; 4];
    let (mut white, mut letters, mut cut) = (0usize, [0usize; 15], 0);
    let mut held = [0usize; 26];
    let mut sides = Vec::new();
    let mut pixels = vec![0; PIXELS];
    for index in 0..pictures {
        let (canvas, composed) = composer.canvas(11, index);
        assert_eq!(composer.compose(11, index, &mut pixels).unwrap(), composed);
        for (&value, &pixel) in canvas.iter().zip(&pixels) {
            areas[usize::from(value / 100).min(3)] += 1;
            white += usize::from(pixel == 255);
            assert!(value % 100 == 0 && u16::from(pixel) >= value.min(255));
        }
        letters[composed.boxes.len()] += 1;
        for found in &composed.boxes {
            assert!(composed.labels[found.label]);
            assert!(found.x0 < found.x1 && found.x1 <= 256);
            assert!(found.y0 < found.y1 && found.y1 <= 256);
            held[found.label] += 1;
            let at_border = found.x0 == 0 || found.y0 == 0 || found.x1 == 256 || found.y1 == 256;
            cut += usize::from(at_border);
            if !at_border {
                sides.push((found.x1 - found.x0).max(found.y1 - found.y0));
            }
        }
        assert_eq!(
            composed.labels.iter().filter(|&&held| held).count(),
            composed.boxes.len()
        );
    }
    let total = pictures as f64 * PIXELS as f64;
    let [paper, low, high, sums] = areas.map(|area| area as f64 / total);
    let white = white as f64 / total;
    sides.sort_unstable();
    let median = sides[sides.len() / 2];
    println!(
        "area at 0 {paper:.4}, 100 {low:.4}, 200 {high:.4}, above {sums:.4}; 255 {white:.4}; side \
         {} to {}, median {median}; {cut} of {} at the border",
        sides[0],
        sides[sides.len() - 1],
        held.iter().sum::<usize>(),
    );
    assert!((paper - 0.891).abs() < 0.006, "{paper}");
    assert!((low - 0.064).abs() < 0.008, "{low}");
    assert!((high - 0.043).abs() < 0.008, "{high}");
    assert!(sums < 0.004, "{sums}");
    assert!((white - 0.063).abs() < 0.004, "{white}");
    assert!((35..=37).contains(&median), "{median}");
    assert!((13..=14).contains(&sides[0]) && (58..=60).contains(&sides[sides.len() - 1]));
    // 10 to 14 letters, each number about equally often, each letter in 46 % of the pictures.
    assert_eq!(letters[..10].iter().sum::<usize>(), 0);
    assert!(
        letters[10..]
            .iter()
            .all(|&count| (150..=250).contains(&count)),
        "{letters:?}"
    );
    assert!(
        held.iter().all(|&count| (400..=525).contains(&count)),
        "{held:?}"
    );
    // Slightly cut by the border, a few.
    let cut = cut as f64 / held.iter().sum::<usize>() as f64;
    assert!((0.01..0.15).contains(&cut), "{cut}");
}
