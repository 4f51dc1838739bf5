//! Running a plan: [`Training`] and [`Inference`].

#[cfg(soup_asan)]
mod guard;
mod inference;
#[cfg(test)]
mod tests;
mod training;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

pub use inference::Inference;
use soup_engine::{
    Detail, StepTime,
    memory::{BatchTooLarge, room_for},
};
use soup_graph::{Graph, Weights};
use soup_threads::Pool;
pub use training::Training;

use crate::{
    aligned::Aligned,
    kernels::view::NORM_ROWS,
    plan::{Buffer, Context, Machine, Mode, Output, Plan, PlanError, Step, lower},
    simd::{Bf16, Element, Isa, Precision},
};

/// How an engine runs.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Threads; 0 takes one a core. Results do not depend on it.
    pub threads: usize,
    /// Instruction set; `None` takes what `SOUP_CPU` names, else the best of this processor.
    pub isa: Option<Isa>,
    /// How activations are stored and multiplied.
    pub precision: Precision,
    /// Threads shared with others; takes precedence over `threads`.
    pub pool: Option<Arc<Pool>>,
    /// For tests: unused memory is NaN before each step, so that a stale read shows, and a step that writes where it has
    /// no tensor panics. Slow.
    pub poison: bool,
}

impl Options {
    pub(crate) fn pool(&self) -> Arc<Pool> {
        self.pool
            .clone()
            .unwrap_or_else(|| Arc::new(Pool::new(self.threads)))
    }

    /// The instruction set that an engine with these options runs on.
    ///
    /// # Errors
    /// [`PlanError::InstructionSet`] where the processor does not have it, or `SOUP_CPU` names none.
    pub fn instruction_set(&self) -> Result<Isa, PlanError> {
        let wrong =
            |name: &str, problem: String| Err(PlanError::InstructionSet(name.to_owned(), problem));
        let isa = match (self.isa, std::env::var("SOUP_CPU")) {
            (Some(isa), _) => isa,
            (None, Err(_)) => return Ok(Isa::detect()),
            (None, Ok(name)) => match Isa::from_name(&name) {
                Some(isa) => isa,
                None => {
                    let known = Isa::ALL.map(Isa::name).join(", ");
                    return wrong(&name, format!("unknown; known are {known}"));
                }
            },
        };
        if isa.is_available() {
            Ok(isa)
        } else {
            wrong(isa.name(), "this processor does not have it".to_owned())
        }
    }
}

/// A plan with its memory and threads.
#[derive(Debug)]
struct Runner {
    plan: Plan,
    memory: Aligned,
    scratch: Aligned,
    pool: Arc<Pool>,
    isa: Isa,
    precision: Precision,
    /// Values of a batch of images.
    input: usize,
    trainable: usize,
    buffers: usize,
    profile: Option<Vec<Duration>>,
    poison: bool,
}

/// NaN, as one value and as two of bfloat16.
const POISON: f32 = f32::from_bits(0x7fc1_7fc1);

impl Runner {
    fn new(graph: &Graph, batch: usize, mode: Mode, options: &Options) -> Result<Self, PlanError> {
        let isa = options.instruction_set()?;
        let pool = options.pool();
        let machine = Machine {
            isa,
            threads: pool.threads(),
        };
        let plan = lower(graph, batch, mode, options.precision, machine)?;
        let short = |shortage| BatchTooLarge { batch, shortage };
        let scratch = plan.scratch.next_multiple_of(16) * pool.threads();
        // All of it at once: a plan that does not fit takes nothing.
        let words = plan.memory.total.saturating_add(scratch);
        room_for((words as u64).saturating_mul(size_of::<f32>() as u64)).map_err(short)?;
        let mut memory = Aligned::new(plan.memory.total).map_err(short)?;
        if options.poison {
            memory.slice_mut(0, plan.memory.total).fill(POISON);
        }
        // Constants: a factor of one, none, and a norm that changes nothing.
        let length = plan.identity.stride;
        let at = |buffer: Buffer| plan.memory.offsets[buffer.0];
        memory.slice_mut(at(plan.ones.buffer), length).fill(1.0);
        memory.slice_mut(at(plan.zeros.buffer), length).fill(0.0);
        for row in 0..NORM_ROWS {
            let value = if [0, 3, 4].contains(&row) { 1.0 } else { 0.0 };
            memory
                .slice_mut(at(plan.identity.buffer) + row * length, length)
                .fill(value);
        }
        Ok(Self {
            scratch: Aligned::new(scratch).map_err(short)?,
            memory,
            pool,
            isa,
            precision: options.precision,
            input: batch * graph.input().len(),
            trainable: graph.trainable_len(),
            buffers: graph.buffer_len(),
            profile: None,
            poison: options.poison,
            plan,
        })
    }

