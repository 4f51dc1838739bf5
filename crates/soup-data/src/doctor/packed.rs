//! A pack whose pictures something changed.

use super::{Finding, Verdict, counted};
use crate::pack::Pack;

const CHECK: &str = "packed pictures";

/// Whether all pictures are what was packed, by their hashes.
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
            counted(damaged.len(), "picture"),
            pack.len()
        ),
        "make the pack again with soup pack from the pictures' source; runs that were trained on it since then saw \
         wrong pictures",
        damaged.iter().map(|row| format!("`{}`", pack.ids()[*row])),
    )
}
