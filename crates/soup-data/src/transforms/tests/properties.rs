//! Whatever parameters pass the check, on images of any size: no panic, the promised shape,
//! finite values.

use proptest::prelude::*;

use super::super::{
    Affine, AugMix, Autocontrast, Bilateral, ByAxis, CenterCrop, ColorJitter, Cutout, Elastic,
    Equalize, EraseValue, Fill, GaussianBlur, GaussianNoise, GridDistortion, HorizontalFlip,
    Interpolation, Invert, KernelSize, Median, Normalize, NormalizePreset, Otsu, Pad, Padding,
    PaddingMode, Pipeline, Posterize, Quantize, RandAugment, RandomApply, RandomChoice, RandomCrop,
    RandomErasing, RandomGrayscale, RandomOrder, RandomResizedCrop, RandomWord, Resampling, Resize,
    Rot90, Rotation, Scratch, Sharpness, Shear, Size, Solarize, Span, Stretch, ToGrey, ToRgb,
    ToUnit, Transform, TrivialAugmentWide, VerticalFlip,
};
use super::{bytes, shape, stream};

fn size() -> impl Strategy<Value = Size> {
    prop_oneof![
        (0usize..50).prop_map(Size::One),
        [0usize..50, 0usize..50].prop_map(Size::HeightWidth),
    ]
}

fn interpolation() -> impl Strategy<Value = Interpolation> {
    prop_oneof![
        Just(Interpolation::Nearest),
        Just(Interpolation::NearestExact),
        Just(Interpolation::Bilinear),
    ]
}

fn resampling() -> impl Strategy<Value = Resampling> {
    prop_oneof![
        Just(Resampling::Nearest),
        Just(Resampling::NearestExact),
        Just(Resampling::Bilinear),
        Just(Resampling::Bicubic),
    ]
}

/// Those for photographs.
fn photographic() -> impl Strategy<Value = Transform> {
    let pair = |most: f64| (0.0..most, 0.0..most).prop_map(|(low, more)| [low, low + more]);
    let probability = || 0.0..=1.0f64;
    prop_oneof![
        (
            size(),
            pair(0.7),
            pair(3.0),
            resampling(),
            any::<bool>(),
            0.0..1.1f64
        )
            .prop_map(|(size, scale, ratio, interpolation, antialias, crop_pct)| {
                Transform::RandomResizedCrop(RandomResizedCrop {
                    size,
                    scale,
                    ratio,
                    interpolation,
                    antialias,
                    crop_pct,
                })
            }),
        (size(), prop::option::of(0usize..9), any::<bool>(), fill()).prop_map(
            |(size, padding, pad_if_needed, fill)| {
                Transform::RandomCrop(RandomCrop {
                    size,
                    padding: padding.map(Padding::All),
                    pad_if_needed,
                    fill,
                    padding_mode: PaddingMode::Constant,
                })
            }
        ),
        probability().prop_map(|p| Transform::RandomGrayscale(RandomGrayscale { p })),
        ([0usize..12, 0usize..12], pair(3.0)).prop_map(|(sides, sigma)| {
            Transform::GaussianBlur(GaussianBlur {
                kernel_size: KernelSize::Each(sides),
                sigma,
            })
        }),
        (-1f32..260.0, probability())
            .prop_map(|(threshold, p)| Transform::Solarize(Solarize { threshold, p })),
        (0u32..10, probability()).prop_map(|(bits, p)| Transform::Posterize(Posterize { bits, p })),
        probability().prop_map(|p| Transform::Equalize(Equalize { p })),
        probability().prop_map(|p| Transform::Autocontrast(Autocontrast { p })),
        (-1f32..9.0, probability()).prop_map(|(sharpness_factor, p)| {
            Transform::Sharpness(Sharpness {
                sharpness_factor,
                p,
            })
        }),
        probability().prop_map(|p| Transform::Invert(Invert { p })),
        (0usize..4, 0usize..12, 0usize..12, interpolation(), fill()).prop_map(
            |(num_ops, magnitude, num_magnitude_bins, interpolation, fill)| {
                Transform::RandAugment(RandAugment {
                    num_ops,
                    magnitude,
                    num_magnitude_bins,
                    interpolation,
                    fill,
                })
            }
        ),
        (0usize..40, interpolation(), fill()).prop_map(
            |(num_magnitude_bins, interpolation, fill)| {
                Transform::TrivialAugmentWide(TrivialAugmentWide {
                    num_magnitude_bins,
                    interpolation,
                    fill,
                })
            }
        ),
        (0usize..12, 0usize..5, -1i64..4, any::<bool>(), fill()).prop_map(
            |(severity, mixture_width, chain_depth, all_ops, fill)| {
                Transform::AugMix(AugMix {
                    severity,
                    mixture_width,
                    chain_depth,
                    alpha: 1.0,
                    all_ops,
                    interpolation: Interpolation::Bilinear,
                    fill,
                })
            }
        ),
    ]
}