    /// Steps read weights by the places that the graph gave them.
    fn check(&self, weights: &Weights) {
        if let Err(error) = weights.check(self.trainable, self.buffers) {
            panic!("weights of another network: {error}");
        }
    }

    fn run(
        &mut self,
        steps: std::ops::Range<usize>,
        weights: &Weights,
        gradients: Option<&mut [f32]>,
        (seed, draw): (u64, u32),
    ) {
        self.check(weights);
        let gradients = gradients.map_or(std::ptr::null_mut(), |gradients| {
            assert_eq!(
                gradients.len(),
                self.trainable,
                "gradients of another graph"
            );
            gradients.as_mut_ptr()
        });
        let context = Context {
            memory: self.memory.start(),
            offsets: &self.plan.memory.offsets,
            scratch: self.scratch.start(),
            scratch_stride: self.plan.scratch.next_multiple_of(16),
            pool: &self.pool,
            isa: self.isa,
            precision: self.precision,
            batch: self.plan.batch,
            weights,
            gradients,
            seed,
            draw,
        };
        if self.poison {
            // What a run that was not finished left.
            for range in self.plan.memory.empty(steps.start) {
                self.memory.slice_mut(range.start, range.len()).fill(POISON);
            }
        }
        for index in steps {
            if self.poison {
                let scratch = context.scratch_stride * self.pool.threads();
                self.scratch.slice_mut(0, scratch).fill(POISON);
                let name = self.plan.steps[index].name();
                for range in self.plan.memory.beginning(index) {
                    let values = self.memory.slice(range.start, range.len());
                    let was_empty = values.iter().all(|v| v.to_bits() == POISON.to_bits());
                    assert!(
                        was_empty,
                        "a step before {index} ({name}) wrote where it has no buffer"
                    );
                }
            }
            let start = self.profile.is_some().then(Instant::now);
            #[cfg(soup_asan)]
            self.guard(index);
            // SAFETY: the context is this plan's: `new` took an arena of its `total` words and scratch of its `scratch` for
            // every thread of the pool, and asked whether the processor has the instruction set. Weights and gradients are
            // as long as the graph's, which is checked above, and both are borrowed until the last step; only callers that
            // run the backward half give gradients. They run the steps in order: loading, forward, backward.
            unsafe { self.plan.steps[index].run(&context) };
            #[cfg(soup_asan)]
            self.unguard();
            if self.poison {
                for range in self.plan.memory.ending(index) {
                    self.memory.slice_mut(range.start, range.len()).fill(POISON);
                }
            }
            if let (Some(times), Some(start)) = (&mut self.profile, start) {
                times[index] += start.elapsed();
            }
        }
    }

    fn input(&mut self) -> &mut [f32] {
        let Buffer(index) = self.plan.input;
        let offset = self.plan.memory.offsets[index];
        self.memory.slice_mut(offset, self.input)
    }

    fn output(&self, index: usize, to: &mut Vec<f32>) {
        self.read(&self.plan.outputs[index], to);
    }

