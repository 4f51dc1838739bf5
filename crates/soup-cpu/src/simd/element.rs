//! What a value of a map is stored as: single precision, or its upper half.

use std::marker::PhantomData;

use soup_engine::Precision;

use super::{Isa, Kernel, Simd};

/// A value of a map.
pub(crate) trait Element: Copy + 'static {
    /// Its name at run time.
    const PRECISION: Precision;
    /// # Safety
    /// As [`Simd::load`].
    unsafe fn load<S: Simd>(from: *const Self) -> S::V;
    /// # Safety
    /// As [`Simd::store`].
    unsafe fn store<S: Simd>(to: *mut Self, value: S::V);
    /// `sum` and the products of the values in the words of `a` and `b`.
    ///
    /// # Safety
    /// As [`Simd`].
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, sum: S::V) -> S::V;
    /// The nearest element.
    fn from_f32(value: f32) -> Self;
    /// Its value.
    fn to_f32(self) -> f32;
}

impl Element for f32 {
    const PRECISION: Precision = Precision::F32;
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const f32) -> S::V {
        // SAFETY: the caller says that the processor has `S` and that a vector of values is at `from`.
        unsafe { S::load(from) }
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(to: *mut f32, value: S::V) {
        // SAFETY: the caller says that the processor has `S` and that there is room for a vector of values at `to`.
        unsafe { S::store(to, value) }
    }
    #[inline(always)]
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, sum: S::V) -> S::V {
        // SAFETY: no pointers; the processor has `S`, as the caller says.
        unsafe { S::mul_add(a, b, sum) }
    }
    #[inline(always)]
    fn from_f32(value: f32) -> f32 {
        value
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}

/// The upper half of a single-precision number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Bf16(u16);

