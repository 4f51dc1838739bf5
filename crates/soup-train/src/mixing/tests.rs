//! Against torchvision's MixUp and CutMix for given draws, and what is drawn.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

#[derive(Deserialize)]
struct Case {
    kind: String,
    /// Images, channels, rows, columns.
    sides: [usize; 4],
    labels: usize,
    own_share: f64,
    /// Row and column of the rectangle's centre.
    centre: [usize; 2],
    /// Images x channels x rows x columns.
    #[serde(rename = "pictures")]
    images: Vec<f32>,
    targets: Vec<f32>,
}

/// The batch of `make_mixing.py`: images, channels last, and targets.
fn batch(case: &Case) -> (Vec<f32>, Vec<f32>) {
    let [count, channels, height, width] = case.sides;
    let mut images = Vec::new();
    for n in 0..count {
        for y in 0..height {
            for x in 0..width {
                for c in 0..channels {
                    let value = (n * 97 + c * 31 + y * 57 + x * 11 + x * y * 7) % 64;
                    images.push(value as f32 / 32.0 - 1.0);
                }
            }
        }
    }
    let targets = (0..count * case.labels).map(|at| f32::from(at * at % 3 == 1));
    (images, targets.collect())
}

#[test]
fn mixed_images_and_labels_are_torchvisions() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../tests/fixtures/mixing.json")).unwrap();
    assert!(cases.len() >= 8);
    for case in &cases {
        let [count, channels, height, width] = case.sides;
        let shape = ImageShape {
            channels,
            height,
            width,
        };
        let (images, targets) = batch(case);
        let len = shape.len();
        for n in 0..count {
            let before = (n + count - 1) % count;
            let mut own = images[n * len..][..len].to_vec();
            let other = &images[before * len..][..len];
            let share = match case.kind.as_str() {
                "mixup" => mixup::blend(&mut own, other, case.own_share),
                _ => {
                    let place = cutmix::rectangle(shape, case.own_share, case.centre);
                    cutmix::paste_at(&mut own, other, shape, &place)
                }
            };
            let expected = &case.images[n * len..][..len];
            for (at, value) in own.iter().enumerate() {
                let (pixel, channel) = (at / channels, at % channels);
                let expected = expected[channel * height * width + pixel];
                assert!((value - expected).abs() < 1e-6, "{} {n} {at}", case.kind);
            }
            let labels = |n: usize| &targets[n * case.labels..][..case.labels];
            let mut mixed = labels(n).to_vec();
            mixup::blend(&mut mixed, labels(before), share);
            for (value, expected) in mixed.iter().zip(&case.targets[n * case.labels..]) {
                assert!((value - expected).abs() < 1e-6, "{} {n}", case.kind);
            }
        }
    }
}

/// Images of one value, its number, so that shares can be read off.
fn mixed(mix: &Mix, keys: &[u64], epoch: u32) -> (Vec<f32>, Vec<f32>, Vec<bool>) {
    let shape = ImageShape {
        channels: 2,
        height: 8,
        width: 8,
    };
    let count = keys.len();
    let mut images: Vec<f32> = (0..count * shape.len())
        .map(|at| (at / shape.len()) as f32)
        .collect();
    let mut targets: Vec<f32> = (0..count * count)
        .map(|at| f32::from(at / count == at % count))
        .collect();
    let mut batch = Batch {
        images: &mut images,
        targets: &mut targets,
        shape,
        labels: count,
    };
    let found = mix.apply((7, epoch), keys, &mut batch, &mut Vec::new());
    (images, targets, found)
}

#[test]
fn labels_say_how_much_of_each_image_is_there() {
    let mixes = [
        Mix::Mixup(Mixup {
            alpha: 1.0,
            share: 0.5,
        }),
        Mix::Cutmix(Cutmix {
            alpha: 1.0,
            share: 0.5,
        }),
    ];
    for mix in &mixes {
        let mut count = 0;
        for epoch in 0..200 {
            let (images, targets, found) = mixed(mix, &[5, 6, 7], epoch);
            for n in 0..3 {
                let target = &targets[n * 3..][..3];
                assert!((target.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                assert!(found[n] || target[n] == 1.0, "{target:?}");
                let mean = images[n * 128..][..128].iter().sum::<f32>() / 128.0;
                let named: f32 = target.iter().zip([0.0, 1.0, 2.0]).map(|(t, n)| t * n).sum();
                assert!((mean - named).abs() < 1e-5, "{mean} {named}");
                // Nothing comes from the image behind, though that one was mixed before.
                assert_eq!(target[(n + 1) % 3], 0.0);
                count += u32::from(found[n]);
            }
        }
        assert!((240..360).contains(&count), "{count} of 600");
        // The same draws for the same image, wherever it stands; others in another epoch.
        let (_, first, _) = mixed(mix, &[5, 6, 7], 3);
        let (_, moved, _) = mixed(mix, &[6, 7, 5], 3);
        assert_eq!(first[8], moved[4]);
        assert_ne!(first, mixed(mix, &[5, 6, 7], 4).1);
    }
    let alone = mixed(&mixes[0], &[5], 0);
    assert_eq!((alone.1, alone.2), (vec![1.0], vec![false]));
}

#[test]
fn bad_parameters_are_named() {
    let mix = |alpha, share| Mix::Mixup(Mixup { alpha, share });
    for (mix, key) in [
        (mix(0.0, 1.0), "mix.alpha"),
        (mix(f64::NAN, 1.0), "mix.alpha"),
        (mix(1.0, 0.0), "mix.share"),
        (mix(1.0, 1.5), "mix.share"),
    ] {
        assert_eq!(mix.check().unwrap_err().key, key);
    }
}
