//! Boxes stay around what they are around, whatever is drawn.

use proptest::prelude::*;

use super::super::{Pipeline, Places, Scratch, Transform};
use super::{shape, stream};
use crate::{Annotation, Annotations, ImageShape};

const INPUT: ImageShape = ImageShape {
    height: 60,
    width: 60,
    channels: 1,
};

fn pipeline(text: &str) -> Pipeline {
    serde_json::from_str(text).unwrap()
}

fn annotated(image: ImageShape, [x0, y0, x1, y1]: [u32; 4]) -> Annotations {
    let label = 3;
    let found = Annotation {
        label,
        x0,
        y0,
        x1,
        y1,
    };
    Annotations {
        image,
        boxes: vec![found],
    }
}

/// Where a white box in a black image is after a pipeline: by its boxes, and by its pixels above half.
fn moved(
    pipeline: &Pipeline,
    place: [u32; 4],
    index: u64,
    scratch: &mut Scratch,
) -> (Option<Annotations>, Option<[u32; 4]>) {
    let [x0, y0, x1, y1] = place.map(|side| side as usize);
    let mut pixels = vec![0; INPUT.len()];
    for row in pixels.chunks_exact_mut(INPUT.width).take(y1).skip(y0) {
        row[x0..x1].fill(255);
    }
    let output = pipeline.output_shape(INPUT).unwrap();
    let mut out = vec![f32::NAN; output.len()];
    let boxes = annotated(INPUT, place);
    let draws = &mut stream(index);
    let after = pipeline.apply_with_boxes(&pixels, boxes, draws, scratch, &mut out);
    let white: Vec<[u32; 2]> = (0..output.height * output.width)
        .filter(|&at| out[at * output.channels] > 127.5)
        .map(|at| [(at % output.width) as u32, (at / output.width) as u32])
        .collect();
    let ends = |axis: usize| {
        let places = white.iter().map(move |place| place[axis]);
        Some((places.clone().min()?, places.max()? + 1))
    };
    let seen = ends(0).zip(ends(1));
    (
        after.unwrap(),
        seen.map(|((x0, x1), (y0, y1))| [x0, y0, x1, y1]),
    )
}

/// Those that move things, with parameters that leave most of the box in the image.
const MOVING: [&str; 13] = [
    r#"[{"kind": "horizontal_flip"}, {"kind": "vertical_flip"}]"#,
    r#"[{"kind": "rot90"}]"#,
    r#"[{"kind": "rotation", "degrees": 180}]"#,
    r#"[{"kind": "rotation", "degrees": [90, 90]}]"#,
    r#"[{"kind": "affine", "degrees": 20, "translate": [0.1, 0.1], "scale": [0.8, 1.2], "shear": [-9, 9, -9, 9]}]"#,
    r#"[{"kind": "pad", "padding": [1, 2, 30, 4]}, {"kind": "resize", "size": 91}]"#,
    r#"[{"kind": "center_crop", "size": [50, 70]}]"#,
    r#"[{"kind": "random_crop", "size": 48, "padding": 4}]"#,
    r#"[{"kind": "random_resized_crop", "size": [71, 55], "scale": [0.5, 1]}]"#,
    r#"[{"kind": "horizontal_flip"}, {"kind": "random_resized_crop", "size": 40, "scale": [0.6, 1]}, {"kind": "rot90"}]"#,
    r#"[{"kind": "random_choice", "transforms": [{"kind": "median", "ksize": 3}, {"kind": "vertical_flip"}]}]"#,
    r#"[{"kind": "random_order", "transforms": [{"kind": "horizontal_flip"}, {"kind": "affine", "degrees": 9}]}]"#,
    r#"[{"kind": "random_apply", "transforms": [{"kind": "rot90"}, {"kind": "affine", "degrees": 0, "shear": 9}]}]"#,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn boxes_move_with_what_they_are_around(
        kind in 0..MOVING.len(), index in any::<u64>(), x in 14u32..22, y in 14u32..22, side in 16u32..24,
    ) {
        let pipeline = pipeline(MOVING[kind]);
        prop_assert_eq!(pipeline.places(), Places::Moves);
        let place = [x, y, x + side, y + side];
        let (after, seen) = moved(&pipeline, place, index, &mut Scratch::new());
        let after = after.unwrap();
        prop_assert_eq!(after.image, pipeline.output_shape(INPUT).unwrap());
        match (after.boxes.first(), seen) {
            (Some(found), Some(seen)) => {
                prop_assert_eq!(found.label, 3);
                let found = [found.x0, found.y0, found.x1, found.y1];
                // Nearest pixels and halves between two.
                let worst = (0..4).map(|at| found[at].abs_diff(seen[at])).max();
                prop_assert!(worst <= Some(2), "{}: {found:?} for {seen:?}", MOVING[kind]);
            }
            (None, Some(seen)) => {
                let area = (seen[2] - seen[0]) * (seen[3] - seen[1]);
                prop_assert!(area < side * side, "{}: {seen:?} has no box", MOVING[kind]);
            }
            (found, None) => prop_assert!(found.is_none(), "{}", MOVING[kind]),
        }
    }
}

