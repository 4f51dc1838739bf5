//! Transforms in steps that every library of arrays has, for those who write a pipeline down in
//! another language.

use super::image::Form;
use super::resize::Method;
use super::{
    Fill, PaddingMode, Resize, Stretch, Transform, center_crop, normalize, resize, to_grey,
};

/// A step on images of one shape, whose values are floats: the bytes to begin with.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// Pixel (row, column) is the one at `rows[row]` and `columns[column]` of the image before.
    Pick {
        /// A row of the image before for every row.
        rows: Vec<usize>,
        /// A column of the image before for every column.
        columns: Vec<usize>,
    },
    /// A frame around the image.
    Frame {
        /// Pixels on the left, at the top, on the right, at the bottom.
        sides: [usize; 4],
        /// What stands in it, one value a channel.
        values: Vec<f32>,
    },
    /// Linear interpolation between the centres of pixels, the border repeated.
    Resize {
        /// Rows that come out.
        height: usize,
        /// Columns that come out.
        width: usize,
    },
    /// Every channel is `rows x channel x transposed columns`: a weighted mean of the pixels that a
    /// smaller image's pixel covers. Runtimes do not agree on what averaging resizing is, products
    /// of matrices they do.
    Weigh {
        /// For every row a weight for each row of the image before.
        rows: Vec<Vec<f32>>,
        /// For every column a weight for each column of the image before.
        columns: Vec<Vec<f32>>,
    },
    /// Each channel is this one of the channels before.
    Channels(Vec<usize>),
    /// One channel, the sum of those before times these factors.
    Mix(Vec<f32>),
    /// `value * factor + summand`, both one a channel.
    Scale {
        /// The factors.
        factors: Vec<f32>,
        /// The summands.
        summands: Vec<f32>,
    },
    /// One channel a bin: 1 where the value of the only channel lies in the bin, else 0. These are
    /// the lower edges; the last bin has no upper one.
    Quantize(Vec<f32>),
    /// Values below `low` become `low`, those above `high` become `high`.
    Clip {
        /// The least value that stays.
        low: f32,
        /// The greatest.
        high: f32,
    },
}

impl Transform {
    /// The steps of a transform that is not random, for a form that it has checked.
    ///
    /// # Errors
    /// A message where no such steps do what the transform does.
    pub(super) fn plain(&self, before: Form) -> Result<Vec<Plain>, String> {
        let shape = before.shape;
        Ok(match self {
            Self::Resize(step) => step.plain(before),
            Self::CenterCrop(step) => {
                let frame = center_crop::frame(shape, step.target());
                let mut steps = constant_frame(frame, &Fill::default(), shape.channels);
                let [left, top, right, bottom] = frame;
                let sides = [top + shape.height + bottom, left + shape.width + right];
                if sides != step.target() {
                    let [rows, columns] = center_crop::kept(sides, step.target());
                    steps.push(Plain::Pick {
                        rows: rows.collect(),
                        columns: columns.collect(),
                    });
                }
                steps
            }
            Self::Pad(step) => match step.padding_mode {
                PaddingMode::Constant => constant_frame(step.sides(), &step.fill, shape.channels),
                mode => {
                    let [left, top, right, bottom] = step.sides();
                    vec![Plain::Pick {
                        rows: picked(mode, top, shape.height, bottom),
                        columns: picked(mode, left, shape.width, right),
                    }]
                }
            },
            Self::ToGrey(_) => match shape.channels {
                1 => Vec::new(),
                2 => vec![Plain::Channels(vec![0])],
                channels => {
                    let mut factors = to_grey::FACTORS.to_vec();
                    factors.resize(channels, 0.0);
                    vec![Plain::Mix(factors)]
                }
            },
            Self::ToRgb(_) => match shape.channels {
                1 | 2 => vec![Plain::Channels(vec![0; 3])],
                3 => Vec::new(),
                _ => vec![Plain::Channels(vec![0, 1, 2])],
            },
            Self::ToUnit(_) => vec![scale(before, &[0.0], &[1.0])],
            Self::Normalize(step) => {
                let constants = step.constants();
                let steps = constants.map(|(mean, std)| scale(before, mean, std));
                steps.into_iter().collect()
            }
            Self::Quantize(step) => vec![Plain::Quantize(step.edges.clone())],
            Self::Stretch(step) => step.plain(before),
            Self::Median(_) | Self::Bilateral(_) | Self::Otsu(_) => {
                return Err(
                    "it has no counterpart in ONNX; a model.soup carries it, or apply it to the \
                     images before they are packed"
                        .into(),
                );
            }
            Self::Own(step) => {
                return Err(format!(
                    "'{}' is a program's own; no model file carries it",
                    step.0.name()
                ));
            }
            Self::HorizontalFlip(_)
            | Self::VerticalFlip(_)
            | Self::Rotation(_)
            | Self::Rot90(_)
            | Self::Affine(_)
            | Self::RandomErasing(_)
            | Self::Cutout(_)
            | Self::ColorJitter(_)
            | Self::GaussianNoise(_)
            | Self::Elastic(_)
            | Self::GridDistortion(_)
            | Self::RandomResizedCrop(_)
            | Self::RandomCrop(_)
            | Self::RandomGrayscale(_)
            | Self::GaussianBlur(_)
            | Self::Solarize(_)
            | Self::Posterize(_)
            | Self::Equalize(_)
            | Self::Autocontrast(_)
            | Self::Sharpness(_)
            | Self::Invert(_)
            | Self::RandomApply(_)
            | Self::RandomChoice(_)
            | Self::RandomOrder(_)
            | Self::RandAugment(_)
            | Self::TrivialAugmentWide(_)
            | Self::AugMix(_)
            | Self::OwnRandom(_) => Vec::new(),
        })
    }
}

