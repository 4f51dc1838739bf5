//! AVX2 with FMA: eight lanes.

use std::arch::asm;
use std::arch::x86_64::*;

use super::{Kernel, Simd};

/// AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// # Safety
/// As [`Kernel::run`], on a processor with AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller says that the processor has AVX2 and FMA and that the kernel's pointers are valid.
    unsafe { kernel.run::<Avx2>() }
}

/// [`Simd::four_by_three`]: twelve sums, three vectors of the right operand and one value of the left are all 16 registers.
///
/// # Safety
/// As there.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn four_by_three(
    sums: &mut [[__m256; 3]; 4],
    (left, left_row, left_step): (*const f32, usize, usize),
    (right, right_row): (*const f32, usize),
    k: usize,
) {
    if k == 0 {
        return;
    }
    let [
        [mut s00, mut s01, mut s02],
        [mut s10, mut s11, mut s12],
        [mut s20, mut s21, mut s22],
        [mut s30, mut s31, mut s32],
    ] = *sums;
    // SAFETY: what is read is what the caller promises; nothing is written.
    unsafe {
        asm!(
            ".p2align 4",
            "2:",
            "vmovups {b0}, [{right}]",
            "vmovups {b1}, [{right} + 32]",
            "vmovups {b2}, [{right} + 64]",
            "vbroadcastss {a}, [{left}]",
            "vfmadd231ps {s00}, {a}, {b0}",
            "vfmadd231ps {s01}, {a}, {b1}",
            "vfmadd231ps {s02}, {a}, {b2}",
            "vbroadcastss {a}, [{left} + {row}]",
            "vfmadd231ps {s10}, {a}, {b0}",
            "vfmadd231ps {s11}, {a}, {b1}",
            "vfmadd231ps {s12}, {a}, {b2}",
            "vbroadcastss {a}, [{left} + 2 * {row}]",
            "vfmadd231ps {s20}, {a}, {b0}",
            "vfmadd231ps {s21}, {a}, {b1}",
            "vfmadd231ps {s22}, {a}, {b2}",
            "vbroadcastss {a}, [{last}]",
            "vfmadd231ps {s30}, {a}, {b0}",
            "vfmadd231ps {s31}, {a}, {b1}",
            "vfmadd231ps {s32}, {a}, {b2}",
            "add {left}, {step}",
            "add {last}, {step}",
            "add {right}, {right_row}",
            "dec {k}",
            "jnz 2b",
            left = inout(reg) left => _,
            last = inout(reg) left.add(3 * left_row) => _,
            row = in(reg) 4 * left_row,
            step = in(reg) 4 * left_step,
            right = inout(reg) right => _,
            right_row = in(reg) 4 * right_row,
            k = inout(reg) k => _,
            a = out(ymm_reg) _,
            b0 = out(ymm_reg) _,
            b1 = out(ymm_reg) _,
            b2 = out(ymm_reg) _,
            s00 = inout(ymm_reg) s00,
            s01 = inout(ymm_reg) s01,
            s02 = inout(ymm_reg) s02,
            s10 = inout(ymm_reg) s10,
            s11 = inout(ymm_reg) s11,
            s12 = inout(ymm_reg) s12,
            s20 = inout(ymm_reg) s20,
            s21 = inout(ymm_reg) s21,
            s22 = inout(ymm_reg) s22,
            s30 = inout(ymm_reg) s30,
            s31 = inout(ymm_reg) s31,
            s32 = inout(ymm_reg) s32,
            options(readonly, nostack),
        );
    }
    *sums = [
        [s00, s01, s02],
        [s10, s11, s12],
        [s20, s21, s22],
        [s30, s31, s32],
    ];
}