    fn read(&self, output: &Output, to: &mut Vec<f32>) {
        to.clear();
        match self.stored(output) {
            Precision::F32 => {
                let values = self.elements::<f32>(output.value, output);
                for row in values.chunks_exact(output.stride) {
                    to.extend_from_slice(&row[..output.length]);
                }
            }
            Precision::Bf16 => {
                let values = self.elements::<Bf16>(output.value, output);
                for row in values.chunks_exact(output.stride) {
                    to.extend(row[..output.length].iter().map(|value| value.to_f32()));
                }
            }
        }
    }

    /// Puts the gradient of an output, in the output's layout, where the backward half reads it.
    fn put_gradient(&mut self, output: &Output, given: &[f32]) {
        let Some(gradient) = output.gradient else {
            return;
        };
        let rows = given.chunks_exact(output.length);
        match self.stored(output) {
            Precision::F32 => {
                let values = self.elements_mut::<f32>(gradient, output);
                for (row, given) in values.chunks_exact_mut(output.stride).zip(rows) {
                    row[..output.length].copy_from_slice(given);
                    row[output.length..].fill(0.0);
                }
            }
            Precision::Bf16 => {
                let values = self.elements_mut::<Bf16>(gradient, output);
                for (row, given) in values.chunks_exact_mut(output.stride).zip(rows) {
                    for (place, &value) in row.iter_mut().zip(given) {
                        *place = Bf16::from_f32(value);
                    }
                    row[output.length..].fill(Bf16::from_f32(0.0));
                }
            }
        }
    }

    /// What the values of an output are stored as.
    fn stored(&self, output: &Output) -> Precision {
        if output.is_map {
            self.precision
        } else {
            Precision::F32
        }
    }

    fn elements<E: Element>(&self, buffer: Buffer, output: &Output) -> &[E] {
        let offset = self.plan.memory.offsets[buffer.0];
        let length = output.rows * output.stride;
        let words = self.memory.slice(offset, E::PRECISION.words(length));
        // SAFETY: `slice` checked that the words are within the arena, where all are initialised; an element is plain
        // bits of a word or of half of one, so `length` of them fit in and are aligned.
        unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), length) }
    }

    fn elements_mut<E: Element>(&mut self, buffer: Buffer, output: &Output) -> &mut [E] {
        let offset = self.plan.memory.offsets[buffer.0];
        let length = output.rows * output.stride;
        let words = self.memory.slice_mut(offset, E::PRECISION.words(length));
        // SAFETY: as in `elements`, and `slice_mut` borrowed the words for this slice alone.
        unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), length) }
    }

    fn profile(&self, detail: Detail) -> Vec<StepTime> {
        let mut times: Vec<StepTime> = Vec::new();
        let durations = self.profile.iter().flatten();
        for (step, &time) in self.plan.steps.iter().zip(durations) {
            let multiply_adds = (step.multiply_adds() * self.plan.batch) as u64;
            let bytes = self.bytes_of(step.as_ref());
            let name = match (detail, step.shapes()) {
                (Detail::Steps, shapes) if !shapes.is_empty() => {
                    format!("{} {shapes}", step.name())
                }
                _ => step.name().to_owned(),
            };
            match times.iter_mut().find(|entry| entry.name == name) {
                Some(entry) => {
                    entry.count += 1;
                    entry.time += time;
                    entry.multiply_adds += multiply_adds;
                    entry.bytes += bytes;
                }
                None => times.push(StepTime {
                    name,
                    count: 1,
                    time,
                    multiply_adds,
                    bytes,
                }),
            }
        }
        times.sort_by_key(|entry| std::cmp::Reverse(entry.time));
        times
    }

    fn bytes_of(&self, step: &dyn Step) -> u64 {
        let mut buffers = BTreeSet::new();
        step.buffers(&mut |buffer| {
            buffers.insert(buffer);
        });
        let words = buffers
            .into_iter()
            .map(|buffer| self.plan.memory.len(buffer));
        (words.sum::<usize>() * size_of::<f32>()) as u64
    }

    fn memory_bytes(&self) -> usize {
        self.memory.bytes() + self.scratch.bytes()
    }
}
