//! A list of transforms, checked and applied.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use crate::{Annotations, ImageShape};

use super::image::Form;
use super::{Image, Places, Plain, Scratch, Transform, TransformError, ValueScale, normalize};

/// Longest side of an image in a pipeline, in pixels.
const MAXIMUM_SIDE: usize = 32_768;
/// Most values of an image in a pipeline (4 GiB).
const MAXIMUM_VALUES: usize = 1 << 30;

/// Transforms in the order in which they are applied; serialised as a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pipeline(Vec<Transform>);

impl Pipeline {
    /// A pipeline of these transforms, in this order. Parameters are checked against an image by
    /// [`output_shape`](Self::output_shape).
    pub fn new(transforms: Vec<Transform>) -> Self {
        Self(transforms)
    }

    /// The transforms in order.
    pub fn transforms(&self) -> &[Transform] {
        &self.0
    }

    /// Checks every parameter and says which shape comes out for an image of shape `input`.
    ///
    /// # Errors
    /// [`TransformError::Transform`] for a parameter that makes no sense or a transform that cannot
    /// work on what the one before it gives, [`TransformError::Input`] for an empty or huge input.
    pub fn output_shape(&self, input: ImageShape) -> Result<ImageShape, TransformError> {
        self.check(input).map(|form| form.shape)
    }

    /// The same without what is random: what an image meets in evaluation and production. Random crops give way to the
    /// middle of the image.
    pub fn evaluation(&self) -> Self {
        Self(self.0.iter().flat_map(Transform::evaluation).collect())
    }

    /// What the pipeline does in evaluation to images of shape `input`, in steps so plain that
    /// any library of arrays can do them. Random transforms are left out.
    ///
    /// # Errors
    /// Those of [`output_shape`](Self::output_shape), and [`TransformError::Transform`] for a
    /// transform that no plain steps can do.
    pub fn plain(&self, input: ImageShape) -> Result<Vec<Plain>, TransformError> {
        let fixed = self.evaluation();
        fixed.check(input)?;
        let mut form = Form {
            shape: input,
            scale: ValueScale::Bytes,
        };
        let mut steps = Vec::new();
        for (index, transform) in fixed.0.iter().enumerate() {
            let plain = transform.plain(form);
            steps.extend(plain.map_err(|problem| fixed.wrong(index, problem))?);
            form = fixed.step(index, form)?;
        }
        Ok(steps)
    }

