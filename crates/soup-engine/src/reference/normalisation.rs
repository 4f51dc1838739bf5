//! Batch norm.

use soup_graph::{Graph, Op, ParameterId, Weights};

use super::{ReferenceError, sum_by_channel, values_of};

/// Mean and spread of each channel, and over how many values they were taken.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    mean: Vec<f64>,
    /// Biased variance of the batch, or the running variance.
    variance: Vec<f64>,
    epsilon: f64,
    count: usize,
}

impl Statistics {
    /// The running statistics of a batch norm.
    pub(super) fn running(graph: &Graph, weights: &Weights, op: &Op) -> Self {
        let norm = Norm::of(op);
        Self {
            mean: values_of(graph, weights, norm.mean),
            variance: values_of(graph, weights, norm.variance),
            epsilon: norm.epsilon,
            count: 0,
        }
    }

    /// The statistics of a batch.
    pub(super) fn of_batch(
        graph: &Graph,
        op: &Op,
        values: &[f64],
        channels: usize,
    ) -> Result<Self, ReferenceError> {
        let norm = Norm::of(op);
        let count = values.len() / channels;
        if count < 2 {
            return Err(ReferenceError::OneValue {
                name: graph.at(norm.weight).name().to_owned(),
            });
        }
        let mean_of = |values: &[f64]| -> Vec<f64> {
            let sums = sum_by_channel(values, channels);
            sums.into_iter().map(|sum| sum / count as f64).collect()
        };
        let mean = mean_of(values);
        let squares: Vec<f64> = values
            .iter()
            .enumerate()
            .map(|(at, x)| (x - mean[at % channels]).powi(2))
            .collect();
        Ok(Self {
            variance: mean_of(&squares),
            mean,
            epsilon: norm.epsilon,
            count,
        })
    }

    /// Moves the running statistics towards these, the variance made unbiased.
    pub(super) fn move_running(&self, graph: &Graph, op: &Op, buffers: &mut [f32]) {
        let norm = Norm::of(op);
        let unbiased = self.count as f64 / (self.count as f64 - 1.0);
        for (id, values, factor) in [
            (norm.mean, &self.mean, 1.0),
            (norm.variance, &self.variance, unbiased),
        ] {
            let running = &mut buffers[graph.at(id).range()];
            for (running, value) in running.iter_mut().zip(values) {
                let old = f64::from(*running);
                *running = (old + norm.momentum * (value * factor - old)) as f32;
            }
        }
    }

    /// `(x - mean) / sqrt(variance + epsilon)`
    pub(super) fn normalise(&self, values: &[f64]) -> Vec<f64> {
        let channels = self.mean.len();
        values
            .iter()
            .enumerate()
            .map(|(at, x)| (x - self.mean[at % channels]) / self.deviation(at % channels))
            .collect()
    }

    /// Gradient of the input of `normalised * weight + bias`. In training the statistics move with
    /// the input. The gradient is given as it is summed up, and as it goes on from there.
    pub(super) fn backward(
        &self,
        normalised: &[f64],
        weight: &[f64],
        [summed, given]: [&[f64]; 2],
        training: bool,
    ) -> Vec<f64> {
        let channels = self.mean.len();
        let products: Vec<f64> = summed.iter().zip(normalised).map(|(g, x)| g * x).collect();
        let count = self.count as f64;
        let sums = sum_by_channel(summed, channels);
        let products = sum_by_channel(&products, channels);
        given
            .iter()
            .zip(normalised)
            .enumerate()
            .map(|(at, (g, x))| {
                let c = at % channels;
                let centred = match training {
                    true => g - sums[c] / count - x * products[c] / count,
                    false => *g,
                };
                centred * weight[c] / self.deviation(c)
            })
            .collect()
    }

    fn deviation(&self, channel: usize) -> f64 {
        (self.variance[channel] + self.epsilon).sqrt()
    }
}

/// `values * weight + bias`, by channel.
pub(super) fn affine(values: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let channels = weight.len();
    values
        .iter()
        .enumerate()
        .map(|(at, x)| x * weight[at % channels] + bias[at % channels])
        .collect()
}

/// The fields of a batch norm that the statistics need.
struct Norm {
    epsilon: f64,
    momentum: f64,
    weight: ParameterId,
    mean: ParameterId,
    variance: ParameterId,
}

impl Norm {
    fn of(op: &Op) -> Self {
        let Op::BatchNorm {
            epsilon,
            momentum,
            weight,
            mean,
            variance,
            ..
        } = op
        else {
            unreachable!("called for batch norms only");
        };
        Self {
            epsilon: f64::from(*epsilon),
            momentum: f64::from(*momentum),
            weight: *weight,
            mean: *mean,
            variance: *variance,
        }
    }
}
