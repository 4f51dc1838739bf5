//! Views: exact where they permute pixels, of the promised shape where they do not.

use crate::ImageShape;
use crate::transforms::{Image, Scratch, ValueScale, View};

fn image(height: usize, width: usize, channels: usize) -> Image {
    Image {
        height,
        width,
        channels,
        scale: ValueScale::Normalized,
        values: (0..height * width * channels)
            .map(|value| value as f32)
            .collect(),
    }
}

fn seen(view: &str, image: &Image) -> Image {
    let mut seen = image.clone();
    let view: View = view.parse().unwrap();
    view.apply(&mut seen, &mut Scratch::new());
    assert_eq!(seen.shape(), view.output_shape(image.shape()), "{view}");
    assert_eq!(seen.values.len(), seen.shape().len(), "{view}");
    seen
}

const WITH_INVERSE: [[&str; 2]; 8] = [
    ["plain", "plain"],
    ["rot90", "rot270"],
    ["rot180", "rot180"],
    ["rot270", "rot90"],
    ["hflip", "hflip"],
    ["vflip", "vflip"],
    ["transpose", "transpose"],
    ["transverse", "transverse"],
];

/// Each of the eight moves every pixel, whole and unchanged, to where its name says; its inverse
/// brings all of them back.
#[test]
fn the_eight_symmetries_are_exact() {
    for (height, width, channels) in [(5, 5, 1), (4, 4, 3), (3, 7, 2), (1, 6, 1)] {
        let before = image(height, width, channels);
        let mut all = Vec::new();
        for [view, inverse] in WITH_INVERSE {
            let after = seen(view, &before);
            let at = |row: usize, column: usize| {
                &before.values[(row * width + column) * channels..][..channels]
            };
            for row in 0..after.height {
                for column in 0..after.width {
                    // numpy: rot90(k), fliplr, flipud, transpose, rot90(transpose, 2).
                    let expected = match view {
                        "plain" => at(row, column),
                        "rot90" => at(column, width - 1 - row),
                        "rot180" => at(height - 1 - row, width - 1 - column),
                        "rot270" => at(height - 1 - column, row),
                        "hflip" => at(row, width - 1 - column),
                        "vflip" => at(height - 1 - row, column),
                        "transpose" => at(column, row),
                        _ => at(height - 1 - column, width - 1 - row),
                    };
                    let place = (row * after.width + column) * channels;
                    assert_eq!(&after.values[place..][..channels], expected, "{view}");
                }
            }
            assert_eq!(seen(inverse, &after), before, "{view}, then {inverse}");
            all.push(after.values);
        }
        if height == width {
            all.sort_by(|a, b| a.partial_cmp(b).unwrap());
            all.dedup();
            assert_eq!(all.len(), 8, "all of them differ");
        }
    }
}

#[test]
fn crops_and_scales_keep_what_they_say() {
    let before = image(8, 12, 1);
    let first = |view: &str| seen(view, &before).values[0];
    assert_eq!(first("crop:0.5:top-left"), 0.0);
    assert_eq!(first("crop:0.5:top-right"), 6.0);
    assert_eq!(first("crop:0.5:bottom-left"), 48.0);
    assert_eq!(first("crop:0.5:bottom-right"), 54.0);
    assert_eq!(first("crop:0.5"), 27.0);
    let whole = seen("crop:1", &before);
    assert_eq!(whole, before);
    let small = seen("scale:0.5", &before);
    assert_eq!((small.height, small.width), (4, 6));
    let turned = seen("rot90+scale:1.25", &before);
    assert_eq!((turned.height, turned.width), (15, 10));
    let shape = ImageShape {
        height: 2,
        width: 1,
        channels: 1,
    };
    let tiny: View = "crop:0.25".parse().unwrap();
    assert_eq!(tiny.output_shape(shape).len(), 1);
}

#[test]
fn views_are_text() {
    for text in [
        "plain",
        "rot90",
        "rot180",
        "rot270",
        "hflip",
        "vflip",
        "transpose",
        "transverse",
        "scale:0.8",
        "crop:0.9",
        "crop:0.9:bottom-left",
        "hflip+scale:1.25+crop:0.5:top-right",
    ] {
        let view: View = text.parse().unwrap();
        assert_eq!(view.to_string(), text);
        let json = serde_json::to_string(&view).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<View>(&json).unwrap(), view);
    }
    assert_eq!(
        "crop:0.9:center".parse::<View>().unwrap().to_string(),
        "crop:0.9"
    );
    for text in [
        "",
        "rot45",
        "plain+rot90",
        "scale",
        "scale:0",
        "scale:9",
        "scale:NaN",
        "crop:1.5",
        "crop:0.9:left",
        "rot90+",
        "scale:1:2",
    ] {
        let error = text.parse::<View>().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("`{text}` is no view")),
            "{error}"
        );
    }
}