impl Element for Bf16 {
    const PRECISION: Precision = Precision::Bf16;
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> S::V {
        // SAFETY: the caller says that the processor has `S` and that a vector of halves is at `from`; `Bf16` is a
        // `u16` inside.
        unsafe { S::load_bf16(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(to: *mut Self, value: S::V) {
        // SAFETY: the caller says that the processor has `S` and that there is room for a vector of halves at `to`;
        // `Bf16` is a `u16` inside.
        unsafe { S::store_bf16(to.cast(), value) }
    }
    #[inline(always)]
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, sum: S::V) -> S::V {
        // SAFETY: no pointers; the processor has `S`, as the caller says.
        unsafe { S::dot_bf16(a, b, sum) }
    }
    /// To the nearest, ties to even; NaN stays NaN.
    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        let bits = value.to_bits();
        if value.is_nan() {
            return Self((bits >> 16) as u16 | 0x40);
        }
        Self((bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16)
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

/// A place in a map, or in scratch that holds pixels of one: values of either precision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values {
    start: *mut u8,
    precision: Precision,
}

impl Values {
    pub(crate) fn new(start: *mut f32, precision: Precision) -> Self {
        Self {
            start: start.cast(),
            precision,
        }
    }

    /// Values in single precision.
    pub(crate) fn floats(start: *mut f32) -> Self {
        Self::new(start, Precision::F32)
    }

    pub(crate) fn precision(self) -> Precision {
        self.precision
    }

    /// So many values further.
    ///
    /// # Safety
    /// As [`pointer::add`].
    #[inline(always)]
    pub(crate) unsafe fn add(self, values: usize) -> Self {
        Self {
            // SAFETY: the caller says that so many values further is within the same memory or at its end.
            start: unsafe { self.start.add(values * self.precision.bytes()) },
            ..self
        }
    }

    /// Zeros.
    ///
    /// # Safety
    /// There must be room for them.
    pub(crate) unsafe fn zero(self, values: usize) {
        // SAFETY: the caller says that there is room for so many values; zero is all bits zero in either precision.
        unsafe { std::ptr::write_bytes(self.start, 0, values * self.precision.bytes()) }
    }

    /// Copies values of the same precision.
    ///
    /// # Safety
    /// There must be so many values at both places, and they must not overlap.
    pub(crate) unsafe fn copy_from(self, from: Self, values: usize) {
        debug_assert_eq!(self.precision, from.precision);
        let bytes = values * self.precision.bytes();
        // SAFETY: the caller says that so many values are at both places and that they do not overlap; both are of
        // one precision.
        unsafe { std::ptr::copy_nonoverlapping(from.start, self.start, bytes) }
    }

    /// The words that a product reads.
    pub(crate) fn words(self) -> *mut f32 {
        self.start.cast()
    }

    /// The first value as what it is.
    #[inline(always)]
    pub(crate) fn of<E: Element>(self) -> *mut E {
        debug_assert_eq!(self.precision, E::PRECISION);
        self.start.cast()
    }
}

/// A computation on maps that can be compiled for any instruction set and either element.
pub(crate) trait MapKernel {
    /// The body; must be `#[inline(always)]`.
    ///
    /// # Safety
    /// As [`Kernel::run`], and maps must be of `E`.
    unsafe fn run<S: Simd, E: Element>(self);
}

struct On<K, E>(K, PhantomData<E>);

impl<K: MapKernel, E: Element> Kernel for On<K, E> {
    type Output = ();
    const BF16: bool = matches!(E::PRECISION, Precision::Bf16);
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller says that the processor has `S`, that maps are of `E`, and that the kernel's pointers
        // are valid.
        unsafe { self.0.run::<S, E>() }
    }
}

impl Isa {
    /// As [`Isa::run`], for maps of this precision.
    ///
    /// # Safety
    /// As [`Isa::run`].
    #[inline]
    pub(crate) unsafe fn run_on<K: MapKernel>(self, precision: Precision, kernel: K) {
        // SAFETY: instruction set and pointers are the caller's promise; the element is that of the precision which
        // the maps have.
        unsafe {
            match precision {
                Precision::F32 => self.run(On::<K, f32>(kernel, PhantomData)),
                Precision::Bf16 => self.run(On::<K, Bf16>(kernel, PhantomData)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Round<'a> {
        from: &'a [f32],
        to: &'a mut [Bf16],
        pairs: &'a mut [Bf16],
    }

    impl MapKernel for Round<'_> {
        #[inline(always)]
        unsafe fn run<S: Simd, E: Element>(self) {
            // SAFETY: the slices have whole vectors.
            unsafe {
                for i in (0..self.from.len()).step_by(S::LANES) {
                    let value = S::load(self.from[i..].as_ptr());
                    S::store_bf16(self.to[i..].as_mut_ptr().cast(), value);
                    let negative = S::sub(S::splat(0.0), value);
                    let words = self.pairs[2 * i..].as_mut_ptr().cast();
                    S::store_pair_bf16(words, value, negative);
                }
            }
        }
    }

    /// Ties go to even, infinities and NaN stay: on every instruction set.
    #[test]
    fn every_instruction_set_rounds_alike() {
        let mut values: Vec<f32> = [
            0x3f80_8000_u32,
            0x3f81_8000,
            0x3f80_8001,
            0x3f80_7fff,
            0x7f7f_ffff,
            0x7f80_0000,
            0xff80_0000,
            0xc2f7_8000,
        ]
        .map(f32::from_bits)
        .to_vec();
        values.extend((0..24).map(|i| (i as f32 - 11.3) * 0.777));
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let mut to = vec![Bf16(0); values.len()];
            let mut pairs = vec![Bf16(0); 2 * values.len()];
            let round = Round {
                from: &values,
                to: &mut to,
                pairs: &mut pairs,
            };
            // SAFETY: the instruction set is available.
            unsafe { isa.run_on(Precision::Bf16, round) };
            for (i, &value) in values.iter().enumerate() {
                let nearest = Bf16::from_f32(value);
                assert_eq!(to[i], nearest, "{isa:?} {value}");
                assert_eq!(pairs[2 * i], nearest, "{isa:?} {value}");
                let negative = Bf16::from_f32(0.0 - value);
                assert_eq!(pairs[2 * i + 1], negative, "{isa:?} {value}");
            }
        }
        // All NaN: rounding must not carry into an infinity or a zero.
        let none: Vec<f32> = [
            0x7f80_0001,
            0x7f80_ffff,
            0x7fbf_8000,
            0x7fc0_0000,
            0x7fff_ffff,
        ]
        .into_iter()
        .flat_map(|bits: u32| [bits, bits | 1 << 31])
        .map(f32::from_bits)
        .cycle()
        .take(32)
        .collect();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let mut to = vec![Bf16(0); none.len()];
            let mut pairs = vec![Bf16(0); 2 * none.len()];
            let round = Round {
                from: &none,
                to: &mut to,
                pairs: &mut pairs,
            };
            // SAFETY: the instruction set is available.
            unsafe { isa.run_on(Precision::Bf16, round) };
            let mut found = to.iter().chain(&pairs);
            assert!(found.all(|half| half.to_f32().is_nan()), "{isa:?}");
        }
        let mut scalar = none.iter().map(|&value| Bf16::from_f32(value).to_f32());
        assert!(scalar.all(f32::is_nan));
        assert_eq!(Bf16::from_f32(f32::from_bits(0x3f80_8000)).to_f32(), 1.0);
    }
}
