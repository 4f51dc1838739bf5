//! Passes over whole maps: sums of views and what goes back through them.

use std::ops::Range;

use crate::{
    kernels::{
        gather::{Gather, SUM_ROWS, Sums},
        statistics::ChunkStatistics,
        vector::{Convert, MaskRelu},
        view::{FillGradient, Term},
    },
    plan::{Buffer, Context, Gradient, MapShape, Step, View},
    simd::Values,
    steps::norm::GatheredSums,
};

/// Pixels of one image cut into runs of a fitting size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runs {
    pixels: usize,
    size: usize,
    /// Runs of one image.
    pub per_image: usize,
}

impl Runs {
    pub(crate) fn new(shape: &MapShape) -> Self {
        let wanted = (32 * 1024 / shape.stride).clamp(16, 4096);
        let pixels = shape.pixels();
        let per_image = pixels.div_ceil(wanted);
        let size = pixels.div_ceil(per_image);
        Self {
            pixels,
            size,
            per_image: pixels.div_ceil(size),
        }
    }

    fn range(&self, run: usize) -> (usize, usize) {
        let first = run * self.size;
        (first, (first + self.size).min(self.pixels))
    }

    /// Pixels in each run of an image.
    pub(crate) fn lengths(&self) -> Vec<usize> {
        (0..self.per_image)
            .map(|run| {
                let (first, last) = self.range(run);
                last - first
            })
            .collect()
    }

    /// Runs `task(run index, image, first pixel, last pixel, worker)` for all runs of a batch.
    fn each(
        &self,
        context: &Context<'_>,
        task: &(dyn Fn(usize, usize, usize, usize, usize) + Sync),
    ) {
        let runs = context.batch * self.per_image;
        context.pool.run_with_worker(runs, &|index, worker| {
            let (first, last) = self.range(index % self.per_image);
            task(index, index / self.per_image, first, last, worker);
        });
    }
}

/// `output = relu?(sum of views)`, and its statistics where a batch norm follows.
#[derive(Debug)]
pub(crate) struct Sum {
    pub terms: Vec<View>,
    pub relu: bool,
    pub shape: MapShape,
    pub output: Buffer,
    pub runs: Runs,
    pub statistics: Option<Buffer>,
}

impl Step for Sum {
    unsafe fn run(&self, context: &Context<'_>) {
        let stride = self.shape.stride;
        self.runs.each(context, &|run, image, first, last, worker| {
            let pixels = last - first;
            // SAFETY: runs do not overlap; scratch holds a run.
            unsafe {
                let output = context
                    .map(self.output)
                    .add(image * self.shape.len() + first * stride);
                // All terms but the last one are added up in single precision.
                let partial = context.scratch(worker);
                for (index, term) in self.terms.iter().enumerate() {
                    let last = index + 1 == self.terms.len();
                    context.run(Term {
                        view: term.pixel(context, image, first),
                        channels: stride,
                        pixels,
                        before: if index == 0 {
                            std::ptr::null()
                        } else {
                            partial.cast_const()
                        },
                        relu: self.relu && last,
                        to: if last {
                            output
                        } else {
                            Values::floats(partial)
                        },
                    });
                }
                if let Some(statistics) = self.statistics {
                    let to = context.at(statistics).add(run * 2 * stride);
                    context.run(ChunkStatistics {
                        raw: output,
                        stride,
                        channels: stride,
                        pixels,
                        mean: to,
                        m2: to.add(stride),
                    });
                }
            }
        });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        for term in &self.terms {
            term.buffers(visit);
        }
        visit(self.output);
        self.statistics.into_iter().for_each(visit);
    }

    fn scratch(&self) -> usize {
        self.runs.size * self.shape.stride
    }

    fn name(&self) -> &'static str {
        "sum"
    }
}

/// Statistics of a map whose producer takes none.
#[derive(Debug)]
pub(crate) struct MapStatistics {
    pub map: Buffer,
    pub shape: MapShape,
    pub runs: Runs,
    pub statistics: Buffer,
}

impl Step for MapStatistics {
    unsafe fn run(&self, context: &Context<'_>) {
        let stride = self.shape.stride;
        self.runs.each(context, &|run, image, first, last, _| {
            // SAFETY: runs lie within the map.
            unsafe {
                let to = context.at(self.statistics).add(run * 2 * stride);
                context.run(ChunkStatistics {
                    raw: context
                        .map(self.map)
                        .add(image * self.shape.len() + first * stride),
                    stride,
                    channels: stride,
                    pixels: last - first,
                    mean: to,
                    m2: to.add(stride),
                });
            }
        });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        visit(self.map);
        visit(self.statistics);
    }

