//! A pack whose images something changed.

use super::{Finding, Verdict, counted};
use crate::pack::Pack;

const CHECK: &str = "packed images";

/// Whether all images are what was packed, by their hashes.
pub fn packed(pack: &Pack) -> Finding {
    let damaged = pack.damaged();
    if damaged.is_empty() {
        return Finding::fine(CHECK, "each is what was packed");
    }
    Finding::bad(
        CHECK,
        Verdict::Problem,
        format!(
            "{} of {} not what was packed: the disk or a program changed the file",
            counted(damaged.len(), "image"),
            pack.len()
        ),
        "make the pack again with soup pack from the images' source; runs that were trained on it since then saw \
         wrong images",
        damaged.iter().map(|row| format!("`{}`", pack.ids()[*row])),
    )
}
