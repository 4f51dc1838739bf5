//! Which batch size suits this machine.
//!
//! All memory of a step is planned before the first one, so what a size needs is known without running
//! it; how fast it is is measured on noise.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use soup_cpu::{Inference, Options, PlanError, Pool, Training, memory};
use soup_data::pack::Pack;
use soup_graph::{Graph, Weights, rewrite};
use soup_random::{Purpose, Stream};

use super::{OwnedData, TrainData, engines, graph, state};
use crate::{Error, config::CheckedConfig};

/// A batch size and what it comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchTrial {
    /// Pictures in a batch.
    pub batch: usize,
    /// Bytes that training and evaluation with it take.
    pub bytes: u64,
    /// Pictures trained on in a second; `None` where the memory does not suffice.
    pub images_per_second: Option<f64>,
}

/// What a search of batch sizes found.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchSearch {
    /// The sizes that were looked at, rising.
    pub trials: Vec<BatchTrial>,
    /// Bytes that were there to be used.
    pub budget: u64,
    /// The largest size that fits.
    pub largest: usize,
    /// The smallest size that is about as fast a picture as any.
    pub fastest: usize,
}

/// The largest size that is looked at.
const MOST: usize = 512;
/// Share of the free memory that may be used.
const SHARE: f64 = 0.8;
/// A size within this share of the best speed is as fast: timings of the same work differ by as much, and a smaller
/// size, with more steps, learns more of as many pictures (`docs/batch-size.md`).
const AS_FAST: f64 = 0.9;
/// Steps of a size that are timed at most, and seconds after which no other one is begun.
const STEPS: usize = 8;
const SECONDS: f64 = 2.0;
/// Steps of the optimiser that are timed.
const UPDATES: usize = 2;

/// Looks at the sizes 1, 2, 4, ... (from 2 on where pictures are mixed) until one does not fit into memory, a
/// step would hold more pictures than an epoch, or 512. `each` sees every size as it is done.
///
/// # Errors
/// Where the pictures are neither in a pack nor composed, or cannot be read; where not even one fits;
/// [`Error::Stopped`] where `stop` says so.
pub fn search(
    config: &CheckedConfig,
    stop: &AtomicBool,
    each: &mut dyn FnMut(&BatchTrial),
) -> Result<BatchSearch, Error> {
    let (graph, pictures) = network(config)?;
    let pool = Arc::new(Pool::new(config.train.threads));
    let options = Options {
        pool: Some(Arc::clone(&pool)),
        precision: config.model.precision.into(),
        ..Options::default()
    };
    let budget = (memory::free_bytes() as f64 * SHARE) as u64;
    let mut trials = Vec::new();
    let first = if config.mix.is_some() { 2 } else { 1 };
    let mut batch = first;
    while batch <= MOST && (batch == first || (batch * config.train.accumulate) as u64 <= pictures)
    {
        let trial = try_size(config, &graph, batch, budget, &options, &pool)?;
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
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
        _ => Err(Error::Mismatch(format!(
            "a batch of {first} needs {} MB and {} MB are free; take a smaller network or smaller \
             pictures",
            trials.first().map_or(0, |trial| trial.bytes) / 1_000_000,
            budget / 1_000_000
        ))),
    }
}

/// The network that the settings train, and the pictures that an epoch has at least, whatever the folds.
fn network(config: &CheckedConfig) -> Result<(Graph, u64), Error> {
    let limited = |pictures: u64| match config.train.epoch_images {
        0 => pictures,
        limit => pictures.min(limit),
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
        return Err(Error::Mismatch(format!(
            "batch sizes are tried for a pack or composed pictures, and '{}' is no pack; make one with soup \
             pack first",
            config.data.path
        )));
    }
    let pack = Pack::open(path)?;
    let names = soup_data::Examples::label_names(&pack).to_vec();
    let data = TrainData {
        label_names: &names,
        packed: Some(&pack),
        composed: None,
        crowded: None,
        held_out: None,
        ids: &[],
        held_out_rows: &[],
        fingerprint: "",
    };
    // Of two folds, the fewest, one half is trained on.
    let least = soup_data::Examples::len(&pack) / 2;
    Ok((graph(config, &data)?, limited(least)))
}

fn try_size(
    config: &CheckedConfig,
    graph: &Graph,
    batch: usize,
    budget: u64,
    options: &Options,
    pool: &Pool,
) -> Result<BatchTrial, Error> {
    let evaluation = match config.train.evaluation_batch {
        0 => batch,
        own => own,
    };
    let (deployed, _) = rewrite::for_inference(graph, &Weights::zeros(graph))?;
    // Planned memory is only taken as it is first written.
    let planned = Training::new(graph, batch, options)
        .and_then(|training| Ok((training, Inference::new(&deployed, evaluation, options)?)));
    let (mut training, inference) = match planned {
        Ok(planned) => planned,
        Err(PlanError::Memory { shortage, .. }) => {
            return Ok(BatchTrial {
                batch,
                bytes: shortage.needs,
                images_per_second: None,
            });
        }
        Err(error) => {
            return Err(Error::Model {
                model: config.model.name.clone(),
                problem: error.to_string(),
            });
        }
    };
    let mut weights = Weights::initial(graph, config.train.seed);
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
    let slopes = vec![1e-3; batch * logits];
    let mut gradients = vec![0.0; graph.trainable_len()];
    let mut step = || {
        pool.zero(&mut gradients);
        training.forward(&weights, config.train.seed, 0);
        training.update_statistics(&mut weights);
        training.backward(&weights, &[&slopes], &mut gradients);
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
    let symmetry = super::symmetry(config, graph)?;
    let mut optimizer = state::optimizer(config, graph, symmetry.as_ref())?;
    let mut update = f64::INFINITY;
    for _ in 0..UPDATES {
        let one = Instant::now();
        engines::step(
            &mut optimizer,
            0.0,
            weights.trainable_mut(),
            &gradients,
            pool,
        );
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
        let (graph, pictures) = network(&config).unwrap();
        assert_eq!(pictures, config.data.composed);
        let options = Options::default();
        let pool = Pool::new(1);
        let size =
            |batch, budget| try_size(&config, &graph, batch, budget, &options, &pool).unwrap();
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
