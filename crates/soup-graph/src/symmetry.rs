//! Networks that see an image and its quarter turns alike (Cohen and Welling, "Group equivariant convolutional
//! networks", ICML 2016, group p4).
//!
//! Four channels that follow each other hold one feature at its four turns. A filter bank is symmetric when turning a
//! filter by a quarter and moving its input and output channels on by one turn gives the filter that is there already.
//! Nothing else in the network changes: symmetric weights are ordinary weights, and every optimiser here keeps weights
//! symmetric whose gradients are. So a symmetric network is trained by [`Symmetry::tie`] before the first step and after
//! each one, and [`TiedParameter::average`] on every gradient; engines, files and exports are not affected.

use std::ops::Range;

use crate::{Graph, GraphError, Op, Padding, Weights};

/// The turns of a feature.
const TURNS: usize = 4;

/// What is tied to what in the weights of a graph.
#[derive(Clone, Debug)]
pub struct Symmetry {
    /// Trained parameters, one after the other.
    trained: Vec<Tied>,
    /// Running statistics.
    kept: Vec<Orbit>,
    /// Where the trained parameters start whose outputs turn.
    turning: Vec<usize>,
}

/// What is tied in one parameter: places count from its start.
#[derive(Clone, Debug)]
struct Tied {
    range: Range<usize>,
    orbits: Vec<Orbit>,
}

/// The values of one parameter, some of which are turns of one another. Parameters share no values: threads may work on
/// several of them at once.
#[derive(Debug)]
pub struct TiedParameter<'a> {
    orbits: &'a [Orbit],
    values: &'a mut [f32],
}

impl TiedParameter<'_> {
    /// Gives every turn of a filter the values of its first one.
    pub fn tie(self) {
        for orbit in self.orbits {
            let first = self.values[orbit[0] as usize];
            set(self.values, orbit, first);
        }
    }

    /// Gives every turn of a filter the mean of the turns' gradients: the gradient's part that keeps the symmetry.
    pub fn average(self) {
        average(self.orbits, self.values);
    }
}

/// The places of the four turns of one value. They are all listed: every step of a training goes through them twice.
type Orbit = [u32; TURNS];

/// The values of one parameter: outputs, inputs, rows and columns.
#[derive(Clone, Debug)]
struct Filters {
    offset: usize,
    outputs: usize,
    inputs: usize,
    side: usize,
    /// Whether outputs turn; where they do not, they are the same for every turn of the image.
    outputs_turn: bool,
    inputs_turn: bool,
}

impl Symmetry {
    /// Finds out what turns: whatever a convolution gives that batch norm follows, and what is made of it place by place.
    ///
    /// # Errors
    /// [`GraphError`] where channels do not come in fours, or for operations that mix turning and other channels in a
    /// way that has no symmetric weights (squeeze-and-excitation).
    pub fn quarter_turns(graph: &Graph) -> Result<Self, GraphError> {
        let refuse = |what: &str| Err(GraphError::Symmetry(what.to_owned()));
        let (mut trained, mut kept, mut turning) = (Vec::<Tied>::new(), Vec::new(), Vec::new());
        let mut turns: Vec<bool> = Vec::with_capacity(graph.nodes().len());
        for (index, node) in graph.nodes().iter().enumerate() {
            let input_turns = node.inputs.first().is_some_and(|input| turns[input.0]);
            let mut add = |parameter: crate::ParameterId, outputs_turn, inputs_turn| {
                let parameter = graph.at(parameter);
                let size = |axis: usize| parameter.shape().get(axis).copied().unwrap_or(1);
                let filters = Filters {
                    offset: parameter.range().start,
                    outputs: size(0),
                    inputs: size(1),
                    side: size(2),
                    outputs_turn,
                    inputs_turn,
                };
                if !parameter.role().is_trainable() {
                    filters.list(&mut kept);
                    return;
                }
                let range = filters.offset..filters.offset + parameter.len();
                let mut orbits = Vec::new();
                Filters {
                    offset: 0,
                    ..filters
                }
                .list(&mut orbits);
                // Two nodes may share a parameter.
                let known = trained.iter().any(|tied| tied.range == range);
                if !orbits.is_empty() && !known {
                    trained.push(Tied { range, orbits });
                }
                if outputs_turn {
                    turning.push(parameter.range().start);
                }
            };
            turns.push(match &node.op {
                Op::Input => false,
                Op::Convolution { spec, .. } if spec.padding == Padding::Same => {
                    return refuse("padding by TensorFlow's rule is another one in a turned image");
                }
                Op::Convolution { spec, weight, bias } => {
                    let normalised = graph.nodes().iter().any(|next| {
                        matches!(next.op, Op::BatchNorm { .. }) && next.inputs[0].0 == index
                    });
                    let depthwise = spec.groups > 1;
                    let turn = if depthwise { input_turns } else { normalised };
                    if turn && spec.channels % TURNS != 0 {
                        return refuse(&format!(
                            "{} channels cannot be cut into fours",
                            spec.channels
                        ));
                    }
                    add(*weight, turn, input_turns && !depthwise);
                    if let Some(bias) = bias {
                        add(*bias, turn, false);
                    }
                    turn
                }
                Op::BatchNorm {
                    weight,
                    bias,
                    mean,
                    variance,
                    ..
                } => {
                    for parameter in [weight, bias, mean, variance] {
                        add(*parameter, input_turns, false);
                    }
                    input_turns
                }
                Op::Linear { weight, .. } => {
                    add(*weight, false, input_turns);
                    false
                }
                Op::Add | Op::AttentionPool { .. } => {
                    if node
                        .inputs
                        .iter()
                        .any(|input| turns[input.0] != input_turns)
                    {
                        return refuse("turning channels met with other ones");
                    }
                    input_turns
                }
                Op::Scale => return refuse("squeeze-and-excitation has no symmetric form here"),
                Op::Activation(_)
                | Op::AveragePool
                | Op::LogSumExpPool { .. }
                | Op::PowerPool { .. }
                | Op::MaxPool { .. }
                | Op::Dropout(_)
                | Op::DropPath(_) => input_turns,
            });
        }
        trained.sort_by_key(|tied| tied.range.start);
        Ok(Self {
            trained,
            kept,
            turning,
        })
    }

