//! A 3x3 convolution at stride 1 in Winograd's tiles of 2x2 outputs, for engines that round transformed tiles.

use soup_graph::{Convolution, ImageShape};

/// Rows of a matrix that transforms the columns and then the rows of a tile.
type Matrix = &'static [&'static [f64]];

const INPUT: Matrix = &[
    &[1.0, 0.0, -1.0, 0.0],
    &[0.0, 1.0, 1.0, 0.0],
    &[0.0, -1.0, 1.0, 0.0],
    &[0.0, 1.0, 0.0, -1.0],
];
const TAPS: Matrix = &[
    &[1.0, 0.0, 0.0],
    &[0.5, 0.5, 0.5],
    &[0.5, -0.5, 0.5],
    &[0.0, 0.0, 1.0],
];
const OUTPUTS: Matrix = &[&[1.0, 1.0, 1.0, 0.0], &[0.0, 1.0, -1.0, -1.0]];
const GRADIENT: Matrix = &[&[1.0, 0.0], &[1.0, 1.0], &[1.0, -1.0], &[0.0, -1.0]];
const TAP_GRADIENTS: Matrix = &[
    &[1.0, 0.5, 0.5, 0.0],
    &[0.0, 0.5, -0.5, 0.0],
    &[0.0, 0.5, 0.5, 1.0],
];
const POSITIONS: usize = 16;

/// `matrix tile matrix^T`, row by row.
fn transform(matrix: Matrix, at: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let side = matrix[0].len();
    let sum = |row: &[f64], of: &dyn Fn(usize) -> f64| -> f64 {
        row.iter()
            .enumerate()
            .map(|(k, factor)| factor * of(k))
            .sum()
    };
    let mut tile = Vec::with_capacity(matrix.len() * matrix.len());
    for row in matrix {
        let line: Vec<f64> = (0..side).map(|x| sum(row, &|y| at(y, x))).collect();
        tile.extend(matrix.iter().map(|row| sum(row, &|x| line[x])));
    }
    tile
}

/// Maps of one size, cut into tiles of 2x2 pixels.
#[derive(Clone, Copy)]
struct Grid {
    height: usize,
    width: usize,
    channels: usize,
    batch: usize,
}

impl Grid {
    fn tiles(self) -> usize {
        self.batch * self.height.div_ceil(2) * self.width.div_ceil(2)
    }

    /// Image, first row and first column of a tile.
    fn tile(self, index: usize) -> (usize, usize, usize) {
        let (rows, columns) = (self.height.div_ceil(2), self.width.div_ceil(2));
        let (image, tile) = (index / (rows * columns), index % (rows * columns));
        (image, tile / columns * 2, tile % columns * 2)
    }

    /// The place of a value, where the map has one.
    fn place(self, image: usize, row: usize, column: usize, channel: usize) -> Option<usize> {
        let inside = row < self.height && column < self.width;
        inside
            .then(|| ((image * self.height + row) * self.width + column) * self.channels + channel)
    }

    /// All tiles transformed and rounded: position, tile, channel. Tiles of the input reach a pixel further on every side.
    fn transformed(self, matrix: Matrix, values: &[f64], round: fn(f64) -> f64) -> Vec<f64> {
        let reach = (matrix[0].len() - 2) / 2;
        let mut to = vec![0.0; POSITIONS * self.tiles() * self.channels];
        for tile in 0..self.tiles() {
            let (image, row, column) = self.tile(tile);
            for channel in 0..self.channels {
                let at = |y: usize, x: usize| {
                    let place = (row + y)
                        .checked_sub(reach)
                        .zip((column + x).checked_sub(reach));
                    let place = place.and_then(|(y, x)| self.place(image, y, x, channel));
                    place.map_or(0.0, |place| values[place])
                };
                for (position, value) in transform(matrix, at).into_iter().enumerate() {
                    to[(position * self.tiles() + tile) * self.channels + channel] = round(value);
                }
            }
        }
        to
    }
}

