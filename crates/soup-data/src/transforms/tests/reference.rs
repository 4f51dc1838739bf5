//! Every deterministic core against torchvision, filters against OpenCV (`tests/fixtures/transforms`).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::super::image::Workspace;
use super::super::operations::Operation;
use super::super::random_erasing::Rectangle;
use super::super::{
    AffineDraw, AugMix, Elastic, Fill, Interpolation, Pipeline, Resampling, Scratch, Transform,
    affine, aug_mix, grid_distortion, rand_augment, random_erasing, resize, rot90,
    trivial_augment_wide,
};
use super::{bytes, image, stream};
use crate::ImageShape;

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    shape: ImageShape,
    output: ImageShape,
    file: String,
    offset: usize,
    float32_difference: f32,
    transform: Option<Transform>,
    affine: Option<AffineCase>,
    quarter_turns: Option<u32>,
    erase: Option<Erase>,
    elastic: Option<Elastic>,
    grid: Option<GridCase>,
    crop: Option<CropCase>,
    /// Of AugMix: the weight of the image, and chains with theirs.
    own: Option<f32>,
    #[serde(default)]
    chains: Vec<(f32, Vec<(Operation, f64)>)>,
    interpolation: Option<Interpolation>,
    /// The image is the formula's, times the first, rounded down, plus the second.
    given: Option<[f32; 2]>,
    /// Where the reference itself rounds.
    tolerance: Option<f32>,
}

#[derive(Deserialize)]
struct CropCase {
    /// Top, left, height, width.
    part: [usize; 4],
    size: [usize; 2],
    interpolation: Resampling,
    antialias: bool,
}

#[derive(Deserialize)]
struct GridCase {
    columns: Vec<f64>,
    rows: Vec<f64>,
    interpolation: Interpolation,
}

#[derive(Deserialize)]
struct AffineCase {
    draw: AffineDraw,
    interpolation: Interpolation,
    fill: Fill,
    center: Option<[f64; 2]>,
}

#[derive(Deserialize)]
struct Erase {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
    fill: Fill,
}

fn run(case: &Case) -> (ImageShape, Vec<f32>) {
    if let Some(transform) = &case.transform {
        let pipeline = Pipeline::new(vec![transform.clone()]);
        let shape = pipeline.output_shape(case.shape).unwrap();
        let mut out = vec![f32::NAN; shape.len()];
        let mut scratch = Scratch::new();
        let [factor, summand] = case.given.unwrap_or([1.0, 0.0]);
        let pixels: Vec<u8> = bytes(case.shape)
            .into_iter()
            .map(|byte| ((f32::from(byte) * factor).floor() + summand) as u8)
            .collect();
        pipeline
            .apply(&pixels, case.shape, &mut stream(0), &mut scratch, &mut out)
            .unwrap();
        return (shape, out);
    }
    let mut image = image(case.shape);
    let mut workspace = Workspace::default();
    if let Some(given) = &case.affine {
        affine::affine(
            &mut image,
            given.draw,
            given.interpolation,
            given.center,
            &given.fill,
            &mut workspace,
        );
    } else if let Some(turns) = case.quarter_turns {
        rot90::quarter_turns(&mut image, turns, &mut workspace);
    } else if let Some(elastic) = &case.elastic {
        let noise = bytes(ImageShape {
            channels: 2,
            ..case.shape
        });
        for (axis, field) in workspace.fields[..2].iter_mut().enumerate() {
            let own = noise.chunks_exact(2).map(|pair| f64::from(pair[axis]));
            field.extend(own.map(|byte| byte / 128.0 - 1.0));
        }
        elastic.bend(&mut image, &mut workspace);
    } else if let Some(grid) = &case.grid {
        let widths = [grid.columns.as_slice(), grid.rows.as_slice()];
        grid_distortion::distort(&mut image, widths, grid.interpolation, &mut workspace);
    } else if let Some(crop) = &case.crop {
        let [top, left, height, width] = crop.part;
        let part = Rectangle {
            top,
            left,
            height,
            width,
        };
        let method = resize::Method::new(crop.interpolation, crop.antialias);
        resize::resize_part(&mut image, part, crop.size, method, true, &mut workspace);
    } else if let Some(own) = case.own {
        let mut mix: AugMix = serde_json::from_str("{}").unwrap();
        mix.interpolation = case.interpolation.unwrap();
        mix.mix(&mut image, own, case.chains.clone(), &mut workspace);
    } else if let Some(erase) = &case.erase {
        let place = Rectangle {
            top: erase.top,
            left: erase.left,
            height: erase.height,
            width: erase.width,
        };
        random_erasing::erase(&mut image, place, |channel| erase.fill.of(channel));
    } else {
        panic!("case {} says nothing to do", case.name);
    }
    (image.shape(), image.values)
}

