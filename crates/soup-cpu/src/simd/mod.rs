//! One kernel source, several instruction sets.
//!
//! A kernel is a struct of its arguments that implements [`Kernel`]. Its body is written once over
//! the vector type of a [`Simd`], and inlined into an entry point compiled for each instruction set.
//! [`Isa::run`] dispatches at run time.

#[cfg(target_arch = "x86_64")]
mod amx;
pub(crate) mod amx_tiles;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod element;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use amx::Amx;

pub(crate) use element::{Bf16, Element, MapKernel, Values};
pub(crate) use portable::Portable;
pub(crate) use soup_engine::Precision;

/// Channels of feature maps are padded with zeros to a multiple of this many values: the widest
/// vector of any instruction set, so that no kernel has a remainder along channels.
pub(crate) const CHANNEL_BLOCK: usize = 16;

/// `n` rounded up to whole channel blocks.
pub(crate) fn padded(n: usize) -> usize {
    n.next_multiple_of(CHANNEL_BLOCK)
}

/// Whether this is an Intel processor, by its vendor string.
fn is_intel() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let vendor = std::arch::x86_64::__cpuid(0);
        let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
        name.as_flattened() == b"GenuineIntel"
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust; on every processor.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
    /// The same with products of bfloat16.
    Avx512Bf16,
    /// AVX-512 with bfloat16, and AMX tiles for products of bfloat16.
    Amx,
    /// NEON of 64-bit ARM.
    Neon,
    /// The same with products of bfloat16.
    NeonBf16,
}

impl Isa {
    /// Every instruction set, slowest first.
    pub const ALL: [Self; 7] = [
        Self::Portable,
        Self::Avx2,
        Self::Avx512,
        Self::Avx512Bf16,
        Self::Amx,
        Self::Neon,
        Self::NeonBf16,
    ];

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        // Miri interprets only Rust. For a sanitizer portable kernels are enough: the same source, compiled in a quarter of
        // the time.
        if cfg!(any(miri, soup_asan, fuzzing)) {
            return self == Self::Portable;
        }
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Portable => true,
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            Self::Avx512Bf16 => {
                Self::Avx512.is_available() && is_x86_feature_detected!("avx512bf16")
            }
            Self::Amx => Self::Avx512Bf16.is_available() && amx::is_available(),
            Self::Neon | Self::NeonBf16 => false,
        }
        #[cfg(target_arch = "aarch64")]
        match self {
            Self::Portable => true,
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            Self::NeonBf16 => {
                Self::Neon.is_available() && std::arch::is_aarch64_feature_detected!("bf16")
            }
            Self::Avx2 | Self::Avx512 | Self::Avx512Bf16 | Self::Amx => false,
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        (self == Self::Portable)
    }

    /// Whether bfloat16 is faster than single precision. Elsewhere no instruction multiplies it and values are converted
    /// first, or that instruction is slow: an Intel core begins one `vdpbf16ps` every other cycle (as measured on family 6
    /// model 207), but two multiply-adds of single precision each cycle; only AMX makes up for that.
    pub fn is_faster_in_bf16(self) -> bool {
        match self {
            Self::Amx | Self::NeonBf16 => true,
            Self::Avx512Bf16 => !is_intel(),
            Self::Portable | Self::Avx2 | Self::Avx512 | Self::Neon => false,
        }
    }

    /// Whether products of this precision use AMX tiles.
    pub(crate) fn uses_amx_tiles(self, precision: Precision) -> bool {
        self == Self::Amx && precision == Precision::Bf16
    }

    /// The best one of this processor.
    pub fn detect() -> Self {
        Self::ALL
            .into_iter()
            .rev()
            .find(|isa| isa.is_available())
            .unwrap_or(Self::Portable)
    }

    /// Name as `SOUP_CPU` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512bf16",
            Self::Amx => "amx",
            Self::Neon => "neon",
            Self::NeonBf16 => "neonbf16",
        }
    }

    /// The instruction set with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|isa| isa.name() == name)
    }

    /// Values in one vector.
    pub(crate) fn lanes(self) -> usize {
        match self {
            Self::Portable | Self::Avx2 | Self::Neon | Self::NeonBf16 => 8,
            Self::Avx512 | Self::Avx512Bf16 | Self::Amx => 16,
        }
    }

    /// Runs a kernel compiled for this instruction set.
    ///
    /// # Safety
    /// The processor must have the instruction set, and the kernel's pointers must be valid for
    /// what its body reads and writes.
    #[inline]
    pub(crate) unsafe fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: the caller says that the processor has this instruction set, which is what each entry point asks
        // for, and that the kernel's pointers are valid.
        unsafe {
            match self {
                #[cfg(all(target_arch = "x86_64", not(any(soup_asan, fuzzing))))]
                Self::Avx2 => avx2::run(kernel),
                #[cfg(all(target_arch = "x86_64", not(any(soup_asan, fuzzing))))]
                Self::Amx if K::BF16 => avx512::run_amx(kernel),
                #[cfg(all(target_arch = "x86_64", not(any(soup_asan, fuzzing))))]
                Self::Avx512Bf16 if K::BF16 => avx512::run_bf16(kernel),
                #[cfg(all(target_arch = "x86_64", not(any(soup_asan, fuzzing))))]
                Self::Avx512 | Self::Avx512Bf16 | Self::Amx => avx512::run(kernel),
                #[cfg(target_arch = "aarch64")]
                Self::NeonBf16 if K::BF16 => neon::run_neon_bf16(kernel),
                #[cfg(target_arch = "aarch64")]
                Self::Neon | Self::NeonBf16 => neon::run_neon(kernel),
                _ => kernel.run::<Portable>(),
            }
        }
    }
}

