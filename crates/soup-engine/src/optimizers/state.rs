//! The state of an optimiser, and its step.

use std::ops::Range;

use soup_graph::finite::all_finite;

use super::{Matrix, Optimizer, RateOf, Sgd, adam::AdamStep, muon::MuonStep, sgd::SgdStep};
use crate::setting::InvalidSetting;

/// The state of an optimiser for one arena of parameters.
///
/// A checkpoint holds [`OptimizerState::steps`] and [`OptimizerState::tensors`];
/// [`OptimizerState::restore`] takes them back.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState {
    optimizer: Optimizer,
    /// Number of values in the arena.
    len: usize,
    /// Where weight decay applies: sorted, apart from each other.
    decays: Vec<Range<usize>>,
    /// Moved as a whole; sorted.
    matrices: Vec<Matrix>,
    /// Where the learning rate is another one: sorted, apart from each other.
    rates: Vec<RateOf>,
    /// Mean of the gradients, or the momentum buffer.
    first: Vec<f32>,
    /// Mean of the squared gradients.
    second: Vec<f32>,
    steps: u64,
}

/// A saved state that does not belong to this optimiser.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A tensor is not there.
    #[error(
        "the saved optimiser state has no tensor `{name}`: was it saved by another kind of \
         optimiser?"
    )]
    Missing {
        /// Name of the tensor.
        name: &'static str,
    },
    /// A tensor that this optimiser does not have.
    #[error(
        "the saved optimiser state has a tensor `{name}`, which this optimiser does not keep: was \
         it saved by another kind of optimiser?"
    )]
    Unknown {
        /// Name of the tensor.
        name: String,
    },
    /// A tensor of another size.
    #[error(
        "tensor `{name}` of the saved optimiser state has {found} values, the network has \
         {expected}: was it saved for another network?"
    )]
    Length {
        /// Name of the tensor.
        name: &'static str,
        /// Values in the network.
        expected: usize,
        /// Values in the saved state.
        found: usize,
    },
}

impl OptimizerState {
    /// A fresh state for an arena of `len` values. Weight decay applies in the ranges `decays`
    /// only ([`Optimizer::decays`] gives them for a graph), in any order.
    ///
    /// # Errors
    /// Parameters of the optimiser that [`Optimizer::check`] refuses.
    ///
    /// # Panics
    /// If a range reaches past the arena or two ranges overlap.
    pub fn new(
        optimizer: &Optimizer,
        len: usize,
        decays: &[Range<usize>],
    ) -> Result<Self, InvalidSetting> {
        optimizer.check()?;
        let mut sorted: Vec<_> = decays.iter().filter(|r| !r.is_empty()).cloned().collect();
        sorted.sort_by_key(|range| range.start);
        let mut end = 0;
        for range in &sorted {
            assert!(
                range.start >= end,
                "ranges of weight decay overlap at {}",
                range.start
            );
            end = range.end;
        }
        assert!(
            end <= len,
            "a range of weight decay ends at {end} of {len} values"
        );
        // Neighbours become one range: longer inner loops.
        sorted.dedup_by(|next, last| {
            let touch = last.end == next.start;
            if touch {
                last.end = next.end;
            }
            touch
        });
        let kept = |wanted: bool| vec![0.0; if wanted { len } else { 0 }];
        let (first, second) = match optimizer {
            Optimizer::Adam(_) | Optimizer::AdamW(_) | Optimizer::Muon(_) => (true, true),
            Optimizer::Sgd(sgd) => (sgd.momentum > 0.0, false),
        };
        Ok(Self {
            optimizer: optimizer.clone(),
            len,
            decays: sorted,
            matrices: Vec::new(),
            rates: Vec::new(),
            first: kept(first),
            second: kept(second),
            steps: 0,
        })
    }

    /// Moves these parameters as matrices ([`Optimizer::matrices`]).
    ///
    /// # Panics
    /// If one reaches past the arena or two overlap.
    pub fn with_matrices(mut self, mut matrices: Vec<Matrix>) -> Self {
        matrices.sort_by_key(|matrix| matrix.range.start);
        let mut end = 0;
        for matrix in &matrices {
            assert!(matrix.range.start >= end, "matrices overlap");
            end = matrix.range.end;
        }
        assert!(end <= self.len, "a matrix outside of the arena");
        self.matrices = matrices;
        self
    }

    /// Moves these ranges at their own rates.
    ///
    /// # Panics
    /// If one reaches past the arena, two overlap, or one begins or ends within a matrix.
    pub fn with_rates(mut self, mut rates: Vec<RateOf>) -> Self {
        rates.retain(|rate| !rate.range.is_empty());
        rates.sort_by_key(|rate| rate.range.start);
        let mut end = 0;
        for rate in &rates {
            assert!(rate.range.start >= end, "rates overlap");
            end = rate.range.end;
        }
        assert!(end <= self.len, "a rate outside of the arena");
        let edges = rates.iter().flat_map(|r| [r.range.start, r.range.end]);
        for edge in edges {
            let cut = |matrix: &Matrix| matrix.range.start < edge && edge < matrix.range.end;
            assert!(!self.matrices.iter().any(cut), "a rate cuts a matrix");
        }
        self.rates = rates;
        self
    }

