//! What transforms made of transforms have in common.

use super::image::Form;
use super::{Places, Transform};

/// Checks that there are transforms, that each can work on such an image, and that each leaves its form: which of them draw,
/// and in which order, is not known before.
pub(super) fn check(transforms: &[Transform], before: Form) -> Result<Form, String> {
    if transforms.is_empty() {
        return Err("`transforms` is empty; give at least one".into());
    }
    for (index, transform) in transforms.iter().enumerate() {
        let name = || format!("its transform {} ({})", index + 1, transform.kind());
        let after = transform
            .check(before)
            .map_err(|problem| format!("{}: {problem}", name()))?;
        if after != before {
            return Err(format!(
                "{} changes the shape or the scale of the image, and others may stand in its place; put it into the \
                 list of all transforms",
                name()
            ));
        }
    }
    Ok(before)
}

/// What the whole does to places: the worst that one of them does.
pub(super) fn places(transforms: &[Transform]) -> Places {
    let all = transforms.iter().map(Transform::places);
    all.max().unwrap_or(Places::Keeps)
}
