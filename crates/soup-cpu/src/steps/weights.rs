//! Between the parameters' own layout (PyTorch's) and the engine's: packing before a run, reducing
//! partial gradients after it.

use crate::{
    kernels::{
        filters::{Filters, PackPanel, ReduceRows},
        gemm::column_blocks,
        winograd::{PackFilters, ReduceFilters, Tile},
    },
    plan::{Buffer, Context, Step},
    simd::{Precision, Values},
};

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
    /// Words from the taps of one row of the kernel to those of the next.
    pub run: usize,
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
    /// As forward and backward, with Winograd's transformed filters instead of taps.
    ForwardFilters(Tile),
    BackwardFilters(Tile),
    /// One row of channels a tap.
    Depthwise,
    /// A bias: one row of outputs.
    Bias,
}

/// Words of a panel's column: at least these, in whole AMX tiles. What is added is zeros.
pub(crate) fn panel_rows(words: usize) -> usize {
    words.next_multiple_of(8)
}

impl Packed {
    /// Rows for every stored channel.
    fn taps(&self) -> usize {
        match self.tile() {
            Some(tile) => tile.positions(),
            None => self.kernel * self.kernel,
        }
    }

    fn tile(&self) -> Option<Tile> {
        match self.layout {
            Layout::ForwardFilters(tile) | Layout::BackwardFilters(tile) => Some(tile),
            _ => None,
        }
    }

    /// Whether columns are outputs.
    fn is_forward(&self) -> bool {
        matches!(self.layout, Layout::Forward | Layout::ForwardFilters(_))
    }

    /// Words that the packed weights take.
    pub(crate) fn len(&self) -> usize {
        let taps = self.taps();
        match self.layout {
            Layout::Depthwise => taps * self.stored_outputs,
            Layout::Bias => self.stored_outputs,
            _ if self.is_forward() => self.panel_rows() * self.stored_outputs,
            _ => self.panel_rows() * self.stored_inputs,
        }
    }

    /// Words of a column of the packed weights.
    fn panel_rows(&self) -> usize {
        let Some(tile) = self.tile() else {
            return panel_rows(self.kernel * self.run);
        };
        let channels = match self.is_forward() {
            true => self.stored_inputs,
            false => self.stored_outputs,
        };
        panel_rows(self.precision.words(tile.positions() * channels))
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
        if matches!(self.layout, Layout::Depthwise | Layout::Bias) {
            return 0..self.len();
        }
        let rows = self.panel_rows();
        first * rows..(first + width) * rows
    }

    /// Packs one column block.
    fn pack(&self, context: &Context<'_>, to: &mut [f32], block: (usize, usize)) {
        let taps = self.kernel * self.kernel;
        let source = &context.weights.trainable()[self.offset..];
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
            _ => {
                let (first, width) = block;
                let filters = self.filters();
                let stored_channels = match self.is_forward() {
                    true => self.stored_inputs,
                    false => self.stored_outputs,
                };
                let from = source.as_ptr();
                let to = Values::new(to.as_mut_ptr(), self.precision);
                // SAFETY: the parameter is at `from`, and the panel is `to`.
                unsafe {
                    if let Some(tile) = self.tile() {
                        context.isa.run_on(
                            self.precision,
                            PackFilters {
                                tile,
                                from,
                                filters,
                                first,
                                width,
                                stored_channels,
                                rotated: !self.is_forward(),
                                to,
                            },
                        );
                    } else {
                        context.isa.run_on(
                            self.precision,
                            PackPanel {
                                from,
                                filters,
                                first,
                                width,
                                stored_channels,
                                side: self.kernel,
                                run: self.run * self.precision.per_word(),
                                mirrored: !self.is_forward(),
                                to,
                            },
                        );
                    }
                }
            }
        }
    }

    fn filters(&self) -> Filters {
        let taps = self.kernel * self.kernel;
        let (inputs, outputs) = (self.inputs, self.outputs);
        if self.is_forward() {
            Filters {
                taps,
                rows: inputs,
                columns: outputs,
                row_step: taps,
                column_step: inputs * taps,
            }
        } else {
            Filters {
                taps,
                rows: outputs,
                columns: inputs,
                row_step: inputs * taps,
                column_step: taps,
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
    unsafe fn run(&self, context: &Context<'_>) {
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
    /// Where the partial gradients are those of Winograd's transformed filters.
    pub winograd: Option<Tile>,
    /// `slots` times: row of tap (or position) and stored input, stored outputs. For a depthwise convolution and a
    /// bias `inputs` is 1.
    pub from: Buffer,
    pub slots: usize,
}

impl Step for ReduceWeights {
    unsafe fn run(&self, context: &Context<'_>) {
        let filters = Filters {
            taps: self.taps,
            rows: self.inputs,
            columns: self.outputs,
            row_step: self.taps,
            column_step: self.inputs * self.taps,
        };
        context.pool.run(filters.slices(), &|slice| {
            let slice = filters.slice(slice);
            let from = context.at(self.from).cast_const();
            // SAFETY: tasks write the gradients of other kernels.
            unsafe {
                let to = context.gradients.add(self.offset);
                if let Some(tile) = self.winograd {
                    context.isa.run(ReduceFilters {
                        tile,
                        from,
                        slots: self.slots,
                        stored_channels: self.stored_inputs,
                        stored_columns: self.stored_outputs,
                        filters,
                        slice,
                        to,
                    });
                } else {
                    context.isa.run(ReduceRows {
                        from,
                        slots: self.slots,
                        stored_channels: self.stored_inputs,
                        stored_columns: self.stored_outputs,
                        filters,
                        slice,
                        to,
                    });
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
