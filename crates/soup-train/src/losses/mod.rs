//! What training makes small: losses over logits and 0/1 labels.
//!
//! A [`Loss`] is data: the section `[loss]` of a configuration, with `kind` as its tag. All sums
//! run in `f64` and in the order of the cells, so the result depends on nothing but the input, and
//! logits of any size that an `f32` holds give finite losses and gradients. One of a program's own
//! is a [`Criterion`] under a name, and keeps to the same as well as it can.
//!
//! ```
//! use soup_train::losses::{Bce, Loss};
//!
//! let loss = Loss::Bce(Bce::default());
//! let mut gradient = [0.0; 4];
//! // Two images, two labels.
//! let value = loss.evaluate(&[2.0, -1.0, 0.0, 3.0], &[1.0, 0.0, 0.0, 1.0], 2, &mut gradient);
//! assert!((value - 0.2954811).abs() < 1e-6);
//! assert!(gradient[0] < 0.0 && gradient[1] > 0.0);
//! ```

mod asymmetric;
mod bce;
mod boxes;
mod focal;
mod hill;
mod sigmoid;
mod two_way;

pub use asymmetric::Asymmetric;
pub use bce::Bce;
pub use boxes::Boxes;
pub use focal::Focal;
pub use hill::Hill;
pub use two_way::TwoWay;

use serde::{Deserialize, Serialize};

use soup_engine::setting::{InvalidSetting, require};
pub use soup_graph::Own;

/// A loss and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Loss {
    /// Binary cross-entropy with logits.
    Bce(Bce),
    /// Focal loss.
    Focal(Focal),
    /// Asymmetric loss.
    Asymmetric(Asymmetric),
    /// Two-way loss.
    TwoWay(TwoWay),
    /// Hill loss.
    Hill(Hill),
    /// One of a program's own.
    Own(Own<dyn Criterion>),
}

/// What a loss of a program's own does.
pub trait Criterion: Send + Sync {
    /// Gives the loss of a batch, a mean over its images, and writes its derivative by each logit into `gradient`, which
    /// holds what was there before. All three slices hold one row of `labels` cells an image, as in [`Loss::evaluate`],
    /// which has checked their lengths; a target lies between 0 and 1 (of a label that is unknown it is the network's own
    /// probability, and its gradient is dropped). What is no number ends the training.
    fn evaluate(&self, logits: &[f32], targets: &[f32], labels: usize, gradient: &mut [f32])
    -> f64;
}

impl Default for Loss {
    fn default() -> Self {
        Self::Bce(Bce::default())
    }
}

impl Loss {
    /// Checks the parameters.
    ///
    /// # Errors
    /// The first parameter that is out of its range, by its key (`loss.gamma`).
    pub fn check(&self) -> Result<(), InvalidSetting> {
        match self {
            Self::Bce(loss) => loss.check(),
            Self::Focal(loss) => loss.check(),
            Self::Asymmetric(loss) => loss.check(),
            Self::TwoWay(loss) => loss.check(),
            Self::Hill(loss) => loss.check(),
            Self::Own(_) => Ok(()),
        }
    }

    /// Checks before training what [`check`](Self::check) cannot: that lists of one value a label have as many as there
    /// are labels, and that this program has the loss.
    ///
    /// # Errors
    /// A list of another length, by its key; a loss of another program's own, by its name.
    pub fn check_labels(&self, labels: usize) -> Result<(), InvalidSetting> {
        match self {
            Self::Bce(loss) => loss.check_labels(labels),
            Self::Own(own) => match own.code() {
                Ok(_) => Ok(()),
                Err(error) => require(false, "loss.name", own.name(), error),
            },
            Self::Focal(_) | Self::Asymmetric(_) | Self::TwoWay(_) | Self::Hill(_) => Ok(()),
        }
    }

    /// The loss of a batch, with its gradient with respect to the logits.
    ///
    /// `logits`, `targets` and `gradient` hold one row of `labels` cells an image; a target is 1
    /// where the image has the label and 0 where not (values between are allowed, except for
    /// [`TwoWay`], which cuts at 0.5); NaN where nobody knows, which neither counts nor has a gradient. The loss is the
    /// mean over all known cells, 0 without one; only [`TwoWay`] is made
    /// of means over labels and over images. `gradient` is overwritten.
    ///
    /// # Panics
    /// If the three slices differ in length, if their length is 0 or no multiple of `labels`, or if
    /// [`Loss::check_labels`] fails.
    pub fn evaluate(
        &self,
        logits: &[f32],
        targets: &[f32],
        labels: usize,
        gradient: &mut [f32],
    ) -> f64 {
        assert_eq!(logits.len(), targets.len(), "a target for every logit");
        assert_eq!(logits.len(), gradient.len(), "a gradient for every logit");
        assert!(
            labels > 0 && !logits.is_empty() && logits.len().is_multiple_of(labels),
            "whole rows of {labels} labels, at least one"
        );
        match self {
            Self::Bce(loss) => {
                loss.assert_labels(labels);
                mean_of_cells(logits, targets, gradient, |index, logit, target| {
                    loss.cell(index % labels, logit, target)
                })
            }
            Self::Focal(loss) => mean_of_cells(logits, targets, gradient, |_, logit, target| {
                loss.cell(logit, target)
            }),
            Self::Asymmetric(loss) => {
                mean_of_cells(logits, targets, gradient, |_, logit, target| {
                    loss.cell(logit, target)
                })
            }
            Self::TwoWay(loss) => loss.evaluate(logits, targets, labels, gradient),
            Self::Hill(loss) => mean_of_cells(logits, targets, gradient, |_, logit, target| {
                loss.cell(logit, target)
            }),
            Self::Own(own) => match own.code() {
                Ok(loss) if targets.iter().any(|target| target.is_nan()) => {
                    // It knows targets from 0 to 1 alone: what is unknown is what the network says.
                    let own =
                        logits
                            .iter()
                            .zip(targets)
                            .map(|(logit, target)| match target.is_nan() {
                                true => sigmoid::sigmoid(f64::from(*logit)) as f32,
                                false => *target,
                            });
                    let value = loss.evaluate(logits, &own.collect::<Vec<_>>(), labels, gradient);
                    let cells = gradient.iter_mut().zip(targets);
                    cells
                        .filter(|(_, target)| target.is_nan())
                        .for_each(|(gradient, _)| *gradient = 0.0);
                    value
                }
                Ok(loss) => loss.evaluate(logits, targets, labels, gradient),
                Err(error) => panic!("the loss {error}"),
            },
        }
    }
}

/// Mean over all known cells of a loss that knows one cell: `cell(index, logit, target)` gives the loss
/// and its derivative.
fn mean_of_cells(
    logits: &[f32],
    targets: &[f32],
    gradient: &mut [f32],
    cell: impl Fn(usize, f64, f64) -> (f64, f64),
) -> f64 {
    let known = targets.iter().filter(|target| !target.is_nan()).count();
    let cells = known.max(1) as f64;
    let mut sum = 0.0;
    for (index, ((&logit, &target), cell_gradient)) in logits
        .iter()
        .zip(targets)
        .zip(gradient.iter_mut())
        .enumerate()
    {
        if target.is_nan() {
            *cell_gradient = 0.0;
            continue;
        }
        let (loss, derivative) = cell(index, f64::from(logit), f64::from(target));
        sum += loss;
        *cell_gradient = (derivative / cells) as f32;
    }
    sum / cells
}

#[cfg(test)]
mod tests;
