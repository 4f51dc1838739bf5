//! The pipeline as data and as a whole.

use std::sync::Arc;

use soup_random::Stream;

use super::super::{
    Form, HorizontalFlip, Image, Normalize, OwnStep, Pipeline, Quantize, Scratch, Step, Transform,
    TransformError, VerticalFlip,
};
use super::{bytes, image, shape, stream};

fn parse(text: &str) -> Result<Pipeline, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The message that a pipeline of one table gives for a 12x10 image of one channel.
fn complaint(table: &str) -> String {
    match parse(&format!("[{table}]")) {
        Err(message) => message,
        Ok(pipeline) => pipeline
            .output_shape(shape(12, 10, 1))
            .unwrap_err()
            .to_string(),
    }
}

fn apply(pipeline: &Pipeline, input: crate::ImageShape, index: u64) -> Vec<f32> {
    let mut out = vec![f32::NAN; pipeline.output_shape(input).unwrap().len()];
    pipeline
        .apply(
            &bytes(input),
            input,
            &mut stream(index),
            &mut Scratch::new(),
            &mut out,
        )
        .unwrap();
    out
}

#[test]
fn the_founding_recipe_reads_back_as_it_was_written() {
    let recipe = Pipeline::dacon12();
    let text = serde_json::to_string(&recipe).unwrap();
    assert_eq!(parse(&text).unwrap(), recipe);
    let short = r#"[{"kind": "resize", "size": 331}, {"kind": "horizontal_flip", "p": 0.6},
        {"kind": "vertical_flip", "p": 0.6}, {"kind": "rotation", "degrees": 40},
        {"kind": "to_rgb"}, {"kind": "normalize", "preset": "imagenet"}]"#;
    assert_eq!(parse(short).unwrap(), recipe);
    assert_eq!(
        recipe.output_shape(shape(256, 256, 1)).unwrap(),
        shape(331, 331, 3)
    );
    let kinds: Vec<_> = recipe
        .evaluation()
        .transforms()
        .iter()
        .map(Transform::kind)
        .collect();
    assert_eq!(kinds, ["resize", "to_rgb", "normalize"]);
}

#[test]
fn kinds_in_tables_are_the_kinds_in_messages() {
    let pipeline = parse(
        r#"[{"kind":"resize","size":4},{"kind":"center_crop","size":[3,4]},{"kind":"pad","padding":1},
        {"kind":"horizontal_flip"},{"kind":"vertical_flip"},{"kind":"rotation","degrees":3},
        {"kind":"rot90"},{"kind":"affine","degrees":[0,9],"shear":[1,2,3,4]},
        {"kind":"random_erasing","value":"random"},{"kind":"cutout","length":3},
        {"kind":"color_jitter","contrast":0.5},{"kind":"gaussian_noise"},{"kind":"to_grey"},
        {"kind":"to_rgb"},{"kind":"to_unit"},{"kind":"normalize","mean":[0],"std":[1]},
        {"kind":"quantize","edges":[0,100]},{"kind":"elastic","alpha":[9,5]},{"kind":"grid_distortion"},
        {"kind":"median"},{"kind":"bilateral"},{"kind":"otsu"},{"kind":"stretch","low":9,"high":90},
        {"kind":"random_resized_crop","size":224},{"kind":"random_crop","size":9},{"kind":"random_grayscale"},
        {"kind":"gaussian_blur","kernel_size":5},{"kind":"solarize","threshold":128},{"kind":"posterize","bits":4},
        {"kind":"equalize"},{"kind":"autocontrast"},{"kind":"sharpness","sharpness_factor":2},{"kind":"invert"},
        {"kind":"random_apply","transforms":[{"kind":"invert"}]},{"kind":"random_choice","transforms":[]},
        {"kind":"random_order","transforms":[]},{"kind":"rand_augment"},{"kind":"trivial_augment_wide"},
        {"kind":"aug_mix"}]"#,
    )
    .unwrap();
    for transform in pipeline.transforms() {
        let table = serde_json::to_value(transform).unwrap();
        assert_eq!(table["kind"], transform.kind());
    }
}