    /// Transforms the bytes of an image and writes the result into `out`: height x width x
    /// channels values, as many as [`output_shape`](Self::output_shape) says.
    ///
    /// Random transforms draw from `draws`; the same stream gives the same image. Nothing is
    /// allocated once `scratch` has seen an image of this shape.
    ///
    /// # Errors
    /// Those of [`output_shape`](Self::output_shape), and [`TransformError::Buffer`] for `pixels`
    /// or `out` of the wrong length.
    pub fn apply(
        &self,
        pixels: &[u8],
        shape: ImageShape,
        draws: &mut Stream,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<(), TransformError> {
        let output = self.check(shape)?;
        check_buffer("input", pixels.len(), shape.len())?;
        check_buffer("transformed", out.len(), output.shape.len())?;

        let Scratch { image, workspace } = scratch;
        let (before, last) = self.0.split_at(self.0.len() - self.pointwise());
        let before = match before {
            [Transform::RandomResizedCrop(crop), rest @ ..] => {
                crop.load((pixels, shape), image, draws, workspace);
                rest
            }
            [Transform::RandomCrop(crop), rest @ ..] => {
                crop.load((pixels, shape), image, draws, workspace);
                rest
            }
            all => {
                image.load(pixels, shape);
                all
            }
        };
        for transform in before {
            transform.apply(image, draws, workspace);
        }
        normalize::write(last, image, out);
        workspace.level(&mut image.values);
        Ok(())
    }

    /// What the pipeline does to places: the worst that a transform of it does.
    pub fn places(&self) -> Places {
        let all = self.0.iter().map(Transform::places);
        all.max().unwrap_or(Places::Keeps)
    }

    /// [`apply`](Self::apply) to an image with boxes: says where they are afterwards. A box of which less than a quarter of
    /// its area, or no whole pixel, is still in the image is left out; `None` where nobody knows where things went.
    ///
    /// # Errors
    /// Those of [`apply`](Self::apply).
    pub fn apply_with_boxes(
        &self,
        pixels: &[u8],
        annotations: Annotations,
        draws: &mut Stream,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<Option<Annotations>, TransformError> {
        let shape = annotations.image;
        match self.places() {
            Places::Keeps => {
                self.apply(pixels, shape, draws, scratch, out)?;
                Ok(Some(annotations))
            }
            Places::Moves => {
                scratch.workspace.boxes.load(&annotations.boxes, shape);
                let done = self.apply(pixels, shape, draws, scratch, out);
                let image = done.and_then(|()| self.output_shape(shape));
                let boxes = image.map(|image| {
                    let boxes = scratch.workspace.boxes.seen(image);
                    Some(Annotations { image, boxes })
                });
                scratch.workspace.boxes.load(&[], shape);
                boxes
            }
            Places::Loses => {
                self.apply(pixels, shape, draws, scratch, out)?;
                Ok(None)
            }
        }
    }

    /// Transforms an image of which the values are `f32` already, in place.
    ///
    /// # Errors
    /// Those of [`apply`](Self::apply).
    pub fn transform(
        &self,
        image: &mut Image,
        draws: &mut Stream,
        scratch: &mut Scratch,
    ) -> Result<(), TransformError> {
        self.check_from(image.form())?;
        check_buffer("input", image.values.len(), image.shape().len())?;
        for transform in &self.0 {
            transform.apply(image, draws, &mut scratch.workspace);
        }
        Ok(())
    }

    /// How many transforms at the end only copy channels, scale and shift: those are done in one
    /// pass that writes the result.
    fn pointwise(&self) -> usize {
        let fused = |transform: &&Transform| {
            matches!(
                transform,
                Transform::ToRgb(_) | Transform::ToUnit(_) | Transform::Normalize(_)
            )
        };
        self.0.iter().rev().take_while(fused).count()
    }

    fn check(&self, input: ImageShape) -> Result<Form, TransformError> {
        self.check_from(Form {
            shape: input,
            scale: ValueScale::Bytes,
        })
    }

    fn check_from(&self, mut form: Form) -> Result<Form, TransformError> {
        check_size(form).map_err(|problem| TransformError::Input { problem })?;
        for index in 0..self.0.len() {
            form = self.step(index, form)?;
        }
        Ok(form)
    }

    /// What comes out of one transform.
    fn step(&self, index: usize, before: Form) -> Result<Form, TransformError> {
        let transform = &self.0[index];
        transform
            .check(before)
            .and_then(|after| check_size(after).map(|()| after))
            .map_err(|problem| self.wrong(index, problem))
    }

    fn wrong(&self, index: usize, problem: String) -> TransformError {
        TransformError::Transform {
            position: index + 1,
            kind: self.0[index].kind(),
            problem,
        }
    }
}

impl FromIterator<Transform> for Pipeline {
    fn from_iter<I: IntoIterator<Item = Transform>>(transforms: I) -> Self {
        Self(transforms.into_iter().collect())
    }
}

fn check_buffer(what: &'static str, found: usize, expected: usize) -> Result<(), TransformError> {
    if found == expected {
        Ok(())
    } else {
        Err(TransformError::Buffer {
            what,
            found,
            expected,
        })
    }
}

fn check_size(form: Form) -> Result<(), String> {
    let ImageShape {
        height,
        width,
        channels,
    } = form.shape;
    if height == 0 || width == 0 || channels == 0 {
        return Err(format!(
            "the image would be {height} rows of {width} pixels with {channels} channels; \
             each must be at least 1"
        ));
    }
    let values = (height <= MAXIMUM_SIDE && width <= MAXIMUM_SIDE)
        .then(|| (height * width).checked_mul(channels))
        .flatten();
    match values {
        Some(values) if values <= MAXIMUM_VALUES => Ok(()),
        _ => Err(format!(
            "the image would be {height} rows of {width} pixels with {channels} channels; \
             the limits are {MAXIMUM_SIDE} a side and {MAXIMUM_VALUES} values"
        )),
    }
}
