//! A head of one's own: its layers, and its place among the settings.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::{error::Error, sync::Arc};

use soup_graph::{Builder, GraphError, NodeId};
use soup_zoo::{
    Head, ModelConfig,
    heads::{Layers, Own},
};

#[expect(dead_code, reason = "its images are trained on, by a main of our own")]
mod toy_source;

/// Mean and greatest value of every feature, added, and a linear layer.
struct MeanAndPeak;

impl Layers for MeanAndPeak {
    fn add(
        &self,
        net: &mut Builder,
        map: NodeId,
        config: &ModelConfig,
    ) -> Result<NodeId, GraphError> {
        let mean = net.average_pool(map)?;
        let peak = net.log_sum_exp_pool(map, f32::INFINITY)?;
        let both = net.add(&[mean, peak])?;
        let both = net.dropout(both, config.dropout);
        net.linear("mean_and_peak", both, config.labels, true)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = toy_source::settings()?;
    config.model.head = Head::Own(Own::new("mean_and_peak", Arc::new(MeanAndPeak)));
    let summary = toy_source::train(config)?;
    println!("accuracy {:.3}", summary.out_of_fold.accuracy);
    assert!(
        summary.out_of_fold.accuracy > 0.9,
        "lines are easy to learn"
    );
    Ok(())
}
