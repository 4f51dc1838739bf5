//! Batch norm's small steps: from chunk statistics to coefficients, and back from gathered sums.

use crate::{
    kernels::gather::{SUM_ROWS, Sums},
    plan::{Buffer, Context, Norm, Step, Vector},
};

/// Where a batch norm's parameters stand in their arenas.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameters {
    pub channels: usize,
    pub epsilon: f32,
    pub momentum: f32,
    pub weight: usize,
    pub bias: usize,
    pub mean: usize,
    pub variance: usize,
}

/// A coefficient row to be written.
///
/// # Safety
/// No two rows handed out at once may be the same.
unsafe fn row<'a>(context: &Context<'a>, norm: Norm, row: usize, channels: usize) -> &'a mut [f32] {
    // SAFETY: the norm's buffer has `NORM_ROWS` rows of `stride >= channels` values.
    unsafe {
        let start = context.at(norm.buffer).add(row * norm.stride);
        std::slice::from_raw_parts_mut(start, channels)
    }
}

/// Coefficients from the statistics of the batch.
#[derive(Debug)]
pub(crate) struct BatchCoefficients {
    pub norm: Norm,
    pub parameters: Parameters,
    /// Mean and M2 rows, `norm.stride` long, of every chunk.
    pub statistics: Buffer,
    /// Pixels in each chunk of an image.
    pub pixels: Vec<usize>,
}

impl Step for BatchCoefficients {
    unsafe fn run(&self, context: &Context<'_>) {
        let p = &self.parameters;
        let stride = self.norm.stride;
        let chunks = context.batch * self.pixels.len();
        let total = context.batch * self.pixels.iter().sum::<usize>();
        // SAFETY: two rows a chunk were written by the step that took the statistics.
        let statistics =
            unsafe { std::slice::from_raw_parts(context.at(self.statistics), chunks * 2 * stride) };
        let lines = || {
            statistics
                .chunks_exact(2 * stride)
                .zip(self.pixels.iter().cycle())
                .map(|(line, &count)| (&line[..stride], &line[stride..], count as f64))
        };
        let mut mean = vec![0.0f64; stride];
        for (means, _, count) in lines() {
            for (sum, &value) in mean.iter_mut().zip(means) {
                *sum += count * f64::from(value);
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= total as f64);
        let mut m2 = vec![0.0f64; stride];
        for (means, m2s, count) in lines() {
            for c in 0..stride {
                let d = f64::from(means[c]) - mean[c];
                m2[c] += f64::from(m2s[c]) + count * d * d;
            }
        }
        // SAFETY: five different rows.
        let (scale, shift, means, inverses, unbiased) = unsafe {
            (
                row(context, self.norm, 0, stride),
                row(context, self.norm, 1, stride),
                row(context, self.norm, 2, stride),
                row(context, self.norm, 3, stride),
                row(context, self.norm, 7, stride),
            )
        };
        let weights = &context.weights.trainable();
        for c in 0..stride {
            let (weight, bias) = if c < p.channels {
                (weights[p.weight + c], weights[p.bias + c])
            } else {
                (0.0, 0.0)
            };
            let variance = m2[c] / total as f64;
            let inverse = (1.0 / (variance + f64::from(p.epsilon)).sqrt()) as f32;
            means[c] = mean[c] as f32;
            inverses[c] = inverse;
            scale[c] = weight * inverse;
            shift[c] = bias - means[c] * scale[c];
            unbiased[c] = (m2[c] / (total.max(2) - 1) as f64) as f32;
        }
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        visit(self.norm.buffer);
        visit(self.statistics);
    }

    fn name(&self) -> &'static str {
        "batch norm coefficients"
    }
}

/// Coefficients from the running statistics.
#[derive(Debug)]
pub(crate) struct RunningCoefficients {
    pub norm: Norm,
    pub parameters: Parameters,
}

impl Step for RunningCoefficients {
    unsafe fn run(&self, context: &Context<'_>) {
        let p = &self.parameters;
        // SAFETY: two different rows.
        let (scale, shift) = unsafe {
            (
                row(context, self.norm, 0, self.norm.stride),
                row(context, self.norm, 1, self.norm.stride),
            )
        };
        scale.fill(0.0);
        shift.fill(0.0);
        let (weights, buffers) = (&context.weights.trainable(), &context.weights.buffers());
        for c in 0..p.channels {
            let inverse = 1.0 / (buffers[p.variance + c] + p.epsilon).sqrt();
            scale[c] = weights[p.weight + c] * inverse;
            shift[c] = weights[p.bias + c] - buffers[p.mean + c] * scale[c];
        }
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        visit(self.norm.buffer);
    }

    fn name(&self) -> &'static str {
        "batch norm coefficients"
    }
}

