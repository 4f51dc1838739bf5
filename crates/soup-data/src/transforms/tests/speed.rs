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

/// Beside `torchvision_speed.py` of the fixtures, on the same image.
#[test]
#[ignore = "a measurement"]
fn photographs() {
    let input = shape(375, 500, 3);
    let empty = measure(&Pipeline::default(), input);
    eprintln!("bytes in, floats out: {empty:.3} ms");
    for table in [
        r#"{"kind":"random_resized_crop","size":224}"#,
        r#"{"kind":"random_resized_crop","size":224,"interpolation":"bicubic"}"#,
        r#"{"kind":"random_crop","size":224}"#,
        r#"{"kind":"resize","size":256}"#,
        r#"{"kind":"color_jitter","brightness":0.4}"#,
        r#"{"kind":"color_jitter","contrast":0.4}"#,
        r#"{"kind":"color_jitter","saturation":0.4}"#,
        r#"{"kind":"color_jitter","hue":0.1}"#,
        r#"{"kind":"color_jitter","brightness":0.4,"contrast":0.4,"saturation":0.4,"hue":0.1}"#,
        r#"{"kind":"random_grayscale","p":1}"#,
        r#"{"kind":"gaussian_blur","kernel_size":5}"#,
        r#"{"kind":"gaussian_blur","kernel_size":23}"#,
        r#"{"kind":"solarize","threshold":128,"p":1}"#,
        r#"{"kind":"posterize","bits":4,"p":1}"#,
        r#"{"kind":"equalize","p":1}"#,
        r#"{"kind":"autocontrast","p":1}"#,
        r#"{"kind":"sharpness","sharpness_factor":2,"p":1}"#,
        r#"{"kind":"invert","p":1}"#,
        r#"{"kind":"rand_augment"}"#,
        r#"{"kind":"trivial_augment_wide"}"#,
        r#"{"kind":"aug_mix"}"#,
    ] {
        let pipeline: Pipeline = serde_json::from_str(&format!("[{table}]")).unwrap();
        let milliseconds = measure(&pipeline, input);
        let nanoseconds = milliseconds * 1e6 / (input.height * input.width) as f64;
        eprintln!("{table}: {milliseconds:.3} ms, {nanoseconds:.2} ns a pixel");
    }
}
