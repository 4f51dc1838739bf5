//! The moving average of the weights (EMA).

use serde::{Deserialize, Serialize};
use soup_graph::Weights;

use crate::setting::{InvalidSetting, require};

/// How the average forgets, as timm's `ModelEmaV3`: the section `[average]` of a configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Average {
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
}

impl Default for Average {
    fn default() -> Self {
        Self {
            decay: 0.9999,
            update_after: 0,
            warmup: false,
            warmup_gamma: 1.0,
            warmup_power: 2.0 / 3.0,
            min_decay: 0.0,
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
        Ok(())
    }

    /// Share of the average that is kept when the weights of step `step`, counted from 1, come in.
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

    /// Takes the weights after step `step`, counted from 1, into the average: trained values and
    /// running statistics.
    ///
    /// # Panics
    /// If the two belong to different networks.
    pub fn update(&self, average: &mut Weights, weights: &Weights, step: u64) {
        let weight = (1.0 - self.decay_at(step)) as f32;
        blend(&mut average.trainable, &weights.trainable, weight);
        blend(&mut average.buffers, &weights.buffers, weight);
    }
}

/// `torch.lerp`: from `average` towards `values` by `weight`, starting from the end that is nearer.
fn blend(average: &mut [f32], values: &[f32], weight: f32) {
    assert_eq!(
        average.len(),
        values.len(),
        "an average of the same network"
    );
    if weight < 0.5 {
        for (average, &value) in average.iter_mut().zip(values) {
            *average += weight * (value - *average);
        }
    } else {
        let keep = 1.0 - weight;
        for (average, &value) in average.iter_mut().zip(values) {
            *average = value - keep * (value - *average);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        config: Average,
        decays: Vec<f64>,
        trainable: Vec<Vec<f32>>,
        buffers: Vec<Vec<f32>>,
    }

    /// The weights of step `step`, as the script makes them.
    fn weights(step: u64) -> Weights {
        let value = |index: u64, scale: f32| ((step * 37 + index * 11) % 64) as f32 * scale - 1.5;
        Weights {
            trainable: (0..12).map(|index| value(index, 0.0625)).collect(),
            buffers: (0..4).map(|index| value(index, 0.5)).collect(),
        }
    }

    #[test]
    fn averages_agree_with_timm() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../tests/fixtures/average.json")).unwrap();
        let mut worst = 0.0f32;
        for case in &cases {
            case.config.check().unwrap();
            let mut average = weights(0);
            for step in 1..=case.decays.len() as u64 {
                let decay = case.config.decay_at(step);
                assert!((decay - case.decays[step as usize - 1]).abs() < 1e-14);
                case.config.update(&mut average, &weights(step), step);
                let at = step as usize - 1;
                for (ours, theirs) in [
                    (&average.trainable, &case.trainable[at]),
                    (&average.buffers, &case.buffers[at]),
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