/// Sums of a gradient, as a step gathered them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GatheredSums {
    /// `SUM_ROWS` rows of stored channels for every chunk.
    pub buffer: Buffer,
    pub sums: Sums,
    /// Chunks of one image.
    pub per_image: usize,
}

impl GatheredSums {
    /// A row of one chunk.
    ///
    /// # Safety
    /// The rows must have been written.
    unsafe fn row<'a>(
        &self,
        context: &Context<'a>,
        chunk: usize,
        row: usize,
        stride: usize,
    ) -> &'a [f32] {
        // SAFETY: the caller says that the chunk's rows were written; there are `SUM_ROWS` for every chunk, of
        // `stride` values.
        unsafe {
            let start = context
                .at(self.buffer)
                .add((chunk * SUM_ROWS + row) * stride);
            std::slice::from_raw_parts(start, stride)
        }
    }
}

/// Gradients of scale and shift, and the coefficients of the raw gradient.
#[derive(Debug)]
pub(crate) struct NormGradient {
    pub norm: Norm,
    pub parameters: Parameters,
    pub gathered: GatheredSums,
    pub gate: Vector,
    pub pooled: Vector,
    /// Pixels of one image.
    pub pixels: usize,
}

impl Step for NormGradient {
    unsafe fn run(&self, context: &Context<'_>) {
        let p = &self.parameters;
        let stride = self.norm.stride;
        let mut plain = vec![0.0f64; stride];
        let mut product = vec![0.0f64; stride];
        let mut add = |image: usize, chunk: usize| {
            // SAFETY: all chunks' rows were written; vectors have `stride` values.
            unsafe {
                let sums = |row| self.gathered.row(context, chunk, row, stride);
                let (s0, s1) = (sums(0), sums(1));
                if self.gathered.sums == Sums::Norm {
                    for c in 0..stride {
                        plain[c] += f64::from(s0[c]);
                        product[c] += f64::from(s1[c]);
                    }
                    return;
                }
                let (s3, s4) = (sums(3), sums(4));
                let gate = std::slice::from_raw_parts(self.gate.at(context, image), stride);
                let pooled = std::slice::from_raw_parts(self.pooled.at(context, image), stride);
                for c in 0..stride {
                    plain[c] += f64::from(gate[c] * s0[c] + pooled[c] * s3[c]);
                    product[c] += f64::from(gate[c] * s1[c] + pooled[c] * s4[c]);
                }
            }
        };
        for image in 0..context.batch {
            for chunk in 0..self.gathered.per_image {
                add(image, image * self.gathered.per_image + chunk);
            }
        }
        let count = (context.batch * self.pixels) as f64;
        // SAFETY: five different rows; the gradients of one norm's parameters are this step's alone.
        unsafe {
            let means = row(context, self.norm, 2, stride);
            let inverses = row(context, self.norm, 3, stride);
            let dense = row(context, self.norm, 4, stride);
            let raw = row(context, self.norm, 5, stride);
            let constant = row(context, self.norm, 6, stride);
            dense.fill(0.0);
            raw.fill(0.0);
            constant.fill(0.0);
            for c in 0..p.channels {
                *context.gradients.add(p.weight + c) += product[c] as f32;
                *context.gradients.add(p.bias + c) += plain[c] as f32;
                let inverse = f64::from(inverses[c]);
                let factor = f64::from(context.weights.trainable()[p.weight + c]) * inverse;
                let coefficient = factor * inverse * product[c] / count;
                dense[c] = factor as f32;
                raw[c] = -coefficient as f32;
                constant[c] =
                    (coefficient * f64::from(means[c]) - factor * plain[c] / count) as f32;
            }
        }
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        visit(self.norm.buffer);
        visit(self.gathered.buffer);
        visit(self.gate.buffer);
        visit(self.pooled.buffer);
    }

    fn name(&self) -> &'static str {
        "batch norm gradient"
    }
}

/// Gradient of a learned gate from gathered sums.
#[derive(Debug)]
pub(crate) struct GateGradient {
    pub gathered: GatheredSums,
    pub to: Vector,
    pub accumulate: bool,
}

impl Step for GateGradient {
    unsafe fn run(&self, context: &Context<'_>) {
        let stride = self.to.stride;
        for image in 0..context.batch {
            // SAFETY: all chunks' rows were written; the vector has `stride` values an image.
            unsafe {
                let to = std::slice::from_raw_parts_mut(self.to.at(context, image), stride);
                if !self.accumulate {
                    to.fill(0.0);
                }
                for chunk in 0..self.gathered.per_image {
                    let chunk = image * self.gathered.per_image + chunk;
                    for (sum, value) in to
                        .iter_mut()
                        .zip(self.gathered.row(context, chunk, 2, stride))
                    {
                        *sum += value;
                    }
                }
            }
        }
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        visit(self.gathered.buffer);
        visit(self.to.buffer);
    }

    fn name(&self) -> &'static str {
        "gate gradient"
    }
}
