//! Between the parameters' own layout (PyTorch's) and the engine's: packing before a run, reducing
//! partial gradients after it.

use soup_graph::Weights;

use crate::kernels::gemm::column_blocks;
use crate::kernels::vector::AddInto;
use crate::plan::{Buffer, Context, Step};

/// One convolution's weights (out, in, rows, columns) to be packed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed {
    /// First weight among the trained values.
    pub offset: usize,
    pub inputs: usize,
    pub outputs: usize,
    /// Stored channels, with padding.
    pub stored_inputs: usize,
    pub stored_outputs: usize,
    /// Kernel side.
    pub kernel: usize,
    pub layout: Layout,
    pub to: Buffer,
}

/// What the packed weights are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Rows: tap, input; columns: outputs, in panels.
    Forward,
    /// Rows: tap (columns of the kernel from right to left), output; columns: inputs, in panels.
    Backward,
    /// One row of channels a tap.
    Depthwise,
    /// A bias: one row of outputs.
    Bias,
}

impl Packed {
    /// Values that the packed weights take.
    pub(crate) fn len(&self) -> usize {
        match self.layout {
            Layout::Forward | Layout::Backward => {
                self.kernel * self.kernel * self.stored_inputs * self.stored_outputs
            }
            Layout::Depthwise => self.kernel * self.kernel * self.stored_outputs,
            Layout::Bias => self.stored_outputs,
        }
    }

    /// Column blocks that can be packed apart.
    fn blocks(&self, lanes: usize) -> Vec<(usize, usize)> {
        let columns = match self.layout {
            Layout::Forward => self.stored_outputs,
            Layout::Backward => self.stored_inputs,
            Layout::Depthwise | Layout::Bias => return vec![(0, 0)],
        };
        column_blocks(columns / lanes)
            .map(|(first, width)| (first * lanes, width * lanes))
            .collect()
    }

    /// Where a column block stands in the packed weights.
    fn range(&self, (first, width): (usize, usize)) -> std::ops::Range<usize> {
        let taps = self.kernel * self.kernel;
        let rows = match self.layout {
            Layout::Forward => taps * self.stored_inputs,
            Layout::Backward => taps * self.stored_outputs,
            Layout::Depthwise | Layout::Bias => return 0..self.len(),
        };
        first * rows..(first + width) * rows
    }

    /// Packs one column block.
    fn pack(&self, weights: &Weights, to: &mut [f32], (first, width): (usize, usize)) {
        let taps = self.kernel * self.kernel;
        let source = &weights.trainable[self.offset..];
        match self.layout {
            Layout::Bias => {
                to.fill(0.0);
                to[..self.outputs].copy_from_slice(&source[..self.outputs]);
            }
            Layout::Depthwise => {
                to.fill(0.0);
                for tap in 0..taps {
                    for c in 0..self.outputs {
                        to[tap * self.stored_outputs + c] = source[c * taps + tap];
                    }
                }
            }
            Layout::Forward => {
                let used = self.outputs.saturating_sub(first).min(width);
                for (row, line) in to.chunks_exact_mut(width).enumerate() {
                    let (tap, input) = (row / self.stored_inputs, row % self.stored_inputs);
                    line.fill(0.0);
                    if input < self.inputs {
                        let from = &source[(first * self.inputs + input) * taps + tap..];
                        for (place, value) in line[..used]
                            .iter_mut()
                            .zip(from.iter().step_by(self.inputs * taps))
                        {
                            *place = *value;
                        }
                    }
                }
            }
            Layout::Backward => {
                let used = self.inputs.saturating_sub(first).min(width);
                for (row, line) in to.chunks_exact_mut(width).enumerate() {
                    let (tap, output) = (row / self.stored_outputs, row % self.stored_outputs);
                    let (ky, kx) = (tap / self.kernel, self.kernel - 1 - tap % self.kernel);
                    line.fill(0.0);
                    if output < self.outputs {
                        let at = (output * self.inputs + first) * taps + ky * self.kernel + kx;
                        let from = &source[at.min(source.len())..];
                        for (place, value) in line[..used].iter_mut().zip(from.iter().step_by(taps))
                        {
                            *place = *value;
                        }
                    }
                }
            }
        }
    }
}

/// Packs all weights of a plan.
#[derive(Debug)]
pub(crate) struct PackWeights {
    entries: Vec<Packed>,
    /// Entry and column block of every task.
    tasks: Vec<(usize, (usize, usize))>,
}

impl PackWeights {
    pub(crate) fn new(entries: Vec<Packed>, lanes: usize) -> Self {
        let tasks = entries
            .iter()
            .enumerate()
            .flat_map(|(index, entry)| {
                entry
                    .blocks(lanes)
                    .into_iter()
                    .map(move |block| (index, block))
            })
            .collect();
        Self { entries, tasks }
    }
}

impl Step for PackWeights {
    fn run(&self, context: &Context<'_>) {
        context.pool.run(self.tasks.len(), &|task| {
            let (index, block) = self.tasks[task];
            let entry = &self.entries[index];
            let range = entry.range(block);
            // SAFETY: the buffer has `len()` values, and tasks of one entry write other panels of it.
            let to = unsafe {
                std::slice::from_raw_parts_mut(context.at(entry.to).add(range.start), range.len())
            };
            entry.pack(context.weights, to, block);
        });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        for entry in &self.entries {
            visit(entry.to);
        }
    }

    fn name(&self) -> &'static str {
        "pack weights"
    }
}

/// Adds partial gradients in slot order and puts them among the parameters' gradients.
#[derive(Debug)]
pub(crate) struct ReduceWeights {
    /// Gradient of the first weight.
    pub offset: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub stored_inputs: usize,
    pub stored_outputs: usize,
    /// Taps of the kernel.
    pub taps: usize,
    /// `slots` times: row of tap and stored input, stored outputs. For a depthwise convolution and a
    /// bias `inputs` is 1.
    pub from: Buffer,
    pub slots: usize,
}

/// Input channels that one task reduces.
const ROWS: usize = 16;

impl Step for ReduceWeights {
    fn run(&self, context: &Context<'_>) {
        let slot = self.taps * self.stored_inputs * self.stored_outputs;
        let blocks = self.inputs.div_ceil(ROWS);
        context.pool.run(self.taps * blocks, &|task| {
            let (tap, block) = (task / blocks, task % blocks);
            let first = block * ROWS;
            let rows = ROWS.min(self.inputs - first);
            let start = (tap * self.stored_inputs + first) * self.stored_outputs;
            // SAFETY: tasks reduce other rows of the slots and write other gradients.
            unsafe {
                let sum = context.at(self.from).add(start);
                for index in 1..self.slots {
                    context.isa.run(AddInto {
                        from: context.at(self.from).add(index * slot + start),
                        to: sum,
                        values: rows * self.stored_outputs,
                    });
                }
                let to = context.gradients.add(self.offset);
                for output in 0..self.outputs {
                    for row in 0..rows {
                        let at = (output * self.inputs + first + row) * self.taps + tap;
                        *to.add(at) += *sum.add(row * self.stored_outputs + output);
                    }
                }
            }
        });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        visit(self.from);
    }

    fn name(&self) -> &'static str {
        "reduce weight gradients"
    }
}