/// Values of the widest vector.
pub(crate) const WIDEST: usize = 16;

/// A computation that can be compiled for any instruction set.
pub(crate) trait Kernel {
    /// What it gives.
    type Output;
    /// Whether instructions for bfloat16 serve it.
    const BF16: bool = false;
    /// The body; must be `#[inline(always)]`.
    ///
    /// # Safety
    /// The processor must have `S`. Pointers in `self` must be valid for what the comments on its fields say is there, and
    /// nobody else may touch what is written. Channels are whole vectors of any instruction set ([`CHANNEL_BLOCK`]). What
    /// methods of a kernel are called with is within the same bounds; each says why.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

/// A vector of `LANES` single-precision values and what kernels do with it.
///
/// NaN propagates through all of them, as in PyTorch: a network that diverged has to show it. Processors differ in
/// maximum and minimum with NaN (x86 gives the second operand, ARM the NaN, Rust's `f32::max` the number). Each
/// implementation takes care of that, and kernels compare in no other way.
///
/// # Safety
/// All functions need a processor that has the instruction set; `load` and `store` need `LANES`
/// valid values at the pointer (no alignment).
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// The vector.
    type V: Copy;
    /// Values in it.
    const LANES: usize;
    /// Whether products use [`amx_tiles`] beside vectors.
    #[cfg(target_arch = "x86_64")]
    const AMX_TILES: bool = false;
    /// Whether [`Simd::four_by_three`] is there.
    const FOUR_BY_THREE: bool = false;
    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, value: Self::V);
    /// Upper halves as whole numbers.
    unsafe fn load_bf16(from: *const u16) -> Self::V;
    /// The nearest upper halves, ties to even.
    unsafe fn store_bf16(to: *mut u16, value: Self::V);
    /// Words of two upper halves: `low` in the lower, `high` in the upper half.
    unsafe fn pair_bf16(low: *const u16, high: *const u16) -> Self::V;
    /// Stores words of the nearest upper halves of `low` and `high`.
    unsafe fn store_pair_bf16(to: *mut f32, low: Self::V, high: Self::V);
    /// `sum + low(a) low(b) + high(a) high(b)` for words of two upper halves; the order and the rounding of the two
    /// sums differ between instruction sets.
    unsafe fn dot_bf16(a: Self::V, b: Self::V, sum: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger ones; NaN where either is.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The smaller ones; NaN where either is.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// `x`, but no less than a bound that is a number: one instruction where [`Simd::max`] may be three.
    unsafe fn at_least(x: Self::V, bound: f32) -> Self::V;
    /// `x`, but no more than a bound that is a number.
    unsafe fn at_most(x: Self::V, bound: f32) -> Self::V;
    /// `x` below it in whole numbers, for [`Simd::scale`], and the rest, from 0 to 1. Whole numbers beyond
    /// -126 and 126 may be cut to these.
    unsafe fn split(x: Self::V) -> (Self::V, Self::V);
    /// `a * 2^whole` with what [`Simd::split`] gave.
    unsafe fn scale(a: Self::V, whole: Self::V) -> Self::V;
    /// `1 / a` to the last digit or two; `a` is at least 1 and finite.
    unsafe fn reciprocal(a: Self::V) -> Self::V;
    /// The same to 11 bits or more.
    unsafe fn reciprocal_bf16(a: Self::V) -> Self::V;
    /// `b` where `x <= 0`, else `a`: also where `x` is NaN, as in PyTorch's gradient of a rectifier.
    unsafe fn where_positive(x: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// Sum of the values, in a fixed order.
    unsafe fn sum(a: Self::V) -> f32;
    /// `sums[m][n] += left[m][i] right[i][n]` for `i` below `k`, in this order. `left` tells how far rows and steps of the
    /// sum are apart, `right` how far its rows are. A loop of its own where twelve sums and what they are made of take
    /// every register that there is, which a compiler does not manage.
    unsafe fn four_by_three(
        _sums: &mut [[Self::V; 3]; 4],
        _left: (*const f32, usize, usize),
        _right: (*const f32, usize),
        _k: usize,
    ) {
        unreachable!("asked for where FOUR_BY_THREE says so")
    }
    /// Transposes a block of `LANES` by `LANES` values, with rows `from_step` and `to_step` values apart.
    unsafe fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        // SAFETY: the caller promises both blocks.
        unsafe {
            for y in 0..Self::LANES {
                for x in 0..Self::LANES {
                    *to.add(x * to_step + y) = *from.add(y * from_step + x);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
