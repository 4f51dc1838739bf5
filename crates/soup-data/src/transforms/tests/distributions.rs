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

#[test]
fn random_resized_crop_draws_as_torchvision() {
    let crop: super::super::RandomResizedCrop = table(r#"{"size": 9, "scale": [0.2, 1.0]}"#);
    let draws: Vec<_> = (0..DRAWS)
        .map(|index| crop.draw([64, 48], &mut stream(index)))
        .collect();
    let of = |field: fn(&super::super::random_erasing::Rectangle) -> usize| {
        draws
            .iter()
            .map(|place| field(place) as f64)
            .collect::<Vec<_>>()
    };
    assert_moments("height", &of(|place| place.height), [39.6299, 9.3123]);
    assert_moments("width", &of(|place| place.width), [37.8227, 6.8760]);
    assert_moments("top", &of(|place| place.top), [12.1470, 9.0471]);
    assert_moments("left", &of(|place| place.left), [5.0785, 5.0903]);
    // A share of area that is never had: the middle, of an aspect that is allowed.
    let wide: super::super::RandomResizedCrop =
        table(r#"{"size": 9, "scale": [0, 0], "ratio": [2, 3]}"#);
    let place = wide.draw([64, 48], &mut stream(0));
    assert_eq!(
        [place.top, place.left, place.height, place.width],
        [20, 0, 24, 48]
    );
}

#[test]
fn weights_of_mixtures_draw_as_torchvision() {
    let mix: super::super::AugMix = table(r#"{"alpha": 0.7}"#);
    let draws: Vec<_> = (0..DRAWS)
        .map(|index| mix.weights(&mut stream(index)))
        .collect();
    let own: Vec<f64> = draws.iter().map(|(own, _)| f64::from(*own)).collect();
    // By definition: Beta(.7, .7), and a Dirichlet share of the other half.
    assert_moments("own", &own, [0.5, (0.25f64 / 2.4).sqrt()]);
    for chain in 0..3 {
        let share: Vec<f64> = draws
            .iter()
            .map(|(_, shares)| f64::from(shares[chain]))
            .collect();
        let square = (0.25 + 0.25 / 2.4) * (1.0 / 9.0 + (2.0 / 9.0) / 3.1);
        assert_moments(
            "chain",
            &share,
            [1.0 / 6.0, (square - 1.0 / 36.0_f64).sqrt()],
        );
    }
    assert!(
        draws
            .iter()
            .all(|(own, rest)| (own + rest.iter().sum::<f32>() - 1.0).abs() < 1e-5)
    );
}

#[test]
fn operations_are_drawn_evenly_with_both_signs() {
    use super::super::{operations, trivial_augment_wide};
    let space = trivial_augment_wide::SPACE;
    let mut counts = vec![[0u32; 2]; space.len()];
    for index in 0..DRAWS {
        let bin = |draws: &mut soup_random::Stream| draws.below(31) as usize;
        let drawn = operations::draw(space, 31, [50, 50], bin, &mut stream(index));
        let place = space
            .iter()
            .position(|(operation, _)| *operation == drawn.0)
            .unwrap();
        counts[place][usize::from(drawn.1 < 0.0)] += 1;
    }
    let expected = DRAWS as f64 / space.len() as f64;
    for ((operation, magnitudes), [other, negative]) in space.iter().zip(counts) {
        let all = f64::from(other + negative);
        assert!(
            (all - expected).abs() < 5.0 * expected.sqrt(),
            "{operation:?}: {all}"
        );
        // A bin of 31 is 0, which has no sign.
        let share = if magnitudes.is_signed() {
            0.5 * 30.0 / 31.0
        } else {
            0.0
        };
        assert!(
            (f64::from(negative) / all - share).abs() < 0.05,
            "{operation:?}: {negative}"
        );
    }
}
