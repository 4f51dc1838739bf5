//! Reading an image through a map of places: an affine one is the core of rotation and affine, one
//! that knows every pixel's own source that of elastic deformation and grid distortion.
//!
//! Source coordinates are fixed-point numbers with 32 bits after the point, stepped along a row:
//! exact to 1e-7 of a pixel, no call to `floor`, and the pixels of a row whose four neighbours all
//! lie in the image form one interval, which is computed and then read without further tests.

use std::ops::Range;

use super::image::{Image, Workspace};
use super::{Fill, Interpolation};

/// Fixed point: this is 1 pixel.
const ONE: i64 = 1 << 32;
/// Bound of every coordinate in pixels, so that sums of three fit in fixed point.
const FAR: f64 = (1u64 << 28) as f64;

/// An affine map from places in the new image to places in the old one, `[a, b, c, d, e, f]`:
/// x' = a x + b y + c, y' = d x + e y + f, both measured from the centre of the image.
pub(super) type InverseMatrix = [f64; 6];

/// The inverse of: rotate by `angle` degrees (clockwise on the screen), scale, shear by degrees
/// along x and y, around `centre`, then translate. torchvision's `_get_inverse_affine_matrix`.
pub(super) fn inverse_matrix(
    centre: [f64; 2],
    angle: f64,
    translate: [f64; 2],
    scale: f64,
    shear: [f64; 2],
) -> InverseMatrix {
    let rotation = angle.to_radians();
    let [shear_x, shear_y] = shear.map(f64::to_radians);
    let a = (rotation - shear_y).cos() / shear_y.cos();
    let b = -(a * shear_x.tan() + rotation.sin());
    let c = (rotation - shear_y).sin() / shear_y.cos();
    let d = rotation.cos() - c * shear_x.tan();
    let [m0, m1, m3, m4] = [d / scale, -b / scale, -c / scale, a / scale];
    let [x, y] = [centre[0] + translate[0], centre[1] + translate[1]];
    [
        m0,
        m1,
        centre[0] - m0 * x - m1 * y,
        m3,
        m4,
        centre[1] - m3 * x - m4 * y,
    ]
}

/// Reads the image through `matrix` into one of the same size. Where the map leaves the image
/// stands `fill`; across its border torchvision's blend `coverage * (value - fill) + fill`.
pub(super) fn warp(
    image: &mut Image,
    matrix: InverseMatrix,
    interpolation: Interpolation,
    fill: &Fill,
    workspace: &mut Workspace,
) {
    let (height, width, channels) = (image.height, image.width, image.channels);
    workspace.spare(image.values.len());
    let (size, half) = ([height, width], [width as f64 * 0.5, height as f64 * 0.5]);
    let [a, b, c, d, e, f] = matrix;
    // Things move the other way than pixels are read.
    let determinant = a * e - b * d;
    workspace.boxes.moved(size, size, |[x, y]| {
        let [x, y] = [x - half[0] - c, y - half[1] - f];
        [
            (e * x - b * y) / determinant + half[0],
            (a * y - d * x) / determinant + half[1],
        ]
    });
    let rows = Rows::new(matrix, height, width);
    for (row, to) in workspace
        .spare
        .chunks_exact_mut(width * channels)
        .enumerate()
    {
        let line = rows.line(row);
        match (interpolation, channels) {
            (Interpolation::Bilinear, 1) => bilinear_row::<1>(image, line, fill, to),
            (Interpolation::Bilinear, 3) => bilinear_row::<3>(image, line, fill, to),
            (Interpolation::Bilinear, _) => bilinear_row::<0>(image, line, fill, to),
            (Interpolation::Nearest | Interpolation::NearestExact, _) => {
                nearest_row(image, line, fill, to);
            }
        }
    }
    std::mem::swap(&mut image.values, &mut workspace.spare);
}