/// Configurations, sweeps and `model.soup` files of older versions name `quantize` `bands`.
#[test]
fn the_old_name_of_quantize_is_read_and_the_new_one_written() {
    let old = parse(r#"[{"kind":"bands","edges":[0,100,200,255]}]"#).unwrap();
    let text = r#"[{"kind":"quantize","edges":[0.0,100.0,200.0,255.0]}]"#;
    assert_eq!(old, parse(text).unwrap());
    assert_eq!(serde_json::to_string(&old).unwrap(), text);
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (table, part) in [
        (r#"{"kind": "resize", "sise": 3}"#, "unknown field `sise`"),
        (r#"{"kind": "to_rgb", "p": 1}"#, "unknown field `p`"),
        (r#"{"kind": "blur"}"#, "unknown variant `blur`"),
        (
            r#"{"kind": "resize", "size": 0}"#,
            "`size` must be at least 1",
        ),
        (
            r#"{"kind": "resize", "size": 1000000}"#,
            "the limits are 32768",
        ),
        (
            r#"{"kind": "resize", "size": 8, "max_size": 8}"#,
            "must be above",
        ),
        (
            r#"{"kind": "horizontal_flip", "p": 1.5}"#,
            "transform 1 (horizontal_flip): `p` is 1.5",
        ),
        (
            r#"{"kind": "rotation", "degrees": -4}"#,
            "one number must lie in 0",
        ),
        (r#"{"kind": "rotation", "degrees": [5, 4]}"#, "[5, 4]"),
        (
            r#"{"kind": "rotation", "degrees": 4, "expand": true}"#,
            "pad before it",
        ),
        (
            r#"{"kind": "rotation", "degrees": 4, "fill": [1, 2]}"#,
            "`fill` has 2 values",
        ),
        (
            r#"{"kind": "affine", "degrees": 0, "scale": [0, 1]}"#,
            "`scale`",
        ),
        (
            r#"{"kind": "affine", "degrees": 0, "shear": 90}"#,
            "`shear`",
        ),
        (
            r#"{"kind": "affine", "degrees": 0, "translate": [0, 2]}"#,
            "shares",
        ),
        (r#"{"kind": "rot90"}"#, "make it square"),
        (
            r#"{"kind": "pad", "padding": 10, "padding_mode": "reflect"}"#,
            "at most 9",
        ),
        (
            r#"{"kind": "random_erasing", "scale": [0.5, 0.1]}"#,
            "`scale`",
        ),
        (r#"{"kind": "cutout", "length": 0}"#, "`length`"),
        (
            r#"{"kind": "color_jitter", "brightness": -1}"#,
            "`brightness`",
        ),
        (r#"{"kind": "gaussian_noise", "sigma": -1}"#, "`sigma`"),
        (
            r#"{"kind": "elastic"}"#,
            "reaches 20 pixels far; the image has only 10",
        ),
        (r#"{"kind": "elastic", "sigma": [0, 1]}"#, "one axis only"),
        (r#"{"kind": "elastic", "alpha": -1}"#, "`alpha` is -1"),
        (
            r#"{"kind": "grid_distortion", "num_steps": 0}"#,
            "`num_steps` is 0",
        ),
        (
            r#"{"kind": "grid_distortion", "distort_limit": 1}"#,
            "`distort_limit` is [-1, 1]",
        ),
        (r#"{"kind": "median", "ksize": 4}"#, "`ksize` is 4"),
        (r#"{"kind": "bilateral", "d": 1}"#, "`d` is 1"),
        (
            r#"{"kind": "bilateral", "sigma_color": 0}"#,
            "`sigma_color` is 0",
        ),
        (
            r#"{"kind": "to_rgb"}, {"kind": "otsu"}"#,
            "transform 2 (otsu): the image has 3 channels",
        ),
        (
            r#"{"kind": "stretch", "low": 9, "high": 9}"#,
            "at least 1 apart",
        ),
        (
            r#"{"kind": "normalize", "preset": "imagenet"}"#,
            "put `to_rgb` before it",
        ),
        (
            r#"{"kind": "normalize", "mean": [0.5]}"#,
            "both `mean` and `std`",
        ),
        (
            r#"{"kind": "normalize", "mean": [0.5], "std": [0]}"#,
            "above zero",
        ),
        (
            r#"{"kind": "random_resized_crop", "size": 9, "crop_pct": 0}"#,
            "`crop_pct` is 0",
        ),
        (
            r#"{"kind": "random_resized_crop", "size": 9, "interpolation": "cubic"}"#,
            "unknown variant `cubic`",
        ),
        (
            r#"{"kind": "random_crop", "size": 11}"#,
            "`pad_if_needed = true`",
        ),
        (
            r#"{"kind": "gaussian_blur", "kernel_size": 4}"#,
            "odd number",
        ),
        (
            r#"{"kind": "color_jitter", "hue": 0.6}"#,
            "`hue` is 0.6; one number must lie in 0 to 0.5",
        ),
        (r#"{"kind": "posterize", "bits": 9}"#, "give 0 to 8"),
        (
            r#"{"kind": "rand_augment", "magnitude": 31}"#,
            "below `num_magnitude_bins`, 31",
        ),
        (r#"{"kind": "aug_mix", "severity": 11}"#, "give 1 to 10"),
        (
            r#"{"kind": "random_choice", "transforms": [{"kind": "invert"}], "p": [0]}"#,
            "one of them above it",
        ),
        (
            r#"{"kind": "random_apply", "transforms": [{"kind": "invert"}, {"kind": "random_crop", "size": 3}]}"#,
            "its transform 2 (random_crop) changes the shape",
        ),
        (
            r#"{"kind": "random_order", "transforms": [{"kind": "cutout", "length": 0}]}"#,
            "its transform 1 (cutout): `length` is 0",
        ),
        (r#"{"kind": "quantize", "edges": [100, 0]}"#, "`edges`"),
        (
            r#"{"kind": "to_unit"}, {"kind": "normalize", "mean": [0.5], "std": [1]}, {"kind": "to_unit"}"#,
            "transform 3 (to_unit)",
        ),
    ] {
        let message = complaint(table);
        assert!(message.contains(part), "{table}: {message}");
    }
}

#[test]
fn buffers_of_the_wrong_length_are_refused() {
    let pipeline = Pipeline::default();
    let input = shape(3, 4, 1);
    let mut scratch = Scratch::new();
    let mut apply = |pixels: &[u8], out: &mut [f32]| {
        pipeline.apply(pixels, input, &mut stream(0), &mut scratch, out)
    };
    assert_eq!(apply(&[0; 12], &mut [0.0; 12]), Ok(()));
    assert!(matches!(
        apply(&[0; 11], &mut [0.0; 12]),
        Err(TransformError::Buffer { what: "input", .. })
    ));
    assert!(matches!(
        apply(&[0; 12], &mut [0.0; 13]),
        Err(TransformError::Buffer {
            what: "transformed",
            ..
        })
    ));
}

#[test]
fn the_pass_at_the_end_does_what_the_transforms_do_alone() {
    for (channels, tables) in [
        (
            1,
            r#"[{"kind":"to_rgb"},{"kind":"normalize","preset":"imagenet"}]"#,
        ),
        (
            1,
            r#"[{"kind":"to_unit"},{"kind":"to_rgb"},{"kind":"normalize","preset":"cifar"}]"#,
        ),
        (
            1,
            r#"[{"kind":"normalize","mean":[0.2],"std":[0.3]},{"kind":"to_rgb"}]"#,
        ),
        (2, r#"[{"kind":"to_rgb"}]"#),
        (2, r#"[{"kind":"normalize","mean":[0.2,0.7],"std":[0.3]}]"#),
        (
            3,
            r#"[{"kind":"to_rgb"},{"kind":"normalize","preset":"imagenet"}]"#,
        ),
        (
            4,
            r#"[{"kind":"to_rgb"},{"kind":"normalize","preset":"imagenet"}]"#,
        ),
        (4, r#"[{"kind":"normalize","preset":"none"}]"#),
        (
            5,
            r#"[{"kind":"to_unit"},{"kind":"normalize","mean":[1,2,3,4,5],"std":[2]}]"#,
        ),
        (
            1,
            r#"[{"kind":"quantize","edges":[0,9,50,99,200]},{"kind":"normalize","preset":"none"}]"#,
        ),
    ] {
        let pipeline = parse(tables).unwrap();
        let input = shape(7, 6, channels);
        let fused = apply(&pipeline, input, 0);
        let mut plain = image(input);
        pipeline
            .transform(&mut plain, &mut stream(0), &mut Scratch::new())
            .unwrap();
        assert_eq!(plain.values.len(), fused.len(), "{tables}");
        assert_eq!(plain.shape(), pipeline.output_shape(input).unwrap());
        for (plain, fused) in plain.values.iter().zip(&fused) {
            assert!((plain - fused).abs() < 1e-5, "{tables}: {plain} {fused}");
        }
    }
}

#[test]
fn draws_follow_their_probabilities_and_repeat() {
    let flips = Pipeline::new(vec![
        Transform::HorizontalFlip(HorizontalFlip { p: 0.6 }),
        Transform::VerticalFlip(VerticalFlip { p: 0.25 }),
    ]);
    let input = shape(2, 2, 1);
    let (mut across, mut down) = (0, 0);
    let pixels = [0, 1, 2, 3];
    let (mut scratch, mut out) = (Scratch::new(), [0.0; 4]);
    for index in 0..10_000 {
        flips
            .apply(&pixels, input, &mut stream(index), &mut scratch, &mut out)
            .unwrap();
        across += u32::from(out[0] as u32 % 2 == 1);
        down += u32::from(out[0] >= 2.0);
    }
    assert!((5850..6150).contains(&across), "{across}");
    assert!((2350..2650).contains(&down), "{down}");

    let recipe = Pipeline::dacon12();
    let input = shape(40, 30, 1);
    assert_eq!(apply(&recipe, input, 3), apply(&recipe, input, 3));
    assert_ne!(apply(&recipe, input, 3), apply(&recipe, input, 4));
}

#[test]
fn bins_of_the_founding_task_hold_their_levels() {
    let quantize = Pipeline::new(vec![Transform::Quantize(Quantize {
        edges: vec![0.0, 100.0, 200.0, 255.0],
    })]);
    let pixels = [0, 99, 100, 199, 200, 254, 255];
    let mut out = [f32::NAN; 28];
    quantize
        .apply(
            &pixels,
            shape(1, 7, 1),
            &mut stream(0),
            &mut Scratch::new(),
            &mut out,
        )
        .unwrap();
    let bins: Vec<_> = out
        .chunks_exact(4)
        .map(|pixel| {
            assert_eq!(pixel.iter().sum::<f32>(), 1.0);
            pixel.iter().position(|&value| value == 1.0).unwrap()
        })
        .collect();
    assert_eq!(bins, [0, 0, 1, 1, 2, 2, 3]);
}

#[test]
fn a_scratch_that_has_seen_other_images_changes_nothing() {
    let recipe = Pipeline::dacon12();
    let mut scratch = Scratch::new();
    for (index, input) in [(40, 30, 1), (9, 50, 3), (331, 331, 1), (40, 30, 1)]
        .into_iter()
        .map(|(height, width, channels)| shape(height, width, channels))
        .enumerate()
    {
        let mut out = vec![f32::NAN; recipe.output_shape(input).unwrap().len()];
        let index = index as u64;
        recipe
            .apply(
                &bytes(input),
                input,
                &mut stream(index),
                &mut scratch,
                &mut out,
            )
            .unwrap();
        assert_eq!(out, apply(&recipe, input, index));
    }
}

#[test]
fn normalisation_takes_constants_on_the_unit_scale() {
    let both = Normalize::new(vec![0.5], vec![0.25]);
    let out = apply(
        &Pipeline::new(vec![Transform::Normalize(both)]),
        shape(1, 1, 1),
        0,
    );
    assert_eq!(out, [-2.0]);
}

#[test]
fn nothing_grows_after_the_first_image() {
    let pipeline = parse(
        r#"[{"kind":"rot90","p":0.5},{"kind":"resize","size":[90,41]},{"kind":"to_rgb"},
        {"kind":"rotation","degrees":9},{"kind":"resize","size":20},{"kind":"pad","padding":3},
        {"kind":"affine","degrees":9},{"kind":"elastic","sigma":2},{"kind":"grid_distortion"},
        {"kind":"median"},{"kind":"normalize","preset":"imagenet"}]"#,
    )
    .unwrap();
    let input = shape(30, 30, 1);
    let pixels = bytes(input);
    let mut out = vec![0.0; pipeline.output_shape(input).unwrap().len()];
    let mut scratch = Scratch::new();
    let mut held = Vec::new();
    for index in 0..50 {
        pipeline
            .apply(&pixels, input, &mut stream(index), &mut scratch, &mut out)
            .unwrap();
        let (values, workspace) = (&scratch.image.values, &scratch.workspace);
        let mut blocks = [
            (values.as_ptr(), values.capacity()),
            (workspace.spare.as_ptr(), workspace.spare.capacity()),
        ];
        blocks.sort_unstable();
        held.push((blocks, workspace.axes.len(), workspace.axes.as_ptr()));
    }
    assert!(held.iter().all(|held_now| *held_now == held[0]));
}

/// Halves the values, or leaves the lower half of the rows.
struct Half {
    rows: bool,
}

impl Step for Half {
    fn check(&self, before: Form) -> Result<Form, String> {
        match (self.rows, before.shape.height) {
            (true, 1) => Err("there is but one row".to_owned()),
            (true, height) => Ok(before.sized(height / 2, before.shape.width)),
            (false, _) => Ok(before),
        }
    }

    fn apply(&self, image: &mut Image, _: &mut Stream) {
        if self.rows {
            let above = image.height.div_ceil(2) * image.width * image.channels;
            image.values.drain(..above);
            image.height /= 2;
        } else {
            image.values.iter_mut().for_each(|value| *value /= 2.0);
        }
    }
}

#[test]
fn steps_of_a_programs_own_stand_among_the_others_and_are_known_by_their_names_elsewhere() {
    let pipeline = Pipeline::new(vec![
        Transform::OwnRandom(OwnStep::new("dim", Arc::new(Half { rows: false }))),
        Transform::Own(OwnStep::new("floor", Arc::new(Half { rows: true }))),
        Transform::Normalize(Normalize::new(vec![0.0], vec![1.0 / 255.0])),
    ]);
    let input = shape(3, 2, 1);
    let lowest: Vec<f32> = bytes(input)[4..].iter().map(|&x| f32::from(x)).collect();
    let close = |found: &[f32], share: f32| {
        let mut pairs = found.iter().zip(&lowest);
        found.len() == 2 && pairs.all(|(found, byte)| (found - byte * share).abs() < 1e-3)
    };
    assert!(close(&apply(&pipeline, input, 0), 0.5));
    assert!(close(&apply(&pipeline.evaluation(), input, 0), 1.0));
    assert_eq!(
        pipeline
            .output_shape(shape(1, 2, 1))
            .unwrap_err()
            .to_string(),
        "transform 2 (own): 'floor': there is but one row"
    );
    let error = pipeline.plain(input).unwrap_err().to_string();
    assert!(error.ends_with("'floor' is a program's own; no model file carries it"));

    let text = serde_json::to_string(&pipeline).unwrap();
    assert!(text.starts_with(
        r#"[{"kind":"own_random","name":"dim"},{"kind":"own","name":"floor"},{"kind":"normalize""#
    ));
    let read = parse(&text).unwrap();
    assert_eq!(read, pipeline);
    // Of the random one nothing is needed to predict.
    assert_eq!(
        read.evaluation()
            .output_shape(input)
            .unwrap_err()
            .to_string(),
        "transform 1 (own): 'floor' is not built in: only the program that brought it along has it"
    );
}

/// Says that the image stays, and cuts it.
struct Liar;

impl Step for Liar {
    fn apply(&self, image: &mut Image, _: &mut Stream) {
        image.values.truncate(1);
    }
}

#[test]
#[should_panic(expected = "'liar' left the image in another form than it said")]
fn a_step_that_breaks_its_word_is_named() {
    let liar = Transform::Own(OwnStep::new("liar", Arc::new(Liar)));
    apply(&Pipeline::new(vec![liar]), shape(3, 2, 1), 0);
}

/// A crop that comes first takes only its part of the bytes; the same as one that comes later.
#[test]
fn crops_of_bytes_are_crops_of_images() {
    for crop in [
        r#"{"kind":"random_resized_crop","size":[13,9]}"#,
        r#"{"kind":"random_resized_crop","size":40,"interpolation":"bicubic"}"#,
        r#"{"kind":"random_crop","size":[9,7]}"#,
        r#"{"kind":"random_crop","size":[9,7],"padding":2}"#,
    ] {
        let first = parse(&format!("[{crop}]")).unwrap();
        let later = parse(&format!(
            r#"[{{"kind":"center_crop","size":[31,23]}},{crop}]"#
        ))
        .unwrap();
        for channels in 1..=4 {
            let input = shape(31, 23, channels);
            for index in 0..30 {
                let found = [&first, &later].map(|pipeline| apply(pipeline, input, index));
                assert_eq!(found[0], found[1], "{crop} {channels} {index}");
            }
        }
    }
}
