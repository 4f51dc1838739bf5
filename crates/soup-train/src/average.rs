//! Averages of the weights on their way: moving (EMA) or of the end of training (SWA).

use serde::{Deserialize, Serialize};
use soup_engine::setting::{InvalidSetting, require};

/// Which average is taken: the section `[average]` of a configuration. `ema` forgets as timm's
/// `ModelEmaV3`; `swa` (stochastic weight averaging, Izmailov et al., UAI 2018) is the plain mean of the
/// weights at moments near the end, as PyTorch's `AveragedModel` with `use_buffers=True`: running statistics
/// are averaged too, not taken anew over the images. Before its first moment it is a copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Average {
    /// `ema` or `swa`, which reads other keys below.
    pub kind: Kind,
    /// Share of the average that a step keeps; in `[0, 1]`.
    pub decay: f64,
    /// Steps at the start in which the average is a copy of the weights.
    pub update_after: u64,
    /// Lets the decay grow to its value: after `n` steps it is `1 - (1 + n / gamma)^-power`.
    pub warmup: bool,
    /// The `gamma` of the warm-up; above 0.
    pub warmup_gamma: f64,
    /// The `power` of the warm-up; above 0.
    pub warmup_power: f64,
    /// The least decay of the warm-up; in `[0, 1]`.
    pub min_decay: f64,
    /// Of `swa`: share of the training after which the mean begins, in `[0, 1)`.
    pub start: f64,
    /// Of `swa`: steps from one moment of the mean to the next; 0 takes the ends of epochs.
    pub every: u64,
}

/// The average's kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Exponential moving average.
    #[default]
    Ema,
    /// Mean of the weights at moments near the end.
    Swa,
}

/// How long training takes, in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Of all of it.
    pub steps: u64,
    /// Of a whole epoch; the last one may be shorter.
    pub epoch_steps: u64,
}

impl Default for Average {
    fn default() -> Self {
        Self {
            kind: Kind::Ema,
            decay: 0.9999,
            update_after: 0,
            warmup: false,
            warmup_gamma: 1.0,
            warmup_power: 2.0 / 3.0,
            min_decay: 0.0,
            start: 0.75,
            every: 0,
        }
    }
}

impl Average {
    /// Checks the parameters.
    ///
    /// # Errors
    /// The first parameter that is out of its range, by its key (`average.decay`).
    pub fn check(&self) -> Result<(), InvalidSetting> {
        for (key, share) in [
            ("average.decay", self.decay),
            ("average.min_decay", self.min_decay),
        ] {
            let rule = "must be between 0 and 1";
            require((0.0..=1.0).contains(&share), key, share, rule)?;
        }
        for (key, value) in [
            ("average.warmup_gamma", self.warmup_gamma),
            ("average.warmup_power", self.warmup_power),
        ] {
            let rule = "must be a number above 0";
            require(value > 0.0 && value.is_finite(), key, value, rule)?;
        }
        let rule = "must be at least 0 and less than 1";
        let good = (0.0..1.0).contains(&self.start);
        require(good, "average.start", self.start, rule)
    }

    /// Share of the moving average that is kept when the weights of step `step`, counted from 1, come in.
    /// The first one is 0: the average starts as a copy.
    pub fn decay_at(&self, step: u64) -> f64 {
        let step = step.saturating_sub(self.update_after.saturating_add(1));
        if step == 0 {
            return 0.0;
        }
        if !self.warmup {
            return self.decay;
        }
        let decay = 1.0 - (1.0 + step as f64 / self.warmup_gamma).powf(-self.warmup_power);
        // Not clamp(): with the least decay above `decay` the least one wins, as in timm.
        decay.min(self.decay).max(self.min_decay)
    }

