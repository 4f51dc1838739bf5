#![allow(clippy::unwrap_used)]

use super::{Isa, Kernel, Simd};

/// The kernel reads the vendor in its own way.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
fn the_maker_is_whom_the_system_names() {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let vendor = processors
        .lines()
        .find(|line| line.starts_with("vendor_id"))
        .unwrap();
    assert_eq!(super::is_intel(), vendor.ends_with("GenuineIntel"));
}

const BOUND: f32 = 1.5;

/// Everything that compares, on pairs of values.
struct Compare<'a> {
    a: &'a [f32],
    b: &'a [f32],
    to: &'a mut [Vec<f32>; 5],
}

impl Kernel for Compare<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the slices have whole vectors.
        unsafe {
            for i in (0..self.a.len()).step_by(S::LANES) {
                let (a, b) = (S::load(self.a[i..].as_ptr()), S::load(self.b[i..].as_ptr()));
                let found = [
                    S::max(a, b),
                    S::min(a, b),
                    S::at_least(a, BOUND),
                    S::at_most(a, BOUND),
                    S::where_positive(a, b, S::splat(7.0)),
                ];
                for (to, found) in self.to.iter_mut().zip(found) {
                    S::store(to[i..].as_mut_ptr(), found);
                }
            }
        }
    }
}

/// Where any of two values is NaN, so are the larger and the smaller one, whatever the order; a bound takes
/// nothing away; and a rectifier lets a gradient pass. On every instruction set.
#[test]
fn nan_propagates() {
    let special = [
        f32::NAN,
        -f32::NAN,
        // Signalling ones.
        f32::from_bits(0x7f80_0001),
        f32::from_bits(0xffbf_ffff),
        f32::INFINITY,
        f32::NEG_INFINITY,
        0.0,
        -0.0,
        1.0,
        -2.5,
        BOUND,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        1e-40,
        3e38,
    ];
    let pairs = special.iter().flat_map(|&a| special.map(|b| (a, b)));
    let (a, b): (Vec<f32>, Vec<f32>) = pairs.unzip();
    let either = |a: f32, b: f32, number: f32| match a.is_nan() || b.is_nan() {
        true => f32::NAN,
        false => number,
    };
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let mut found = [(); 5].map(|()| vec![9.0; a.len()]);
        let to = &mut found;
        // SAFETY: the instruction set is available.
        unsafe { isa.run(Compare { a: &a, b: &b, to }) };
        for (i, (&a, &b)) in a.iter().zip(&b).enumerate() {
            let right = [
                ("max", either(a, b, a.max(b))),
                ("min", either(a, b, a.min(b))),
                ("at least", either(a, a, a.max(BOUND))),
                ("at most", either(a, a, a.min(BOUND))),
                ("where positive", if a <= 0.0 { 7.0 } else { b }),
            ];
            for ((name, right), found) in right.into_iter().zip(&found) {
                let agrees = found[i] == right || found[i].is_nan() && right.is_nan();
                assert!(
                    agrees,
                    "{isa:?} {name} of {a} and {b}: {} for {right}",
                    found[i]
                );
            }
        }
    }
}
