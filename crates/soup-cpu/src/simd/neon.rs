//! NEON of 64-bit ARM: eight lanes, a pair of registers.
//!
//! Eight lanes in 32 registers are what AVX2 has, so kernels keep the same tiles. Instructions for bfloat16 are
//! inline assembly, as their intrinsics are not stable.

use std::arch::aarch64::*;
use std::arch::asm;

use super::{Kernel, Simd};

/// NEON; with `BF16` also its instructions for bfloat16 (`FEAT_BF16`, in every processor from ARMv8.6 on).
#[derive(Clone, Copy)]
pub(crate) struct Neon<const BF16: bool>;

/// # Safety
/// As [`Kernel::run`], on a processor with NEON.
#[target_feature(enable = "neon")]
pub(crate) unsafe fn run_neon<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller says that the processor has NEON and that the kernel's pointers are valid.
    unsafe { kernel.run::<Neon<false>>() }
}

/// # Safety
/// As [`Kernel::run`], on a processor with NEON and BF16.
#[target_feature(enable = "neon,bf16")]
pub(crate) unsafe fn run_neon_bf16<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller says that the processor has NEON with BF16 and that the kernel's pointers are valid.
    unsafe { kernel.run::<Neon<true>>() }
}

/// Two registers.
type Pair = [float32x4_t; 2];

#[inline(always)]
fn map(a: Pair, f: impl Fn(float32x4_t) -> float32x4_t) -> Pair {
    [f(a[0]), f(a[1])]
}

#[inline(always)]
fn map2(a: Pair, b: Pair, f: impl Fn(float32x4_t, float32x4_t) -> float32x4_t) -> Pair {
    [f(a[0], b[0]), f(a[1], b[1])]
}

/// The nearest upper halves, ties to even.
#[inline(always)]
unsafe fn halves<const BF16: bool>([low, high]: Pair) -> uint16x8_t {
    // SAFETY: the caller promises the instruction set.
    unsafe {
        if BF16 {
            let mut out: uint16x8_t;
            asm!(
                "bfcvtn {out:v}.4h, {low:v}.4s",
                "bfcvtn2 {out:v}.8h, {high:v}.4s",
                out = out(vreg) out,
                low = in(vreg) low,
                high = in(vreg) high,
                options(pure, nomem, nostack, preserves_flags),
            );
            return out;
        }
        let round = |value| {
            let bits = vreinterpretq_u32_f32(value);
            let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
            let rounding = vaddq_u32(odd, vdupq_n_u32(0x7fff));
            let rounded = vshrn_n_u32::<16>(vaddq_u32(bits, rounding));
            let number = vmovn_u32(vceqq_f32(value, value));
            vbsl_u16(number, rounded, vdup_n_u16(0x7fc0))
        };
        vcombine_u16(round(low), round(high))
    }
}

