//! One random operation of random strength.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::operations::{Magnitudes, Operation, Space, draw};
use super::rand_augment::{bins, check_bins};
use super::{Apply, Fill, Interpolation, Places};

/// torchvision `TrivialAugmentWide` (Müller and Hutter, ICCV 2021): one operation drawn from RandAugment's fourteen, of
/// random strength, with torchvision's wider magnitudes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrivialAugmentWide {
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

/// torchvision's operations and magnitudes.
pub(super) const SPACE: &Space = &[
    (Operation::Identity, Magnitudes::None),
    (Operation::ShearX, Magnitudes::Signed(0.99)),
    (Operation::ShearY, Magnitudes::Signed(0.99)),
    (Operation::TranslateX, Magnitudes::Signed(32.0)),
    (Operation::TranslateY, Magnitudes::Signed(32.0)),
    (Operation::Rotate, Magnitudes::Signed(135.0)),
    (Operation::Brightness, Magnitudes::Signed(0.99)),
    (Operation::Color, Magnitudes::Signed(0.99)),
    (Operation::Contrast, Magnitudes::Signed(0.99)),
    (Operation::Sharpness, Magnitudes::Signed(0.99)),
    (Operation::Posterize, Magnitudes::Bits(8.0, 6.0)),
    (Operation::Solarize, Magnitudes::Falling),
    (Operation::AutoContrast, Magnitudes::None),
    (Operation::Equalize, Magnitudes::None),
];

impl Apply for TrivialAugmentWide {
    const KIND: &'static str = "trivial_augment_wide";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Moves
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        check_bins(self.num_magnitude_bins)?;
        self.fill.check("fill", before.shape.channels)?;
        before.in_colours()
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        let bins = self.num_magnitude_bins;
        let bin = |draws: &mut Stream| draws.below(bins as u32) as usize;
        let (operation, magnitude) = draw(SPACE, bins, image.size(), bin, draws);
        operation.apply(magnitude, image, self.interpolation, &self.fill, workspace);
    }
}
