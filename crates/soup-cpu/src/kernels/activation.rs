//! Element-wise functions and their derivatives on vectors.

use soup_graph::Activation;

use crate::simd::{Element, Precision, Simd};

/// `2^f` for `f` from 0 to 1: the polynomial of least relative error, 1.5e-7 in single precision.
const POWER: [f32; 6] = [
    0.999_999_94,
    0.693_153_1,
    0.240_153_6,
    0.055_826_325,
    8.989_344e-3,
    1.877_571_5e-3,
];
/// The same to 7.5e-5: a fiftieth of what storing the result as bfloat16 changes.
const POWER_BF16: [f32; 4] = [0.999_925_1, 0.695_834_3, 0.226_066_93, 0.078_023_87];

/// `e^x`, relative error below `2e-7 + 6e-8 |x|` (with `E` bfloat16 1e-4); beyond the range of normal
/// numbers 0 or very large.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd, E: Element>(x: S::V) -> S::V {
    // SAFETY: no pointers; the instruction set is the caller's promise.
    unsafe {
        let (whole, f) = S::split(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
        let power: &[f32] = match E::PRECISION {
            Precision::F32 => &POWER,
            Precision::Bf16 => &POWER_BF16,
        };
        let mut p = S::splat(power[power.len() - 1]);
        for &coefficient in power[..power.len() - 1].iter().rev() {
            p = S::mul_add(p, f, S::splat(coefficient));
        }
        S::scale(p, whole)
    }
}

/// `1 / (1 + e^-x)`
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
pub(crate) unsafe fn sigmoid<S: Simd, E: Element>(x: S::V) -> S::V {
    // SAFETY: no pointers; the processor has `S`, as the caller says. The bound keeps the sum finite.
    unsafe {
        let x = S::at_least(x, -86.0);
        let sum = S::add(S::splat(1.0), exp::<S, E>(S::sub(S::splat(0.0), x)));
        match E::PRECISION {
            Precision::F32 => S::reciprocal(sum),
            Precision::Bf16 => S::reciprocal_bf16(sum),
        }
    }
}

/// An element-wise function, known at compile time; as accurate as values stored as `E` need.
pub(crate) trait Function: Copy {
    /// Whether it changes nothing.
    const PLAIN: bool = false;
    /// The function and its derivative.
    ///
    /// # Safety
    /// As [`Simd`].
    unsafe fn both<S: Simd, E: Element>(x: S::V) -> (S::V, S::V);
    /// The function.
    ///
    /// # Safety
    /// As [`Simd`].
    #[inline(always)]
    unsafe fn value<S: Simd, E: Element>(x: S::V) -> S::V {
        // SAFETY: no pointers; the processor has `S`, as the caller says. The unused derivative is optimised away.
        unsafe { Self::both::<S, E>(x).0 }
    }
}

/// Defines a [`Function`] by an expression for value and derivative.
macro_rules! function {
    ($name:ident, $x:ident, $body:expr) => {
        #[derive(Clone, Copy)]
        pub(crate) struct $name;
        impl Function for $name {
            #[inline(always)]
            unsafe fn both<S: Simd, E: Element>($x: S::V) -> (S::V, S::V) {
                // SAFETY: no pointers; the instruction set is the caller's promise.
                unsafe { $body }
            }
        }
    };
}

/// No activation.
#[derive(Clone, Copy)]
pub(crate) struct Identity;
impl Function for Identity {
    const PLAIN: bool = true;
    #[inline(always)]
    unsafe fn both<S: Simd, E: Element>(x: S::V) -> (S::V, S::V) {
        // SAFETY: no pointers; the instruction set is the caller's promise.
        unsafe { (x, S::splat(1.0)) }
    }
}