    /// Number of steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step: moves `parameters` against `gradients` at the given learning rate.
    ///
    /// # Panics
    /// If a slice has another length than the arena.
    pub fn step(&mut self, learning_rate: f32, parameters: &mut [f32], gradients: &[f32]) {
        for piece in self.pieces(learning_rate, parameters, gradients, self.len.max(1)) {
            piece.run();
        }
    }

    /// One step as independent [`Piece`]s of `piece_len` values (the last may be shorter), to be
    /// run in any order and on any threads. All pieces must be run. The result is bit for bit that
    /// of [`OptimizerState::step`], whatever the length. Nothing is allocated.
    ///
    /// # Panics
    /// If a slice has another length than the arena, or if `piece_len` is 0.
    pub fn pieces<'a>(
        &'a mut self,
        learning_rate: f32,
        parameters: &'a mut [f32],
        gradients: &'a [f32],
        piece_len: usize,
    ) -> Vec<Piece<'a>> {
        assert_eq!(parameters.len(), self.len, "parameters of the arena");
        assert_eq!(gradients.len(), self.len, "gradients of the arena");
        self.steps += 1;
        let rule = Rule::new(&self.optimizer, learning_rate, self.steps);
        let mut rates = self.rates.iter().peekable();
        let decays = self.decays.as_slice();
        // An arena that is not kept is empty: its pieces are empty, too.
        let mut rest = (
            parameters,
            gradients,
            &mut self.first[..],
            &mut self.second[..],
        );
        let mut matrices = self.matrices.iter().peekable();
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < self.len {
            let (end, matrix) = match matrices.peek() {
                Some(matrix) if matrix.range.start == at => (matrix.range.end, Some(*matrix)),
                Some(matrix) => (matrix.range.start.min(at + piece_len), None),
                None => (self.len.min(at + piece_len), None),
            };
            if matrix.is_some() {
                matrices.next();
            }
            while rates.next_if(|rate| rate.range.end <= at).is_some() {}
            // A piece has one rate; none cuts a matrix.
            let (end, rule) = match rates.peek() {
                Some(rate) if rate.range.start <= at => (
                    end.min(rate.range.end),
                    (rate.factor != 0.0).then(|| {
                        Rule::new(&self.optimizer, learning_rate * rate.factor, self.steps)
                    }),
                ),
                Some(rate) => (end.min(rate.range.start), Some(rule)),
                None => (end, Some(rule)),
            };
            let (parameters, gradients, first, second) = rest;
            let (parameters, parameters_rest) = parameters.split_at_mut(end - at);
            let (gradients, gradients_rest) = gradients.split_at(end - at);
            let (first, first_rest) = first.split_at_mut(first.len().min(end - at));
            let (second, second_rest) = second.split_at_mut(second.len().min(end - at));
            rest = (parameters_rest, gradients_rest, first_rest, second_rest);
            pieces.push(Piece {
                rule,
                matrix,
                start: at,
                decays,
                parameters,
                gradients,
                first,
                second,
            });
            at = end;
        }
        pieces
    }

    /// Takes over the state for an arena that is the end of this one, of an optimiser of the same kind.
    pub(crate) fn take_end(&mut self, end: &Self) {
        for (to, from) in [
            (&mut self.first, &end.first),
            (&mut self.second, &end.second),
        ] {
            let at = to.len() - from.len();
            to[at..].copy_from_slice(from);
        }
        self.steps = end.steps;
    }

    /// The tensors that a checkpoint keeps, by PyTorch's names; each as long as the arena.
    pub fn tensors(&self) -> Vec<(&'static str, &[f32])> {
        let mut tensors = Vec::new();
        match &self.optimizer {
            Optimizer::Adam(_) | Optimizer::AdamW(_) | Optimizer::Muon(_) => {
                tensors.push(("exp_avg", self.first.as_slice()));
                tensors.push(("exp_avg_sq", self.second.as_slice()));
            }
            Optimizer::Sgd(Sgd { momentum, .. }) => {
                if *momentum > 0.0 {
                    tensors.push(("momentum_buffer", self.first.as_slice()));
                }
            }
        }
        tensors
    }

    /// Takes back what [`OptimizerState::steps`] and [`OptimizerState::tensors`] gave; the tensors
    /// may come in any order.
    ///
    /// # Errors
    /// A tensor that is missing, unknown or of another length; the state is then as before.
    pub fn restore(&mut self, steps: u64, tensors: &[(&str, &[f32])]) -> Result<(), RestoreError> {
        let names: Vec<&'static str> = self.tensors().iter().map(|(name, _)| *name).collect();
        if let Some((name, _)) = tensors.iter().find(|(name, _)| !names.contains(name)) {
            let name = (*name).to_owned();
            return Err(RestoreError::Unknown { name });
        }
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let (_, values) = tensors
                .iter()
                .find(|(given, _)| *given == name)
                .ok_or(RestoreError::Missing { name })?;
            if values.len() != self.len {
                return Err(RestoreError::Length {
                    name,
                    expected: self.len,
                    found: values.len(),
                });
            }
            found.push(*values);
        }
        for (to, from) in [&mut self.first, &mut self.second].into_iter().zip(found) {
            to.copy_from_slice(from);
        }
        self.steps = steps;
        Ok(())
    }
}

