//! Which batch size suits this machine.
//!
//! All memory of a step is planned before the first one, so what a size needs is known without running
//! it; how fast it is is measured on noise.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use soup_data::pack::Pack;
use soup_engine::{Device, EngineError};
use soup_graph::{Graph, Weights, rewrite};
use soup_random::{Purpose, Stream};

use super::{OwnedData, TrainData, graph, state};
use crate::{Error, config::CheckedConfig};

/// A batch size and what it comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchTrial {
    /// Images in a batch.
    pub batch: usize,
    /// Bytes that training and evaluation with it take.
    pub bytes: u64,
    /// Images trained on in a second; `None` where the memory does not suffice.
    pub images_per_second: Option<f64>,
}

/// What a search of batch sizes found.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchSearch {
    /// The sizes that were tried, ascending.
    pub trials: Vec<BatchTrial>,
    /// Bytes that were there to be used.
    pub budget: u64,
    /// The largest size that fits.
    pub largest: usize,
    /// The smallest size that is about as fast an image as any.
    pub fastest: usize,
}

/// The largest size that is tried.
const MOST: usize = 512;
/// Share of the free memory that may be used.
const SHARE: f64 = 0.8;
/// A size within this share of the best speed is as fast: timings of the same work differ by as much, and a smaller
/// size, with more steps, learns more of as many images (`docs/batch-size.md`).
const AS_FAST: f64 = 0.9;
/// Steps of a size that are timed at most, and seconds after which no other one is begun.
const STEPS: usize = 8;
const SECONDS: f64 = 2.0;
/// Steps of the optimiser that are timed.
const UPDATES: usize = 2;

/// Tries the sizes 1, 2, 4, ... (from 2 on where images are mixed) until one does not fit into memory, a
/// step would hold more images than an epoch, or 512. `each` sees every size as it is done.
///
/// # Errors
/// Where the images are neither in a pack nor composed, or cannot be read; where not even one fits;
/// [`Error::Stopped`] where `stop` says so.
pub fn search(
    config: &CheckedConfig,
    stop: &AtomicBool,
    each: &mut dyn FnMut(&BatchTrial),
) -> Result<BatchSearch, Error> {
    let (graph, images) = network(config)?;
    let device = config.train.device.with_threads(config.train.threads);
    let budget = (device.engine.free_memory() as f64 * SHARE) as u64;
    let mut trials = Vec::new();
    let first = if config.mix.is_some() { 2 } else { 1 };
    let mut batch = first;
    while batch <= MOST && (batch == first || (batch * config.train.accumulate) as u64 <= images) {
        let trial = try_size(config, &graph, batch, budget, &device)?;
        if stop.load(Ordering::Relaxed) {
            return Err(Error::STOPPED);
        }
        each(&trial);
        trials.push(trial);
        if trial.images_per_second.is_none() {
            break;
        }
        batch *= 2;
    }
    let speeds = || {
        let fitting = trials.iter();
        fitting.filter_map(|trial| Some((trial.batch, trial.images_per_second?)))
    };
    let best = speeds().map(|(_, speed)| speed).fold(0.0, f64::max);
    let largest = speeds().map(|(batch, _)| batch).next_back();
    let fastest = speeds().find(|(_, speed)| *speed >= AS_FAST * best);
    match (largest, fastest) {
        (Some(largest), Some((fastest, _))) => Ok(BatchSearch {
            trials,
            budget,
            largest,
            fastest,
        }),
        _ => Err(Error::mismatch(format!(
            "a batch of {first} needs {} MB and {} MB are free; take a smaller network or smaller \
             images",
            trials.first().map_or(0, |trial| trial.bytes) / 1_000_000,
            budget / 1_000_000
        ))),
    }
}

/// The network that the settings train, and the images that an epoch has at least, whatever the folds.
fn network(config: &CheckedConfig) -> Result<(Graph, u64), Error> {
    let limited = |images: u64| match config.train.epoch_images {
        0 => images,
        limit => images.min(limit),
    };
    if config.data.only_composed() {
        let owned = OwnedData::composed(config)?;
        return Ok((
            graph(config, &owned.borrow())?,
            limited(config.data.composed),
        ));
    }
    let path = Path::new(&config.data.path);
    if !Pack::is_pack(path) {
        return Err(Error::mismatch(format!(
            "batch sizes are tried for a pack or composed images, and '{}' is no pack; make one with soup \
             pack first",
            config.data.path
        )));
    }
    let pack = Pack::open(path)?;
    let names = soup_data::Source::label_names(&pack).to_vec();
    let data = TrainData {
        label_names: &names,
        rows: Some(&pack),
        composed: None,
        dense: None,
        validation: None,
        ids: &[],
        held_out_rows: &[],
        fingerprint: "",
    };
    // Of two folds, the fewest, one half is trained on.
    let least = soup_data::Source::len(&pack) / 2;
    Ok((graph(config, &data)?, limited(least)))
}