function!(Relu, x, {
    let zero = S::splat(0.0);
    let derivative = S::where_positive(x, S::splat(1.0), zero);
    (S::at_least(x, 0.0), derivative)
});
function!(Relu6, x, {
    let (zero, one) = (S::splat(0.0), S::splat(1.0));
    let above = S::where_positive(x, one, zero);
    let derivative = S::where_positive(S::sub(S::splat(6.0), x), above, zero);
    (S::at_most(S::at_least(x, 0.0), 6.0), derivative)
});
function!(Sigmoid, x, {
    let s = sigmoid::<S, E>(x);
    (s, S::mul(s, S::sub(S::splat(1.0), s)))
});
function!(Silu, x, {
    let s = sigmoid::<S, E>(x);
    let value = S::mul(x, s);
    // s + x s (1 - s) = s + value - value s
    let rest = S::sub(value, S::mul(value, s));
    (value, S::add(s, rest))
});
function!(Hardswish, x, {
    let (zero, sixth) = (S::splat(0.0), S::splat(1.0 / 6.0));
    let three = S::splat(3.0);
    let gate = S::at_most(S::at_least(S::add(x, three), 0.0), 6.0);
    let gate = S::mul(gate, sixth);
    // Between -3 and 3 the derivative is (2 x + 3) / 6, outside 0 or 1.
    let inside = S::mul(S::add(S::add(x, x), three), sixth);
    let below = S::where_positive(S::add(x, three), inside, zero);
    let derivative = S::where_positive(S::sub(three, x), below, S::splat(1.0));
    (S::mul(x, gate), derivative)
});
function!(Mish, x, {
    // With e = e^x: tanh(ln(1 + e)) = (e^2 + 2 e) / (e^2 + 2 e + 2); beyond 20 it is 1.
    let e = exp::<S, E>(S::at_most(x, 20.0));
    let one = S::splat(1.0);
    let two = S::splat(2.0);
    let n = S::mul(e, S::add(e, two));
    let t = S::div(n, S::add(n, two));
    let s = S::div(e, S::add(one, e));
    // t + x s (1 - t^2)
    let rest = S::mul(S::mul(x, s), S::sub(one, S::mul(t, t)));
    (S::mul(x, t), S::add(t, rest))
});
function!(Gelu, x, {
    // Phi(x) = (1 + erf(x / sqrt 2)) / 2; erf by Abramowitz and Stegun 7.1.26 (error 1.5e-7).
    let (zero, one) = (S::splat(0.0), S::splat(1.0));
    let magnitude = S::max(x, S::sub(zero, x));
    let z = S::mul(magnitude, S::splat(std::f32::consts::FRAC_1_SQRT_2));
    let t = S::div(one, S::mul_add(z, S::splat(0.327_591_1), one));
    let mut p = S::splat(1.061_405_4);
    for coefficient in [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
        p = S::mul_add(p, t, S::splat(coefficient));
    }
    let bell = exp::<S, E>(S::sub(zero, S::mul(z, z)));
    let tail = S::mul(S::mul(S::mul(p, t), bell), S::splat(0.5));
    let phi = S::where_positive(x, S::sub(one, tail), tail);
    let density = S::mul(bell, S::splat(0.398_942_3));
    (S::mul(x, phi), S::mul_add(x, density, phi))
});

/// Runs `$body` with `$function` bound to the [`Function`] type of an `Option<Activation>`.
macro_rules! with_function {
    ($activation:expr, $function:ident => $body:expr) => {{
        use $crate::kernels::activation as f;
        match $activation {
            None => {
                type $function = f::Identity;
                $body
            }
            Some(soup_graph::Activation::Relu) => {
                type $function = f::Relu;
                $body
            }
            Some(soup_graph::Activation::Relu6) => {
                type $function = f::Relu6;
                $body
            }
            Some(soup_graph::Activation::Silu) => {
                type $function = f::Silu;
                $body
            }
            Some(soup_graph::Activation::Gelu) => {
                type $function = f::Gelu;
                $body
            }
            Some(soup_graph::Activation::Mish) => {
                type $function = f::Mish;
                $body
            }
            Some(soup_graph::Activation::Hardswish) => {
                type $function = f::Hardswish;
                $body
            }
            Some(soup_graph::Activation::Sigmoid) => {
                type $function = f::Sigmoid;
                $body
            }
        }
    }};
}
pub(crate) use with_function;

