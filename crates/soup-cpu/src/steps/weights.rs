//! Between the parameters' own layout (PyTorch's) and the engine's: packing before a run, reducing
//! partial gradients after it.

use crate::kernels::gemm::column_blocks;
use crate::kernels::vector::AddSlots;
use crate::kernels::winograd::{POSITIONS, PackFilters, ReduceFilters};
use crate::plan::{Buffer, Context, Step};
use crate::simd::{Bf16, Element, Precision, Values};

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
    /// As forward and backward, with the combinations of 3x3 filters that Winograd's products read for taps.
    ForwardFilters,
    BackwardFilters,
    /// One row of channels a tap.
    Depthwise,
    /// A bias: one row of outputs.
    Bias,
}

impl Packed {
    /// Rows for every stored channel.
    fn taps(&self) -> usize {
        match self.layout {
            Layout::ForwardFilters | Layout::BackwardFilters => POSITIONS,
            _ => self.kernel * self.kernel,
        }
    }

    /// Whether columns are outputs.
    fn is_forward(&self) -> bool {
        matches!(self.layout, Layout::Forward | Layout::ForwardFilters)
    }

    /// Words that the packed weights take.
    pub(crate) fn len(&self) -> usize {
        let taps = self.taps();
        match self.layout {
            Layout::Depthwise => taps * self.stored_outputs,
            Layout::Bias => self.stored_outputs,
            _ => self
                .precision
                .words(taps * self.stored_inputs * self.stored_outputs),
        }
    }

    /// Column blocks that can be packed apart.
    fn blocks(&self, lanes: usize) -> Vec<(usize, usize)> {
        let columns = match self.layout {
            Layout::Depthwise | Layout::Bias => return vec![(0, 0)],
            _ if self.is_forward() => self.stored_outputs,
            _ => self.stored_inputs,
        };
        column_blocks(columns / lanes)
            .map(|(first, width)| (first * lanes, width * lanes))
            .collect()
    }

    /// Where a column block stands in the packed weights.
    fn range(&self, (first, width): (usize, usize)) -> std::ops::Range<usize> {
        let rows = match self.layout {
            Layout::Depthwise | Layout::Bias => return 0..self.len(),
            _ if self.is_forward() => self.stored_inputs,
            _ => self.stored_outputs,
        };
        let rows = self.precision.words(self.taps() * rows);
        first * rows..(first + width) * rows
    }

