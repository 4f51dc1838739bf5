//! Images of a batch mixed with one another, and their labels likewise.
//!
//! A [`Mix`] is data: the section `[mix]` of a configuration, with `kind` as its tag. Each image is
//! mixed with the one before it in the batch, as torchvision's `MixUp` and `CutMix` do; here every image
//! draws for itself, from (seed, epoch, image), so a resumed run needs no state.

mod cutmix;
mod mixup;

pub use cutmix::Cutmix;
pub use mixup::Mixup;
use serde::{Deserialize, Serialize};
use soup_data::ImageShape;
use soup_engine::setting::{InvalidSetting, require};
use soup_random::{Purpose, Stream};

/// A way to mix images, and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mix {
    /// Pixel by pixel.
    Mixup(Mixup),
    /// A rectangle of the other image.
    Cutmix(Cutmix),
}

/// A batch as it goes into the network.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Images x rows x columns x channels.
    pub images: &'a mut [f32],
    /// Images x labels, 0 or 1 each; shares of both images' labels afterwards.
    pub targets: &'a mut [f32],
    /// Shape of an image.
    pub shape: ImageShape,
    /// Labels of an image.
    pub labels: usize,
}

impl Mix {
    /// Checks the parameters.
    ///
    /// # Errors
    /// The first parameter that is out of its range, by its key (`mix.alpha`).
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let (alpha, share) = self.alpha_and_share();
        let rule = "must be a number above 0 and at most 1000";
        require(alpha > 0.0 && alpha <= 1000.0, "mix.alpha", alpha, rule)?;
        let rule = "must be above 0 and at most 1; leave the section out to mix nothing";
        require(share > 0.0 && share <= 1.0, "mix.share", share, rule)
    }

    /// Share of the images that are mixed.
    pub fn share(&self) -> f64 {
        self.alpha_and_share().1
    }

    fn alpha_and_share(&self) -> (f64, f64) {
        match self {
            Self::Mixup(mix) => (mix.alpha, mix.share),
            Self::Cutmix(mix) => (mix.alpha, mix.share),
        }
    }

    /// Mixes every image that its draws choose with the one before it (the first with the last) and
    /// says which were mixed. `keys` holds a number of its own for each image of the batch; what lies
    /// in `batch` beyond them is left alone. `spare` is memory that is kept between calls.
    ///
    /// # Panics
    /// Where the batch has less room than `keys` has images.
    pub fn apply(
        &self,
        (seed, epoch): (u64, u32),
        keys: &[u64],
        batch: &mut Batch<'_>,
        spare: &mut Vec<f32>,
    ) -> Vec<bool> {
        let mut mixed = vec![false; keys.len()];
        if keys.len() < 2 {
            return mixed;
        }
        let (len, labels) = (batch.shape.len(), batch.labels);
        let last = keys.len() - 1;
        // From the last to the first, so that the one before is still as it was; the last one is kept.
        spare.clear();
        spare.extend_from_slice(&batch.images[last * len..][..len]);
        spare.extend_from_slice(&batch.targets[last * labels..][..labels]);
        let (alpha, share) = self.alpha_and_share();
        for (index, &key) in keys.iter().enumerate().rev() {
            let mut draws = Stream::new(seed, Purpose::Mix, epoch, key);
            if !draws.chance(share as f32) {
                continue;
            }
            let own_share = draws.beta(alpha, alpha);
            let (before, own) = batch.images.split_at_mut(index * len);
            let other = match index {
                0 => &spare[..len],
                _ => &before[(index - 1) * len..],
            };
            let own = &mut own[..len];
            let own_share = match self {
                Self::Mixup(_) => mixup::blend(own, other, own_share),
                Self::Cutmix(_) => cutmix::paste(own, other, batch.shape, own_share, &mut draws),
            };
            let (before, own) = batch.targets.split_at_mut(index * labels);
            let other = match index {
                0 => &spare[len..],
                _ => &before[(index - 1) * labels..],
            };
            mixup::blend(&mut own[..labels], other, own_share);
            mixed[index] = true;
        }
        mixed
    }
}

#[cfg(test)]
mod tests;
