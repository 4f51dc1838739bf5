//! Several chains of random operations, laid over each other.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::operations::{Magnitudes, Operation, Space, draw};
use super::{Apply, Fill, Interpolation, Places};

/// torchvision `AugMix` (Hendrycks et al., ICLR 2020): the image goes through several chains of random operations, and a
/// random mean of what comes out is laid over it. The loss that the paper adds is not there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugMix {
    /// How strong operations are, 1 to 10.
    #[serde(default = "three")]
    pub severity: usize,
    /// Number of chains, 1 to 16.
    #[serde(default = "three")]
    pub mixture_width: usize,
    /// Operations in a chain, at most 16; one to three, drawn for every chain, where it is not above 0.
    #[serde(default = "drawn")]
    pub chain_depth: i64,
    /// Parameter of the distributions of weights (Dirichlet for the chains, Beta for image and mean); 1 draws evenly.
    #[serde(default = "one")]
    pub alpha: f64,
    /// Whether brightness, colour, contrast and sharpness are among the operations.
    #[serde(default = "super::resize::yes")]
    pub all_ops: bool,
    /// How values between pixels are read.
    #[serde(default = "bilinear")]
    pub interpolation: Interpolation,
    /// What stands where there was no image.
    #[serde(default)]
    pub fill: Fill,
}

fn three() -> usize {
    3
}

fn drawn() -> i64 {
    -1
}

fn one() -> f64 {
    1.0
}

fn bilinear() -> Interpolation {
    Interpolation::Bilinear
}

/// torchvision's number of strengths, of which the first `severity` are drawn.
pub(super) const STRENGTHS: usize = 10;
/// Most chains, and most operations in one.
const MAXIMUM: usize = 16;

/// torchvision's operations and magnitudes; the last four are those of `all_ops`.
pub(super) const SPACE: &Space = &[
    (Operation::ShearX, Magnitudes::Signed(0.3)),
    (Operation::ShearY, Magnitudes::Signed(0.3)),
    (Operation::TranslateX, Magnitudes::OfWidth(1.0 / 3.0)),
    (Operation::TranslateY, Magnitudes::OfHeight(1.0 / 3.0)),
    (Operation::Rotate, Magnitudes::Signed(30.0)),
    (Operation::Posterize, Magnitudes::Bits(4.0, 4.0)),
    (Operation::Solarize, Magnitudes::Falling),
    (Operation::AutoContrast, Magnitudes::None),
    (Operation::Equalize, Magnitudes::None),
    (Operation::Brightness, Magnitudes::Signed(0.9)),
    (Operation::Color, Magnitudes::Signed(0.9)),
    (Operation::Contrast, Magnitudes::Signed(0.9)),
    (Operation::Sharpness, Magnitudes::Signed(0.9)),
];

impl AugMix {
    fn space(&self) -> &'static Space {
        if self.all_ops {
            SPACE
        } else {
            &SPACE[..SPACE.len() - 4]
        }
    }

    /// The weights of the image and of every chain; they add up to 1.
    pub(super) fn weights(&self, draws: &mut Stream) -> (f32, Vec<f32>) {
        let own = draws.beta(self.alpha, self.alpha);
        let mut rest = 1.0 - own;
        let chains = (0..self.mixture_width).map(|chain| {
            // A Dirichlet draw, one share after the other.
            let later = self.mixture_width - 1 - chain;
            let share = match later {
                0 => rest,
                later => rest * draws.beta(self.alpha, self.alpha * later as f64),
            };
            rest -= share;
            share as f32
        });
        let chains = chains.collect();
        (own as f32, chains)
    }

    /// Lays `chains` over the image, each a weight and its operations with their magnitudes.
    pub(super) fn mix<C: IntoIterator<Item = (Operation, f64)>>(
        &self,
        image: &mut Image,
        own: f32,
        chains: impl IntoIterator<Item = (f32, C)>,
        workspace: &mut Workspace,
    ) {
        let [mut before, mut sum] = std::mem::take(&mut workspace.mixed);
        before.clear();
        before.extend_from_slice(&image.values);
        sum.clear();
        sum.extend(image.values.iter().map(|value| value * own));
        for (weight, chain) in chains {
            image.values.clear();
            image.values.extend_from_slice(&before);
            for (operation, magnitude) in chain {
                operation.apply(magnitude, image, self.interpolation, &self.fill, workspace);
            }
            for (sum, value) in sum.iter_mut().zip(&image.values) {
                *sum += value * weight;
            }
        }
        image.values.copy_from_slice(&sum);
        workspace.mixed = [before, sum];
    }
}

impl Apply for AugMix {
    const KIND: &'static str = "aug_mix";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        // A thing is in several places at once.
        Places::Loses
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        let wrong = |name: &str, value: String, rule: String| {
            Err(format!("`{name}` is {value}; give {rule}"))
        };
        if !(1..=STRENGTHS).contains(&self.severity) {
            return wrong(
                "severity",
                self.severity.to_string(),
                format!("1 to {STRENGTHS}"),
            );
        }
        if !(1..=MAXIMUM).contains(&self.mixture_width) {
            return wrong(
                "mixture_width",
                self.mixture_width.to_string(),
                format!("1 to {MAXIMUM}"),
            );
        }
        if self.chain_depth > MAXIMUM as i64 {
            return wrong(
                "chain_depth",
                self.chain_depth.to_string(),
                format!("at most {MAXIMUM}, or -1 to draw it"),
            );
        }
        if !(1e-3..=1e3).contains(&self.alpha) {
            return wrong("alpha", self.alpha.to_string(), "0.001 to 1000".into());
        }
        self.fill.check("fill", before.shape.channels)?;
        before.in_colours()
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        let (own, weights) = self.weights(draws);
        let size = image.size();
        let chains: Vec<(f32, Vec<(Operation, f64)>)> = weights
            .into_iter()
            .map(|weight| {
                let depth = match usize::try_from(self.chain_depth) {
                    Ok(0) | Err(_) => draws.below(3) as usize + 1,
                    Ok(depth) => depth,
                };
                let chain = (0..depth).map(|_| {
                    let bin = |draws: &mut Stream| draws.below(self.severity as u32) as usize;
                    draw(self.space(), STRENGTHS, size, bin, draws)
                });
                (weight, chain.collect())
            })
            .collect();
        self.mix(image, own, chains, workspace);
    }
}
