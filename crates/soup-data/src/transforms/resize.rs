//! Resizing: a pass along rows, then one along columns, with weights computed once.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::random_erasing::Rectangle;
use super::{Apply, Places, Resampling, Size};

/// torchvision `Resize`: to `[height, width]`, or the shorter side to one number with the aspect
/// kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// `[height, width]`, or one number for the shorter side.
    pub size: Size,
    /// How values between pixels are read.
    #[serde(default = "bilinear")]
    pub interpolation: Resampling,
    /// Limit for the longer side where `size` is one number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<usize>,
    /// Whether a smaller image is a weighted mean of all pixels it covers (bilinear and bicubic only).
    #[serde(default = "yes")]
    pub antialias: bool,
    /// Whether the aspect is kept and `[height, width]` is only covered, by timm's rule (the other side is rounded).
    #[serde(default, skip_serializing_if = "is_false")]
    pub cover: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

pub(super) fn bilinear() -> Resampling {
    Resampling::Bilinear
}

pub(super) fn yes() -> bool {
    true
}

impl Resize {
    /// Bilinear with antialiasing, torchvision's defaults.
    pub fn new(size: Size) -> Self {
        Self {
            size,
            interpolation: Resampling::Bilinear,
            cover: false,
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
            (Size::HeightWidth([high, wide]), None) if self.cover => {
                let scale = (high as f64 / height as f64).max(wide as f64 / width as f64);
                let side = |side: usize, least: usize| {
                    ((side as f64 * scale).round_ties_even() as usize).max(least)
                };
                return Ok([side(height, high), side(width, wide)]);
            }
            (Size::One(_), _) if self.cover => {
                return Err("`cover` goes with a `size` of [height, width] only".into());
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
        Method::new(self.interpolation, self.antialias)
    }
}

impl Apply for Resize {
    const KIND: &'static str = "resize";
    const RANDOM: bool = false;

    fn places(&self) -> Places {
        Places::Keeps
    }

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
    Bicubic,
    AntialiasBicubic,
}

/// Keys' cubic filter: `a` is -0.5 with antialiasing, as in Pillow, and -0.75 without, as in OpenCV and PyTorch.
fn cubic(distance: f64, a: f64) -> f64 {
    let x = distance.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

impl Method {
    pub(super) fn new(interpolation: Resampling, antialias: bool) -> Self {
        match (interpolation, antialias) {
            (Resampling::Nearest, _) => Self::Nearest,
            (Resampling::NearestExact, _) => Self::NearestExact,
            (Resampling::Bilinear, true) => Self::Antialias,
            (Resampling::Bilinear, false) => Self::Bilinear,
            (Resampling::Bicubic, true) => Self::AntialiasBicubic,
            (Resampling::Bicubic, false) => Self::Bicubic,
        }
    }

    /// Whether what comes out can lie outside of what goes in.
    pub(super) fn overshoots(self) -> bool {
        matches!(self, Self::Bicubic | Self::AntialiasBicubic)
    }

    /// The most weights of an output position.
    fn taps(self, input: usize, output: usize) -> usize {
        let radius = match self {
            Self::Nearest | Self::NearestExact => return 1,
            Self::Bilinear => return 2,
            Self::Bicubic => return 4,
            Self::Antialias => 1.0,
            Self::AntialiasBicubic => 2.0,
        };
        let widths = (0..output).map(|position| {
            let (_, first, end) = covered(position, input as f64 / output as f64, input, radius);
            end - first
        });
        widths.max().unwrap_or(1)
    }

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
            Self::Bicubic => {
                let source = (position as f64 + 0.5) * ratio - 0.5;
                let floor = source.floor();
                // Where the image ends its last pixel is repeated.
                let place = |tap: i64| (floor as i64 + tap).clamp(0, input as i64 - 1) as usize;
                let first = place(-1);
                window.resize(place(2) - first + 1, 0.0);
                for tap in -1..=2 {
                    window[place(tap) - first] += cubic(source - floor - tap as f64, -0.75);
                }
                first
            }
            Self::Antialias => averaged(
                position,
                ratio,
                input,
                1.0,
                |x| (1.0 - x.abs()).max(0.0),
                window,
            ),
            Self::AntialiasBicubic => {
                averaged(position, ratio, input, 2.0, |x| cubic(x, -0.5), window)
            }
        }
    }
}

/// The input positions that a filter of this radius covers, widened where the image shrinks: its centre, the first one and
/// one past the last.
fn covered(position: usize, ratio: f64, input: usize, radius: f64) -> (f64, usize, usize) {
    let support = radius * ratio.max(1.0);
    let centre = (position as f64 + 0.5) * ratio;
    let first = (centre - support + 0.5).max(0.0) as usize;
    (
        centre,
        first,
        ((centre + support + 0.5) as usize).min(input),
    )
}

/// The weights of such a filter, as [`Method::window`].
fn averaged(
    position: usize,
    ratio: f64,
    input: usize,
    radius: f64,
    filter: impl Fn(f64) -> f64,
    window: &mut Vec<f64>,
) -> usize {
    let (centre, first, end) = covered(position, ratio, input, radius);
    let wide = ratio.max(1.0);
    window.extend((first..end).map(|source| filter((source as f64 - centre + 0.5) / wide)));
    let sum: f64 = window.iter().sum();
    window.iter_mut().for_each(|weight| *weight /= sum);
    first
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
        let taps = method.taps(input, output).min(input);
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
    let whole = Rectangle {
        top: 0,
        left: 0,
        height: image.height,
        width: image.width,
    };
    resize_part(image, whole, [height, width], method, false, workspace);
}

/// Resizes a part of an image to `[height, width]`. With `rows_first` rows are added up before pixels within them, where
/// that makes fewer rows: faster, with other last digits.
pub(super) fn resize_part(
    image: &mut Image,
    part: Rectangle,
    [height, width]: [usize; 2],
    method: Method,
    rows_first: bool,
    workspace: &mut Workspace,
) {
    if [height, width] == [part.height, part.width] {
        if image.size() != [height, width] {
            super::center_crop::cut(image, part);
        }
        return;
    }
    let Workspace { spare, axes, .. } = workspace;
    if axes.len() + 2 > AXES_KEPT {
        axes.clear();
    }
    let along_row = find_axis(axes, method, part.width, width);
    let along_column = find_axis(axes, method, part.height, height);
    let (along_row, along_column) = (&axes[along_row], &axes[along_column]);

    let channels = image.channels;
    let stride = image.width * channels;
    let (first, row_len) = (part.left * channels, part.width * channels);
    let from = &image.values[part.top * stride..(part.top + part.height) * stride];
    if rows_first && height <= part.height {
        spare.resize(height * row_len, 0.0);
        resize_columns(from, stride, first, spare, row_len, along_column);
        image.values.resize(height * width * channels, 0.0);
        let rows = spare.chunks_exact(row_len);
        for (from, to) in rows.zip(image.values.chunks_exact_mut(width * channels)) {
            resize_row(from, to, along_row, channels);
        }
    } else {
        let len = width * channels;
        spare.resize(part.height * len, 0.0);
        let rows = from.chunks_exact(stride);
        for (from, to) in rows.zip(spare.chunks_exact_mut(len)) {
            resize_row(&from[first..first + row_len], to, along_row, channels);
        }
        image.values.resize(height * len, 0.0);
        resize_columns(spare, len, 0, &mut image.values, len, along_column);
    }
    if method.overshoots()
        && let Some(most) = image.scale.maximum()
    {
        image
            .values
            .iter_mut()
            .for_each(|value| *value = value.clamp(0.0, most));
    }
    (image.height, image.width) = (height, width);
}

fn resize_row(from: &[f32], to: &mut [f32], axis: &Axis, channels: usize) {
    match channels {
        1 => resize_pixels::<1>(from, to, axis),
        3 => resize_pixels::<3>(from, to, axis),
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

fn resize_pixels<const CHANNELS: usize>(from: &[f32], to: &mut [f32], axis: &Axis) {
    // A known number of weights is no loop.
    match axis.taps {
        2 => resize_taps::<CHANNELS, 2>(from, to, axis),
        3 => resize_taps::<CHANNELS, 3>(from, to, axis),
        4 => resize_taps::<CHANNELS, 4>(from, to, axis),
        5 => resize_taps::<CHANNELS, 5>(from, to, axis),
        6 => resize_taps::<CHANNELS, 6>(from, to, axis),
        7 => resize_taps::<CHANNELS, 7>(from, to, axis),
        8 => resize_taps::<CHANNELS, 8>(from, to, axis),
        9 => resize_taps::<CHANNELS, 9>(from, to, axis),
        10 => resize_taps::<CHANNELS, 10>(from, to, axis),
        _ => {
            let (from, to) = (
                from.as_chunks::<CHANNELS>().0,
                to.as_chunks_mut::<CHANNELS>().0,
            );
            for (to, (start, weights)) in to.iter_mut().zip(axis.positions()) {
                *to = weighted_pixels(&from[start..start + weights.len()], weights);
            }
        }
    }
}

fn resize_taps<const CHANNELS: usize, const TAPS: usize>(
    from: &[f32],
    to: &mut [f32],
    axis: &Axis,
) {
    let (from, to) = (
        from.as_chunks::<CHANNELS>().0,
        to.as_chunks_mut::<CHANNELS>().0,
    );
    let weights = axis.weights.as_chunks::<TAPS>().0;
    for ((to, &start), weights) in to.iter_mut().zip(&axis.starts).zip(weights) {
        if let Some(pixels) = from[start..].first_chunk::<TAPS>() {
            *to = weighted_pixels(pixels, weights);
        }
    }
}

#[inline(always)]
fn weighted_pixels<const CHANNELS: usize>(
    pixels: &[[f32; CHANNELS]],
    weights: &[f32],
) -> [f32; CHANNELS] {
    let mut sum = [0.0; CHANNELS];
    for (pixel, &weight) in pixels.iter().zip(weights) {
        for (sum, &value) in sum.iter_mut().zip(pixel) {
            *sum += value * weight;
        }
    }
    sum
}

/// Values of a row that are added up together.
const LANES: usize = 16;

/// Every row of `to`, of `len` values, is a weighted sum of what stands from `first` on in rows of `from`, which have
/// `stride` values.
fn resize_columns(
    from: &[f32],
    stride: usize,
    first: usize,
    to: &mut [f32],
    len: usize,
    axis: &Axis,
) {
    for (to, (start, weights)) in to.chunks_exact_mut(len).zip(axis.positions()) {
        let rows = &from[start * stride + first..];
        weighted_sum(rows, stride, weights, to);
    }
}

/// `to[i]` becomes the sum of `from[k * stride + i] * weights[k]`.
pub(super) fn weighted_sum(from: &[f32], stride: usize, weights: &[f32], to: &mut [f32]) {
    let (blocks, rest) = to.as_chunks_mut::<LANES>();
    let whole = blocks.len() * LANES;
    for (block, to) in blocks.iter_mut().enumerate() {
        let mut sum = [0.0; LANES];
        for (row, &weight) in weights.iter().enumerate() {
            let from = &from[row * stride + block * LANES..][..LANES];
            for (sum, &value) in sum.iter_mut().zip(from) {
                *sum += value * weight;
            }
        }
        *to = sum;
    }
    for (at, to) in rest.iter_mut().enumerate() {
        let places = from[whole + at..].iter().step_by(stride);
        *to = places
            .zip(weights)
            .fold(0.0, |sum, (&value, &weight)| sum + value * weight);
    }
}