/// Those made of others.
fn composite() -> impl Strategy<Value = Transform> {
    let several = || prop::collection::vec(prop_oneof![other(), photographic()], 0..3);
    prop_oneof![
        (several(), 0.0..=1.0)
            .prop_map(|(transforms, p)| Transform::RandomApply(RandomApply { transforms, p })),
        (several(), any::<bool>()).prop_map(|(transforms, weighted)| {
            let p = weighted.then(|| (0..transforms.len()).map(|at| at as f64).collect());
            Transform::RandomChoice(RandomChoice { transforms, p })
        }),
        several().prop_map(|transforms| Transform::RandomOrder(RandomOrder { transforms })),
    ]
}

fn span(most: f64) -> impl Strategy<Value = Span> {
    prop_oneof![
        (0.0..most).prop_map(Span::One),
        (-most..most, 0.0..most).prop_map(|(low, more)| Span::LowHigh([low, low + more])),
        (-most..most).prop_map(|same| Span::LowHigh([same, same])),
        (-8i32..8).prop_map(|turns| Span::LowHigh([f64::from(turns) * 45.0; 2])),
    ]
}

fn fill() -> impl Strategy<Value = Fill> {
    prop_oneof![
        (-10f32..300.0).prop_map(Fill::One),
        prop::collection::vec(-10f32..300.0, 0..4).prop_map(Fill::Channels),
    ]
}

fn center() -> impl Strategy<Value = Option<[f64; 2]>> {
    prop::option::of([-1e9..1e9f64, -50.0..50.0])
}

fn geometric() -> impl Strategy<Value = Transform> {
    let padding = prop_oneof![
        (0usize..12).prop_map(Padding::All),
        [0usize..12, 0usize..12].prop_map(Padding::Sides),
        [0usize..12, 0usize..12, 0usize..12, 0usize..12].prop_map(Padding::Each),
    ];
    let mode = prop_oneof![
        Just(PaddingMode::Constant),
        Just(PaddingMode::Edge),
        Just(PaddingMode::Reflect),
        Just(PaddingMode::Symmetric),
    ];
    let shear = prop_oneof![
        span(89.0).prop_map(Shear::X),
        [-89.0..0.0, 0.0..89.0, -89.0..0.0, 0.0..89.0f64].prop_map(Shear::Both),
    ];
    let scale = (0.001..2.0f64, 0.0..900.0f64).prop_map(|(low, more)| [low, low + more]);
    prop_oneof![
        (
            size(),
            resampling(),
            prop::option::of(0usize..60),
            any::<bool>(),
            any::<bool>()
        )
            .prop_map(|(size, interpolation, max_size, antialias, cover)| {
                Transform::Resize(Resize {
                    size,
                    interpolation,
                    max_size,
                    antialias,
                    cover,
                })
            }),
        size().prop_map(|size| Transform::CenterCrop(CenterCrop { size })),
        (padding, fill(), mode).prop_map(|(padding, fill, padding_mode)| Transform::Pad(Pad {
            padding,
            fill,
            padding_mode
        })),
        (0.0..=1.0).prop_map(|p| Transform::HorizontalFlip(HorizontalFlip { p })),
        (0.0..=1.0).prop_map(|p| Transform::VerticalFlip(VerticalFlip { p })),
        (0.0..=1.0).prop_map(|p| Transform::Rot90(Rot90 { p })),
        (span(1000.0), interpolation(), center(), fill()).prop_map(
            |(degrees, interpolation, center, fill)| Transform::Rotation(Rotation {
                degrees,
                interpolation,
                expand: false,
                center,
                fill
            })
        ),
        (
            span(400.0),
            prop::option::of([0.0..=1.0, 0.0..=1.0f64]),
            prop::option::of(scale),
            prop::option::of(shear),
            interpolation(),
            fill(),
            center()
        )
            .prop_map(
                |(degrees, translate, scale, shear, interpolation, fill, center)| {
                    Transform::Affine(Affine {
                        degrees,
                        translate,
                        scale,
                        shear,
                        interpolation,
                        fill,
                        center,
                    })
                }
            ),
    ]
}