/// The output, without a bias. `weight` in PyTorch's order.
pub(super) fn forward(
    spec: Convolution,
    shape: ImageShape,
    input: &[f64],
    weight: &[f64],
    batch: usize,
    round: fn(f64) -> f64,
) -> Vec<f64> {
    let (inputs, outputs) = (shape.channels, spec.channels);
    let filter =
        |input: usize, output: usize, tap: usize| weight[(output * inputs + input) * 9 + tap];
    correlate(grid(shape, inputs, batch), input, outputs, filter, round)
}

fn grid(shape: ImageShape, channels: usize, batch: usize) -> Grid {
    Grid {
        height: shape.height,
        width: shape.width,
        channels,
        batch,
    }
}

fn correlate(
    from: Grid,
    values: &[f64],
    channels: usize,
    filter: impl Fn(usize, usize, usize) -> f64,
    round: fn(f64) -> f64,
) -> Vec<f64> {
    let to = Grid { channels, ..from };
    let mut filters = vec![0.0; POSITIONS * from.channels * channels];
    for input in 0..from.channels {
        for output in 0..channels {
            let taps = transform(TAPS, |y, x| filter(input, output, 3 * y + x));
            for (position, tap) in taps.into_iter().enumerate() {
                filters[(position * from.channels + input) * channels + output] = round(tap);
            }
        }
    }
    let tiles = from.transformed(INPUT, values, round);
    let mut sums = vec![0.0; POSITIONS * from.tiles() * channels];
    for position in 0..POSITIONS {
        for tile in 0..from.tiles() {
            let row = position * from.tiles() + tile;
            let sum = &mut sums[row * channels..][..channels];
            for input in 0..from.channels {
                let value = tiles[row * from.channels + input];
                let filters = &filters[(position * from.channels + input) * channels..];
                for (sum, filter) in sum.iter_mut().zip(filters) {
                    *sum += value * filter;
                }
            }
        }
    }
    let mut output = vec![0.0; to.batch * to.height * to.width * channels];
    for tile in 0..to.tiles() {
        let (image, row, column) = to.tile(tile);
        for channel in 0..channels {
            let at =
                |y: usize, x: usize| sums[((4 * y + x) * to.tiles() + tile) * channels + channel];
            for (index, value) in transform(OUTPUTS, at).into_iter().enumerate() {
                if let Some(place) = to.place(image, row + index / 2, column + index % 2, channel) {
                    output[place] = value;
                }
            }
        }
    }
    output
}

/// Gradients of input and weight.
pub(super) fn backward(
    spec: Convolution,
    shape: ImageShape,
    input: &[f64],
    weight: &[f64],
    given: &[f64],
    batch: usize,
    round: fn(f64) -> f64,
) -> (Vec<f64>, Vec<f64>) {
    let (inputs, outputs) = (shape.channels, spec.channels);
    let (from, to) = (grid(shape, inputs, batch), grid(shape, outputs, batch));
    let rotated =
        |output: usize, input: usize, tap: usize| weight[(output * inputs + input) * 9 + 8 - tap];
    let to_input = correlate(to, given, inputs, rotated, round);
    let left = from.transformed(INPUT, input, round);
    let right = to.transformed(GRADIENT, given, round);
    let mut sums = vec![0.0; POSITIONS * inputs * outputs];
    for position in 0..POSITIONS {
        for tile in 0..from.tiles() {
            let row = position * from.tiles() + tile;
            let gradients = &right[row * outputs..][..outputs];
            for channel in 0..inputs {
                let value = left[row * inputs + channel];
                let sums = &mut sums[(position * inputs + channel) * outputs..][..outputs];
                for (sum, gradient) in sums.iter_mut().zip(gradients) {
                    *sum += value * gradient;
                }
            }
        }
    }
    let mut to_weight = vec![0.0; weight.len()];
    for channel in 0..inputs {
        for output in 0..outputs {
            let at = |y: usize, x: usize| sums[((4 * y + x) * inputs + channel) * outputs + output];
            let taps = transform(TAP_GRADIENTS, at);
            to_weight[(output * inputs + channel) * 9..][..9].copy_from_slice(&taps);
        }
    }
    (to_input, to_weight)
}
