//! Training of a network's end alone.

use std::sync::Arc;

use soup_graph::{Graph, Parameter, Weights, rewrite};
use soup_threads::Pool;

use crate::{
    Engine, EngineError, InferenceSession, Learning, Precision, TrainingSession, TrainingState,
    reference::Reference,
};

/// A network of which only the end learns: its backbone runs as in inference, by its running statistics, and nothing goes
/// backward through it, so that a step takes a third of the time or less. The backbone runs on whichever engine is given. The head is
/// little work, and the plain interpreter trains any.
#[derive(Debug)]
pub struct Frozen {
    backbone: Box<dyn InferenceSession>,
    head: Box<dyn TrainingSession>,
    /// Of the whole network; its end is that of `head` when it was last asked for.
    whole: TrainingState,
}

impl Frozen {
    /// Plans training for batches of `batch` images. `whole` is the state of a network that is `head` behind `backbone`:
    /// the parameters of the backbone come first, and the head's input is the backbone's one output.
    ///
    /// # Errors
    /// Where the parts are not those of the network, a symmetry ties filters, and as [`Engine::training`].
    pub fn new(
        engine: &dyn Engine,
        (backbone, head): (&Graph, &Graph),
        batch: usize,
        precision: Precision,
        whole: TrainingState,
    ) -> Result<Self, EngineError> {
        let unsupported = |problem: &str| EngineError::Unsupported(problem.to_owned());
        let names = |graph: &Graph| -> Vec<String> {
            let names = graph.parameters().iter().map(Parameter::name);
            names.map(str::to_owned).collect()
        };
        if [names(backbone), names(head)].concat() != names(whole.graph()) {
            return Err(unsupported(
                "a frozen backbone and its head must have the parameters of the network, in its order",
            ));
        }
        if whole.learning().symmetry.is_some() {
            return Err(unsupported("filters of a frozen backbone cannot be tied"));
        }
        let fault = |error: &dyn std::fmt::Display| unsupported(&error.to_string());
        let part = |values: &[f32], length: usize| values[..length].to_vec();
        let weights = whole.evaluated();
        let weights = Weights::new(
            backbone,
            part(weights.trainable(), backbone.trainable_len()),
            part(weights.buffers(), backbone.buffer_len()),
        );
        let weights = weights.map_err(|error| fault(&error))?;
        let deployed = rewrite::for_inference(backbone, &weights);
        let (deployed, weights) = deployed.map_err(|error| fault(&error))?;
        let mut session = engine.inference(&deployed, batch, precision)?;
        session.load(weights);
        let state = end_of(&whole, head).map_err(|error| fault(&error))?;
        Ok(Self {
            backbone: session,
            head: Reference::new(Arc::new(Pool::new(1))).training(
                head,
                batch,
                Precision::F32,
                state,
            )?,
            whole,
        })
    }
}

/// The part of a state that belongs to the network's end.
fn end_of(whole: &TrainingState, head: &Graph) -> Result<TrainingState, String> {
    let learning = Learning {
        rates: Vec::new(),
        ..whole.learning().clone()
    };
    let end = TrainingState::new(head, learning, Weights::zeros(head));
    let mut end = end.map_err(|error| error.to_string())?;
    let tensors = whole.tensors();
    end.restore(whole.steps(), |name, length| {
        let found = tensors.iter().find(|(known, _)| *known == name);
        let (_, values) = found.ok_or_else(|| format!("the state has no `{name}`"))?;
        Ok(values[values.len() - length..].to_vec())
    })?;
    Ok(end)
}

impl TrainingSession for Frozen {
    fn input_mut(&mut self) -> &mut [f32] {
        self.backbone.input_mut()
    }

    fn zero_gradients(&mut self) {
        self.head.zero_gradients();
    }

    fn forward(&mut self, seed: u64, draw: u32) {
        self.backbone.run();
        let features = self.backbone.output(0);
        self.head.input_mut().copy_from_slice(features);
        self.head.forward(seed, draw);
    }

    fn output(&self, index: usize) -> &[f32] {
        self.head.output(index)
    }

    fn backward(&mut self, output_gradients: &[&[f32]]) {
        self.head.backward(output_gradients);
    }

    fn step(&mut self, learning_rate: f32, average_weight: f32) -> Result<(), String> {
        self.head.step(learning_rate, average_weight)
    }

    fn state(&mut self) -> &TrainingState {
        self.whole.take_end(self.head.state());
        &self.whole
    }