// SAFETY of all bodies below: the processor has NEON, with `BF16` also that, which the entry points above ask of
// their callers. `load*` and `pair*` read and `store*` write LANES values, halves or words at pointers that `Simd` has the
// caller vouch for, without alignment; all others work on registers.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "the comment above stands for all of them"
)]
impl<const BF16: bool> Simd for Neon<BF16> {
    type V = Pair;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Pair {
        unsafe { [vdupq_n_f32(value); 2] }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Pair {
        unsafe { [vld1q_f32(from), vld1q_f32(from.add(4))] }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Pair) {
        unsafe {
            vst1q_f32(to, value[0]);
            vst1q_f32(to.add(4), value[1]);
        }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Pair {
        unsafe {
            let halves = vld1q_u16(from);
            [vget_low_u16(halves), vget_high_u16(halves)]
                .map(|four| vreinterpretq_f32_u32(vshlq_n_u32::<16>(vmovl_u16(four))))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, value: Pair) {
        unsafe { vst1q_u16(to, halves::<BF16>(value)) }
    }
    #[inline(always)]
    unsafe fn pair_bf16(low: *const u16, high: *const u16) -> Pair {
        unsafe {
            let (low, high) = (vld1q_u16(low), vld1q_u16(high));
            [vzip1q_u16(low, high), vzip2q_u16(low, high)].map(|words| vreinterpretq_f32_u16(words))
        }
    }
    #[inline(always)]
    unsafe fn store_pair_bf16(to: *mut f32, low: Pair, high: Pair) {
        unsafe {
            let (low, high) = (halves::<BF16>(low), halves::<BF16>(high));
            let to = to.cast::<u16>();
            vst1q_u16(to, vzip1q_u16(low, high));
            vst1q_u16(to.add(8), vzip2q_u16(low, high));
        }
    }
    #[inline(always)]
    unsafe fn dot_bf16(a: Pair, b: Pair, sum: Pair) -> Pair {
        unsafe {
            let mut sum = sum;
            if BF16 {
                for half in 0..2 {
                    asm!(
                        "bfdot {sum:v}.4s, {a:v}.8h, {b:v}.8h",
                        sum = inout(vreg) sum[half],
                        a = in(vreg) a[half],
                        b = in(vreg) b[half],
                        options(pure, nomem, nostack, preserves_flags),
                    );
                }
                return sum;
            }
            for half in 0..2 {
                let [a, b] = [a[half], b[half]].map(|x| vreinterpretq_u32_f32(x));
                let low = |x| vreinterpretq_f32_u32(vshlq_n_u32::<16>(x));
                let high = |x| vreinterpretq_f32_u32(vandq_u32(x, vdupq_n_u32(0xffff_0000)));
                sum[half] = vfmaq_f32(sum[half], low(a), low(b));
                sum[half] = vfmaq_f32(sum[half], high(a), high(b));
            }
            sum
        }
    }
    #[inline(always)]
    unsafe fn add(a: Pair, b: Pair) -> Pair {
        map2(a, b, |a, b| unsafe { vaddq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn sub(a: Pair, b: Pair) -> Pair {
        map2(a, b, |a, b| unsafe { vsubq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn mul(a: Pair, b: Pair) -> Pair {
        map2(a, b, |a, b| unsafe { vmulq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn div(a: Pair, b: Pair) -> Pair {
        map2(a, b, |a, b| unsafe { vdivq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn mul_add(a: Pair, b: Pair, c: Pair) -> Pair {
        unsafe { [vfmaq_f32(c[0], a[0], b[0]), vfmaq_f32(c[1], a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn max(a: Pair, b: Pair) -> Pair {
        // The instruction gives NaN where either is.
        map2(a, b, |a, b| unsafe { vmaxq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn min(a: Pair, b: Pair) -> Pair {
        map2(a, b, |a, b| unsafe { vminq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn at_least(x: Pair, bound: f32) -> Pair {
        unsafe { Self::max(x, Self::splat(bound)) }
    }
    #[inline(always)]
    unsafe fn at_most(x: Pair, bound: f32) -> Pair {
        unsafe { Self::min(x, Self::splat(bound)) }
    }
    #[inline(always)]
    unsafe fn split(x: Pair) -> (Pair, Pair) {
        unsafe {
            let x = Self::at_least(Self::at_most(x, 126.0), -126.0);
            let whole = map(x, |x| vrndmq_f32(x));
            (whole, Self::sub(x, whole))
        }
    }
    #[inline(always)]
    unsafe fn scale(a: Pair, whole: Pair) -> Pair {
        map2(a, whole, |a, whole| unsafe {
            let biased = vaddq_s32(vcvtq_s32_f32(whole), vdupq_n_s32(127));
            vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased)))
        })
    }
    #[inline(always)]
    unsafe fn reciprocal(a: Pair) -> Pair {
        map(a, |a| unsafe { vdivq_f32(vdupq_n_f32(1.0), a) })
    }
    #[inline(always)]
    unsafe fn reciprocal_bf16(a: Pair) -> Pair {
        // Eight bits, doubled by a step of Newton's.
        map(a, |a| unsafe {
            let guess = vrecpeq_f32(a);
            vmulq_f32(guess, vrecpsq_f32(a, guess))
        })
    }
    #[inline(always)]
    unsafe fn where_positive(x: Pair, a: Pair, b: Pair) -> Pair {
        unsafe {
            [0, 1].map(|half| vbslq_f32(vcleq_f32(x[half], vdupq_n_f32(0.0)), b[half], a[half]))
        }
    }
    #[inline(always)]
    unsafe fn sum(a: Pair) -> f32 {
        unsafe {
            let four = vaddq_f32(a[0], a[1]);
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        unsafe {
            // Four blocks of four by four: pairs of values, then pairs of pairs.
            for (y, x) in [(0, 0), (0, 4), (4, 0), (4, 4)] {
                let from = from.add(y * from_step + x);
                let to = to.add(x * to_step + y);
                let [a, b, c, d] = [0, 1, 2, 3].map(|row| vld1q_f32(from.add(row * from_step)));
                let [ab, cd] = [(a, b), (c, d)].map(|(a, b)| {
                    [vtrn1q_f32(a, b), vtrn2q_f32(a, b)].map(|x| vreinterpretq_f64_f32(x))
                });
                let rows = [
                    vtrn1q_f64(ab[0], cd[0]),
                    vtrn1q_f64(ab[1], cd[1]),
                    vtrn2q_f64(ab[0], cd[0]),
                    vtrn2q_f64(ab[1], cd[1]),
                ];
                for (row, value) in rows.into_iter().enumerate() {
                    vst1q_f32(to.add(row * to_step), vreinterpretq_f32_f64(value));
                }
            }
        }
    }
}