impl Stretch {
    fn plain(&self, before: Form) -> Vec<Plain> {
        let (factor, summand) = self.coefficients(before.scale);
        let channels = before.shape.channels;
        vec![
            Plain::Scale {
                factors: vec![factor; channels],
                summands: vec![summand; channels],
            },
            Plain::Clip {
                low: 0.0,
                high: before.scale.maximum().unwrap_or(f32::MAX),
            },
        ]
    }
}

impl Resize {
    fn plain(&self, before: Form) -> Vec<Plain> {
        let (old_height, old_width) = (before.shape.height, before.shape.width);
        let [height, width] = match self.target(old_height, old_width) {
            Ok(target) if target != [old_height, old_width] => target,
            _ => return Vec::new(),
        };
        let method = self.method();
        let shrinks = height < old_height || width < old_width;
        let step = match method {
            Method::Nearest | Method::NearestExact => Plain::Pick {
                rows: resize::nearest(method, old_height, height),
                columns: resize::nearest(method, old_width, width),
            },
            Method::Antialias if !shrinks => Plain::Resize { height, width },
            Method::Bilinear => Plain::Resize { height, width },
            Method::Antialias | Method::Bicubic | Method::AntialiasBicubic => Plain::Weigh {
                rows: resize::matrix(method, old_height, height),
                columns: resize::matrix(method, old_width, width),
            },
        };
        let high = before.scale.maximum().filter(|_| method.overshoots());
        let clip = high.map(|high| Plain::Clip { low: 0.0, high });
        std::iter::once(step).chain(clip).collect()
    }
}

fn constant_frame(sides: [usize; 4], fill: &Fill, channels: usize) -> Vec<Plain> {
    if sides == [0; 4] {
        return Vec::new();
    }
    let values = (0..channels).map(|channel| fill.of(channel)).collect();
    vec![Plain::Frame { sides, values }]
}

/// Where every position along an axis comes from once pixels are added at both ends.
fn picked(mode: PaddingMode, low: usize, len: usize, high: usize) -> Vec<usize> {
    let positions = (0..low + len + high).map(|at| at as isize - low as isize);
    // Only a constant frame comes from nowhere.
    positions
        .filter_map(|position| mode.source(position, len))
        .collect()
}

fn scale(before: Form, mean: &[f64], std: &[f64]) -> Plain {
    let channels = 0..before.shape.channels;
    let (factors, summands) = channels
        .map(|channel| normalize::coefficients(before.scale, mean, std, channel))
        .map(|(factor, summand)| (factor as f32, summand as f32))
        .unzip();
    Plain::Scale { factors, summands }
}
