//! Muon.

use serde::{Deserialize, Serialize};

use super::Matrix;
use crate::setting::{InvalidSetting, require};

/// Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024), as `torch.optim.Muon` with
/// `adjust_lr_fn="match_rms_adamw"`: the momentum of a matrix is brought near to the closest orthogonal one, so that all of
/// its directions are learned from alike, the rare ones too. Matrices are the filters of convolutions, one row an
/// output channel; everything else moves as by [`AdamW`](super::AdamW) at the same learning rate, which
/// the scaling of Liu et al. ("Muon is scalable for LLM training", 2025) makes fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Muon {
    /// Momentum: decay rate of the running mean of a matrix's gradient; in `[0, 1)`.
    pub momentum: f64,
    /// Nesterov momentum.
    pub nesterov: bool,
    /// AdamW's decay rates, for what is no matrix; each in `[0, 1)`.
    pub betas: [f64; 2],
    /// AdamW's, for what is no matrix; above 0.
    pub eps: f64,
    /// Fraction of a parameter that a step subtracts, times the learning rate; at least 0.
    pub weight_decay: f64,
    /// Whether biases and batch norms decay too.
    pub weight_decay_all: bool,
}

impl Default for Muon {
    fn default() -> Self {
        Self {
            momentum: 0.95,
            nesterov: true,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.01,
            weight_decay_all: false,
        }
    }
}

impl Muon {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        require(
            (0.0..1.0).contains(&self.momentum),
            "optimizer.momentum",
            self.momentum,
            "must be at least 0 and less than 1",
        )?;
        super::check_adam(self.betas, self.eps, self.weight_decay)
    }
}

/// One step of a matrix with everything that is the same for all of them worked out.
#[derive(Clone, Copy, Debug)]
pub(super) struct MuonStep {
    momentum: f32,
    nesterov: bool,
    learning_rate: f32,
    shrink: f32,
}

impl MuonStep {
    pub(super) fn new(muon: &Muon, learning_rate: f32) -> Self {
        Self {
            momentum: muon.momentum as f32,
            nesterov: muon.nesterov,
            learning_rate,
            shrink: (1.0 - f64::from(learning_rate) * muon.weight_decay) as f32,
        }
    }

    /// Moves a matrix.
    ///
    /// Where rows are turns of one another, only the first one of each feature is sure to be right: the caller ties the
    /// others to it.
    pub(super) fn run(
        self,
        &Matrix { rows, turns, .. }: &Matrix,
        parameters: &mut [f32],
        gradients: &[f32],
        means: &mut [f32],
        decays: bool,
    ) {
        let columns = parameters.len() / rows;
        let mut direction = vec![0.0; parameters.len()];
        for ((to, &gradient), mean) in direction.iter_mut().zip(gradients).zip(means) {
            *mean += (1.0 - self.momentum) * (gradient - *mean);
            *to = match self.nesterov {
                true => gradient + self.momentum * (*mean - gradient),
                false => *mean,
            };
        }
        orthogonalise(&mut direction, rows, columns, turns);
        let learning_rate = self.learning_rate * 0.2 * (rows.max(columns) as f32).sqrt();
        let shrink = if decays { self.shrink } else { 1.0 };
        for (parameter, direction) in parameters.iter_mut().zip(direction) {
            *parameter = *parameter * shrink - learning_rate * direction;
        }
    }
}

/// Coefficients and number of the Newton-Schulz iterations, as in PyTorch.
const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];
const ITERATIONS: usize = 5;

