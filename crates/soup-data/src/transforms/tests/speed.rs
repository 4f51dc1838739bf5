//! How long the founding recipe takes:
//! `cargo test --release -p soup-data transforms::tests::speed -- --ignored --nocapture`

use std::time::Instant;

use super::super::{Interpolation, Pipeline, Scratch, Transform};
use super::{bytes, shape, stream};

#[test]
#[ignore = "a measurement"]
fn the_founding_recipe() {
    for channels in [1, 3] {
        for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
            let mut transforms = Pipeline::dacon12().transforms().to_vec();
            for transform in &mut transforms {
                if let Transform::Rotation(rotation) = transform {
                    rotation.interpolation = interpolation;
                }
            }
            let input = shape(256, 256, channels);
            for last in 1..=transforms.len() {
                let pipeline = Pipeline::new(transforms[..last].to_vec());
                let milliseconds = measure(&pipeline, input);
                eprintln!(
                    "{channels} channels, {interpolation:?}, up to {}: {milliseconds:.3} ms",
                    transforms[last - 1].kind()
                );
            }
        }
    }
}

/// Median milliseconds an image of 7 rounds of 40.
fn measure(pipeline: &Pipeline, input: crate::ImageShape) -> f64 {
    let pixels = bytes(input);
    let mut scratch = Scratch::new();
    let mut out = vec![0.0; pipeline.output_shape(input).unwrap().len()];
    let mut rounds: Vec<f64> = (0..7)
        .map(|round| {
            let start = Instant::now();
            for index in 0..40 {
                pipeline
                    .apply(
                        &pixels,
                        input,
                        &mut stream(round * 40 + index),
                        &mut scratch,
                        &mut out,
                    )
                    .unwrap();
            }
            start.elapsed().as_secs_f64() * 1000.0 / 40.0
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

#[test]
#[ignore = "a measurement"]
fn filters() {
    for filter in [
        r#"{"kind":"median","ksize":3}"#,
        r#"{"kind":"median","ksize":5}"#,
        r#"{"kind":"median","ksize":7}"#,
        r#"{"kind":"median","ksize":9}"#,
        r#"{"kind":"bilateral","d":5}"#,
        r#"{"kind":"bilateral","d":9}"#,
        r#"{"kind":"otsu"}"#,
    ] {
        for channels in [1, 3] {
            if filter.contains("otsu") && channels > 1 {
                continue;
            }
            let pipeline: Pipeline = serde_json::from_str(&format!("[{filter}]")).unwrap();
            let milliseconds = measure(&pipeline, shape(256, 256, channels));
            eprintln!("{filter}, {channels} channels: {milliseconds:.3} ms");
        }
    }
}
