//! A sum of convolutions of one map is one convolution (Ding et al., "RepVGG: making VGG-style
//! ConvNets great again", CVPR 2021).

use super::RewriteError;
use super::batch_norm::Affine;
use super::draft::Draft;
use crate::{Convolution, Graph, NodeId, Op, Padding, Weights};

/// Merges each sum of branches of one map into one convolution with bias, and removes dropping. A
/// branch is a convolution, a batch norm, both, or the map itself. A RepVGG block becomes its
/// plain form under timm's name for it (`...reparam_conv`); any other sum takes the name of its
/// largest kernel. Holds for inference only.
///
/// # Errors
/// As [`super::for_inference`].
pub fn merge_branches(graph: &Graph, weights: &Weights) -> Result<(Graph, Weights), RewriteError> {
    let mut draft = Draft::new(graph, weights)?;
    super::dropping::apply(&mut draft);
    apply(&mut draft)?;
    draft.finish()
}

pub(super) fn apply(draft: &mut Draft) -> Result<(), RewriteError> {
    flatten_sums(draft);
    let readers = draft.readers();
    for id in (0..draft.nodes.len()).map(NodeId) {
        if *draft.op(id) != Op::Add {
            continue;
        }
        let terms = draft.nodes[id.0].inputs.iter();
        let branches: Vec<Branch> = terms.map(|&t| Branch::of(draft, t, &readers)).collect();
        if let Some(merged) = merge(&branches) {
            let layer = match merged.layer.strip_suffix(".conv_kxk.conv") {
                Some(block) => format!("{block}.reparam_conv"),
                None => merged.layer,
            };
            let (input, spec) = (branches[0].input, merged.spec);
            draft.replace_by_convolution(id, input, spec, &layer, &merged.filters, &merged.bias)?;
        }
    }
    Ok(())
}

/// Lets a sum read the terms of a sum that only it reads.
fn flatten_sums(draft: &mut Draft) {
    let readers = draft.readers();
    for index in 0..draft.nodes.len() {
        if draft.nodes[index].op != Op::Add {
            continue;
        }
        let terms = std::mem::take(&mut draft.nodes[index].inputs);
        let flat = terms.iter().flat_map(|&term| {
            let nested = *draft.op(term) == Op::Add && readers[term.0] == 1;
            if nested {
                draft.nodes[term.0].inputs.clone()
            } else {
                vec![term]
            }
        });
        draft.nodes[index].inputs = flat.collect();
    }
}

/// One term of a sum as a convolution of `input`.
struct Branch {
    input: NodeId,
    /// `None` for the map itself.
    convolution: Option<Layer>,
    /// A batch norm behind it.
    affine: Option<Affine>,
}

struct Layer {
    spec: Convolution,
    name: String,
    filters: Vec<f64>,
    bias: Vec<f64>,
}

impl Branch {
    fn of(draft: &Draft, term: NodeId, readers: &[usize]) -> Self {
        // A node that others read too has to be computed anyway, so it counts as a map, not as part
        // of the branch.
        let own = |id: NodeId| readers[id.0] == 1;
        let mut input = term;
        let mut affine = None;
        if own(input) {
            affine = Affine::of(draft, input);
            if affine.is_some() {
                input = draft.input(input);
            }
        }
        let mut convolution = None;
        if let Op::Convolution { spec, weight, bias } = *draft.op(input)
            && own(input)
        {
            convolution = Some(Layer {
                spec,
                name: draft.layer(weight).to_owned(),
                filters: draft.values(weight),
                bias: bias.map_or(vec![0.0; spec.channels], |bias| draft.values(bias)),
            });
            input = draft.input(input);
        }
        Self {
            input,
            convolution,
            affine,
        }
    }
}

struct Merged {
    spec: Convolution,
    layer: String,
    filters: Vec<f64>,
    bias: Vec<f64>,
}

/// The sum of the branches, where they read one map and their kernels can be laid upon each other.
fn merge(branches: &[Branch]) -> Option<Merged> {
    let layers = branches.iter().filter_map(|b| b.convolution.as_ref());
    let widest = layers.max_by_key(|layer| layer.spec.kernel)?;
    let spec = widest.spec;
    let length = widest.filters.len() / spec.channels;
    let inputs = length / (spec.kernel * spec.kernel);
    let mut filters = vec![0.0; widest.filters.len()];
    let mut bias = vec![0.0; spec.channels];
    for branch in branches {
        let itself;
        let layer = match &branch.convolution {
            Some(layer) => layer,
            None => {
                itself = identity(spec, inputs);
                &itself
            }
        };
        // How far the smaller kernel stands inside the larger one.
        let (Padding::Each(most), Padding::Each(zeros)) = (spec.padding, layer.spec.padding) else {
            return None;
        };
        let inset = most.checked_sub(zeros)?;
        let fits = branch.input == branches[0].input
            && layer.spec.stride == spec.stride
            && layer.spec.groups == spec.groups
            && layer.spec.channels == spec.channels
            && layer.spec.kernel + 2 * inset == spec.kernel;
        if !fits {
            return None;
        }
        let (mut own, mut own_bias) = (layer.filters.clone(), layer.bias.clone());
        if let Some(affine) = &branch.affine {
            affine.apply(&mut own, &mut own_bias);
        }
        let side = layer.spec.kernel;
        for (at, value) in own.iter().enumerate() {
            let (filter, row, column) = (at / (side * side), at / side % side, at % side);
            let place = (filter * spec.kernel + row + inset) * spec.kernel + column + inset;
            filters[place] += value;
        }
        bias.iter_mut()
            .zip(&own_bias)
            .for_each(|(b, own)| *b += own);
    }
    Some(Merged {
        spec,
        layer: widest.name.clone(),
        filters,
        bias,
    })
}

/// The 1x1 convolution that changes nothing, with the channels and groups of `spec`. A sum's terms
/// have one shape, so a map summed with its convolution has as many channels, and its stride is 1
/// unless the map has a single pixel.
fn identity(spec: Convolution, inputs: usize) -> Layer {
    let one = |at: usize| f64::from(u8::from(at % inputs == at / inputs % inputs));
    Layer {
        spec: Convolution {
            kernel: 1,
            stride: 1,
            padding: Padding::Each(0),
            ..spec
        },
        name: String::new(),
        filters: (0..spec.channels * inputs).map(one).collect(),
        bias: vec![0.0; spec.channels],
    }
}