    fn name(&self) -> &'static str {
        "statistics"
    }
}

/// The sums that a batch norm (or a learned gate) needs of a gradient that lies in memory.
#[derive(Debug)]
pub(crate) struct GradientSums {
    pub gradient: Gradient,
    pub sums: Sums,
    pub runs: Runs,
    /// `SUM_ROWS` rows of stored channels for every run.
    pub to: Buffer,
}

impl GradientSums {
    /// Where the sums are found.
    pub(crate) fn gathered(&self) -> GatheredSums {
        GatheredSums {
            buffer: self.to,
            sums: self.sums,
            per_image: self.runs.per_image,
        }
    }

    /// # Safety
    /// The run's pixels must lie within the maps.
    unsafe fn gather(&self, context: &Context<'_>, run: usize, image: usize, pixels: Range<usize>) {
        let stride = self.gradient.view.shape.stride;
        let gradient = self.gradient.pixel(context, image, pixels.start);
        // SAFETY: the caller says that the pixels are within the maps; nothing is written but this run's `SUM_ROWS`
        // rows.
        unsafe {
            context.run(Gather {
                view: gradient.view,
                dense: gradient.dense,
                pooled: gradient.pooled,
                channels: stride,
                pixels: pixels.len(),
                sums: self.sums,
                premultiply: false,
                to: context.at(self.to).add(run * SUM_ROWS * stride),
                row: stride,
            });
        }
    }
}

impl Step for GradientSums {
    unsafe fn run(&self, context: &Context<'_>) {
        self.runs.each(context, &|run, image, first, last, _| {
            // SAFETY: runs lie within the maps.
            unsafe { self.gather(context, run, image, first..last) };
        });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.gradient.buffers(visit);
        visit(self.to);
    }

    fn name(&self) -> &'static str {
        "gradient sums"
    }
}

/// Takes a gradient back through its view into a plain map.
#[derive(Debug)]
pub(crate) struct Resolve {
    pub gradient: Gradient,
    pub runs: Runs,
    pub to: Buffer,
    pub accumulate: bool,
}

impl Step for Resolve {
    unsafe fn run(&self, context: &Context<'_>) {
        let shape = &self.gradient.view.shape;
        self.runs.each(context, &|_, image, first, last, _| {
            // SAFETY: runs do not overlap.
            unsafe {
                context.run(FillGradient {
                    gradient: self.gradient.pixel(context, image, first),
                    first: 0,
                    channels: shape.stride,
                    pixels: last - first,
                    to: context
                        .map(self.to)
                        .add(image * shape.len() + first * shape.stride),
                    to_stride: shape.stride,
                    to_plane: None,
                    accumulate: self.accumulate,
                });
            }
        });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.gradient.buffers(visit);
        visit(self.to);
    }

    fn name(&self) -> &'static str {
        "resolve gradient"
    }
}

/// `to += from` or `to = from`, then zero where a rectified value is not positive; and the sums that batch norms need of
/// the result, while it is near.
#[derive(Debug)]
pub(crate) struct Combine {
    pub from: Option<Buffer>,
    pub to: Buffer,
    pub add: bool,
    /// The rectified value.
    pub mask: Option<Buffer>,
    pub sums: Vec<GradientSums>,
    pub shape: MapShape,
    pub runs: Runs,
}

impl Step for Combine {
    unsafe fn run(&self, context: &Context<'_>) {
        let stride = self.shape.stride;
        self.runs.each(context, &|run, image, first, last, _| {
            let values = (last - first) * stride;
            let at = image * self.shape.len() + first * stride;
            // SAFETY: runs do not overlap.
            unsafe {
                let to = context.map(self.to).add(at);
                if let Some(from) = self.from {
                    context.run(Convert {
                        from: context.map(from).add(at),
                        to,
                        values,
                        add: self.add,
                    });
                }
                if let Some(mask) = self.mask {
                    context.run(MaskRelu {
                        value: context.map(mask).add(at),
                        gradient: to,
                        values,
                    });
                }
                for sums in &self.sums {
                    sums.gather(context, run, image, first..last);
                }
            }
        });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.from.into_iter().for_each(&mut *visit);
        visit(self.to);
        self.mask.into_iter().for_each(&mut *visit);
        for sums in &self.sums {
            sums.buffers(visit);
        }
    }

    fn name(&self) -> &'static str {
        "combine gradients"
    }
}