/// Reads the image through a map that gives a source `[x, y]` for every `(row, column)`, in pixels
/// from the centre of the first one, into an image of the same size. The border is that of [`warp`].
pub(super) fn remap(
    image: &mut Image,
    source: impl Fn(usize, usize) -> [f64; 2],
    interpolation: Interpolation,
    fill: &Fill,
    workspace: &mut Workspace,
) {
    let (width, channels) = (image.width, image.channels);
    workspace.spare(image.values.len());
    for (index, pixel) in workspace.spare.chunks_exact_mut(channels).enumerate() {
        let place = source(index / width, index % width);
        let [x, y] = place.map(|value| (value.clamp(-FAR, FAR) * ONE as f64).round() as i64);
        match interpolation {
            Interpolation::Bilinear => border_pixel(image, (x, y), fill, pixel),
            Interpolation::Nearest | Interpolation::NearestExact => {
                nearest_pixel(image, (x + ONE / 2, y + ONE / 2), fill, pixel);
            }
        }
    }
    std::mem::swap(&mut image.values, &mut workspace.spare);
}

/// The pixel at a place whose halves have been added; the fill outside the image.
fn nearest_pixel(image: &Image, (x, y): (i64, i64), fill: &Fill, pixel: &mut [f32]) {
    let (column, row) = (x >> 32, y >> 32);
    let inside =
        (0..image.width as i64).contains(&column) && (0..image.height as i64).contains(&row);
    if inside {
        let place = (row as usize * image.width + column as usize) * image.channels;
        pixel.copy_from_slice(&image.values[place..place + image.channels]);
    } else {
        fill_pixels(pixel, fill, image.channels);
    }
}

/// Source coordinates along one row of the new image, in fixed point.
#[derive(Clone, Copy)]
struct Line {
    x: i64,
    y: i64,
    step_x: i64,
    step_y: i64,
    len: usize,
}

impl Line {
    /// The columns whose source lies in `low.0 <= x < high.0`, `low.1 <= y < high.1`.
    fn within(self, low: i64, high_x: i64, high_y: i64) -> Range<usize> {
        let x = columns(self.x, self.step_x, low, high_x, self.len);
        let y = columns(self.y, self.step_y, low, high_y, self.len);
        let start = x.start.max(y.start);
        start..x.end.min(y.end).max(start)
    }

    fn at(self, column: usize) -> (i64, i64) {
        let column = column as i64;
        (self.x + column * self.step_x, self.y + column * self.step_y)
    }
}

/// The indices in `0..len` with `low <= start + index * step < high`.
fn columns(start: i64, step: i64, low: i64, high: i64, len: usize) -> Range<usize> {
    match step {
        0 if (low..high).contains(&start) => 0..len,
        0 => 0..0,
        // Mirrored: -high < -value <= -low.
        1.. => {
            let first = |bound: i64| {
                let distance = bound - start;
                if distance <= 0 {
                    0
                } else {
                    (((distance - 1) / step) as usize)
                        .saturating_add(1)
                        .min(len)
                }
            };
            first(low)..first(high)
        }
        _ => columns(-start, -step, 1 - high, 1 - low, len),
    }
}

/// Makes the [`Line`] of every row.
struct Rows {
    matrix: InverseMatrix,
    height: usize,
    width: usize,
}

impl Rows {
    fn new(matrix: InverseMatrix, height: usize, width: usize) -> Self {
        // Steps beyond this leave the image at once; bounding them bounds every coordinate.
        let steep = FAR / height.max(width) as f64;
        let [a, b, c, d, e, f] = matrix;
        let step = |value: f64| value.clamp(-steep, steep);
        let shift = |value: f64| value.clamp(-FAR, FAR);
        Self {
            matrix: [step(a), step(b), shift(c), step(d), step(e), shift(f)],
            height,
            width,
        }
    }

    fn line(&self, row: usize) -> Line {
        let [a, b, c, d, e, f] = self.matrix;
        let half_width = (self.width as f64 - 1.0) * 0.5;
        let half_height = (self.height as f64 - 1.0) * 0.5;
        let down = row as f64 - half_height;
        let fixed = |value: f64| (value * ONE as f64).round() as i64;
        Line {
            x: fixed(b * down + c + half_width - a * half_width),
            y: fixed(e * down + f + half_height - d * half_width),
            step_x: fixed(a),
            step_y: fixed(d),
            len: self.width,
        }
    }
}

