//! The two sizes of tiles and their one-dimensional transforms, applied to the columns first, then to the rows.
//!
//! A line of `m + 2` values and three taps become `m` outputs by `m + 2` products instead of `3 m`. Both are taken as
//! polynomials. Their values at `m + 1` points (0, 1, -1, and 2, -2 in larger tiles) and at infinity are multiplied.
//! Algorithm and points are those of Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.

use crate::simd::Simd;

/// Most values of a line.
pub(super) const LONGEST: usize = 6;

/// A line of vectors, of which the first ones count.
pub(super) type Line<S> = [<S as Simd>::V; LONGEST];
/// Rows of a tile, of which the first ones count.
pub(super) type TileVectors<S> = [Line<S>; LONGEST];

/// Size of the tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tile {
    /// 2x2 outputs of 16 products, where the definition has 36.
    F2x2,
    /// 4x4 outputs of 36 products, where the definition has 144. Its rounding error is about ten times that of the
    /// definition, which is acceptable in single precision and not in bf16.
    F4x4,
}

impl Tile {
    /// Outputs of a side.
    pub(crate) fn outputs(self) -> usize {
        match self {
            Self::F2x2 => 2,
            Self::F4x4 => 4,
        }
    }

    /// Values of a side of the input, of which two are the next tile's, too.
    pub(crate) fn side(self) -> usize {
        self.outputs() + 2
    }

    /// Products.
    pub(crate) fn positions(self) -> usize {
        self.side() * self.side()
    }
}

/// The transforms of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// `B^T d`: of the input, or of gradients of outputs for the gradient of the input.
    Input,
    /// Of gradients of outputs for the gradient of the taps; [`Stage::TapGradients`] has the factors.
    Gradient,
    /// `G g`: of the taps.
    Taps,
    /// `A^T m`: from products to outputs.
    Outputs,
    /// From products of inputs and gradients to the gradients of the taps.
    TapGradients,
}

impl Stage {
    /// Side of the tile before and after.
    #[inline(always)]
    pub(super) fn sides(self, tile: Tile) -> (usize, usize) {
        match self {
            Self::Input => (tile.side(), tile.side()),
            Self::Gradient => (tile.outputs(), tile.side()),
            Self::Taps => (3, tile.side()),
            Self::Outputs => (tile.side(), tile.outputs()),
            Self::TapGradients => (tile.side(), 3),
        }
    }
}

/// The transforms of one line.
pub(super) trait Algorithm {
    const TILE: Tile;

    /// # Safety
    /// The processor must have `S`, as for all that follow.
    unsafe fn input<S: Simd>(d: Line<S>) -> Line<S>;
    unsafe fn gradient<S: Simd>(d: Line<S>) -> Line<S>;
    unsafe fn taps<S: Simd>(g: Line<S>) -> Line<S>;
    unsafe fn outputs<S: Simd>(m: Line<S>) -> Line<S>;
    unsafe fn tap_gradients<S: Simd>(m: Line<S>) -> Line<S>;

    #[inline(always)]
    unsafe fn line<S: Simd>(stage: Stage, line: Line<S>) -> Line<S> {
        // SAFETY: no pointers; the processor has `S`, as the caller says.
        unsafe {
            match stage {
                Stage::Input => Self::input::<S>(line),
                Stage::Gradient => Self::gradient::<S>(line),
                Stage::Taps => Self::taps::<S>(line),
                Stage::Outputs => Self::outputs::<S>(line),
                Stage::TapGradients => Self::tap_gradients::<S>(line),
            }
        }
    }
}

/// Transforms the tile of vectors at places `$y`, `$x`: all columns, then all rows of the result. A macro, because a
/// closure that the compiler does not inline is compiled without the instruction set.
macro_rules! transform {
    ($algorithm:ty, $simd:ty, $stage:expr, $y:ident, $x:ident => $at:expr) => {{
        let (before, after) = $stage.sides(<$algorithm>::TILE);
        let zero = <$simd>::splat(0.0);
        let mut tile = [[zero; LONGEST]; LONGEST];
        for $x in 0..before {
            let mut column = [zero; LONGEST];
            for $y in 0..before {
                column[$y] = $at;
            }
            let column = <$algorithm>::line::<$simd>($stage, column);
            for y in 0..after {
                tile[y][$x] = column[y];
            }
        }
        for y in 0..after {
            tile[y] = <$algorithm>::line::<$simd>($stage, tile[y]);
        }
        tile
    }};
}

pub(super) use transform;

/// F(2x2, 3x3).
pub(super) struct F2x2;

impl Algorithm for F2x2 {
    const TILE: Tile = Tile::F2x2;

    /// `[1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1]`
    #[inline(always)]
    unsafe fn input<S: Simd>(d: Line<S>) -> Line<S> {
        // SAFETY: no pointers; the processor has `S`, as the caller says.
        unsafe {
            let ends = [S::sub(d[0], d[2]), S::sub(d[1], d[3])];
            let (sum, difference) = (S::add(d[1], d[2]), S::sub(d[2], d[1]));
            line::<S, 4>([ends[0], sum, difference, ends[1]])
        }
    }