/// The function of a vector of any length and its derivative, for short vectors outside hot paths.
pub(crate) fn both_of(activation: Activation, x: f32) -> (f32, f32) {
    use crate::simd::Portable;
    with_function!(Some(activation), F => {
        // SAFETY: the portable instruction set is on every processor and no pointer is used.
        let (value, derivative) = unsafe { F::both::<Portable, f32>(Portable::splat(x)) };
        (value[0], derivative[0])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, MapKernel};

    /// Value and derivative of a function, and what else is made of exponentials.
    struct Both<'a> {
        activation: Option<Activation>,
        x: &'a [f32],
        to: &'a mut [Vec<f32>; 4],
    }

    impl MapKernel for Both<'_> {
        #[inline(always)]
        unsafe fn run<S: Simd, E: Element>(self) {
            // SAFETY: the slices have whole vectors.
            unsafe {
                for i in (0..self.x.len()).step_by(S::LANES) {
                    let x = S::load(self.x[i..].as_ptr());
                    let (value, derivative) =
                        with_function!(self.activation, F => F::both::<S, E>(x));
                    let found = [value, derivative, exp::<S, E>(x), sigmoid::<S, E>(x)];
                    for (to, found) in self.to.iter_mut().zip(found) {
                        S::store(to[i..].as_mut_ptr(), found);
                    }
                }
            }
        }
    }

    /// Both corners of a rectifier have the gradient that PyTorch gives them: none.
    #[test]
    fn rectifiers_stop_gradients_at_their_corners() {
        let x = [-1.0, 0.0, -0.0, 1e-30, 3.0, 5.999_999_5, 6.0, 6.000_000_5];
        let relu = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        let relu6 = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0];
        let many: Vec<f32> = x.iter().copied().cycle().take(32).collect();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            for (function, derivatives) in [(Activation::Relu, relu), (Activation::Relu6, relu6)] {
                let mut found = [(); 4].map(|()| vec![0.0; many.len()]);
                let both = Both {
                    activation: Some(function),
                    x: &many,
                    to: &mut found,
                };
                // SAFETY: the instruction set is available.
                unsafe { isa.run_on(Precision::F32, both) };
                let most = if function == Activation::Relu {
                    7.0
                } else {
                    6.0
                };
                for (i, &x) in many.iter().enumerate() {
                    assert_eq!(found[0][i], x.clamp(0.0, most), "{isa:?} {function:?} {x}");
                    let expected = derivatives[i % derivatives.len()];
                    assert_eq!(found[1][i], expected, "{isa:?} {function:?} {x}");
                }
            }
        }
    }

    /// Every function maps NaN to NaN, and so does its derivative. But a rectifier lets the gradient pass there, as in
    /// PyTorch. The other values of the vector are not affected.
    #[test]
    fn nan_propagates() {
        let x: Vec<f32> = (0..32)
            .map(|i| match i % 3 {
                0 => [f32::NAN, -f32::NAN][i / 3 % 2],
                _ => i as f32 - 15.5,
            })
            .collect();
        let plain: Vec<f32> = x
            .iter()
            .map(|x| if x.is_nan() { 0.0 } else { *x })
            .collect();
        let functions = [
            None,
            Some(Activation::Relu),
            Some(Activation::Relu6),
            Some(Activation::Silu),
            Some(Activation::Gelu),
            Some(Activation::Mish),
            Some(Activation::Hardswish),
            Some(Activation::Sigmoid),
        ];
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            for (precision, activation) in Precision::ALL
                .into_iter()
                .flat_map(|precision| functions.map(|function| (precision, function)))
            {
                let [mut found, mut beside] =
                    [(); 2].map(|()| [(); 4].map(|()| vec![0.0; x.len()]));
                for (x, to) in [(&x, &mut found), (&plain, &mut beside)] {
                    // SAFETY: the instruction set is available.
                    unsafe { isa.run_on(precision, Both { activation, x, to }) };
                }
                for (i, x) in x.iter().enumerate() {
                    let found = found.each_ref().map(|values| values[i]);
                    if !x.is_nan() {
                        assert_eq!(found, beside.each_ref().map(|values| values[i]));
                        continue;
                    }
                    let passes = matches!(
                        activation,
                        None | Some(Activation::Relu | Activation::Relu6)
                    );
                    let right = found[0].is_nan()
                        && (if passes {
                            found[1] == 1.0
                        } else {
                            found[1].is_nan()
                        })
                        && found[2].is_nan()
                        && found[3].is_nan();
                    assert!(right, "{isa:?} {precision:?} {activation:?}: {found:?}");
                }
            }
        }
    }
}
