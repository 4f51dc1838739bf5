//! The draws of parameters against the moments of torchvision's own draws.
//!
//! The expected figures are means and deviations over 40,000 calls of `make_params` of
//! torchvision 0.29 for an image of 64 rows of 48 pixels.

use super::super::{
    Affine, ColorJitter, GaussianNoise, Pipeline, RandomErasing, Scratch, Transform,
};
use super::{image, shape, stream};

const DRAWS: u64 = 40_000;

/// Mean and deviation.
fn moments(values: &[f64]) -> [f64; 2] {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>();
    [mean, (square / count).sqrt()]
}

/// Fails unless mean and deviation are as expected: within 4 standard errors of the mean of two
/// samples, and 3 % of the deviation.
fn assert_moments(name: &str, values: &[f64], [mean, deviation]: [f64; 2]) {
    let found = moments(values);
    let error = 4.0 * deviation * (2.0 / values.len() as f64).sqrt();
    assert!((found[0] - mean).abs() < error, "{name}: mean {}", found[0]);
    assert!(
        (found[1] / deviation - 1.0).abs() < 0.03,
        "{name}: deviation {}",
        found[1]
    );
}

fn table<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap()
}

#[test]
fn affine_draws_as_torchvision() {
    let affine: Affine = table(
        r#"{"degrees": [-10, 30], "translate": [0.1, 0.3], "scale": [0.5, 1.5],
            "shear": [-5, 5, 0, 20]}"#,
    );
    let image = image(shape(64, 48, 1));
    let draws: Vec<_> = (0..DRAWS)
        .map(|index| affine.draw(&image, &mut stream(index)))
        .collect();
    let of =
        |field: fn(&super::super::AffineDraw) -> f64| draws.iter().map(field).collect::<Vec<_>>();
    assert_moments("angle", &of(|draw| draw.angle), [10.04, 11.52]);
    let (x, y) = (of(|draw| draw.translate[0]), of(|draw| draw.translate[1]));
    assert_moments("translate x", &x, [-0.006, 2.795]);
    assert_moments("translate y", &y, [0.079, 11.098]);
    assert!(x.iter().chain(&y).all(|shift| shift.fract() == 0.0));
    let most = |values: &[f64]| {
        values
            .iter()
            .fold(0f64, |most, value| most.max(value.abs()))
    };
    assert_eq!([most(&x), most(&y)], [5.0, 19.0]);
    assert_moments("scale", &of(|draw| draw.scale), [1.0, 0.2877]);
    assert_moments("shear x", &of(|draw| draw.shear[0]), [0.012, 2.885]);
    assert_moments("shear y", &of(|draw| draw.shear[1]), [9.981, 5.792]);
}

#[test]
fn random_erasing_draws_as_torchvision() {
    let erasing: RandomErasing = table("{}");
    let draws: Vec<_> = (0..DRAWS)
        .filter_map(|index| erasing.draw(64, 48, &mut stream(index)))
        .collect();
    assert!(draws.len() as u64 > DRAWS - 10, "{}", draws.len());
    for place in &draws {
        assert!(
            place.height < 64 && place.top + place.height <= 64,
            "{place:?}"
        );
        assert!(
            place.width < 48 && place.left + place.width <= 48,
            "{place:?}"
        );
    }
    let mean = |field: fn(&super::super::random_erasing::Rectangle) -> usize| {
        draws.iter().map(field).sum::<usize>() as f64 / draws.len() as f64
    };
    for (name, found, expected) in [
        ("height", mean(|place| place.height), 23.85),
        ("width", mean(|place| place.width), 22.74),
        ("top", mean(|place| place.top), 20.06),
        ("left", mean(|place| place.left), 12.59),
        ("area", mean(|place| place.height * place.width), 526.7),
    ] {
        assert!((found / expected - 1.0).abs() < 0.015, "{name}: {found}");
    }
}

/// The first value of a 1x1 image of 100 after each draw.
fn values_of_one_pixel(transform: Transform) -> Vec<f64> {
    let pipeline = Pipeline::new(vec![transform]);
    let (mut scratch, mut out) = (Scratch::new(), [0.0]);
    (0..DRAWS)
        .map(|index| {
            pipeline
                .apply(
                    &[100],
                    shape(1, 1, 1),
                    &mut stream(index),
                    &mut scratch,
                    &mut out,
                )
                .unwrap();
            f64::from(out[0])
        })
        .collect()
}

#[test]
fn brightness_and_noise_draw_as_torchvision() {
    let jitter: ColorJitter = table(r#"{"brightness": 0.4}"#);
    let values = values_of_one_pixel(Transform::ColorJitter(jitter));
    assert_moments("brightness", &values, [99.88, 23.06]);
    // By definition: 100 + 255 * (0.1 + 0.05 n), far from both ends.
    let noise: GaussianNoise = table(r#"{"mean": 0.1, "sigma": 0.05}"#);
    let values = values_of_one_pixel(Transform::GaussianNoise(noise));
    assert_moments("noise", &values, [125.5, 12.75]);
}
