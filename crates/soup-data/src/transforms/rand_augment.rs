//! Several random operations of one strength.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::operations::{Magnitudes, Operation, Space, draw};
use super::{Apply, Fill, Interpolation, Places};

/// torchvision `RandAugment` (Cubuk et al., NeurIPS 2020): some operations drawn from fourteen (shears, shifts, rotation,
/// brightness, colour, contrast, sharpness, fewer bits, solarizing, autocontrast, equalizing, nothing), all of one
/// magnitude, with torchvision's magnitudes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandAugment {
    /// Operations an image, one after the other.
    #[serde(default = "two")]
    pub num_ops: usize,
    /// Their strength, from 0 to one less than `num_magnitude_bins`.
    #[serde(default = "nine")]
    pub magnitude: usize,
    /// How many strengths there are.
    #[serde(default = "bins")]
    pub num_magnitude_bins: usize,
    /// How values between pixels are read.
    #[serde(default)]
    pub interpolation: Interpolation,
    /// What stands where there was no image.
    #[serde(default)]
    pub fill: Fill,
}

fn two() -> usize {
    2
}

fn nine() -> usize {
    9
}

/// torchvision's number of strengths.
pub(super) fn bins() -> usize {
    31
}

/// More strengths are taken for a mistake.
const MAXIMUM_BINS: usize = 10_000;
/// More operations are taken for a mistake.
const MAXIMUM_OPERATIONS: usize = 100;

/// torchvision's operations and magnitudes.
pub(super) const SPACE: &Space = &[
    (Operation::Identity, Magnitudes::None),
    (Operation::ShearX, Magnitudes::Signed(0.3)),
    (Operation::ShearY, Magnitudes::Signed(0.3)),
    (Operation::TranslateX, Magnitudes::OfWidth(150.0 / 331.0)),
    (Operation::TranslateY, Magnitudes::OfHeight(150.0 / 331.0)),
    (Operation::Rotate, Magnitudes::Signed(30.0)),
    (Operation::Brightness, Magnitudes::Signed(0.9)),
    (Operation::Color, Magnitudes::Signed(0.9)),
    (Operation::Contrast, Magnitudes::Signed(0.9)),
    (Operation::Sharpness, Magnitudes::Signed(0.9)),
    (Operation::Posterize, Magnitudes::Bits(8.0, 4.0)),
    (Operation::Solarize, Magnitudes::Falling),
    (Operation::AutoContrast, Magnitudes::None),
    (Operation::Equalize, Magnitudes::None),
];

/// Checks how many strengths there are.
pub(super) fn check_bins(bins: usize) -> Result<(), String> {
    if (2..=MAXIMUM_BINS).contains(&bins) {
        Ok(())
    } else {
        Err(format!(
            "`num_magnitude_bins` is {bins}; give 2 to {MAXIMUM_BINS}"
        ))
    }
}

impl Apply for RandAugment {
    const KIND: &'static str = "rand_augment";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Moves
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        if self.num_ops > MAXIMUM_OPERATIONS {
            return Err(format!(
                "`num_ops` is {}; give at most {MAXIMUM_OPERATIONS}",
                self.num_ops
            ));
        }
        check_bins(self.num_magnitude_bins)?;
        if self.magnitude >= self.num_magnitude_bins {
            return Err(format!(
                "`magnitude` is {}; it must be below `num_magnitude_bins`, {}",
                self.magnitude, self.num_magnitude_bins
            ));
        }
        self.fill.check("fill", before.shape.channels)?;
        before.in_colours()
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        for _ in 0..self.num_ops {
            let bin = |_: &mut Stream| self.magnitude;
            let drawn = draw(SPACE, self.num_magnitude_bins, image.size(), bin, draws);
            let (operation, magnitude) = drawn;
            operation.apply(magnitude, image, self.interpolation, &self.fill, workspace);
        }
    }
}