    /// How many output channels that follow each other are turns of one feature, for the trained parameter that starts
    /// at `offset`: 4, or 1 where they do not turn.
    pub fn output_turns(&self, offset: usize) -> usize {
        match self.turning.contains(&offset) {
            true => TURNS,
            false => 1,
        }
    }

    /// Gives every turn of a filter the values of its first one, and every turn of a feature its mean statistics.
    pub fn tie(&self, weights: &mut Weights) {
        self.tied_parameters(weights.trainable_mut())
            .for_each(TiedParameter::tie);
        self.tie_statistics(weights.buffers_mut());
    }

    /// Gives every turn of a feature its mean statistics.
    pub fn tie_statistics(&self, buffers: &mut [f32]) {
        average(&self.kept, buffers);
    }

    /// The trained parameters (or their gradients), each by itself.
    ///
    /// # Panics
    /// Where these are fewer values than those of the graph.
    pub fn tied_parameters<'a>(
        &'a self,
        values: &'a mut [f32],
    ) -> impl Iterator<Item = TiedParameter<'a>> {
        let (mut rest, mut start) = (values, 0);
        self.trained.iter().map(move |Tied { range, orbits }| {
            let values = std::mem::take(&mut rest);
            let (values, behind) = values[range.start - start..].split_at_mut(range.len());
            (rest, start) = (behind, range.end);
            TiedParameter { orbits, values }
        })
    }
}

fn average(orbits: &[Orbit], values: &mut [f32]) {
    for orbit in orbits {
        let sum: f32 = orbit.iter().map(|&place| values[place as usize]).sum();
        set(values, orbit, sum / TURNS as f32);
    }
}

fn set(values: &mut [f32], orbit: &Orbit, value: f32) {
    for &place in orbit {
        values[place as usize] = value;
    }
}

impl Filters {
    /// Lists the places of the four turns of every value, where anything turns.
    fn list(&self, orbits: &mut Vec<Orbit>) {
        if !self.outputs_turn && !self.inputs_turn {
            return;
        }
        let turned = |channel: usize, turn: usize, turns: bool| match turns {
            true => channel - channel % TURNS + (channel + turn) % TURNS,
            false => channel,
        };
        let last = self.side - 1;
        for output in 0..self.outputs {
            if self.outputs_turn && output % TURNS != 0 {
                continue;
            }
            for input in 0..self.inputs {
                if !self.outputs_turn && input % TURNS != 0 {
                    continue;
                }
                for (row, column) in (0..=last).flat_map(|y| (0..=last).map(move |x| (y, x))) {
                    let (mut row, mut column) = (row, column);
                    let mut turn = 0;
                    orbits.push([(); TURNS].map(|()| {
                        let filter = turned(output, turn, self.outputs_turn) * self.inputs
                            + turned(input, turn, self.inputs_turn);
                        let place = self.offset + (filter * self.side + row) * self.side + column;
                        (row, column) = (column, last - row);
                        turn += 1;
                        place as u32
                    }));
                }
            }
        }
    }
}
