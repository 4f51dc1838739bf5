//! AVX2 with FMA (eight lanes) and AVX-512 (sixteen lanes).

use std::arch::asm;
use std::arch::x86_64::*;

use super::{Kernel, Simd};

/// AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// AVX-512; with `BF16` also its instructions for bfloat16, with `TILES` beside AMX.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<const BF16: bool, const TILES: bool = false>;

/// # Safety
/// As [`Kernel::run`], on a processor with AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: as promised by the caller.
    unsafe { kernel.run::<Avx2>() }
}

/// # Safety
/// As [`Kernel::run`], on a processor with AVX-512 F, BW, DQ and VL.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(crate) unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: as promised by the caller.
    unsafe { kernel.run::<Avx512<false>>() }
}

/// # Safety
/// As [`Kernel::run`], on a processor with AVX-512 F, BW, DQ, VL and BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
pub(crate) unsafe fn run_avx512_bf16<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: as promised by the caller.
    unsafe { kernel.run::<Avx512<true>>() }
}

/// # Safety
/// As [`Kernel::run`], on a processor with AVX-512 F, BW, DQ, VL and BF16 and with AMX.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
pub(crate) unsafe fn run_amx<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: as promised by the caller.
    unsafe { kernel.run::<Avx512<true, true>>() }
}

/// [`Simd::four_by_three`]: twelve sums, three vectors of the right side and one value of the left are all 16 registers.
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

