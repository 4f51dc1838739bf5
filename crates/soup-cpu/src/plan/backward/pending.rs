//! What is known of the gradients of values before their backward steps.

use super::Backward;
use crate::kernels::gather::{SUM_ROWS, Sums};
use crate::plan::forward::{Gate, Key, Lazy, MapId, NormId, VectorId};
use crate::plan::{Buffer, Gradient, Vector, View};
use crate::steps::convolution::Data;
use crate::steps::elementwise::{Combine, GradientSums, Resolve, Runs};
use crate::steps::norm::{GateGradient, GatheredSums, NormGradient};

/// What is known of the gradient of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    /// The value, with the gate that `dense` is to be multiplied by.
    pub lazy: Lazy,
    pub dense: Option<Buffer>,
    pub pooled: Option<Vector>,
    pub premultiplied: bool,
    pub sums: Option<GatheredSums>,
}

impl Backward<'_, '_> {
    pub(super) fn entry(&mut self, lazy: &Lazy) -> &mut Pending {
        self.pending.entry(lazy.key()).or_insert(Pending {
            lazy: Lazy {
                gate: None,
                ..*lazy
            },
            dense: None,
            pooled: None,
            premultiplied: false,
            sums: None,
        })
    }

    pub(super) fn share(&mut self, buffer: Buffer) {
        *self.shares.entry(buffer).or_default() += 1;
    }

    pub(super) fn release(&mut self, buffer: Buffer) {
        if let Some(shares) = self.shares.get_mut(&buffer) {
            *shares = shares.saturating_sub(1);
        }
    }

    /// A buffer with the same content that may be written.
    pub(super) fn own(&mut self, buffer: Buffer, map: MapId) -> Buffer {
        if self.shares.get(&buffer).is_none_or(|&shares| shares <= 1) {
            return buffer;
        }
        let copy = self.plan.memory.buffer(self.plan.memory.len(buffer));
        self.combine(Some(buffer), copy, false, (None, Vec::new()), map);
        self.release(buffer);
        self.share(copy);
        copy
    }

    pub(super) fn combine(
        &mut self,
        from: Option<Buffer>,
        to: Buffer,
        add: bool,
        (mask, sums): (Option<Buffer>, Vec<GradientSums>),
        map: MapId,
    ) {
        let shape = self.plan.maps[map.0].shape;
        self.plan.steps.push(Box::new(Combine {
            from,
            to,
            add,
            mask,
            sums,
            shape,
            runs: Runs::new(&shape),
        }));
    }

    /// Where the gradient of a value that is read by a convolution goes, and whether it is added.
    pub(super) fn target(&mut self, lazy: &Lazy) -> Data {
        let pending = *self.entry(lazy);
        if let Some(dense) = pending.dense {
            // The plan puts a gate only on values that nothing else reads densely. So the gradient is
            // ungated, or gated by a sum's term that must be applied first.
            let dense = self.ungate(lazy, dense);
            let buffer = self.own(dense, lazy.map);
            self.entry(lazy).dense = Some(buffer);
            return Data {
                buffer,
                accumulate: true,
            };
        }
        let shape = self.plan.maps[lazy.map.0].shape;
        let buffer = self.plan.map_buffer(&shape);
        self.share(buffer);
        let pending = self.entry(lazy);
        pending.dense = Some(buffer);
        pending.lazy.gate = lazy.gate;
        Data {
            buffer,
            accumulate: false,
        }
    }

    /// Multiplies a pending gate into the dense gradient.
    fn ungate(&mut self, lazy: &Lazy, dense: Buffer) -> Buffer {
        let pending = *self.entry(lazy);
        if pending.lazy.gate.is_none() {
            return dense;
        }
        let values = self.plan.memory.len(dense);
        let to = self.plan.memory.buffer(values);
        let gate = self.plan.gate(pending.lazy.gate);
        let stored = Lazy {
            norm: None,
            activation: None,
            ..pending.lazy
        };
        let gradient = Gradient {
            view: View {
                gate,
                ..self.plan.view(&stored)
            },
            dense,
            pooled: self.plan.zeros,
            premultiplied: false,
        };
        self.resolve(gradient, to, false);
        self.release(dense);
        self.share(to);
        self.entry(lazy).lazy.gate = None;
        to
    }

    fn resolve(&mut self, gradient: Gradient, to: Buffer, accumulate: bool) {
        let runs = Runs::new(&gradient.view.shape);
        self.plan.steps.push(Box::new(Resolve {
            gradient,
            runs,
            to,
            accumulate,
        }));
    }

    /// Adds a dense gradient that lies in a buffer to a value's.
    pub(super) fn contribute(&mut self, lazy: &Lazy, dense: Buffer) {
        let pending = *self.entry(lazy);
        if let Some(Gate::Learned(vector)) = lazy.gate {
            self.gate_gradient(lazy, dense, vector);
        }
        match pending.dense {
            None => {
                self.share(dense);
                let pending = self.entry(lazy);
                pending.dense = Some(dense);
                pending.lazy.gate = lazy.gate;
            }
            Some(there) => {
                let there = self.ungate(lazy, there);
                let there = self.own(there, lazy.map);
                let stored = Lazy {
                    norm: None,
                    activation: None,
                    ..*lazy
                };
                let gradient = Gradient {
                    view: self.plan.view(&stored),
                    dense,
                    pooled: self.plan.zeros,
                    premultiplied: false,
                };
                self.resolve(gradient, there, true);
                self.entry(lazy).dense = Some(there);
            }
        }
    }

