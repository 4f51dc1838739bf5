//! Loads a file of weights into a model, runs images through the reference interpreter and saves
//! the weights again:
//!
//! ```text
//! run_weights CONFIG.json IN IMAGES.f32 LOGITS.f64 OUT.safetensors [--adapt] [--by-order] [--merge]
//! ```
//!
//! CONFIG holds a `ModelConfig`; IMAGES raw floats as images, rows, columns, channels; LOGITS
//! becomes raw doubles. `--adapt` takes weights for other channels or labels and of any format, `--by-order` also under
//! other names, `--merge` merges branches before it runs and saves. `tests/fixtures/round_trip.py` drives it against timm,
//! `interop/public_weights.py` with public weights.
#![expect(clippy::print_stderr, reason = "a command-line tool")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::{env, fs};

use soup_engine::reference::{Mode, forward};
use soup_graph::pretrained::{self, Match};
use soup_graph::{Weights, rewrite, safetensors};
use soup_zoo::{ModelConfig, build};

fn main() -> Result<(), Box<dyn Error>> {
    let (flags, files): (Vec<String>, Vec<String>) =
        env::args().skip(1).partition(|word| word.starts_with("--"));
    let [config, input, images, logits, output] = files.as_slice() else {
        return Err(
            "usage: run_weights CONFIG IN IMAGES LOGITS OUT [--adapt] [--by-order] [--merge]"
                .into(),
        );
    };
    let config: ModelConfig = serde_json::from_slice(&fs::read(config)?)?;
    let mut graph = build(&config)?;
    let input = Path::new(input);
    let has = |flag: &str| flags.iter().any(|given| given == flag);
    let mut weights = if has("--adapt") || has("--by-order") {
        let initial = Weights::initial(&graph, 0);
        let by = match has("--by-order") {
            true => Match::Order,
            false => Match::Name,
        };
        let loaded = pretrained::load(input, &graph, initial, by)?;
        eprintln!("{loaded}");
        eprintln!(
            "adapted {:?}, kept initial {:?}, unused {:?}",
            loaded.adapted, loaded.kept_initial, loaded.unused
        );
        loaded.weights
    } else {
        safetensors::load(input, &graph)?
    };
    if has("--merge") {
        (graph, weights) = rewrite::merge_branches(&graph, &weights)?;
    }
    let bytes = fs::read(images)?;
    let (chunks, _) = bytes.as_chunks::<4>();
    let images: Vec<f32> = chunks.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let batch = images.len() / graph.input().len();
    let pass = forward(&graph, &weights, &images, batch, Mode::Eval)?;
    let values = pass.values[graph.outputs()[0].0].iter();
    fs::write(
        logits,
        values.flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>(),
    )?;
    safetensors::save(Path::new(output), &graph, &weights, &BTreeMap::new())?;
    Ok(())
}