/// Brings all singular values of a matrix near to one (.7 to 1.2).
///
/// The iteration is `X <- (a + b G + c G^2) X` with the Gram matrix `G = X X^T`. All of its steps are polynomials of the
/// first Gram matrix. So they are computed on the small square matrices, and the large one is multiplied twice instead of
/// ten times.
///
/// Where rows are `turns` of one another, the square matrices are too: every product takes the first row of each feature
/// alone, a quarter of the work, and so does what is given back.
fn orthogonalise(x: &mut [f32], rows: usize, columns: usize, turns: usize) {
    let norm = x.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
    let scale = 1.0 / norm.sqrt().max(1e-7) as f32;
    x.iter_mut().for_each(|value| *value *= scale);
    // The products are of the shorter side; a tall matrix is read as its transpose, whose rows do not turn.
    let (short, long) = (rows.min(columns), rows.max(columns));
    let (down, right, turns) = if rows <= columns {
        (columns, 1, turns)
    } else {
        (1, columns, 1)
    };
    let features = short / turns;
    let square = |values: &mut [f32], left: &[f32], other: &[f32]| {
        product(
            [features, short, short],
            (left, short * turns, 1),
            (other, short, 1),
            (values, short * turns, 1),
        );
        turn_rows(values, short, turns);
    };
    let mut gram = vec![0.0; short * short];
    product(
        [features, long, short],
        (x, down * turns, right),
        (x, right, down),
        (&mut gram, short * turns, 1),
    );
    turn_rows(&mut gram, short, turns);
    let mut factor = vec![0.0; short * short];
    let mut whole = Vec::new();
    let mut spare = vec![0.0; short * short];
    let [a, b, c] = COEFFICIENTS;
    for iteration in 0..ITERATIONS {
        square(&mut factor, &gram, &gram);
        for (value, &gram) in factor.iter_mut().zip(&gram) {
            *value = c * *value + b * gram;
        }
        factor
            .iter_mut()
            .step_by(short + 1)
            .for_each(|value| *value += a);
        if iteration == 0 {
            whole.clone_from(&factor);
        } else {
            square(&mut spare, &factor, &whole);
            std::mem::swap(&mut whole, &mut spare);
        }
        if iteration + 1 < ITERATIONS {
            square(&mut spare, &factor, &gram);
            square(&mut gram, &spare, &factor);
        }
    }
    let from = x.to_vec();
    product(
        [features, short, long],
        (&whole, short * turns, 1),
        (&from, down, right),
        (x, down * turns, right),
    );
}

/// Gives the rows of a square matrix that are turns of a feature's first row what that row says, moved on by as many
/// turns.
fn turn_rows(values: &mut [f32], side: usize, turns: usize) {
    /// Of a square. Known when this is compiled, so that a feature's turns are moved in registers.
    const QUARTERS: usize = 4;
    if turns == 1 {
        return;
    }
    assert_eq!(turns, QUARTERS, "turns of a feature");
    for feature in values.chunks_exact_mut(side * QUARTERS) {
        let (first, others) = feature.split_at_mut(side);
        let first = first.as_chunks::<QUARTERS>().0;
        for (row, turn) in others.chunks_exact_mut(side).zip(1..) {
            let row = row.as_chunks_mut::<QUARTERS>().0;
            for (from, to) in first.iter().zip(row) {
                for (at, to) in to.iter_mut().enumerate() {
                    *to = from[(at + QUARTERS - turn) % QUARTERS];
                }
            }
        }
    }
}

/// A matrix in memory: values, steps from row to row and from column to column.
type View<T> = (T, usize, usize);

/// `c = a b` for matrices of `m x k` and `k x n` values.
#[expect(unsafe_code, reason = "the product of the crate takes pointers")]
fn product([m, k, n]: [usize; 3], a: View<&[f32]>, b: View<&[f32]>, c: View<&mut [f32]>) {
    let last = |rows: usize, columns: usize, down: usize, right: usize| {
        (rows - 1) * down + (columns - 1) * right
    };
    assert!(last(m, k, a.1, a.2) < a.0.len(), "left matrix");
    assert!(last(k, n, b.1, b.2) < b.0.len(), "right matrix");
    assert!(last(m, n, c.1, c.2) < c.0.len(), "product");
    let step = |steps: usize| steps as isize;
    // SAFETY: the last value of each matrix lies within its slice.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.0.as_ptr(),
            step(a.1),
            step(a.2),
            b.0.as_ptr(),
            step(b.1),
            step(b.2),
            0.0,
            c.0.as_mut_ptr(),
            step(c.1),
            step(c.2),
        );
    }
}