    fn set_state(&mut self, state: TrainingState) {
        // The backbone is the same one: it never moves. A state of this network always has an end.
        let head = self.head.state().graph().clone();
        if let Ok(end) = end_of(&state, &head) {
            self.head.set_state(end);
        }
        self.whole = state;
    }

    fn memory_bytes(&self) -> usize {
        self.backbone.memory_bytes() + self.head.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::optimizers::{AdamW, Optimizer, RateOf};
    use soup_graph::{Activation, Builder, Convolution, ImageShape, Shape};

    /// Backbone, head and the whole of a small network.
    fn networks() -> [Graph; 3] {
        let shape = |channels, side| ImageShape {
            channels,
            height: side,
            width: side,
        };
        fn features(net: &mut Builder) -> soup_graph::NodeId {
            let image = net.input();
            let x = net
                .convolution("conv", image, Convolution::square(4, 3))
                .unwrap();
            net.activation(x, Activation::Relu)
        }
        fn head(net: &mut Builder, map: soup_graph::NodeId) -> soup_graph::NodeId {
            let x = net.batch_norm("bn", map, 1e-5, 0.1).unwrap();
            let x = net.average_pool(x).unwrap();
            net.linear("fc", x, 3, true).unwrap()
        }
        let mut net = Builder::new(shape(2, 5));
        let map = features(&mut net);
        let backbone = net.finish(&[map]).unwrap();
        let Shape::Map(map) = backbone.node(map).shape else {
            unreachable!()
        };
        let mut net = Builder::new(shape(map.channels, map.height));
        let input = net.input();
        let logits = head(&mut net, input);
        let end = net.finish(&[logits]).unwrap();
        let mut net = Builder::new(shape(2, 5));
        let map = features(&mut net);
        let logits = head(&mut net, map);
        [backbone, end, net.finish(&[logits]).unwrap()]
    }

    fn state(whole: &Graph, rates: Vec<RateOf>) -> TrainingState {
        let learning = Learning {
            optimizer: Optimizer::AdamW(AdamW::default()),
            averages: true,
            rates,
            ..Learning::default()
        };
        TrainingState::new(whole, learning, Weights::initial(whole, 7)).unwrap()
    }

    fn steps(session: &mut dyn TrainingSession, count: u32) {
        for draw in 0..count {
            let pixels = (0..100).map(|at| ((at * 7 + draw as usize * 13) % 11) as f32 / 5.0 - 1.0);
            let pixels: Vec<f32> = pixels.collect();
            session.input_mut().copy_from_slice(&pixels);
            session.zero_gradients();
            session.forward(1, draw);
            let gradient: Vec<f32> = session.output(0).iter().map(|logit| logit - 0.5).collect();
            session.backward(&[&gradient]);
            session.step(0.01, 0.5).unwrap();
        }
    }

    #[test]
    fn the_end_learns_as_in_the_whole_network_with_its_backbone_at_rate_0() {
        let [backbone, head, whole] = networks();
        let engine = Reference::new(Arc::new(Pool::new(1)));
        let still = vec![RateOf {
            range: 0..backbone.trainable_len(),
            factor: 0.0,
        }];
        let mut plain = engine
            .training(&whole, 2, Precision::F32, state(&whole, still))
            .unwrap();
        let own = state(&whole, vec![]);
        let parts = (&backbone, &head);
        let mut frozen = Frozen::new(&engine, parts, 2, Precision::F32, own).unwrap();
        steps(&mut *plain, 3);
        steps(&mut frozen, 3);
        let close = |(name, ours): &(&str, &[f32]), theirs: &[f32]| {
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!((ours - theirs).abs() < 1e-6, "{name}: {ours} {theirs}");
            }
        };
        for (ours, (_, theirs)) in frozen.state().tensors().iter().zip(plain.state().tensors()) {
            close(ours, theirs);
        }

        // A session that begins with this state goes on to the same bits.
        let kept = frozen.state().clone();
        let mut again =
            Frozen::new(&engine, parts, 2, Precision::F32, state(&whole, vec![])).unwrap();
        again.set_state(kept);
        steps(&mut frozen, 2);
        steps(&mut again, 2);
        assert_eq!(frozen.state().tensors(), again.state().tensors());
        assert_eq!(again.state().steps(), 5);
    }

    #[test]
    fn parts_of_another_network_are_refused() {
        let [backbone, head, whole] = networks();
        let engine = Reference::new(Arc::new(Pool::new(1)));
        let swapped = (&head, &backbone);
        let refused = Frozen::new(&engine, swapped, 2, Precision::F32, state(&whole, vec![]));
        assert!(matches!(refused, Err(EngineError::Unsupported(_))));
    }
}
