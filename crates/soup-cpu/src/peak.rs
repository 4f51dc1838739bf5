//! Measures the peak of this machine: the roofline that a profile is read against.

use std::{hint::black_box, marker::PhantomData, time::Instant};

use soup_engine::Peak;
use soup_threads::Pool;

#[cfg(target_arch = "x86_64")]
use crate::simd::amx_tiles::AmxTiles;
use crate::{
    plan::PlanError,
    runner::Options,
    simd::{Bf16, Element, Kernel, Precision, Simd, amx_tiles::ROWS},
};

/// Independent sums: enough that no multiplication waits for the one before it.
const SUMS: usize = 24;
/// AMX tiles of sums, each of `ROWS` rows of a vector, which one instruction adds `ROWS` words to.
const AMX_SUMS: usize = 6;
/// Rounds of all sums in one measurement.
const ROUNDS: usize = 200_000;
/// Values that each thread copies: far more than a cache holds.
const COPIED: usize = 16 << 20;
/// Measurements; the best counts, as other guests of a machine only ever slow it down.
const REPEATS: usize = 5;

/// Measures for some tenths of a second, on all threads of the pool; nothing else should run.
///
/// # Errors
/// [`PlanError::InstructionSet`] as [`Options::instruction_set`].
pub(crate) fn measure(options: &Options, pool: &Pool) -> Result<Peak, PlanError> {
    let (isa, precision) = (options.instruction_set()?, options.precision);
    let threads = pool.threads();
    let sums = match isa.uses_amx_tiles(precision) {
        true => AMX_SUMS * ROWS * ROWS,
        false => SUMS,
    };
    let operations = 2 * precision.per_word() * isa.lanes() * sums * ROUNDS;
    let products = best_seconds(|| {
        pool.run(threads, &|_| {
            // SAFETY: the engine runs on instruction sets that the processor has; only registers are used.
            let sum = unsafe {
                match precision {
                    Precision::F32 => isa.run(Products::<f32>(PhantomData)),
                    Precision::Bf16 => isa.run(Products::<Bf16>(PhantomData)),
                }
            };
            black_box(sum);
        });
    });
    let mut arrays: Vec<_> = (0..threads)
        .map(|_| (vec![1.0f32; COPIED], vec![0.0f32; COPIED]))
        .collect();
    let copies = best_seconds(|| {
        pool.each(&mut arrays, |(from, to)| {
            to.copy_from_slice(black_box(from));
            black_box(to);
        });
    });
    Ok(Peak {
        gigaflops: (threads * operations) as f64 / products * 1e-9,
        gigabytes: (threads * 2 * size_of::<f32>() * COPIED) as f64 / copies * 1e-9,
    })
}

fn best_seconds(mut work: impl FnMut()) -> f64 {
    let seconds = (0..REPEATS).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    });
    seconds.fold(f64::INFINITY, f64::min)
}

/// Products of registers with registers.
struct Products<E>(PhantomData<E>);

impl<E: Element> Kernel for Products<E> {
    type Output = f32;
    const BF16: bool = matches!(E::PRECISION, Precision::Bf16);

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f32 {
        // SAFETY: the caller promises the instruction set; no memory is touched.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if S::AMX_TILES {
                let mut tiles = crate::simd::Amx;
                tiles.begin(ROWS, ROWS);
                tiles.repeat(ROUNDS);
                tiles.end();
                return 0.0;
            }
            let (a, b) = (S::splat(black_box(0.0)), S::splat(black_box(1.0)));
            let mut sums = [S::splat(0.0); SUMS];
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = E::multiply_add::<S>(a, b, *sum);
                }
            }
            let mut total = sums[0];
            for &sum in &sums[1..] {
                total = S::add(total, sum);
            }
            S::sum(total)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::simd::Isa;

    #[test]
    fn every_instruction_set_has_a_peak() {
        let pool = Pool::new(1);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            for precision in [Precision::F32, Precision::Bf16] {
                let options = Options {
                    isa: Some(isa),
                    precision,
                    ..Options::default()
                };
                let peak = measure(&options, &pool).unwrap();
                assert!(peak.gigaflops > 0.01, "{isa:?} {precision:?} {peak:?}");
                assert!(peak.gigabytes > 0.1, "{peak:?}");
            }
        }
    }
}
