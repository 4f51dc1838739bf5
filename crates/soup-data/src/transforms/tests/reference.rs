//! Every deterministic core against torchvision, filters against OpenCV (`tests/fixtures/transforms`).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::super::image::Workspace;
use super::super::random_erasing::Rectangle;
use super::super::{
    AffineDraw, Elastic, Fill, Interpolation, Pipeline, Scratch, Transform, affine,
    grid_distortion, random_erasing, rot90,
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
    /// Where the reference itself rounds.
    tolerance: Option<f32>,
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
        pipeline
            .apply(
                &bytes(case.shape),
                case.shape,
                &mut stream(0),
                &mut scratch,
                &mut out,
            )
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
    assert!(cases.cases.len() >= 120, "{} cases", cases.cases.len());
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