fn other() -> impl Strategy<Value = Transform> {
    let value = prop_oneof![
        fill().prop_map(EraseValue::Fill),
        Just(EraseValue::Random(RandomWord::Random)),
    ];
    let pair = |most: f64| (0.001..most, 0.0..most).prop_map(|(low, more)| [low, low + more]);
    let factor = || prop::option::of(span(3.0));
    let preset = prop_oneof![
        Just(NormalizePreset::Imagenet),
        Just(NormalizePreset::Cifar),
        Just(NormalizePreset::None),
    ];
    prop_oneof![
        (0.0..=1.0, pair(0.5), pair(3.0), value).prop_map(|(p, scale, ratio, value)| {
            Transform::RandomErasing(RandomErasing {
                p,
                scale,
                ratio,
                value,
            })
        }),
        (0.0..=1.0, 0usize..4, 0usize..60, fill()).prop_map(|(p, n_holes, length, fill)| {
            Transform::Cutout(Cutout {
                p,
                n_holes,
                length,
                fill,
            })
        }),
        (factor(), factor(), factor(), prop::option::of(span(0.6))).prop_map(
            |(brightness, contrast, saturation, hue)| {
                Transform::ColorJitter(ColorJitter {
                    brightness,
                    contrast,
                    saturation,
                    hue,
                })
            }
        ),
        (-1.0..1.0, 0.0..2.0, any::<bool>()).prop_map(|(mean, sigma, clip)| {
            Transform::GaussianNoise(GaussianNoise { mean, sigma, clip })
        }),
        (
            [0.0..90.0, 0.0..90.0f64],
            [0.1..6.0, 0.1..6.0f64],
            interpolation(),
            fill()
        )
            .prop_map(
                |(alpha, sigma, interpolation, fill)| Transform::Elastic(Elastic {
                    alpha: ByAxis::Each(alpha),
                    sigma: ByAxis::Each(sigma),
                    interpolation,
                    fill,
                })
            ),
        (0.0..=1.0, 0usize..7, span(1.1), interpolation()).prop_map(
            |(p, num_steps, distort_limit, interpolation)| {
                Transform::GridDistortion(GridDistortion {
                    p,
                    num_steps,
                    distort_limit,
                    interpolation,
                })
            }
        ),
        (1usize..9).prop_map(|ksize| Transform::Median(Median { ksize })),
        (1usize..9, 0.0..300.0, 0.0..20.0).prop_map(|(d, sigma_color, sigma_space)| {
            Transform::Bilateral(Bilateral {
                d,
                sigma_color,
                sigma_space,
            })
        }),
        Just(Transform::Otsu(Otsu {})),
        (-1f32..200.0, 0f32..300.0)
            .prop_map(|(low, high)| Transform::Stretch(Stretch { low, high })),
        Just(Transform::ToGrey(ToGrey {})),
        Just(Transform::ToRgb(ToRgb {})),
        Just(Transform::ToUnit(ToUnit {})),
        preset.prop_map(|preset| Transform::Normalize(Normalize::preset(preset))),
        prop::collection::vec(-10f32..300.0, 0..6).prop_map(|mut edges| {
            edges.insert(0, 0.0);
            Transform::Quantize(Quantize { edges })
        }),
        Just(Transform::Quantize(Quantize {
            edges: vec![0.0, 100.0, 200.0, 255.0],
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pipeline_that_passes_the_check_works(
        height in 1usize..=40,
        width in 1usize..=40,
        channels in 1usize..=5,
        transforms in prop::collection::vec(prop_oneof![geometric(), other(), photographic(), composite()], 0..5),
        index in any::<u64>(),
    ) {
        let input = shape(height, width, channels);
        // Transforms that do not fit at their place are left out, or few pipelines would be left.
        let mut pipeline = Pipeline::default();
        for transform in transforms {
            let longer: Pipeline = pipeline
                .transforms()
                .iter()
                .cloned()
                .chain([transform])
                .collect();
            // Aspects as that of 40x1 pixels would make one side huge.
            if longer.output_shape(input).is_ok_and(|shape| shape.len() < 1_000_000) {
                pipeline = longer;
            }
        }
        let mut out = vec![f32::NAN; pipeline.output_shape(input).unwrap().len()];
        let mut scratch = Scratch::new();
        let pixels = bytes(input);
        pipeline.apply(&pixels, input, &mut stream(index), &mut scratch, &mut out).unwrap();
        prop_assert!(out.iter().all(|value| value.is_finite()), "{:?}", pipeline);
        // Again with warm memory: the same image.
        let mut again = vec![f32::NAN; out.len()];
        pipeline.apply(&pixels, input, &mut stream(index), &mut scratch, &mut again).unwrap();
        prop_assert_eq!(&out, &again);
        let text = serde_json::to_string(&pipeline).unwrap();
        let parsed: Pipeline = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(parsed.transforms().len(), pipeline.transforms().len());
        prop_assert!(pipeline.evaluation().transforms().iter().all(|step| !step.is_random()));
        // Networks meet images of one shape.
        let evaluated = pipeline.evaluation().output_shape(input);
        prop_assert_eq!(evaluated, pipeline.output_shape(input), "{:?}", pipeline);
    }
}
