//! Whether 8 bits hold what images of 16 bits tell.

use super::{Finding, Inputs, Verdict};

pub(super) fn finding(inputs: &Inputs<'_>) -> Option<Finding> {
    const CHECK: &str = "16 bits a channel";
    let (samples, max_value) = inputs.samples?;
    let (least, greatest) = (samples.least, samples.greatest);
    Some(match samples.warning(max_value) {
        None => Finding::fine(
            CHECK,
            format!("values from {least} to {greatest} are kept apart"),
        ),
        Some(warning) => Finding::bad(
            CHECK,
            Verdict::Warning,
            warning,
            "pack with --max-value, or train a folder with data.max_value; predict and serve then read \
             images in the same way",
            [],
        ),
    })
}
