//! Our side of the inference works of `benches/peers/run`: batches on demand.
//!
//! ```text
//! peer_infer MODEL SIDE BATCH LABELS DIR THREADS PRECISION
//! ```
//!
//! Loads `weights.safetensors` and `images.f32` (images, rows, columns, channels) from DIR, rewrites
//! the network for inference (batch norms folded, RepVGG's branches merged), prints the logits of the
//! batch; then, for each number that comes on standard input, it answers the batch that often and prints
//! the seconds of each. A call goes from the images in an array to the logits in an array.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

mod peer;

use std::error::Error;
use std::path::Path;

use serde_json::json;
use soup_devices::DeviceName;
use soup_graph::{rewrite, safetensors};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, side, batch, labels, folder, threads, precision] = arguments.as_slice() else {
        return Err("usage: peer_infer MODEL SIDE BATCH LABELS DIR THREADS PRECISION".into());
    };
    let (side, batch): (usize, usize) = (side.parse()?, batch.parse()?);
    let folder = Path::new(folder);
    let graph = peer::network(model, side, labels.parse()?)?;
    let weights = safetensors::load(&folder.join("weights.safetensors"), &graph)?;
    let (graph, weights) = rewrite::for_inference(&graph, &weights)?;
    let images = peer::read(
        &folder.join("images.f32"),
        batch * side * side * peer::CHANNELS,
    )?;
    let device = DeviceName::Auto.with_threads(threads.parse()?);
    let precision = peer::precision(precision)?;
    let mut inference = device.engine.inference(&graph, batch, precision)?;
    inference.load(weights);
    let mut call = || {
        inference.input_mut().copy_from_slice(&images);
        inference.run();
        inference.output(0).to_vec()
    };
    peer::say(&json!({"logits": call()}))?;
    peer::answer_turns(|| {
        call();
    })
}