#[test]
fn boxes_of_which_too_little_is_left_are_dropped() {
    // The middle 40 of 60 pixels: x from 10 to 50.
    let crop = pipeline(r#"[{"kind": "center_crop", "size": 40}]"#);
    let left = |place| {
        let (after, _) = moved(&crop, place, 0, &mut Scratch::new());
        let boxes = after.unwrap().boxes;
        boxes.first().map(|b| [b.x0, b.y0, b.x1, b.y1])
    };
    assert_eq!(left([0, 20, 20, 40]), Some([0, 10, 10, 30]));
    assert_eq!(left([0, 20, 13, 40]), None, "3 of 13");
    assert_eq!(left([0, 0, 20, 20]), Some([0, 0, 10, 10]), "a quarter");
    assert_eq!(left([0, 0, 10, 60]), None, "beside the image");
}

#[test]
fn whatever_transforms_keep_places_leave_boxes_as_they_are() {
    let keeps = pipeline(
        r#"[{"kind": "median"}, {"kind": "resize", "size": [7, 11]}, {"kind": "rand_augment", "num_ops": 0}]"#,
    );
    assert_eq!(keeps.places(), Places::Moves);
    let keeps = pipeline(
        r#"[{"kind": "median"}, {"kind": "resize", "size": [7, 11]}, {"kind": "gaussian_blur", "kernel_size": 3}]"#,
    );
    let (after, _) = moved(&keeps, [1, 2, 30, 40], 0, &mut Scratch::new());
    assert_eq!(after, Some(annotated(INPUT, [1, 2, 30, 40])));
    let loses = pipeline(r#"[{"kind": "grid_distortion"}, {"kind": "horizontal_flip"}]"#);
    let (after, _) = moved(&loses, [1, 2, 30, 40], 0, &mut Scratch::new());
    assert_eq!(after, None);
}

/// What says that it keeps places does: a filter's frame moves no box, and boxes of one image are none of another.
#[test]
fn boxes_are_those_of_the_image() {
    let mut scratch = Scratch::new();
    let mixed = pipeline(
        r#"[{"kind": "horizontal_flip", "p": 1}, {"kind": "median"}, {"kind": "bilateral"}, {"kind": "elastic", "sigma": 1}]"#,
    );
    assert_eq!(mixed.places(), Places::Loses);
    let filters = pipeline(
        r#"[{"kind": "horizontal_flip", "p": 1}, {"kind": "median"}, {"kind": "bilateral"},
            {"kind": "gaussian_blur", "kernel_size": [9, 5]}]"#,
    );
    for place in [[0, 0, 20, 30], [30, 10, 60, 59]] {
        let (after, _) = moved(&filters, place, 1, &mut scratch);
        let [x0, y0, x1, y1] = place;
        assert_eq!(after, Some(annotated(INPUT, [60 - x1, y0, 60 - x0, y1])));
    }
    let mut out = vec![0.0; INPUT.len()];
    let none = filters.apply(
        &vec![0; INPUT.len()],
        INPUT,
        &mut stream(0),
        &mut scratch,
        &mut out,
    );
    assert!(none.is_ok() && scratch.workspace.boxes.seen(INPUT).is_empty());
    assert_eq!(shape(60, 60, 1), INPUT);
    let transform: Transform = serde_json::from_str(r#"{"kind": "resize", "size": 3}"#).unwrap();
    assert_eq!(transform.places(), Places::Keeps);
}