// SAFETY of all bodies below: the processor has AVX2 and FMA, which the entry points above ask of
// their callers. `load*` and `pair*` read and `store*` write LANES values, halves or words at pointers that `Simd` has the
// caller vouch for, without alignment; all others work on registers.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "the comment above stands for all of them"
)]
impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const FOUR_BY_THREE: bool = true;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m256) {
        unsafe { _mm256_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m256 {
        unsafe {
            let halves = _mm_loadu_si128(from.cast());
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, value: __m256) {
        unsafe {
            let bits = _mm256_castps_si256(value);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let rounding = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let rounded = _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, rounding));
            let none = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(value, value));
            let halves = _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc0), none);
            let packed = _mm256_packus_epi32(halves, halves);
            let ordered = _mm256_permute4x64_epi64::<0b1000>(packed);
            _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(ordered));
        }
    }
    #[inline(always)]
    unsafe fn pair_bf16(low: *const u16, high: *const u16) -> __m256 {
        unsafe {
            let low = _mm256_cvtepu16_epi32(_mm_loadu_si128(low.cast()));
            let high = _mm256_cvtepu16_epi32(_mm_loadu_si128(high.cast()));
            _mm256_castsi256_ps(_mm256_or_si256(low, _mm256_slli_epi32::<16>(high)))
        }
    }
    #[inline(always)]
    unsafe fn store_pair_bf16(to: *mut f32, low: __m256, high: __m256) {
        let mut halves = [[0u16; 8]; 2];
        unsafe {
            Self::store_bf16(halves[0].as_mut_ptr(), low);
            Self::store_bf16(halves[1].as_mut_ptr(), high);
            Self::store(to, Self::pair_bf16(halves[0].as_ptr(), halves[1].as_ptr()));
        }
    }
    #[inline(always)]
    unsafe fn dot_bf16(a: __m256, b: __m256, sum: __m256) -> __m256 {
        unsafe {
            let low = |x| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_castps_si256(x)));
            let upper = _mm256_castsi256_ps(_mm256_set1_epi32(0xffff_0000_u32 as i32));
            let high = |x| _mm256_and_ps(x, upper);
            let sum = _mm256_fmadd_ps(low(a), low(b), sum);
            _mm256_fmadd_ps(high(a), high(b), sum)
        }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        // The instruction gives `b` where either is NaN.
        unsafe {
            let none = _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a);
            _mm256_blendv_ps(_mm256_max_ps(a, b), a, none)
        }
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe {
            let none = _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a);
            _mm256_blendv_ps(_mm256_min_ps(a, b), a, none)
        }
    }
    #[inline(always)]
    unsafe fn at_least(x: __m256, bound: f32) -> __m256 {
        // Where the second operand is NaN it stays.
        unsafe { _mm256_max_ps(_mm256_set1_ps(bound), x) }
    }
    #[inline(always)]
    unsafe fn at_most(x: __m256, bound: f32) -> __m256 {
        unsafe { _mm256_min_ps(_mm256_set1_ps(bound), x) }
    }
    #[inline(always)]
    unsafe fn split(x: __m256) -> (__m256, __m256) {
        unsafe {
            let x = Self::at_least(Self::at_most(x, 126.0), -126.0);
            let whole = _mm256_floor_ps(x);
            (whole, _mm256_sub_ps(x, whole))
        }
    }
    #[inline(always)]
    unsafe fn scale(a: __m256, whole: __m256) -> __m256 {
        unsafe {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127));
            _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased)))
        }
    }
    #[inline(always)]
    unsafe fn reciprocal(a: __m256) -> __m256 {
        unsafe { _mm256_div_ps(_mm256_set1_ps(1.0), a) }
    }
    #[inline(always)]
    unsafe fn reciprocal_bf16(a: __m256) -> __m256 {
        unsafe { _mm256_rcp_ps(a) }
    }
    #[inline(always)]
    unsafe fn where_positive(x: __m256, a: __m256, b: __m256) -> __m256 {
        unsafe {
            let positive = _mm256_cmp_ps::<_CMP_NLE_UQ>(x, _mm256_setzero_ps());
            _mm256_blendv_ps(b, a, positive)
        }
    }
    #[inline(always)]
    unsafe fn sum(a: __m256) -> f32 {
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
    #[inline(always)]
    unsafe fn four_by_three(
        sums: &mut [[__m256; 3]; 4],
        left: (*const f32, usize, usize),
        right: (*const f32, usize),
        k: usize,
    ) {
        unsafe { four_by_three(sums, left, right, k) }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        unsafe {
            // Blocks of four by four within the halves of the vectors, then blocks of halves.
            let mut row: [__m256; 8] = std::array::from_fn(|y| Self::load(from.add(y * from_step)));
            for y in [0, 4] {
                let [a, b, c, d] = [row[y], row[y + 1], row[y + 2], row[y + 3]];
                let pairs = [
                    _mm256_unpacklo_ps(a, b),
                    _mm256_unpackhi_ps(a, b),
                    _mm256_unpacklo_ps(c, d),
                    _mm256_unpackhi_ps(c, d),
                ]
                .map(|x| _mm256_castps_pd(x));
                row[y] = _mm256_castpd_ps(_mm256_unpacklo_pd(pairs[0], pairs[2]));
                row[y + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(pairs[0], pairs[2]));
                row[y + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(pairs[1], pairs[3]));
                row[y + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(pairs[1], pairs[3]));
            }
            for x in 0..4 {
                let (upper, lower) = (row[x], row[4 + x]);
                let left = _mm256_permute2f128_ps::<0x20>(upper, lower);
                let right = _mm256_permute2f128_ps::<0x31>(upper, lower);
                Self::store(to.add(x * to_step), left);
                Self::store(to.add((4 + x) * to_step), right);
            }
        }
    }
}
