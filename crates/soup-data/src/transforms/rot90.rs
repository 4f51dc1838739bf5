//! Quarter turns: exact, no interpolation.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places, parameters};

/// With probability `p`, one of the four quarter turns (0, 90, 180, 270 degrees), equally likely.
///
/// torchvision has no transform of this kind; it is `torch.rot90` with a random `k`. Images must
/// be square, or a batch would hold two shapes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rot90 {
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
}

impl Apply for Rot90 {
    const KIND: &'static str = "rot90";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Moves
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p)?;
        let shape = before.shape;
        if shape.height != shape.width {
            return Err(format!(
                "the image is {} rows of {} pixels here, and a quarter turn would change its \
                 shape; make it square first (resize, pad or center_crop)",
                shape.height, shape.width
            ));
        }
        Ok(before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        if parameters::chance(draws, self.p) {
            quarter_turns(image, draws.below(4), workspace);
        }
    }
}

/// Turns anticlockwise by `turns` * 90 degrees, as `torch.rot90(k = turns)`.
pub(super) fn quarter_turns(image: &mut Image, turns: u32, workspace: &mut Workspace) {
    let Image {
        height,
        width,
        channels,
        ..
    } = *image;
    let (wide, high) = (width as f64, height as f64);
    let after = if turns % 2 == 1 {
        [width, height]
    } else {
        [height, width]
    };
    workspace
        .boxes
        .moved([height, width], after, |[x, y]| match turns % 4 {
            0 => [x, y],
            1 => [y, wide - x],
            2 => [wide - x, high - y],
            _ => [high - y, x],
        });
    match turns % 4 {
        0 => {}
        2 => {
            super::vertical_flip::vertical_flip(image);
            super::horizontal_flip::horizontal_flip(image);
        }
        turn => {
            let to = workspace.spare(image.values.len());
            for (row, to) in to.chunks_exact_mut(height * channels).enumerate() {
                let column = if turn == 1 { width - 1 - row } else { row };
                for (position, to) in to.chunks_exact_mut(channels).enumerate() {
                    let line = if turn == 1 {
                        position
                    } else {
                        height - 1 - position
                    };
                    let from = (line * width + column) * channels;
                    to.copy_from_slice(&image.values[from..from + channels]);
                }
            }
            std::mem::swap(&mut image.values, &mut workspace.spare);
            image.height = width;
            image.width = height;
        }
    }
}
