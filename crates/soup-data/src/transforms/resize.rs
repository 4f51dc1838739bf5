//! Resizing: a pass along rows, then one along columns, with weights computed once.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Interpolation, Size};

/// torchvision `Resize`: to `[height, width]`, or the shorter side to one number with the aspect
/// kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// `[height, width]`, or one number for the shorter side.
    pub size: Size,
    /// How values between pixels are read.
    #[serde(default = "bilinear")]
    pub interpolation: Interpolation,
    /// Limit for the longer side where `size` is one number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<usize>,
    /// Whether a smaller image is a weighted mean of all pixels it covers (bilinear only).
    #[serde(default = "yes")]
    pub antialias: bool,
}

fn bilinear() -> Interpolation {
    Interpolation::Bilinear
}

fn yes() -> bool {
    true
}

impl Resize {
    /// Bilinear with antialiasing, torchvision's defaults.
    pub fn new(size: Size) -> Self {
        Self {
            size,
            interpolation: Interpolation::Bilinear,
            max_size: None,
            antialias: true,
        }
    }

    /// Height and width that come out, by torchvision's rule (the longer side is rounded down).
    pub(super) fn target(&self, height: usize, width: usize) -> Result<[usize; 2], String> {
        let short = match (self.size, self.max_size) {
            (Size::HeightWidth(_), Some(_)) => {
                return Err("`max_size` goes with a `size` of one number only".into());
            }
            (Size::HeightWidth(target), None) => return Ok(target),
            (Size::One(short), Some(limit)) if limit <= short => {
                return Err(format!(
                    "`max_size` is {limit}; it must be above `size`, {short}"
                ));
            }
            (Size::One(short), _) => short,
        };
        let (old_short, old_long) = (height.min(width), height.max(width));
        let scaled = |by: usize, of: usize, over: usize| {
            by.checked_mul(of)
                .map(|product| product / over)
                .ok_or_else(|| format!("`size` is {by}, which is too large"))
        };
        let mut new_short = short;
        let mut new_long = scaled(short, old_long, old_short)?;
        if let Some(limit) = self.max_size
            && new_long > limit
        {
            new_short = scaled(limit, new_short, new_long)?;
            new_long = limit;
        }
        Ok(if width <= height {
            [new_long, new_short]
        } else {
            [new_short, new_long]
        })
    }

    pub(super) fn method(&self) -> Method {
        match self.interpolation {
            Interpolation::Nearest => Method::Nearest,
            Interpolation::NearestExact => Method::NearestExact,
            Interpolation::Bilinear if self.antialias => Method::Antialias,
            Interpolation::Bilinear => Method::Bilinear,
        }
    }
}

impl Apply for Resize {
    const KIND: &'static str = "resize";
    const RANDOM: bool = false;

    fn check(&self, before: Form) -> Result<Form, String> {
        self.size.check()?;
        let [height, width] = self.target(before.shape.height, before.shape.width)?;
        Ok(before.sized(height, width))
    }

    fn apply(&self, image: &mut Image, _: &mut Stream, workspace: &mut Workspace) {
        if let Ok([height, width]) = self.target(image.height, image.width) {
            resize(image, height, width, self.method(), workspace);
        }
    }
}

/// How the weights along an axis are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Nearest,
    NearestExact,
    Bilinear,
    Antialias,
}

impl Method {
    /// Writes the weights of one output position into `window` and returns the input position of
    /// the first.
    fn window(self, position: usize, input: usize, output: usize, window: &mut Vec<f64>) -> usize {
        window.clear();
        let ratio = input as f64 / output as f64;
        match self {
            // In f32, as PyTorch does it: which side of a tie a pixel falls on depends on it.
            Self::Nearest | Self::NearestExact => {
                window.push(1.0);
                let half = if self == Self::Nearest { 0.0 } else { 0.5 };
                let source = (position as f32 + half) * (input as f32 / output as f32);
                (source as usize).min(input - 1)
            }
            Self::Bilinear => {
                let source = ((position as f64 + 0.5) * ratio - 0.5).max(0.0);
                let fraction = source.fract();
                window.extend([1.0 - fraction, fraction]);
                source as usize
            }
            Self::Antialias => {
                let support = ratio.max(1.0);
                let centre = (position as f64 + 0.5) * ratio;
                let first = (centre - support + 0.5).max(0.0) as usize;
                let end = ((centre + support + 0.5) as usize).min(input);
                window.extend((first..end).map(|source| {
                    let distance = (source as f64 - centre + 0.5) / support;
                    (1.0 - distance.abs()).max(0.0)
                }));
                let sum: f64 = window.iter().sum();
                window.iter_mut().for_each(|weight| *weight /= sum);
                first
            }
        }
    }
}

/// The input position that each output position reads first: the only one, for the methods that
/// pick.
pub(super) fn nearest(method: Method, input: usize, output: usize) -> Vec<usize> {
    Axis::new(method, input, output).starts
}

/// The weights of all input positions for every output position.
pub(super) fn matrix(method: Method, input: usize, output: usize) -> Vec<Vec<f32>> {
    let axis = Axis::new(method, input, output);
    let rows = axis.positions().map(|(start, weights)| {
        let mut row = vec![0.0; input];
        row[start..start + weights.len()].copy_from_slice(weights);
        row
    });
    rows.collect()
}