#[test]
fn every_core_agrees_with_its_reference() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/transforms");
    let text = std::fs::read_to_string(folder.join("cases.json")).unwrap();
    let cases: Cases = serde_json::from_str(&text).unwrap();
    assert!(cases.cases.len() >= 320, "{} cases", cases.cases.len());
    let mut worst: BTreeMap<&str, f32> = BTreeMap::new();
    let mut worst_float32 = 0f32;
    let mut failures = Vec::new();
    for case in &cases.cases {
        let file = std::fs::read(folder.join(&case.file)).unwrap();
        let expected: Vec<f32> = file
            .chunks_exact(4)
            .map(|word| f32::from_le_bytes(word.try_into().unwrap()))
            .skip(case.offset)
            .take(case.output.len())
            .collect();
        let (shape, found) = run(case);
        assert_eq!(shape, case.output, "{}", case.name);
        assert_eq!(found.len(), expected.len(), "{}", case.name);
        let difference = found
            .iter()
            .zip(&expected)
            .map(|(found, expected)| (found - expected).abs())
            .fold(0.0, |worst: f32, next| {
                if next.is_nan() {
                    f32::INFINITY
                } else {
                    worst.max(next)
                }
            });
        let family = worst
            .entry(case.name.split(' ').next().unwrap())
            .or_default();
        *family = family.max(difference);
        worst_float32 = worst_float32.max(case.float32_difference);
        if difference > case.tolerance.unwrap_or(1e-4) {
            failures.push(format!("{}: {difference}", case.name));
        }
    }
    eprintln!("worst differences, 0..255 scale: {worst:#?}");
    eprintln!("torchvision's own float32 results: {worst_float32}");
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Every table of magnitudes of automatic augmentation, number for number.
#[test]
fn magnitudes_are_torchvisions() {
    type Tables = BTreeMap<String, BTreeMap<String, BTreeMap<String, Option<Vec<f32>>>>>;
    #[derive(Deserialize)]
    struct File {
        magnitudes: Tables,
        signed: BTreeMap<String, BTreeMap<String, bool>>,
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("tests/fixtures/transforms/magnitudes.json");
    let file: File = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (policy, space) in [
        ("rand_augment", rand_augment::SPACE),
        ("trivial_augment_wide", trivial_augment_wide::SPACE),
        ("aug_mix", aug_mix::SPACE),
    ] {
        for (sizes, tables) in &file.magnitudes[policy] {
            let numbers: Vec<usize> = sizes.split(' ').map(|n| n.parse().unwrap()).collect();
            let [bins, height, width] = numbers[..] else {
                panic!("{sizes}");
            };
            assert_eq!(tables.len(), space.len(), "{policy}");
            for (operation, magnitudes) in space {
                let name = format!("{operation:?}");
                let expected = tables[&name].clone().unwrap_or(vec![0.0; bins]);
                let found: Vec<f32> = (0..bins)
                    .map(|bin| magnitudes.of(bin, bins, [height, width]) as f32)
                    .collect();
                assert_eq!(found, expected, "{policy} {name} {sizes}");
                let signed = file.signed[policy][&name];
                assert_eq!(magnitudes.is_signed(), signed, "{policy} {name}");
            }
        }
    }
}
