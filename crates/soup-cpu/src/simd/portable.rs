//! Plain Rust, eight lanes; the reference that every other instruction set is tested against.

use super::Simd;
use super::element::{Bf16, Element};

/// Eight values in an array; the compiler makes of it what the target has.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

const LANES: usize = 8;

#[inline(always)]
fn map(a: [f32; LANES], b: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    for lane in 0..LANES {
        out[lane] = f(a[lane], b[lane]);
    }
    out
}

impl Simd for Portable {
    type V = [f32; LANES];
    const LANES: usize = LANES;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller promises LANES values at `from`.
        unsafe { from.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        // SAFETY: the caller promises room for LANES values at `to`.
        unsafe { to.cast::<Self::V>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self::V {
        // SAFETY: the caller promises LANES values at `from`.
        let halves = unsafe { from.cast::<[u16; LANES]>().read_unaligned() };
        halves.map(|half| f32::from_bits(u32::from(half) << 16))
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, value: Self::V) {
        let halves = value.map(Bf16::from_f32);
        // SAFETY: the caller promises room for LANES values at `to`; the element is a `u16`.
        unsafe { to.cast::<[Bf16; LANES]>().write_unaligned(halves) }
    }
    #[inline(always)]
    unsafe fn pair_bf16(low: *const u16, high: *const u16) -> Self::V {
        // SAFETY: the caller promises LANES values at both.
        let (low, high) = unsafe {
            (
                low.cast::<[u16; LANES]>().read_unaligned(),
                high.cast::<[u16; LANES]>().read_unaligned(),
            )
        };
        let mut out = [0.0; LANES];
        for lane in 0..LANES {
            out[lane] = f32::from_bits(u32::from(high[lane]) << 16 | u32::from(low[lane]));
        }
        out
    }
    #[inline(always)]
    unsafe fn store_pair_bf16(to: *mut f32, low: Self::V, high: Self::V) {
        let mut halves = [Bf16::from_f32(0.0); 2 * LANES];
        for lane in 0..LANES {
            halves[2 * lane] = Bf16::from_f32(low[lane]);
            halves[2 * lane + 1] = Bf16::from_f32(high[lane]);
        }
        // SAFETY: the caller promises room for LANES words at `to`.
        unsafe { to.cast::<[Bf16; 2 * LANES]>().write_unaligned(halves) }
    }
    #[inline(always)]
    unsafe fn dot_bf16(a: Self::V, b: Self::V, sum: Self::V) -> Self::V {
        let low = |x: f32| f32::from_bits(x.to_bits() << 16);
        let high = |x: f32| f32::from_bits(x.to_bits() & 0xffff_0000);
        let sum = map(map(a, b, |x, y| low(x) * low(y)), sum, |x, y| x + y);
        map(map(a, b, |x, y| high(x) * high(y)), sum, |x, y| x + y)
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        map(a, b, |x, y| x + y)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        map(a, b, |x, y| x - y)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        map(a, b, |x, y| x * y)
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        map(a, b, |x, y| x / y)
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Two roundings: a fused one is a slow library call where the processor has none.
        map(map(a, b, |x, y| x * y), c, |x, y| x + y)
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        map(a, b, |x, y| if x > y || x.is_nan() { x } else { y })
    }
    #[inline(always)]
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
        map(a, b, |x, y| if x < y || x.is_nan() { x } else { y })
    }
    #[inline(always)]
    unsafe fn at_least(x: Self::V, bound: f32) -> Self::V {
        x.map(|x| if bound > x { bound } else { x })
    }
    #[inline(always)]
    unsafe fn at_most(x: Self::V, bound: f32) -> Self::V {
        x.map(|x| if bound < x { bound } else { x })
    }
    #[inline(always)]
    unsafe fn split(x: Self::V) -> (Self::V, Self::V) {
        // Adding and taking away 1.5 * 2^23 rounds |x| < 2^22 to the nearest integer.
        const MAGIC: f32 = 12_582_912.0;
        let x = map(x, x, |x, _| x.clamp(-126.0, 126.0));
        let nearest = map(x, x, |x, _| (x + MAGIC) - MAGIC);
        let whole = map(x, nearest, |x, n| if n > x { n - 1.0 } else { n });
        (whole, map(x, whole, |x, n| x - n))
    }
    #[inline(always)]
    unsafe fn scale(a: Self::V, whole: Self::V) -> Self::V {
        map(a, whole, |a, n| {
            a * f32::from_bits(((n as i32 + 127) << 23) as u32)
        })
    }
    #[inline(always)]
    unsafe fn reciprocal(a: Self::V) -> Self::V {
        map(a, a, |x, _| 1.0 / x)
    }
    #[inline(always)]
    unsafe fn reciprocal_bf16(a: Self::V) -> Self::V {
        map(a, a, |x, _| 1.0 / x)
    }
    #[inline(always)]
    unsafe fn where_positive(x: Self::V, a: Self::V, b: Self::V) -> Self::V {
        let mut out = b;
        for lane in 0..LANES {
            if x[lane] > 0.0 || x[lane].is_nan() {
                out[lane] = a[lane];
            }
        }
        out
    }
    #[inline(always)]
    unsafe fn sum(a: Self::V) -> f32 {
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }
}