    /// Packs one column block.
    fn pack(&self, context: &Context<'_>, to: &mut [f32], block: (usize, usize)) {
        let taps = self.kernel * self.kernel;
        let source = &context.weights.trainable[self.offset..];
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
            Layout::ForwardFilters | Layout::BackwardFilters => {
                let lines = self.lines();
                let (first, width) = block;
                let first_filter = &source[first.min(lines.columns - 1) * lines.column_step..];
                // SAFETY: the steps of `lines` stay within the parameter, and the panel is `to`.
                unsafe {
                    context.isa.run_on(
                        self.precision,
                        PackFilters {
                            from: first_filter.as_ptr(),
                            row_step: lines.row_step,
                            column_step: lines.column_step,
                            rows: lines.rows,
                            columns: lines.columns.saturating_sub(first).min(width),
                            stored_rows: lines.stored_rows,
                            width,
                            turned: !self.is_forward(),
                            to: Values::new(to.as_mut_ptr(), self.precision),
                        },
                    );
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

    fn lines(&self) -> Lines {
        let taps = self.kernel * self.kernel;
        if self.is_forward() {
            Lines {
                rows: self.inputs,
                stored_rows: self.stored_inputs,
                columns: self.outputs,
                row_step: taps,
                column_step: self.inputs * taps,
            }
        } else {
            Lines {
                rows: self.outputs,
                stored_rows: self.stored_outputs,
                columns: self.inputs,
                row_step: self.inputs * taps,
                column_step: taps,
            }
        }
    }

    /// Packs one panel, whose columns are `width` outputs (or, backward, inputs) from `first` on: row by row,
    /// neighbouring rows side by side where they share words.
    fn panel<E: Element>(&self, source: &[f32], to: &mut [E], (first, width): (usize, usize)) {
        let taps = self.kernel * self.kernel;
        let shared = E::PRECISION.per_word();
        let Lines {
            rows,
            stored_rows,
            columns,
            row_step,
            column_step,
        } = self.lines();
        let used = columns.saturating_sub(first).min(width);
        // Some rows of all taps at a time, so that what is read stays in the first-level cache.
        for block in (0..rows).step_by(ROWS) {
            for tap in 0..taps {
                // Backward the columns of the kernel stand from right to left.
                let place = match self.layout {
                    Layout::Forward => tap,
                    _ => tap + self.kernel - 1 - 2 * (tap % self.kernel),
                };
                for row in (block..rows.min(block + ROWS)).step_by(shared) {
                    let start = (place * stored_rows + row) / shared * width * shared;
                    let line = &mut to[start..start + used * shared];
                    let at = |row: usize| &source[first * column_step + row * row_step + tap..];
                    let low = at(row).iter().step_by(column_step);
                    if shared == 1 {
                        for (place, &value) in line.iter_mut().zip(low) {
                            *place = E::from_f32(value);
                        }
                    } else if row + 1 < rows {
                        let high = at(row + 1).iter().step_by(column_step);
                        for ((pair, &low), &high) in line.chunks_exact_mut(2).zip(low).zip(high) {
                            pair[0] = E::from_f32(low);
                            pair[1] = E::from_f32(high);
                        }
                    } else {
                        for (pair, &value) in line.chunks_exact_mut(2).zip(low) {
                            pair[0] = E::from_f32(value);
                        }
                    }
                }
            }
        }
    }
}

/// Rows of a tap, all and stored, and columns of packed weights; and from one to the next in the parameter.
struct Lines {
    rows: usize,
    stored_rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
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
            entry.pack(context, to, block);
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
        context.pool.run(self.inputs.div_ceil(ROWS), &|block| {
            let first = block * ROWS;
            let rows = ROWS.min(self.inputs - first);
            // SAFETY: tasks reduce other rows of the slots and write other gradients.
            unsafe {
                for tap in 0..self.taps {
                    let start = (tap * self.stored_inputs + first) * self.stored_outputs;
                    context.isa.run(AddSlots {
                        to: context.at(self.from).add(start),
                        slot,
                        slots: self.slots,
                        values: rows * self.stored_outputs,
                    });
                }
                // As many outputs at a time as share cache lines of the sums.
                let to = context.gradients.add(self.offset);
                for block in (0..self.outputs).step_by(16) {
                    let outputs = block..self.outputs.min(block + 16);
                    for tap in 0..self.taps {
                        for row in first..first + rows {
                            let from = (tap * self.stored_inputs + row) * self.stored_outputs;
                            let sums = context.at(self.from).add(from);
                            for output in outputs.clone() {
                                let at = (output * self.inputs + row) * self.taps + tap;
                                *to.add(at) += *sums.add(output);
                            }
                        }
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

/// Adds partial gradients of the combinations of 3x3 filters and makes those of the filters of them.
#[derive(Debug)]
pub(crate) struct ReduceFilterWeights {
    /// Gradient of the first weight.
    pub offset: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub stored_inputs: usize,
    pub stored_outputs: usize,
    /// `slots` times position, stored input, stored outputs.
    pub from: Buffer,
    pub slots: usize,
}

impl Step for ReduceFilterWeights {
    fn run(&self, context: &Context<'_>) {
        context.pool.run(self.inputs, &|input| {
            // SAFETY: tasks write the gradients of other inputs' filters.
            unsafe {
                context.isa.run(ReduceFilters {
                    from: context.at(self.from),
                    slots: self.slots,
                    stored_rows: self.stored_inputs,
                    stored_columns: self.stored_outputs,
                    row: input,
                    columns: self.outputs,
                    to: context.gradients.add(self.offset + input * 9),
                    to_step: self.inputs * 9,
                });
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