    /// `[1 0; 1 1; 1 -1; 0 -1]`
    #[inline(always)]
    unsafe fn gradient<S: Simd>(d: Line<S>) -> Line<S> {
        // SAFETY: no pointers; the processor has `S`, as the caller says.
        unsafe {
            let last = S::sub(S::splat(0.0), d[1]);
            line::<S, 4>([d[0], S::add(d[0], d[1]), S::sub(d[0], d[1]), last])
        }
    }

    /// `[1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1]`
    #[inline(always)]
    unsafe fn taps<S: Simd>(g: Line<S>) -> Line<S> {
        // SAFETY: no pointers; the processor has `S`, as the caller says.
        unsafe {
            let half = S::splat(0.5);
            let (ends, middle) = (S::mul(S::add(g[0], g[2]), half), S::mul(g[1], half));
            line::<S, 4>([g[0], S::add(ends, middle), S::sub(ends, middle), g[2]])
        }
    }

    /// `[1 1 1 0; 0 1 -1 -1]`
    #[inline(always)]
    unsafe fn outputs<S: Simd>(m: Line<S>) -> Line<S> {
        // SAFETY: no pointers; the processor has `S`, as the caller says.
        unsafe {
            let first = S::add(S::add(m[0], m[1]), m[2]);
            line::<S, 2>([first, S::sub(S::sub(m[1], m[2]), m[3])])
        }
    }

    /// `[1 1/2 1/2 0; 0 1/2 -1/2 0; 0 1/2 1/2 1]`
    #[inline(always)]
    unsafe fn tap_gradients<S: Simd>(m: Line<S>) -> Line<S> {
        // SAFETY: no pointers; the processor has `S`, as the caller says.
        unsafe {
            let half = S::splat(0.5);
            let sum = S::mul(S::add(m[1], m[2]), half);
            let difference = S::mul(S::sub(m[1], m[2]), half);
            line::<S, 3>([S::add(m[0], sum), difference, S::add(sum, m[3])])
        }
    }
}

/// F(4x4, 3x3).
pub(super) struct F4x4;

impl Algorithm for F4x4 {
    const TILE: Tile = Tile::F4x4;

    /// `[4 0 -5 0 1 0; 0 -4 -4 1 1 0; 0 4 -4 -1 1 0; 0 -2 -1 2 1 0; 0 2 -1 -2 1 0; 0 4 0 -5 0 1]`
    #[inline(always)]
    unsafe fn input<S: Simd>(d: Line<S>) -> Line<S> {
        // SAFETY: no pointers; the processor has `S`, as the caller says.
        unsafe {
            let (two, four, five) = (S::splat(2.0), S::splat(-4.0), S::splat(-5.0));
            let first = S::sub(S::mul_add(five, d[2], d[4]), S::mul(four, d[0]));
            let last = S::sub(S::mul_add(five, d[3], d[5]), S::mul(four, d[1]));
            let (even, odd) = (S::mul_add(four, d[2], d[4]), S::mul_add(four, d[1], d[3]));
            let (near, far) = (S::sub(d[4], d[2]), S::mul(two, S::sub(d[3], d[1])));
            [
                first,
                S::add(even, odd),
                S::sub(even, odd),
                S::add(near, far),
                S::sub(near, far),
                last,
            ]
        }
    }

    /// `[1 0 0 0; 1 1 1 1; 1 -1 1 -1; 1 2 4 8; 1 -2 4 -8; 0 0 0 1]`
    #[inline(always)]
    unsafe fn gradient<S: Simd>(d: Line<S>) -> Line<S> {
        // SAFETY: no pointers; the processor has `S`, as the caller says.
        unsafe {
            let (two, four) = (S::splat(2.0), S::splat(4.0));
            let (even, odd) = (S::add(d[0], d[2]), S::add(d[1], d[3]));
            let further = S::mul_add(four, d[2], d[0]);
            let odd_further = S::mul(two, S::mul_add(four, d[3], d[1]));
            [
                d[0],
                S::add(even, odd),
                S::sub(even, odd),
                S::add(further, odd_further),
                S::sub(further, odd_further),
                d[3],
            ]
        }
    }

    /// `[1/4 0 0; -1/6 -1/6 -1/6; -1/6 1/6 -1/6; 1/24 1/12 1/6; 1/24 -1/12 1/6; 0 0 1]`
    #[inline(always)]
    unsafe fn taps<S: Simd>(g: Line<S>) -> Line<S> {
        // SAFETY: no pointers; the processor has `S`, as the caller says.
        unsafe {
            let sixth = S::splat(-1.0 / 6.0);
            let (even, odd) = (S::mul(S::add(g[0], g[2]), sixth), S::mul(g[1], sixth));
            let first = S::mul(g[0], S::splat(1.0 / 24.0));
            let further = S::sub(first, S::mul(g[2], sixth));
            let odd_further = S::mul(g[1], S::splat(1.0 / 12.0));
            [
                S::mul(g[0], S::splat(0.25)),
                S::add(even, odd),
                S::sub(even, odd),
                S::add(further, odd_further),
                S::sub(further, odd_further),
                g[2],
            ]
        }
    }