/// A part of one step, on a range of the arena that no other piece touches.
#[derive(Debug)]
#[must_use = "a piece that is not run leaves its parameters behind"]
pub struct Piece<'a> {
    /// None where nothing moves.
    rule: Option<Rule>,
    /// What moves as a whole; values that move one by one have none.
    matrix: Option<&'a Matrix>,
    /// First value of the piece in the arena.
    start: usize,
    decays: &'a [Range<usize>],
    parameters: &'a mut [f32],
    gradients: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Piece<'_> {
    /// Moves the parameters of this piece; says whether all of them are still finite, while they are in cache.
    pub fn run(self) -> bool {
        let Some(rule) = self.rule else {
            return true;
        };
        let end = self.start + self.parameters.len();
        let mut at = self.start;
        let next = self.decays.partition_point(|range| range.end <= at);
        let mut ranges = self.decays[next..].iter().peekable();
        while at < end {
            // The longest stretch from here that decays as a whole or not at all.
            let (stop, decays) = match ranges.peek() {
                Some(range) if range.start <= at => (range.end.min(end), true),
                Some(range) => (range.start.min(end), false),
                None => (end, false),
            };
            let stretch = at - self.start..stop - self.start;
            let kept = |values: &[f32]| {
                if values.is_empty() {
                    0..0
                } else {
                    stretch.clone()
                }
            };
            let (first, second) = (kept(self.first), kept(self.second));
            rule.run(
                self.matrix,
                &mut self.parameters[stretch.clone()],
                &self.gradients[stretch],
                &mut self.first[first],
                &mut self.second[second],
                decays,
            );
            if decays {
                ranges.next();
            }
            at = stop;
        }
        all_finite(self.parameters)
    }
}

/// One step of one of the optimisers.
#[derive(Clone, Copy, Debug)]
enum Rule {
    Adam {
        step: AdamStep,
        penalty: f32,
    },
    AdamW {
        step: AdamStep,
        shrink: f32,
    },
    Muon {
        matrix: MuonStep,
        step: AdamStep,
        shrink: f32,
    },
    Sgd {
        step: SgdStep,
        penalty: f32,
    },
}

impl Rule {
    fn new(optimizer: &Optimizer, learning_rate: f32, count: u64) -> Self {
        match optimizer {
            Optimizer::Adam(adam) => Self::Adam {
                step: AdamStep::new(adam.betas, adam.eps, learning_rate, count),
                penalty: adam.weight_decay as f32,
            },
            Optimizer::AdamW(adamw) => Self::AdamW {
                step: AdamStep::new(adamw.betas, adamw.eps, learning_rate, count),
                shrink: (1.0 - f64::from(learning_rate) * adamw.weight_decay) as f32,
            },
            Optimizer::Muon(muon) => Self::Muon {
                matrix: MuonStep::new(muon, learning_rate),
                step: AdamStep::new(muon.betas, muon.eps, learning_rate, count),
                shrink: (1.0 - f64::from(learning_rate) * muon.weight_decay) as f32,
            },
            Optimizer::Sgd(sgd) => Self::Sgd {
                step: SgdStep::new(sgd, learning_rate, count),
                penalty: sgd.weight_decay as f32,
            },
        }
    }

    fn run(
        self,
        whole: Option<&Matrix>,
        parameters: &mut [f32],
        gradients: &[f32],
        first: &mut [f32],
        second: &mut [f32],
        decays: bool,
    ) {
        let penalty_here = |penalty| if decays { penalty } else { 0.0 };
        match (self, whole) {
            (Self::Adam { step, penalty }, _) => {
                let penalty = penalty_here(penalty);
                step.run(parameters, gradients, first, second, penalty, 1.0);
            }
            (Self::Muon { matrix: muon, .. }, Some(matrix)) => {
                muon.run(matrix, parameters, gradients, first, decays);
            }
            (Self::AdamW { step, shrink } | Self::Muon { step, shrink, .. }, _) => {
                let shrink = if decays { shrink } else { 1.0 };
                step.run(parameters, gradients, first, second, 0.0, shrink);
            }
            (Self::Sgd { step, penalty }, _) => {
                step.run(parameters, gradients, first, penalty_here(penalty));
            }
        }
    }
}