fn try_size(
    config: &CheckedConfig,
    graph: &Graph,
    batch: usize,
    budget: u64,
    device: &Device,
) -> Result<BatchTrial, Error> {
    let evaluation = match config.train.evaluation_batch {
        0 => batch,
        own => own,
    };
    let (deployed, _) = rewrite::for_inference(graph, &Weights::zeros(graph))?;
    let symmetry = super::symmetry(config, graph)?;
    let weights = Weights::initial(graph, config.train.seed);
    let state = state::training_state(config, graph, symmetry.as_ref(), weights)?;
    let (engine, precision) = (&device.engine, config.model.precision.on(&*device.engine));
    // Planned memory is only taken as it is first written.
    let planned = engine
        .training(graph, batch, precision, state)
        .and_then(|training| {
            let inference = engine.inference(&deployed, evaluation, precision)?;
            Ok((training, inference))
        });
    let (mut training, inference) = match planned {
        Ok(planned) => planned,
        Err(EngineError::Memory(problem)) => {
            return Ok(BatchTrial {
                batch,
                bytes: problem.shortage.needs,
                images_per_second: None,
            });
        }
        Err(error) => {
            return Err(Error::network(&config.model.name, error));
        }
    };
    // Weights, their gradients, two moments of the optimiser and an average.
    let parameters = 5 * graph.trainable_len() * size_of::<f32>();
    let planned = training.memory_bytes() + inference.memory_bytes();
    drop(inference);
    let mut trial = BatchTrial {
        batch,
        bytes: (planned + parameters) as u64,
        images_per_second: None,
    };
    if trial.bytes > budget {
        return Ok(trial);
    }
    let mut draws = Stream::new(config.train.seed, Purpose::Noise, 0, 0);
    training.input_mut().fill_with(|| draws.normal());
    let logits = graph.node(graph.outputs()[0]).shape.len();
    let logit_gradients = vec![1e-3; batch * logits];
    let mut step = || {
        training.zero_gradients();
        training.forward(config.train.seed, 0);
        training.backward(&[&logit_gradients]);
    };
    step();
    let begun = Instant::now();
    let mut fastest = f64::INFINITY;
    for _ in 0..STEPS {
        let one = Instant::now();
        step();
        // Other programs only ever add time.
        fastest = fastest.min(one.elapsed().as_secs_f64());
        if begun.elapsed().as_secs_f64() > SECONDS {
            break;
        }
    }
    let mut update = f64::INFINITY;
    for _ in 0..UPDATES {
        let one = Instant::now();
        // What is no number shows in the training.
        let _ = training.step(0.0, 0.0);
        update = update.min(one.elapsed().as_secs_f64());
    }
    let seconds = fastest + update / config.train.accumulate as f64;
    trial.images_per_second = Some(batch as f64 / seconds);
    Ok(trial)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::config::Config;

    fn config(settings: &[&str]) -> CheckedConfig {
        let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
        let config = Config::load(Some("quick"), &settings).unwrap();
        config.check().unwrap()
    }

    #[test]
    fn sizes_rise_in_memory_until_one_does_not_fit() {
        let config = config(&[
            "data.compose_share=1",
            "model.name=soup_nano",
            "compose.width=64",
            "compose.height=64",
            "compose.side=[12, 20]",
            "compose.distractor_side=[12, 20]",
            "train.threads=1",
        ]);
        let (graph, images) = network(&config).unwrap();
        assert_eq!(images, config.data.composed);
        let device = config.train.device.with_threads(1);
        let size = |batch, budget| try_size(&config, &graph, batch, budget, &device).unwrap();
        let (one, four) = (size(1, u64::MAX), size(4, u64::MAX));
        assert!(one.images_per_second.unwrap() > 0.0 && one.bytes < four.bytes);
        let tight = size(4, four.bytes - 1);
        assert_eq!((tight.bytes, tight.images_per_second), (four.bytes, None));
    }

    #[test]
    fn a_folder_is_refused() {
        let config = config(&["data.path=none", "data.compose_share=0", "boxes.weight=0"]);
        let stop = AtomicBool::new(false);
        let error = search(&config, &stop, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("'none' is no pack"), "{error}");
    }
}
