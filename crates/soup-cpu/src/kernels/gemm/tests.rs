use super::*;
use crate::simd::{Bf16, Isa, Precision};

#[test]
fn column_blocks_cover_every_vector_once() {
    for vectors in 0..50 {
        let blocks: Vec<_> = column_blocks(vectors).collect();
        let mut next = 0;
        for (first, width) in blocks {
            assert_eq!(first, next);
            assert!((1..=3).contains(&width));
            next += width;
        }
        assert_eq!(next, vectors);
    }
}

/// Every instruction set against a triple loop, both layouts, over odd sizes.
#[test]
fn products_agree_with_a_triple_loop() {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for (rows, k, columns) in [
            (1, 1, 16),
            (3, 5, 32),
            (8, 7, 48),
            (13, 9, 80),
            (31, 3, 112),
        ] {
            for accumulate in [false, true] {
                for panels in [false, true] {
                    check(isa, rows, k, columns, accumulate, panels);
                }
            }
        }
    }
}

/// Words of two bfloat16 values each, on every instruction set, into either precision.
#[test]
fn products_of_pairs_agree_with_a_triple_loop() {
    let number = |i: usize| ((i * 7919 + 13) % 101) as f32 / 50.0 - 1.0;
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for (rows, pairs, columns) in [
            (1, 1, 16),
            (5, 3, 48),
            (13, 9, 80),
            (8, 24, 32),
            (37, 8, 80),
        ] {
            let a: Vec<Bf16> = (0..rows * 2 * pairs)
                .map(|i| Bf16::from_f32(number(i)))
                .collect();
            let b: Vec<Bf16> = (0..2 * pairs * columns)
                .map(|i| Bf16::from_f32(number(i + 5)))
                .collect();
            for precision in Precision::ALL {
                let mut c = vec![0.0f32; rows * columns];
                let gemm = Gemm {
                    segments: &[Segment {
                        a: 0,
                        b: 0,
                        k: pairs,
                    }],
                    a: a.as_ptr().cast(),
                    a_row: pairs,
                    a_step: 1,
                    a_group: 0,
                    b: b.as_ptr().cast(),
                    right: Right::Rows(columns),
                    c: Values::new(c.as_mut_ptr(), precision),
                    c_row: columns,
                    c_group: 0,
                    groups: 1,
                    rows,
                    columns,
                    bias: std::ptr::null(),
                    accumulate: false,
                    activation: None,
                };
                // SAFETY: the instruction set is available and the matrices have the stated sizes.
                unsafe { isa.run_on(Precision::Bf16, gemm) };
                // SAFETY: halves lie within the words.
                let halves =
                    unsafe { std::slice::from_raw_parts(c.as_ptr().cast::<Bf16>(), c.len()) };
                for m in 0..rows {
                    for n in 0..columns {
                        let sum: f32 = (0..2 * pairs)
                            .map(|k| {
                                // A word of the right operand holds a pair.
                                let right = b[(k / 2 * columns + n) * 2 + k % 2];
                                a[m * 2 * pairs + k].to_f32() * right.to_f32()
                            })
                            .sum();
                        let (got, off) = match precision {
                            Precision::F32 => (c[m * columns + n], 1e-5),
                            Precision::Bf16 => (halves[m * columns + n].to_f32(), 5e-3),
                        };
                        assert!(
                            (got - sum).abs() <= off * sum.abs().max(1.0),
                            "{isa:?} {rows}x{pairs}x{columns} {precision:?}: {got} {sum}"
                        );
                    }
                }
            }
        }
    }
}

fn check(isa: Isa, rows: usize, k: usize, columns: usize, accumulate: bool, panels: bool) {
    let number = |i: usize| ((i * 7919 + 13) % 101) as f32 / 50.0 - 1.0;
    let a: Vec<f32> = (0..2 * rows * k).map(number).collect();
    let b: Vec<f32> = (0..2 * k * columns).map(|i| number(i + 5)).collect();
    let mut c: Vec<f32> = (0..rows * columns).map(|i| number(i + 3)).collect();
    let mut expected = c.clone();
    // Two segments: the second takes the second half of both operands.
    for m in 0..rows {
        for n in 0..columns {
            let mut sum = if accumulate {
                f64::from(c[m * columns + n])
            } else {
                0.0
            };
            for half in 0..2 {
                for i in 0..k {
                    sum += f64::from(a[m * 2 * k + half * k + i])
                        * f64::from(b[(half * k + i) * columns + n]);
                }
            }
            expected[m * columns + n] = sum as f32;
        }
    }
    let mut packed = vec![0.0; b.len()];
    pack_panels(2 * k, columns, isa.lanes(), &mut packed, |row, column| {
        b[row * columns + column]
    });
    let segments = [Segment { a: 0, b: 0, k }, Segment { a: k, b: k, k }];
    let gemm = Gemm {
        segments: &segments,
        a: a.as_ptr(),
        a_row: 2 * k,
        a_step: 1,
        a_group: 0,
        b: if panels { packed.as_ptr() } else { b.as_ptr() },
        right: if panels {
            Right::Panels(2 * k)
        } else {
            Right::Rows(columns)
        },
        c: Values::floats(c.as_mut_ptr()),
        c_row: columns,
        c_group: 0,
        groups: 1,
        rows,
        columns,
        bias: std::ptr::null(),
        accumulate,
        activation: None,
    };
    // SAFETY: the instruction set is available and the matrices have the stated sizes.
    unsafe { isa.run_on(Precision::F32, gemm) };
    for (got, want) in c.iter().zip(&expected) {
        assert!(
            (got - want).abs() < 1e-4,
            "{isa:?} {rows}x{k}x{columns}: {got} {want}"
        );
    }
}

/// Packs a matrix for [`Right::Panels`]: `value(row, column)` is asked for every place.
fn pack_panels(
    rows: usize,
    columns: usize,
    lanes: usize,
    to: &mut [f32],
    value: impl Fn(usize, usize) -> f32,
) {
    for (first, width) in column_blocks(columns / lanes) {
        let (column, width) = (first * lanes, width * lanes);
        let panel = &mut to[column * rows..][..width * rows];
        for (row, line) in panel.chunks_exact_mut(width).enumerate() {
            for (offset, place) in line.iter_mut().enumerate() {
                *place = value(row, column + offset);
            }
        }
    }
}
