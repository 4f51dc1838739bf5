//! AVX-512: sixteen lanes.

use std::arch::x86_64::*;

use super::avx2::Avx2;
use super::{Kernel, Simd};

/// AVX-512; with `BF16` also its instructions for bfloat16, with `AMX_TILES` also AMX.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<const BF16: bool, const AMX_TILES: bool = false>;

/// # Safety
/// As [`Kernel::run`], on a processor with AVX-512 F, BW, DQ and VL.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(crate) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller says that the processor has this AVX-512 and that the kernel's pointers are valid.
    unsafe { kernel.run::<Avx512<false>>() }
}

/// # Safety
/// As [`Kernel::run`], on a processor with AVX-512 F, BW, DQ, VL and BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
pub(crate) unsafe fn run_bf16<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller says that the processor has this AVX-512 with BF16 and that the kernel's pointers are valid.
    unsafe { kernel.run::<Avx512<true>>() }
}

/// # Safety
/// As [`Kernel::run`], on a processor with AVX-512 F, BW, DQ, VL and BF16 and with AMX.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
pub(crate) unsafe fn run_amx<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller says that the processor has this AVX-512 with BF16 and AMX, and that the kernel's pointers
    // are valid.
    unsafe { kernel.run::<Avx512<true, true>>() }
}

// SAFETY of all bodies below: the processor has AVX-512, with `BF16` and `AMX_TILES` also these. The entry points above
// ask that of their callers. `load*` and `pair*` read and `store*` write LANES values, halves or words at pointers that `Simd` has the
// caller vouch for, without alignment; all others work on registers.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "the comment above stands for all of them"
)]
impl<const BF16: bool, const AMX_TILES: bool> Simd for Avx512<BF16, AMX_TILES> {
    type V = __m512;
    const LANES: usize = 16;
    const AMX_TILES: bool = AMX_TILES;

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
        // The instruction gives `b` where either is NaN; where `a` is NaN it is masked out.
        unsafe { _mm512_mask_max_ps(a, _mm512_cmp_ps_mask::<_CMP_ORD_Q>(a, a), a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mask_min_ps(a, _mm512_cmp_ps_mask::<_CMP_ORD_Q>(a, a), a, b) }
    }
    #[inline(always)]
    unsafe fn at_least(x: __m512, bound: f32) -> __m512 {
        // Where the second operand is NaN it stays.
        unsafe { _mm512_max_ps(_mm512_set1_ps(bound), x) }
    }
    #[inline(always)]
    unsafe fn at_most(x: __m512, bound: f32) -> __m512 {
        unsafe { _mm512_min_ps(_mm512_set1_ps(bound), x) }
    }
    #[inline(always)]
    unsafe fn split(x: __m512) -> (__m512, __m512) {
        // One instruction each: this one takes the integer part away, `scale` reads nothing else.
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
            let positive = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(x, _mm512_setzero_ps());
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
    unsafe fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        unsafe {
            // Blocks of four by four within the quarters of the vectors, then blocks of quarters.
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
