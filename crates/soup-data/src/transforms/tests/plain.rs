//! The plain steps of a pipeline give what the pipeline gives.

use super::super::{Pipeline, Plain, Scratch};
use super::{bytes, shape, stream};
use crate::ImageShape;

/// An image that only knows arrays.
struct Array {
    shape: ImageShape,
    values: Vec<f32>,
}

impl Array {
    fn at(&self, row: usize, column: usize, channel: usize) -> f32 {
        self.values[(row * self.shape.width + column) * self.shape.channels + channel]
    }

    fn filled(shape: ImageShape, value: impl Fn(usize, usize, usize) -> f32) -> Self {
        let mut values = Vec::new();
        for row in 0..shape.height {
            for column in 0..shape.width {
                values.extend((0..shape.channels).map(|channel| value(row, column, channel)));
            }
        }
        Self { shape, values }
    }

    fn after(&self, step: &Plain) -> Self {
        let ImageShape {
            height,
            width,
            channels,
        } = self.shape;
        match step {
            Plain::Pick { rows, columns } => {
                Self::filled(shape(rows.len(), columns.len(), channels), |r, c, k| {
                    self.at(rows[r], columns[c], k)
                })
            }
            Plain::Frame { sides, values } => {
                let [left, top, right, bottom] = *sides;
                let framed = shape(top + height + bottom, left + width + right, channels);
                Self::filled(framed, |r, c, k| {
                    let inside =
                        (top..top + height).contains(&r) && (left..left + width).contains(&c);
                    if inside {
                        self.at(r - top, c - left, k)
                    } else {
                        values[k]
                    }
                })
            }
            Plain::Resize {
                height: to_height,
                width: to_width,
            } => Self::filled(shape(*to_height, *to_width, channels), |r, c, k| {
                let mut sum = 0.0;
                for (row, by_row) in taps(r, height, *to_height) {
                    for (column, by_column) in taps(c, width, *to_width) {
                        sum += by_row * by_column * f64::from(self.at(row, column, k));
                    }
                }
                sum as f32
            }),
            Plain::Weigh { rows, columns } => {
                Self::filled(shape(rows.len(), columns.len(), channels), |r, c, k| {
                    let mut sum = 0.0;
                    for (row, by_row) in rows[r].iter().enumerate() {
                        for (column, by_column) in columns[c].iter().enumerate() {
                            sum += by_row * by_column * self.at(row, column, k);
                        }
                    }
                    sum
                })
            }
            Plain::Channels(from) => Self::filled(shape(height, width, from.len()), |r, c, k| {
                self.at(r, c, from[k])
            }),
            Plain::Mix(factors) => Self::filled(shape(height, width, 1), |r, c, _| {
                (0..channels).map(|k| self.at(r, c, k) * factors[k]).sum()
            }),
            Plain::Scale { factors, summands } => Self::filled(self.shape, |r, c, k| {
                self.at(r, c, k) * factors[k] + summands[k]
            }),
            Plain::Clip { low, high } => {
                Self::filled(self.shape, |r, c, k| self.at(r, c, k).clamp(*low, *high))
            }
            Plain::Quantize(edges) => Self::filled(shape(height, width, edges.len()), |r, c, k| {
                let value = self.at(r, c, 0);
                let below = edges.get(k + 1).is_none_or(|next| value < *next);
                f32::from(u8::from(value >= edges[k] && below))
            }),
        }
    }
}

/// Input positions and weights of an output position, by the definition of linear interpolation: a
/// tent as wide as a pixel; what falls outside is the border.
fn taps(position: usize, input: usize, output: usize) -> Vec<(usize, f64)> {
    let centre = (position as f64 + 0.5) * input as f64 / output as f64 - 0.5;
    let first = centre.floor() as i64;
    let tent = |at: i64| 1.0 - (at as f64 - centre).abs();
    let inside = |at: i64| at.clamp(0, input as i64 - 1) as usize;
    vec![
        (inside(first), tent(first)),
        (inside(first + 1), tent(first + 1)),
    ]
}