/// The part after the point, in `[0, 1)`.
#[inline]
fn fraction(fixed: i64) -> f32 {
    ((fixed as u32) >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// One row, bilinear. `CHANNELS` is the number of channels, or 0 for any.
fn bilinear_row<const CHANNELS: usize>(image: &Image, line: Line, fill: &Fill, to: &mut [f32]) {
    let (height, width) = (image.height, image.width);
    let channels = if CHANNELS == 0 {
        image.channels
    } else {
        CHANNELS
    };
    let stride = width * channels;
    let (wide, high) = (width as i64 * ONE, height as i64 * ONE);
    let touching = line.within(1 - ONE, wide, high);
    let inside = line.within(0, wide - ONE, high - ONE);
    // An empty interval may lie anywhere; put it where the borders around it are all of `touching`.
    let inside = if inside.is_empty() {
        touching.end..touching.end
    } else {
        inside
    };

    fill_pixels(&mut to[..touching.start * channels], fill, channels);
    fill_pixels(&mut to[touching.end * channels..], fill, channels);
    for column in (touching.start..inside.start).chain(inside.end..touching.end) {
        let pixel = &mut to[column * channels..(column + 1) * channels];
        border_pixel(image, line.at(column), fill, pixel);
    }

    let (mut x, mut y) = line.at(inside.start);
    let values = &image.values[..];
    let inner = &mut to[inside.start * channels..inside.end * channels];
    for pixel in inner.chunks_exact_mut(channels) {
        let (across, down) = (fraction(x), fraction(y));
        let place = (y >> 32) as usize * stride + (x >> 32) as usize * channels;
        let upper = &values[place..place + 2 * channels];
        let lower = &values[place + stride..place + stride + 2 * channels];
        for channel in 0..channels {
            let above = upper[channel] + across * (upper[channels + channel] - upper[channel]);
            let below = lower[channel] + across * (lower[channels + channel] - lower[channel]);
            pixel[channel] = above + down * (below - above);
        }
        x += line.step_x;
        y += line.step_y;
    }
}

/// A pixel some of whose four neighbours lie outside the image.
fn border_pixel(image: &Image, (x, y): (i64, i64), fill: &Fill, pixel: &mut [f32]) {
    let (height, width, channels) = (image.height, image.width, image.channels);
    let (across, down) = (fraction(x), fraction(y));
    let (left, top) = (x >> 32, y >> 32);
    let neighbours = [
        (left, top, (1.0 - across) * (1.0 - down)),
        (left + 1, top, across * (1.0 - down)),
        (left, top + 1, (1.0 - across) * down),
        (left + 1, top + 1, across * down),
    ];
    pixel.fill(0.0);
    let mut coverage = 0.0;
    for (column, row, weight) in neighbours {
        if (0..width as i64).contains(&column) && (0..height as i64).contains(&row) {
            coverage += weight;
            let place = (row as usize * width + column as usize) * channels;
            for (to, &value) in pixel.iter_mut().zip(&image.values[place..]) {
                *to += weight * value;
            }
        }
    }
    for (channel, to) in pixel.iter_mut().enumerate() {
        let fill = fill.of(channel);
        *to = (*to - fill) * coverage + fill;
    }
}

fn nearest_row(image: &Image, line: Line, fill: &Fill, to: &mut [f32]) {
    let (height, width, channels) = (image.height, image.width, image.channels);
    let line = Line {
        x: line.x + ONE / 2,
        y: line.y + ONE / 2,
        ..line
    };
    let inside = line.within(0, width as i64 * ONE, height as i64 * ONE);
    fill_pixels(&mut to[..inside.start * channels], fill, channels);
    fill_pixels(&mut to[inside.end * channels..], fill, channels);
    let (mut x, mut y) = line.at(inside.start);
    let inner = &mut to[inside.start * channels..inside.end * channels];
    for pixel in inner.chunks_exact_mut(channels) {
        let place = ((y >> 32) as usize * width + (x >> 32) as usize) * channels;
        pixel.copy_from_slice(&image.values[place..place + channels]);
        x += line.step_x;
        y += line.step_y;
    }
}

/// Sets whole pixels to the fill.
pub(super) fn fill_pixels(to: &mut [f32], fill: &Fill, channels: usize) {
    for pixel in to.chunks_exact_mut(channels) {
        for (channel, value) in pixel.iter_mut().enumerate() {
            *value = fill.of(channel);
        }
    }
}