    /// What the weights of step `step`, counted from 1, count in the average: a function of the step
    /// alone, so a resumed run needs nothing but the average.
    pub fn weight_at(&self, step: u64, length: Length) -> f64 {
        match self.kind {
            Kind::Ema => 1.0 - self.decay_at(step),
            Kind::Swa => {
                let first = (self.start * length.steps as f64).ceil() as u64;
                let apart = match self.every {
                    0 => length.epoch_steps.max(1),
                    every => every,
                };
                // Moments are multiples of `apart` and the last step.
                let until = |step: u64| {
                    let ends_between = step >= length.steps && !length.steps.is_multiple_of(apart);
                    step / apart + u64::from(ends_between)
                };
                let taken = until(step) - until(first.max(1) - 1).min(until(step));
                if taken == 0 {
                    1.0
                } else if until(step) > until(step - 1) {
                    1.0 / taken as f64
                } else {
                    0.0
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

    use soup_graph::{Builder, Convolution, Graph, ImageShape, Weights};

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        config: Average,
        #[serde(default)]
        epoch_steps: u64,
        decays: Vec<f64>,
        trainable: Vec<Vec<f32>>,
        buffers: Vec<Vec<f32>>,
    }

    /// 12 trained values and 4 running statistics.
    fn network() -> Graph {
        let mut net = Builder::new(ImageShape {
            channels: 1,
            height: 2,
            width: 2,
        });
        let x = net.input();
        let x = net.convolution("a", x, Convolution::square(2, 2)).unwrap();
        let x = net.batch_norm("b", x, 1e-5, 0.1).unwrap();
        net.finish(&[x]).unwrap()
    }

    /// The weights of step `step`, as the script makes them.
    fn weights(step: u64) -> Weights {
        let value = |index: u64, scale: f32| ((step * 37 + index * 11) % 64) as f32 * scale - 1.5;
        let trainable = (0..12).map(|index| value(index, 0.0625)).collect();
        let buffers = (0..4).map(|index| value(index, 0.5)).collect();
        Weights::new(&network(), trainable, buffers).unwrap()
    }

    #[test]
    fn averages_agree_with_timm_and_pytorch() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../tests/fixtures/average.json")).unwrap();
        let mut worst = 0.0f32;
        for case in &cases {
            case.config.check().unwrap();
            let mut average = weights(0);
            let length = Length {
                steps: case.trainable.len() as u64,
                epoch_steps: case.epoch_steps,
            };
            for step in 1..=length.steps {
                if let Some(expected) = case.decays.get(step as usize - 1) {
                    let decay = case.config.decay_at(step);
                    assert!((decay - expected).abs() < 1e-14);
                }
                let weight = case.config.weight_at(step, length) as f32;
                average.lerp(&weights(step), weight);
                let at = step as usize - 1;
                for (ours, theirs) in [
                    (average.trainable(), &case.trainable[at]),
                    (average.buffers(), &case.buffers[at]),
                ] {
                    for (ours, theirs) in ours.iter().zip(theirs) {
                        let difference = (ours - theirs).abs() / theirs.abs().max(0.1);
                        worst = worst.max(difference);
                        assert!(
                            difference < 1e-6,
                            "{:?} {step}: {ours} {theirs}",
                            case.config
                        );
                    }
                }
            }
        }
        println!("worst relative difference: {worst:e}");
    }

    #[test]
    fn bad_parameters_are_named() {
        let decay = |decay| Average {
            decay,
            ..Average::default()
        };
        assert_eq!(
            decay(1.5).check().unwrap_err().to_string(),
            "`average.decay` is 1.5: must be between 0 and 1"
        );
        let late = Average {
            start: 1.0,
            ..Average::default()
        };
        assert_eq!(late.check().unwrap_err().key, "average.start");
        assert!(decay(f64::NAN).check().is_err());
        let flat = Average {
            warmup_gamma: 0.0,
            ..Average::default()
        };
        assert!(
            flat.check()
                .unwrap_err()
                .to_string()
                .contains("average.warmup_gamma")
        );
    }
}