    /// Gradient of a learned gate whose value's gradient lies in a buffer.
    pub(super) fn gate_gradient(&mut self, lazy: &Lazy, dense: Buffer, vector: VectorId) {
        let gradient = Gradient {
            view: self.plan.view(lazy),
            dense,
            pooled: self.plan.zeros,
            premultiplied: false,
        };
        let gathered = self.gradient_sums(gradient, Sums::Gated);
        self.finish_gate(gathered, vector);
    }

    pub(super) fn finish_gate(&mut self, gathered: GatheredSums, vector: VectorId) {
        let (to, accumulate) = self.vector(vector);
        self.plan.steps.push(Box::new(GateGradient {
            gathered,
            to,
            accumulate,
        }));
    }

    fn gradient_sums(&mut self, gradient: Gradient, sums: Sums) -> GatheredSums {
        let step = self.sums_of(gradient, sums);
        let gathered = step.gathered();
        self.plan.steps.push(Box::new(step));
        gathered
    }

    pub(super) fn sums_of(&mut self, gradient: Gradient, sums: Sums) -> GradientSums {
        let runs = Runs::new(&gradient.view.shape);
        GradientSums {
            gradient,
            sums,
            runs,
            to: self.sums_buffer(gradient.view.shape.stride, runs.per_image),
        }
    }

    pub(super) fn sums_buffer(&mut self, stride: usize, per_image: usize) -> Buffer {
        let chunks = self.plan.batch * per_image;
        self.plan.memory.buffer(chunks * SUM_ROWS * stride)
    }

    /// The pending gradient of one value, with the coefficients of its batch norm computed.
    fn gradient(&mut self, pending: &Pending) -> Gradient {
        let mut view = self.plan.view(&pending.lazy);
        let pooled = pending.pooled.unwrap_or(self.plan.zeros);
        let dense = pending.dense.unwrap_or_else(|| {
            view.gate = self.plan.zeros;
            view.map
        });
        let gradient = Gradient {
            view,
            dense,
            pooled,
            premultiplied: pending.premultiplied,
        };
        if let Some(norm) = pending.lazy.norm {
            self.norm_gradient(norm, &gradient, pending.sums);
        }
        gradient
    }

    fn norm_gradient(&mut self, norm: NormId, gradient: &Gradient, sums: Option<GatheredSums>) {
        let gathered = match sums {
            Some(gathered) => gathered,
            None => self.gradient_sums(*gradient, Sums::Norm),
        };
        let info = self.plan.norms[norm.0];
        self.plan.steps.push(Box::new(NormGradient {
            norm: info.rows,
            parameters: info.parameters,
            gathered,
            gate: gradient.view.gate,
            pooled: gradient.pooled,
            pixels: gradient.view.shape.pixels(),
        }));
    }

    fn take(&mut self, map: MapId) -> Vec<Pending> {
        let keys: Vec<Key> = self
            .pending
            .keys()
            .copied()
            .filter(|key| key.0 == map)
            .collect();
        keys.iter()
            .filter_map(|key| self.pending.remove(key))
            .collect()
    }

    /// The gradient of a map that a convolution made.
    pub(super) fn of_map(&mut self, map: MapId) -> Option<Gradient> {
        let pending = self.take(map);
        match pending.as_slice() {
            [] => None,
            [one] => Some(self.gradient(one)),
            many => {
                let dense = self.merge(map, many);
                Some(self.plain_gradient(map, dense))
            }
        }
    }

    fn plain_gradient(&self, map: MapId, dense: Buffer) -> Gradient {
        let stored = Lazy {
            map,
            norm: None,
            activation: None,
            gate: None,
        };
        Gradient {
            view: self.plan.view(&stored),
            dense,
            pooled: self.plan.zeros,
            premultiplied: false,
        }
    }

    /// The gradient of a map as a plain dense one.
    pub(super) fn plain(&mut self, map: MapId) -> Option<Buffer> {
        let pending = self.take(map);
        (!pending.is_empty()).then(|| self.merge(map, &pending))
    }

    fn merge(&mut self, map: MapId, pending: &[Pending]) -> Buffer {
        let mut sum = None;
        for one in pending {
            let is_plain = one.lazy.norm.is_none()
                && one.lazy.activation.is_none()
                && one.lazy.gate.is_none()
                && one.pooled.is_none();
            match (one.dense, sum) {
                (Some(dense), None) if is_plain => sum = Some(dense),
                _ => {
                    let gradient = self.gradient(one);
                    let (to, accumulate) = match sum {
                        Some(there) => (self.own(there, map), true),
                        None => {
                            let shape = self.plan.maps[map.0].shape;
                            let to = self.plan.map_buffer(&shape);
                            self.share(to);
                            (to, false)
                        }
                    };
                    self.resolve(gradient, to, accumulate);
                    one.dense.into_iter().for_each(|dense| self.release(dense));
                    sum = Some(to);
                }
            }
        }
        sum.unwrap_or(Buffer(0))
    }
}
