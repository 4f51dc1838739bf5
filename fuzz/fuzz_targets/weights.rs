//! Weights that others saved, of every format, by name and by order.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use soup_graph::pretrained::{self, Match};
use soup_graph::{Builder, Convolution, Graph, ImageShape, Weights};

/// The network of the seeds.
static GRAPH: LazyLock<Graph> = LazyLock::new(|| {
    let mut net = Builder::new(ImageShape {
        channels: 3,
        height: 8,
        width: 8,
    });
    let stem = Convolution::square(4, 3);
    let x = net.convolution("stem", net.input(), stem).expect("a stem");
    let x = net.batch_norm("bn", x, 1e-5, 0.1).expect("a batch norm");
    let x = net.average_pool(x).expect("a pool");
    let x = net.linear("fc", x, 10, true).expect("a head");
    net.finish(&[x]).expect("a graph")
});

fuzz_target!(|input: &[u8]| -> Corpus {
    let mut taken = false;
    for by in [Match::Name, Match::Order] {
        let zeros = Weights::zeros(&GRAPH);
        if let Ok(loaded) = pretrained::from_bytes("fuzz", input, &GRAPH, zeros, by) {
            let weights = &loaded.weights;
            let lengths = [weights.trainable().len(), weights.buffers().len()];
            assert_eq!(lengths, [GRAPH.trainable_len(), GRAPH.buffer_len()]);
            let mut values = weights.trainable().iter().chain(weights.buffers());
            assert!(values.all(|value| value.is_finite()));
            assert!(!loaded.to_string().is_empty());
            taken = true;
        }
    }
    match taken || input.len() < 1 << 16 {
        true => Corpus::Keep,
        false => Corpus::Reject,
    }
});
