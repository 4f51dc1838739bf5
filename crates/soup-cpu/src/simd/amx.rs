//! Tiles of AMX: squares in registers of their own, multiplied in one instruction.
//!
//! A product of bfloat16 pairs of 16 rows by up to three vectors of 16 columns: the sums stand in `tmm0` to `tmm2`, the
//! left side in `tmm3`, the right side in `tmm4` to `tmm6`. Rows of the right side are words of two values that stand
//! next to each other in the sum, which is how kernels keep them for `vdpbf16ps` too.
//!
//! The tiles are no registers that a compiler hands out, so what one piece of assembly leaves in them the next one
//! finds, on the same thread.

use std::arch::asm;

use super::tiles::{ROWS, Tiles};

/// The processor's own tiles.
#[derive(Debug)]
pub(crate) struct Amx;

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Layout {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    /// Bytes of a row.
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Whether the processor has tiles with products of bfloat16 and the system lets this process use them. The system is
/// asked once.
#[cfg(target_os = "linux")]
pub(super) fn is_available() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    use std::sync::OnceLock;

    const TILE_AND_BF16: u32 = 1 << 24 | 1 << 22;
    /// From the kernel's `asm/prctl.h`.
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let has = __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & TILE_AND_BF16 == TILE_AND_BF16;
        // SAFETY: the call reads no memory of ours; a kernel that does not know it answers with an error.
        has && unsafe {
            libc::syscall(
                libc::SYS_arch_prctl,
                ARCH_REQ_XCOMP_PERM,
                XFEATURE_XTILEDATA,
            )
        } == 0
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_available() -> bool {
    false
}

/// One step of the sum for so many vectors of columns, as a loop over `steps`.
macro_rules! steps {
    ($($instruction:literal),+ ; $left:ident, $right:ident, $rows:ident, $ends:ident, $steps:ident) => {
        asm!(
            "2:",
            "tileloadd tmm3, [{left} + {left_row}*1]",
            $($instruction,)+
            "add {left}, {left_step}",
            "add {right}, {right_step}",
            "dec {steps}",
            "jnz 2b",
            left = inout(reg) $left => _,
            left_row = in(reg) $rows[0],
            left_step = in(reg) $ends[0],
            right = inout(reg) $right => _,
            right_row = in(reg) $rows[1],
            right_step = in(reg) $ends[1],
            steps = inout(reg) $steps => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _, out("tmm5") _, out("tmm6") _,
            options(nostack, readonly),
        )
    };
}

impl Tiles for Amx {
    unsafe fn begin(&mut self, k: usize) {
        let mut layout = Layout {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [0; 16],
            rows: [0; 16],
        };
        for tile in 0..3 {
            (layout.rows[tile], layout.row_bytes[tile]) = (ROWS as u8, 64);
            (layout.rows[4 + tile], layout.row_bytes[4 + tile]) = (k as u8, 64);
        }
        (layout.rows[3], layout.row_bytes[3]) = (ROWS as u8, 4 * k as u16);
        // SAFETY: the caller promises the instruction set; the layout is one that palette 1 allows.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const layout, options(nostack, readonly)) }
    }

    unsafe fn zero(&mut self) {
        // SAFETY: the caller promises the instruction set and that tiles are laid out.
        unsafe {
            asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2",
                out("tmm0") _, out("tmm1") _, out("tmm2") _,
                options(nomem, nostack),
            );
        }
    }

    unsafe fn add<const N: usize>(
        &mut self,
        (left, left_row): (*const f32, usize),
        (right, right_row): (*const f32, usize),
        k: usize,
        steps: usize,
    ) {
        let rows = [4 * left_row, 4 * right_row];
        let ends = [4 * k, 4 * k * right_row];
        // SAFETY: as promised by the caller; there is at least one step.
        unsafe {
            match N {
                1 => steps!(
                    "tileloadd tmm4, [{right} + {right_row}*1]",
                    "tdpbf16ps tmm0, tmm3, tmm4";
                    left, right, rows, ends, steps
                ),
                2 => steps!(
                    "tileloadd tmm4, [{right} + {right_row}*1]",
                    "tileloadd tmm5, [{right} + {right_row}*1 + 64]",
                    "tdpbf16ps tmm0, tmm3, tmm4",
                    "tdpbf16ps tmm1, tmm3, tmm5";
                    left, right, rows, ends, steps
                ),
                _ => steps!(
                    "tileloadd tmm4, [{right} + {right_row}*1]",
                    "tileloadd tmm5, [{right} + {right_row}*1 + 64]",
                    "tileloadd tmm6, [{right} + {right_row}*1 + 128]",
                    "tdpbf16ps tmm0, tmm3, tmm4",
                    "tdpbf16ps tmm1, tmm3, tmm5",
                    "tdpbf16ps tmm2, tmm3, tmm6";
                    left, right, rows, ends, steps
                ),
            }
        }
    }

    unsafe fn store<const N: usize>(&mut self, to: *mut f32, row: usize) {
        // SAFETY: as promised by the caller.
        unsafe {
            asm!("tilestored [{to} + {row}*1], tmm0", to = in(reg) to, row = in(reg) 4 * row, options(nostack));
            if N > 1 {
                asm!("tilestored [{to} + {row}*1 + 64], tmm1", to = in(reg) to, row = in(reg) 4 * row, options(nostack));
            }
            if N > 2 {
                asm!("tilestored [{to} + {row}*1 + 128], tmm2", to = in(reg) to, row = in(reg) 4 * row, options(nostack));
            }
        }
    }

    unsafe fn end(&mut self) {
        // SAFETY: the caller promises the instruction set.
        unsafe { asm!("tilerelease", options(nomem, nostack)) }
    }
}