    /// `[1 1 1 1 1 0; 0 1 -1 2 -2 0; 0 1 1 4 4 0; 0 1 -1 8 -8 1]`
    #[inline(always)]
    unsafe fn outputs<S: Simd>(m: Line<S>) -> Line<S> {
        // SAFETY: no pointers; the processor has `S`, as the caller says.
        unsafe {
            let (sum, further_sum) = (S::add(m[1], m[2]), S::add(m[3], m[4]));
            let (difference, further) = (S::sub(m[1], m[2]), S::sub(m[3], m[4]));
            line::<S, 4>([
                S::add(S::add(m[0], sum), further_sum),
                S::mul_add(S::splat(2.0), further, difference),
                S::mul_add(S::splat(4.0), further_sum, sum),
                S::add(S::mul_add(S::splat(8.0), further, difference), m[5]),
            ])
        }
    }

    /// `[1/4 -1/6 -1/6 1/24 1/24 0; 0 -1/6 1/6 1/12 -1/12 0; 0 -1/6 -1/6 1/6 1/6 1]`
    #[inline(always)]
    unsafe fn tap_gradients<S: Simd>(m: Line<S>) -> Line<S> {
        // SAFETY: no pointers; the processor has `S`, as the caller says.
        unsafe {
            let sixth = S::splat(1.0 / 6.0);
            let sum = S::mul(S::add(m[1], m[2]), sixth);
            let difference = S::mul(S::sub(m[1], m[2]), sixth);
            let further_sum = S::add(m[3], m[4]);
            let further = S::sub(m[3], m[4]);
            let first = S::mul_add(
                further_sum,
                S::splat(1.0 / 24.0),
                S::mul(m[0], S::splat(0.25)),
            );
            line::<S, 3>([
                S::sub(first, sum),
                S::sub(S::mul(further, S::splat(1.0 / 12.0)), difference),
                S::add(S::sub(S::mul(further_sum, sixth), sum), m[5]),
            ])
        }
    }
}

/// A whole line of its first values.
#[inline(always)]
unsafe fn line<S: Simd, const N: usize>(values: [S::V; N]) -> Line<S> {
    // SAFETY: no pointers; the processor has `S`, as the caller says.
    let mut line = [unsafe { S::splat(0.0) }; LONGEST];
    line[..N].copy_from_slice(&values);
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;

    /// `sum over j of d[k + j] g[j]`, for `count` values of k.
    fn correlation(d: &[f64], g: &[f64], count: usize) -> Vec<f64> {
        let at = |k: usize| g.iter().zip(&d[k..]).map(|(g, d)| g * d).sum();
        (0..count).map(at).collect()
    }

    fn agrees<A: Algorithm>() {
        let tile = A::TILE;
        let number = |i: usize, start: f64| (f64::from(i as u32) * 1.7 + start).sin();
        let d: Vec<f64> = (0..tile.side()).map(|i| number(i, 0.3)).collect();
        let taps: Vec<f64> = (0..3).map(|i| number(i, 1.9)).collect();
        let gradients: Vec<f64> = (0..tile.outputs()).map(|i| number(i, 4.2)).collect();
        // SAFETY: every processor has `Portable`, and no pointers are used.
        unsafe {
            let line = |values: &[f64]| {
                let mut line = [Portable::splat(0.0); LONGEST];
                for (to, &value) in line.iter_mut().zip(values) {
                    *to = Portable::splat(value as f32);
                }
                line
            };
            let times = |a: Line<Portable>, b: Line<Portable>| {
                let mut product = a;
                for (a, b) in product.iter_mut().zip(b) {
                    *a = Portable::mul(*a, b);
                }
                product
            };
            let points = A::line::<Portable>(Stage::Input, line(&d));
            let found = times(points, A::line::<Portable>(Stage::Taps, line(&taps)));
            let found = A::line::<Portable>(Stage::Outputs, found);
            for (found, right) in found.iter().zip(correlation(&d, &taps, tile.outputs())) {
                assert!(
                    (f64::from(found[0]) - right).abs() < 1e-5,
                    "{tile:?} outputs"
                );
            }
            let found = times(
                points,
                A::line::<Portable>(Stage::Gradient, line(&gradients)),
            );
            let found = A::line::<Portable>(Stage::TapGradients, found);
            for (found, right) in found.iter().zip(correlation(&d, &gradients, 3)) {
                assert!((f64::from(found[0]) - right).abs() < 1e-5, "{tile:?} taps");
            }
        }
    }

    #[test]
    fn lines_are_correlations() {
        agrees::<F2x2>();
        agrees::<F4x4>();
    }
}
