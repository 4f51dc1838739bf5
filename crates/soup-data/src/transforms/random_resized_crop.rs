//! A random part of an image, brought to a size.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::center_crop::moved_into;
use super::image::{Form, Image, Workspace};
use super::random_erasing::Rectangle;
use super::resize::{Method, bilinear, resize_part, yes};
use super::{Apply, CenterCrop, Places, Resampling, Resize, Size, Transform, parameters};

/// torchvision `RandomResizedCrop`, on tensors: a part of random area, aspect and place, resized to one size. In evaluation
/// it is timm's counterpart: the shorter side becomes `size / crop_pct`, and the middle of it is taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// `[height, width]`, or one number for a square.
    pub size: Size,
    /// Share of the image's area, `[low, high]`.
    #[serde(default = "default_scale")]
    pub scale: [f64; 2],
    /// Width over height, `[low, high]`; drawn uniformly in its logarithm.
    #[serde(default = "default_ratio")]
    pub ratio: [f64; 2],
    /// How values between pixels are read.
    #[serde(default = "bilinear")]
    pub interpolation: Resampling,
    /// Whether a smaller image is a weighted mean of all pixels it covers (bilinear and bicubic only).
    #[serde(default = "yes")]
    pub antialias: bool,
    /// In evaluation: the share of the resized image's side that is taken from its middle; 0.1 to 1.
    #[serde(default = "default_crop_pct")]
    pub crop_pct: f64,
}

fn default_scale() -> [f64; 2] {
    [0.08, 1.0]
}

fn default_ratio() -> [f64; 2] {
    [0.75, 1.333_333_333_333_333_3]
}

fn default_crop_pct() -> f64 {
    0.875
}

/// Draws until a part fits.
const TRIES: usize = 10;
/// Bounds of the aspect.
const RATIOS: [f64; 2] = [1e-3, 1e3];

impl RandomResizedCrop {
    fn target(&self) -> [usize; 2] {
        match self.size {
            Size::One(side) => [side, side],
            Size::HeightWidth(target) => target,
        }
    }

    /// A part that lies in the image, if one of ten draws gives one; else the largest one from the middle whose aspect is
    /// allowed.
    pub(super) fn draw(&self, [height, width]: [usize; 2], draws: &mut Stream) -> Rectangle {
        let area = height as f64 * width as f64;
        let side = |square: f64| square.sqrt().round_ties_even() as usize;
        for _ in 0..TRIES {
            let taken = area * parameters::draw(draws, self.scale);
            let ratio = parameters::draw(draws, self.ratio.map(f64::ln)).exp();
            let (wide, high) = (side(taken * ratio), side(taken / ratio));
            if (1..=width).contains(&wide) && (1..=height).contains(&high) {
                return Rectangle {
                    top: draws.below((height - high + 1) as u32) as usize,
                    left: draws.below((width - wide + 1) as u32) as usize,
                    height: high,
                    width: wide,
                };
            }
        }
        let (aspect, [least, most]) = (width as f64 / height as f64, self.ratio);
        let whole = |side: f64, limit: usize| (side.round_ties_even() as usize).clamp(1, limit);
        let (high, wide) = if aspect < least {
            (whole(width as f64 / least, height), width)
        } else if aspect > most {
            (height, whole(height as f64 * most, width))
        } else {
            (height, width)
        };
        Rectangle {
            top: (height - high) / 2,
            left: (width - wide) / 2,
            height: high,
            width: wide,
        }
    }

    /// Does to the bytes of an image what `apply` does to an image, and takes no more of them than it needs.
    pub(super) fn load(
        &self,
        (pixels, shape): (&[u8], crate::ImageShape),
        image: &mut Image,
        draws: &mut Stream,
        workspace: &mut Workspace,
    ) {
        let part = self.draw([shape.height, shape.width], draws);
        moved_into(part, [shape.height, shape.width], workspace);
        image.load_part(pixels, shape, part);
        let all = Rectangle {
            top: 0,
            left: 0,
            ..part
        };
        self.resize(image, all, workspace);
    }

    fn resize(&self, image: &mut Image, part: Rectangle, workspace: &mut Workspace) {
        let method = Method::new(self.interpolation, self.antialias);
        resize_part(image, part, self.target(), method, true, workspace);
    }

    /// What stands for it in evaluation.
    pub(super) fn evaluation(&self) -> Vec<Transform> {
        // timm rounds down.
        let larger = |side: usize| ((side as f64 / self.crop_pct) as usize).max(side);
        let target = self.target();
        let (size, cover) = match target {
            [height, width] if height == width => (Size::One(larger(height)), false),
            sides => (Size::HeightWidth(sides.map(larger)), true),
        };
        vec![
            Transform::Resize(Resize {
                size,
                interpolation: self.interpolation,
                max_size: None,
                antialias: self.antialias,
                cover,
            }),
            Transform::CenterCrop(CenterCrop { size: self.size }),
        ]
    }
}

impl Apply for RandomResizedCrop {
    const KIND: &'static str = "random_resized_crop";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Moves
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        self.size.check()?;
        parameters::check_pair("scale", self.scale, [0.0, 1.0])?;
        parameters::check_pair("ratio", self.ratio, RATIOS)?;
        if !(0.1..=1.0).contains(&self.crop_pct) {
            return Err(format!(
                "`crop_pct` is {}; it must lie in 0.1 to 1",
                self.crop_pct
            ));
        }
        let [height, width] = self.target();
        Ok(before.sized(height, width))
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        let part = self.draw(image.size(), draws);
        moved_into(part, image.size(), workspace);
        self.resize(image, part, workspace);
    }
}
