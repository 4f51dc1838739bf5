//! Between the parameters' own layout (PyTorch's) and the engine's: packing before a run, reducing
//! partial gradients after it.

use soup_graph::Weights;

use crate::kernels::gemm::column_blocks;
use crate::kernels::vector::AddInto;
use crate::plan::{Buffer, Context, Step};
use crate::simd::{Bf16, Element, Precision};

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
    /// Of the words of a product.
    pub precision: Precision,
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
    /// Words that the packed weights take.
    pub(crate) fn len(&self) -> usize {
        let taps = self.kernel * self.kernel;
        match self.layout {
            Layout::Forward | Layout::Backward => self
                .precision
                .words(taps * self.stored_inputs * self.stored_outputs),
            Layout::Depthwise => taps * self.stored_outputs,
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
            Layout::Forward => self.precision.words(taps * self.stored_inputs),
            Layout::Backward => self.precision.words(taps * self.stored_outputs),
            Layout::Depthwise | Layout::Bias => return 0..self.len(),
        };
        first * rows..(first + width) * rows
    }

    /// Packs one column block.
    fn pack(&self, weights: &Weights, to: &mut [f32], block: (usize, usize)) {
        let taps = self.kernel * self.kernel;
        let source = &weights.trainable[self.offset..];
        to.fill(0.0);
        match self.layout {
            Layout::Bias => to[..self.outputs].copy_from_slice(&source[..self.outputs]),
            Layout::Depthwise => {
                for tap in 0..taps {
                    for c in 0..self.outputs {
                        to[tap * self.stored_outputs + c] = source[c * taps + tap];
                    }
                }
            }
            Layout::Forward | Layout::Backward => match self.precision {
                Precision::F32 => self.panel::<f32>(source, to, block),
                Precision::Bf16 => {
                    // SAFETY: every value of four bytes is two halves.
                    let (_, halves, _) = unsafe { to.align_to_mut::<Bf16>() };
                    self.panel(source, halves, block);
                }
            },
        }
    }

    /// Packs one panel, whose columns are `width` outputs (or, backward, inputs) from `first` on: row by row,
    /// neighbouring rows side by side where they share words.
    fn panel<E: Element>(&self, source: &[f32], to: &mut [E], (first, width): (usize, usize)) {
        let taps = self.kernel * self.kernel;
        let shared = E::PRECISION.per_word();
        let place =
            |row: usize, column: usize| (row / shared * width + column) * shared + row % shared;
        let forward = self.layout == Layout::Forward;
        let columns = if forward { self.outputs } else { self.inputs };
        let used = columns.saturating_sub(first).min(width);
        if forward {
            // Some inputs at a time, so that the rows that are written stay in the first-level cache.
            for start in (0..self.inputs).step_by(ROWS) {
                let inputs = start..(start + ROWS).min(self.inputs);
                for column in 0..used {
                    let at = ((first + column) * self.inputs + start) * taps;
                    let run = &source[at..at + inputs.len() * taps];
                    for (values, input) in run.chunks_exact(taps).zip(inputs.clone()) {
                        for (tap, &value) in values.iter().enumerate() {
                            let row = tap * self.stored_inputs + input;
                            to[place(row, column)] = E::from_f32(value);
                        }
                    }
                }
            }
        } else {
            // The columns of the kernel from right to left.
            let mirrored: Vec<usize> = (0..taps)
                .map(|tap| tap + self.kernel - 1 - 2 * (tap % self.kernel))
                .collect();
            for output in 0..self.outputs {
                let at = (output * self.inputs + first) * taps;
                let run = &source[at..at + used * taps];
                for (column, values) in run.chunks_exact(taps).enumerate() {
                    for (&tap, &value) in mirrored.iter().zip(values) {
                        let row = tap * self.stored_outputs + output;
                        to[place(row, column)] = E::from_f32(value);
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

/// Input channels that are packed, or reduced, at a time.
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
