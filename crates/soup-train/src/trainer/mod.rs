//! Training: from settings and images to a run directory with the weights of every fold.
//!
//! [`train`] is the whole of it. A run is a function of its settings and its data: order,
//! augmentation and dropout are drawn from (seed, epoch, image), so a process that was killed at
//! any moment is followed by one that ends with the same bytes. With a time budget it is a function
//! of its plans too, which the clock makes; they are on disk before they are followed.

mod batch_size;
mod clock;
mod divergence;
mod engines;
mod epoch_end;
mod fold;
mod out_of_fold;
mod pace;
mod plan;
mod rates;
mod sources;
mod standing;
mod state;
mod work;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

pub use batch_size::{BatchSearch, BatchTrial, search as search_batch_size};
use clock::Clock;
pub use divergence::Divergence;
use fold::Fold;
pub use fold::FoldSummary;
pub use out_of_fold::OutOfFold;
pub(crate) use out_of_fold::{VIEWS_FILE, WITH_VIEWS, write_named};
pub use plan::CutShort;
use soup_decide::metrics::Evaluation;
use soup_engine::memory;
use soup_graph::{Graph, Symmetry, pretrained};
use soup_zoo::heads::label_map;
pub use sources::{OwnedData, TrainData};
pub use standing::Standing;
pub use state::{Best, Kept, KeptKind};

use crate::{
    Error, checkpoint,
    config::{CheckedConfig, ConfigError},
    progress::{Event, Progress},
    runs::RunDirectory,
};

/// What is to be trained.
#[derive(Debug)]
pub struct TrainRequest<'a> {
    /// The settings.
    pub config: CheckedConfig,
    /// The run's folder; a run that is there is gone on with.
    pub run: &'a Path,
    /// A network of the caller's own in place of the one that the settings name.
    pub network: Option<Graph>,
    /// Folds to train, counted from 0, an empty list for all of them; none trains those of `train.folds`.
    pub folds: Option<Vec<usize>>,
    /// A run by time whose plans are followed where the run has none of its own: it ends with the same bytes.
    pub plans_of: Option<PathBuf>,
}

/// How a training ended.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainSummary {
    /// The folds that were asked for, in order.
    pub folds: Vec<FoldSummary>,
    /// How good the out-of-fold probabilities of the best weights are, over all folds of the run
    /// that have any.
    pub out_of_fold: Evaluation,
    /// Images of `out_of_fold`.
    pub out_of_fold_images: usize,
    /// Folds that the run has.
    pub fold_count: usize,
    /// Folds of the run that are trained to their end, by whichever command.
    pub folds_trained: usize,
}

/// Trains the folds that were asked for, one after the other, or goes on where an earlier process
/// was ended. Opens the data that the settings name. Where one of several folds diverges, the others are trained
/// all the same, and [`Error::SomeDiverged`] says which did.
///
/// `stop` ends the training after the step at hand: a checkpoint is written and
/// [`Error::Interrupted`] is given.
///
/// # Errors
/// Anything that [`Error`] names; what was trained before is on disk.
pub fn train(
    request: &TrainRequest<'_>,
    progress: &mut dyn Progress,
    stop: &AtomicBool,
) -> Result<TrainSummary, Error> {
    let run = RunDirectory::at(request.run);
    // Nothing is written for a wish that cannot be.
    let fold_count = sources::fold_count(&request.config, &run)?;
    wanted(request, fold_count)?;
    let weights = &request.config.model.weights;
    if !weights.is_empty() && !run.file("config.toml").exists() {
        soup_model::room_for_file(Path::new(weights))?;
        pretrained::check(Path::new(weights))?;
    }
    run.begin(&request.config)?;
    let owned = OwnedData::open(&request.config, &run, stop)?;
    let given = &request.config.data.path;
    if !request.config.data.only_composed() && !Path::new(given).exists() {
        let pack = &run.file(sources::PACKED);
        progress.event(&Event::OwnImages { given, pack });
    }
    train_on(request, &owned.borrow(), progress, stop)
}