// SAFETY of all bodies below: the trait's contract gives the instruction set and valid pointers.
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
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn split(x: __m256) -> (__m256, __m256) {
        unsafe {
            let x = _mm256_min_ps(x, _mm256_set1_ps(126.0));
            let x = _mm256_max_ps(x, _mm256_set1_ps(-126.0));
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
            let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(x, _mm256_setzero_ps());
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
    unsafe fn turn(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        unsafe {
            // Squares of four within the halves of the vectors, then squares of halves.
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

// SAFETY: as above.
impl<const BF16: bool, const TILES: bool> Simd for Avx512<BF16, TILES> {
    type V = __m512;
    const LANES: usize = 16;
    const TILES: bool = TILES;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m512) {
        unsafe { _mm512_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m512 {
        unsafe {
            let halves = _mm256_loadu_si256(from.cast());
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, value: __m512) {
        unsafe {
            if BF16 {
                let halves = _mm512_cvtneps_pbh(value);
                to.cast::<__m256bh>().write_unaligned(halves);
                return;
            }
            let bits = _mm512_castps_si512(value);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let rounding = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
            let rounded = _mm512_srli_epi32::<16>(_mm512_add_epi32(bits, rounding));
            let none = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(value, value);
            let halves = _mm512_mask_set1_epi32(rounded, none, 0x7fc0);
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(halves));
        }
    }
    #[inline(always)]
    unsafe fn pair_bf16(low: *const u16, high: *const u16) -> __m512 {
        unsafe {
            let low = _mm512_cvtepu16_epi32(_mm256_loadu_si256(low.cast()));
            let high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(high.cast()));
            _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32::<16>(high)))
        }
    }
    #[inline(always)]
    unsafe fn store_pair_bf16(to: *mut f32, low: __m512, high: __m512) {
        if BF16 {
            unsafe {
                let halves =
                    std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
                #[rustfmt::skip]
                let order = _mm512_set_epi16(
                    31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
                    23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0,
                );
                _mm512_storeu_si512(to.cast(), _mm512_permutexvar_epi16(order, halves));
            }
            return;
        }
        let mut halves = [[0u16; 16]; 2];
        unsafe {
            Self::store_bf16(halves[0].as_mut_ptr(), low);
            Self::store_bf16(halves[1].as_mut_ptr(), high);
            Self::store(to, Self::pair_bf16(halves[0].as_ptr(), halves[1].as_ptr()));
        }
    }
    #[inline(always)]
    unsafe fn dot_bf16(a: __m512, b: __m512, sum: __m512) -> __m512 {
        unsafe {
            if BF16 {
                let (a, b) = (
                    std::mem::transmute::<__m512, __m512bh>(a),
                    std::mem::transmute::<__m512, __m512bh>(b),
                );
                return _mm512_dpbf16_ps(sum, a, b);
            }
            let low = |x| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(x)));
            let upper = _mm512_castsi512_ps(_mm512_set1_epi32(0xffff_0000_u32 as i32));
            let high = |x| _mm512_and_ps(x, upper);
            let sum = _mm512_fmadd_ps(low(a), low(b), sum);
            _mm512_fmadd_ps(high(a), high(b), sum)
        }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn split(x: __m512) -> (__m512, __m512) {
        // One instruction each: this one takes the whole part away, `scale` looks at nothing else.
        unsafe {
            (
                x,
                _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(x),
            )
        }
    }
    #[inline(always)]
    unsafe fn scale(a: __m512, whole: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(a, whole) }
    }
    #[inline(always)]
    unsafe fn reciprocal(a: __m512) -> __m512 {
        // Fourteen bits, doubled by a step of Newton's: a third of a division's time.
        unsafe {
            let guess = _mm512_rcp14_ps(a);
            _mm512_mul_ps(guess, _mm512_fnmadd_ps(a, guess, _mm512_set1_ps(2.0)))
        }
    }
    #[inline(always)]
    unsafe fn reciprocal_bf16(a: __m512) -> __m512 {
        unsafe { _mm512_rcp14_ps(a) }
    }
    #[inline(always)]
    unsafe fn where_positive(x: __m512, a: __m512, b: __m512) -> __m512 {
        unsafe {
            let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_setzero_ps());
            _mm512_mask_blend_ps(positive, b, a)
        }
    }
    #[inline(always)]
    unsafe fn sum(a: __m512) -> f32 {
        unsafe {
            let upper = _mm512_castpd_ps(_mm512_castpd256_pd512(_mm512_extractf64x4_pd::<1>(
                _mm512_castps_pd(a),
            )));
            Avx2::sum(_mm256_add_ps(
                _mm512_castps512_ps256(a),
                _mm512_castps512_ps256(upper),
            ))
        }
    }
    #[inline(always)]
    unsafe fn turn(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        unsafe {
            // Squares of four within the quarters of the vectors, then squares of quarters.
            let mut row: [__m512; 16] =
                std::array::from_fn(|y| Self::load(from.add(y * from_step)));
            for y in (0..16).step_by(4) {
                let [a, b, c, d] = [row[y], row[y + 1], row[y + 2], row[y + 3]];
                let pairs = [
                    _mm512_unpacklo_ps(a, b),
                    _mm512_unpackhi_ps(a, b),
                    _mm512_unpacklo_ps(c, d),
                    _mm512_unpackhi_ps(c, d),
                ]
                .map(|x| _mm512_castps_pd(x));
                row[y] = _mm512_castpd_ps(_mm512_unpacklo_pd(pairs[0], pairs[2]));
                row[y + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pairs[0], pairs[2]));
                row[y + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(pairs[1], pairs[3]));
                row[y + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(pairs[1], pairs[3]));
            }
            for x in 0..4 {
                let even = [0, 8]
                    .map(|y| _mm512_shuffle_f32x4::<0b10_00_10_00>(row[y + x], row[y + 4 + x]));
                let odd = [0, 8]
                    .map(|y| _mm512_shuffle_f32x4::<0b11_01_11_01>(row[y + x], row[y + 4 + x]));
                for (quarter, value) in [
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(even[0], even[1]),
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(odd[0], odd[1]),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(even[0], even[1]),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(odd[0], odd[1]),
                ]
                .into_iter()
                .enumerate()
                {
                    Self::store(to.add((4 * quarter + x) * to_step), value);
                }
            }
        }
    }
}