/// For every output position along an axis: the first input position and `taps` weights.
#[derive(Debug)]
pub(super) struct Axis {
    method: Method,
    input: usize,
    output: usize,
    taps: usize,
    starts: Vec<usize>,
    weights: Vec<f32>,
}

impl Axis {
    fn new(method: Method, input: usize, output: usize) -> Self {
        let mut window = Vec::new();
        // Two rounds, since the widest window is known only when all have been seen.
        let taps = (0..output)
            .map(|position| {
                let _ = method.window(position, input, output, &mut window);
                window.len()
            })
            .max()
            .map_or(1, |widest| widest.min(input));
        let mut axis = Self {
            method,
            input,
            output,
            taps,
            starts: Vec::with_capacity(output),
            weights: Vec::with_capacity(output * taps),
        };
        for position in 0..output {
            let first = method.window(position, input, output, &mut window);
            axis.push(first, &window);
        }
        axis
    }

    /// Adds an output position. Windows that would reach past the end are moved to the left, and
    /// weights that fall outside go to the last input position.
    fn push(&mut self, first: usize, window: &[f64]) {
        let start = first.min(self.input - self.taps);
        let base = self.weights.len();
        self.starts.push(start);
        self.weights.resize(base + self.taps, 0.0);
        for (offset, &weight) in window.iter().enumerate() {
            let tap = (first + offset - start).min(self.taps - 1);
            self.weights[base + tap] += weight as f32;
        }
    }

    fn positions(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let starts = self.starts.iter().copied();
        starts.zip(self.weights.chunks_exact(self.taps))
    }
}

/// Resizings whose weights are kept: more than any pipeline on images of one size needs.
const AXES_KEPT: usize = 16;

/// Place of the axis among those kept, made now where it is new.
fn find_axis(axes: &mut Vec<Axis>, method: Method, input: usize, output: usize) -> usize {
    let found = axes
        .iter()
        .position(|axis| axis.method == method && axis.input == input && axis.output == output);
    found.unwrap_or_else(|| {
        axes.push(Axis::new(method, input, output));
        axes.len() - 1
    })
}

/// Resizes to `height` x `width`.
pub(super) fn resize(
    image: &mut Image,
    height: usize,
    width: usize,
    method: Method,
    workspace: &mut Workspace,
) {
    if [height, width] == [image.height, image.width] {
        return;
    }
    let Workspace { spare, axes, .. } = workspace;
    if axes.len() + 2 > AXES_KEPT {
        axes.clear();
    }
    let along_row = find_axis(axes, method, image.width, width);
    let along_column = find_axis(axes, method, image.height, height);

    let channels = image.channels;
    spare.resize(image.height * width * channels, 0.0);
    for (from, to) in image
        .values
        .chunks_exact(image.width * channels)
        .zip(spare.chunks_exact_mut(width * channels))
    {
        resize_row(from, to, &axes[along_row], channels);
    }
    image.values.resize(height * width * channels, 0.0);
    resize_columns(
        spare,
        &mut image.values,
        &axes[along_column],
        width * channels,
    );
    image.height = height;
    image.width = width;
}

fn resize_row(from: &[f32], to: &mut [f32], axis: &Axis, channels: usize) {
    match (axis.taps, channels) {
        (2, 1) => {
            let weights = axis.weights.as_chunks::<2>().0;
            for ((to, &start), weights) in to.iter_mut().zip(&axis.starts).zip(weights) {
                let pair = &from[start..start + 2];
                *to = pair[0] * weights[0] + pair[1] * weights[1];
            }
        }
        (2, 3) => {
            let weights = axis.weights.as_chunks::<2>().0;
            let to = to.as_chunks_mut::<3>().0;
            for ((to, &start), weights) in to.iter_mut().zip(&axis.starts).zip(weights) {
                let pair = &from[start * 3..start * 3 + 6];
                for channel in 0..3 {
                    to[channel] = pair[channel] * weights[0] + pair[channel + 3] * weights[1];
                }
            }
        }
        _ => {
            for (to, (start, weights)) in to.chunks_exact_mut(channels).zip(axis.positions()) {
                to.fill(0.0);
                let pixels = from[start * channels..].chunks_exact(channels);
                for (pixel, &weight) in pixels.zip(weights) {
                    for (to, &value) in to.iter_mut().zip(pixel) {
                        *to += value * weight;
                    }
                }
            }
        }
    }
}

/// Every row of `to` is a weighted sum of rows of `from`; rows have `stride` values.
fn resize_columns(from: &[f32], to: &mut [f32], axis: &Axis, stride: usize) {
    for (to, (start, weights)) in to.chunks_exact_mut(stride).zip(axis.positions()) {
        let rows = &from[start * stride..(start + axis.taps) * stride];
        if let [first, second] = *weights {
            let (upper, lower) = rows.split_at(stride);
            for ((to, &upper), &lower) in to.iter_mut().zip(upper).zip(lower) {
                *to = upper * first + lower * second;
            }
        } else {
            to.fill(0.0);
            for (row, &weight) in rows.chunks_exact(stride).zip(weights) {
                for (to, &value) in to.iter_mut().zip(row) {
                    *to += value * weight;
                }
            }
        }
    }
}