#[test]
fn plain_steps_give_what_the_pipeline_gives() {
    let pipelines = [
        r#"[]"#,
        r#"[{"kind": "resize", "size": 31}, {"kind": "to_rgb"}, {"kind": "normalize", "preset": "imagenet"}]"#,
        r#"[{"kind": "resize", "size": [9, 40]}, {"kind": "to_grey"}, {"kind": "to_unit"}]"#,
        r#"[{"kind": "resize", "size": 8, "antialias": false}]"#,
        r#"[{"kind": "resize", "size": [7, 33], "interpolation": "bicubic"}, {"kind": "to_unit"}]"#,
        r#"[{"kind": "to_unit"}, {"kind": "resize", "size": [33, 9], "interpolation": "bicubic", "antialias": false}]"#,
        r#"[{"kind": "resize", "size": [20, 25], "cover": true}]"#,
        r#"[{"kind": "random_resized_crop", "size": 14}, {"kind": "rand_augment"}, {"kind": "to_unit"}]"#,
        r#"[{"kind": "random_resized_crop", "size": [12, 20], "interpolation": "bicubic"}]"#,
        r#"[{"kind": "random_crop", "size": [14, 15], "padding": 3}]"#,
        r#"[{"kind": "resize", "size": [7, 33], "interpolation": "nearest"}]"#,
        r#"[{"kind": "resize", "size": [33, 7], "interpolation": "nearest-exact"}, {"kind": "to_unit"}]"#,
        r#"[{"kind": "horizontal_flip"}, {"kind": "center_crop", "size": 10}, {"kind": "rotation", "degrees": 9}]"#,
        r#"[{"kind": "center_crop", "size": [30, 11]}]"#,
        r#"[{"kind": "center_crop", "size": [40, 41]}]"#,
        r#"[{"kind": "pad", "padding": [1, 2, 3, 4], "fill": 7}]"#,
        r#"[{"kind": "pad", "padding": 3, "padding_mode": "edge"}]"#,
        r#"[{"kind": "pad", "padding": [2, 5], "padding_mode": "reflect"}]"#,
        r#"[{"kind": "pad", "padding": [5, 2], "padding_mode": "symmetric"}]"#,
        r#"[{"kind": "to_rgb"}, {"kind": "pad", "padding": 1, "fill": [1, 2, 3]}, {"kind": "to_grey"}]"#,
        r#"[{"kind": "to_grey"}, {"kind": "quantize", "edges": [0, 100, 200, 255]}, {"kind": "resize", "size": 12}]"#,
        r#"[{"kind": "stretch", "low": 50, "high": 180}, {"kind": "elastic", "sigma": 1}, {"kind": "to_unit"}]"#,
        r#"[{"kind": "to_unit"}, {"kind": "stretch", "low": 0, "high": 99.5}, {"kind": "grid_distortion"}]"#,
    ];
    for text in pipelines {
        let pipeline: Pipeline = serde_json::from_str(text).unwrap();
        let fixed = pipeline.evaluation();
        for channels in 1..=4 {
            let input = shape(16, 21, channels);
            let output = fixed.output_shape(input).unwrap();
            let pixels = bytes(input);
            let mut expected = vec![0.0; output.len()];
            fixed
                .apply(
                    &pixels,
                    input,
                    &mut stream(0),
                    &mut Scratch::new(),
                    &mut expected,
                )
                .unwrap();
            let mut array = Array {
                shape: input,
                values: pixels.iter().map(|&byte| f32::from(byte)).collect(),
            };
            for step in pipeline.plain(input).unwrap() {
                array = array.after(&step);
            }
            assert_eq!(array.shape, output, "{text}");
            let worst = array
                .values
                .iter()
                .zip(&expected)
                .map(|(a, b)| (a - b).abs());
            let worst = worst.fold(0.0, f32::max);
            assert!(worst < 1e-4, "{text} on {channels} channels: {worst}");
        }
    }
}

#[test]
fn what_the_pipeline_refuses_is_refused() {
    let pipeline: Pipeline =
        serde_json::from_str(r#"[{"kind": "quantize", "edges": [1]}]"#).unwrap();
    assert!(pipeline.plain(shape(4, 4, 1)).is_err());
    for kind in ["median", "bilateral", "otsu"] {
        let text = format!(r#"[{{"kind": "to_unit"}}, {{"kind": "{kind}"}}]"#);
        let pipeline: Pipeline = serde_json::from_str(&text).unwrap();
        let error = pipeline.plain(shape(4, 4, 1)).unwrap_err().to_string();
        let expected = format!("transform 2 ({kind}): it has no counterpart in ONNX; a model.soup");
        assert!(error.starts_with(&expected), "{error}");
    }
}