/// As [`train`], on data that the caller has.
///
/// # Errors
/// As [`train`].
pub fn train_on(
    request: &TrainRequest<'_>,
    data: &TrainData<'_>,
    progress: &mut dyn Progress,
    stop: &AtomicBool,
) -> Result<TrainSummary, Error> {
    let config = &request.config;
    let run = RunDirectory::at(request.run);
    run.begin(config)?;
    config
        .loss
        .check_labels(data.label_names.len())
        .map_err(ConfigError::from)?;
    let graph = match &request.network {
        Some(graph) => graph.clone(),
        None => graph(config, data)?,
    };
    let symmetry = symmetry(config, &graph)?;
    let device = config.train.device.with_threads(config.train.threads);
    let clock = Clock::start();
    let plans_of = request.plans_of.as_deref().map(RunDirectory::at);
    sources::refuse_other(&run, data.fingerprint)?;
    heal_metrics(&run)?;
    let table = data.table(stop)?;
    let (mut folds, mut diverged) = (Vec::new(), Vec::new());
    let wanted = wanted(request, data.held_out_rows.len())?;
    for &fold in &wanted {
        let work = Fold {
            config,
            data,
            run: &run,
            plans_of: plans_of.as_ref(),
            graph: &graph,
            symmetry: symmetry.as_ref(),
            device: &device,
            clock: &clock,
            stop,
            fold,
        };
        match work.train(progress) {
            Ok(summary) => folds.push(summary),
            // The other folds know nothing of it.
            Err(Error::Diverged(found)) if wanted.len() > 1 => {
                progress.event(&Event::FoldDiverged(&found));
                diverged.push(*found);
                continue;
            }
            Err(error) => return Err(error),
        }
        out_of_fold::assemble(&run, data, &table)?;
    }
    if !diverged.is_empty() {
        return Err(Error::SomeDiverged {
            diverged,
            trained: folds.iter().map(|summary| summary.fold).collect(),
        });
    }
    let (out_of_fold, out_of_fold_images) = out_of_fold::evaluate(&run, data, &table)?;
    Ok(TrainSummary {
        folds,
        out_of_fold,
        out_of_fold_images,
        fold_count: data.held_out_rows.len(),
        folds_trained: trained(config, &run)?,
    })
}

/// Makes figures that something damaged anew from the checkpoint that knows them too: whatever fold is trained, those of
/// all are brought together.
fn heal_metrics(run: &RunDirectory) -> Result<(), Error> {
    for fold in run.folds()? {
        let directory = run.fold(fold);
        let Err(damaged @ Error::Base(soup_model::Error::Format { .. })) = directory.metrics()
        else {
            continue;
        };
        let _lock = directory.take()?;
        let Some(cursor) = checkpoint::read_state::<state::Cursor>(&directory.file(state::LAST))?
        else {
            return Err(damaged);
        };
        directory.write_metrics(&cursor.history)?;
    }
    Ok(())
}

/// Folds of a run that are trained to their end.
fn trained(config: &CheckedConfig, run: &RunDirectory) -> Result<usize, Error> {
    let mut count = 0;
    for fold in run.folds()? {
        // One that another process begins just now may be half there; it is not at its end.
        count += usize::from(Standing::read(config, &run.fold(fold)).is_ok_and(|at| at.is_done()));
    }
    Ok(count)
}

/// The network for the images as the transforms give them.
fn graph(config: &CheckedConfig, data: &TrainData<'_>) -> Result<Graph, Error> {
    let mut found = None;
    for source in [data.rows, data.composed, data.validation]
        .into_iter()
        .flatten()
    {
        let shape = config
            .transforms
            .output_shape(source.shape())
            .map_err(soup_data::Error::from)?;
        match found {
            Some(other) if other != shape => {
                return Err(Error::mismatch(format!(
                    "packed and composed images must be alike after the transforms, but they are \
                     {other} and {shape}; add a resize to [[transforms]]"
                )));
            }
            _ => found = Some(shape),
        }
    }
    let shape = found.ok_or_else(|| Error::mismatch("there is no source of images"))?;
    let mut graph = config
        .model
        .build(shape, data.label_names.len())
        .map_err(|error| Error::network(&config.model.name, error))?;
    // Weights, their gradients, two moments of the optimiser and an average.
    memory::room_for_weights(&graph, 5).map_err(|shortage| {
        let problem = format!("training it {shortage}; take a smaller network or fewer labels");
        Error::network(&config.model.name, problem)
    })?;
    if config.boxes.is_on() {
        label_map::set_prior(&mut graph, config.boxes.prior);
    }
    Ok(graph)
}

fn symmetry(config: &CheckedConfig, graph: &Graph) -> Result<Option<Symmetry>, Error> {
    match config.model.symmetry {
        soup_model::Symmetry::None => Ok(None),
        soup_model::Symmetry::P4 => Symmetry::quarter_turns(graph).map(Some).map_err(|error| {
            let problem = format!("{error}; set model.symmetry=none");
            Error::network(&config.model.name, problem)
        }),
    }
}

fn wanted(request: &TrainRequest<'_>, count: usize) -> Result<Vec<usize>, Error> {
    let settings = &request.config.train.folds;
    let asked = request.folds.as_deref().unwrap_or(settings);
    if asked.is_empty() {
        return Ok((0..count).collect());
    }
    if let Some(missing) = asked.iter().find(|fold| **fold >= count) {
        return Err(Error::mismatch(format!(
            "there is no fold {missing}; the folds are 0 to {}",
            count.saturating_sub(1)
        )));
    }
    let mut folds = asked.to_vec();
    folds.sort_unstable();
    folds.dedup();
    Ok(folds)
}
