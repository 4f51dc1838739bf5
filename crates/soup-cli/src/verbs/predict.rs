//! `soup predict`: probabilities of images.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Instant,
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_data::dataset::{Dataset, LeftOut};
use soup_decide::{
    Decision, Predictions,
    views::{Merge, Views},
};
use soup_devices::DeviceName;
use soup_model::{PredictOptions, Predictor};

use super::Folds;
use crate::{
    console::{Console, Report},
    deciding::ViewsArgument,
    images::{Images, say_what_was_found},
    interrupt,
    output::{self, Output},
    progress::Bar,
};

/// Predict the probability of every label for every image
///
/// Several runs, folds and model files answer together: the mean of their probabilities. The result
/// has a row an image in the order of the folder, zip or pack; tables that lie there are not read.
/// Images of another size than the networks were trained on keep it, unless the transforms resize them.
/// Other channels are converted (alpha is dropped), and images are rotated as EXIF says.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup predict letters --images images/
  soup predict runs/first --images test/ --out probs.csv
  soup predict runs/first runs/second --fold 0,1 --images test.zip --out probs.npy
  soup predict model.soup --images pack/ --out probs.csv
  soup predict runs/first --images test/ --out probs.csv --tta rotations
  soup predict runs/first --images test/ --out probs.csv --tta plain,hflip,scale:1.25 --merge max
  soup predict runs/first --images test/ --out probs.csv --decision runs/first/decision.json

letters is a model that the program carries: the 26 letters under noise.

The probabilities are the networks' own, and soup submit --decision calibrates and decides; but a model.soup that was
exported with a decision answers with decided probabilities (--tta plain gives the networks' own).

Next: soup submit probs.csv --sample sample_submission.csv --out submission.csv")]
pub struct Arguments {
    /// Runs (all of their trained folds) and model files
    #[arg(required = true, value_name = "RUN_OR_MODEL")]
    models: Vec<PathBuf>,

    /// The images: a folder, a zip file, a NumPy array or a pack
    #[arg(long, value_name = "DIR_OR_ZIP_OR_NPY_OR_PACK")]
    images: PathBuf,

    /// The probabilities: .csv, .csv.gz, or .npy with NAME.ids.json beside it;
    /// - is CSV on stdout [default: the same]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Folds of the runs that answer: all, or numbers from 0 such as 0,2
    #[arg(long, value_name = "FOLDS", default_value = "all")]
    fold: Folds,

    /// Views of each image (test-time augmentation): rotations, flips, dihedral, or views such as
    /// plain,rot90,hflip,scale:1.25,crop:0.9; or the tta.json that soup tta wrote
    #[arg(long, value_name = "VIEWS_OR_FILE")]
    tta: Option<ViewsArgument>,

    /// How the predictions of the views become one [default: the file's, else mean]
    #[arg(long, value_enum, requires = "tta")]
    merge: Option<Merge>,

    /// The views of this decision of soup decide
    #[arg(long, value_name = "FILE", conflicts_with = "tta")]
    decision: Option<PathBuf>,

    /// Images in a batch
    #[arg(long, value_name = "N", default_value_t = PredictOptions::default().batch)]
    batch: usize,

    /// Where the networks run: auto, cpu or reference
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceName::Auto)]
    device: DeviceName,

    /// Threads; 0 takes every core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,

    /// Fails where files were left out that may be images
    #[arg(long)]
    strict: bool,

    /// Leaves out images that cannot be decoded, and says which; else they are an error
    #[arg(long, conflicts_with = "strict")]
    skip_damaged: bool,
}

#[derive(Serialize)]
struct Facts<'a> {
    models: Vec<PathBuf>,
    #[serde(rename = "pictures")]
    images: usize,
    labels: usize,
    label_names: &'a [String],
    /// What lay beside the images and was not taken.
    left_out: Option<&'a LeftOut>,
    /// Views of an image, predicted by each model.
    views: &'a Views,
    /// Whether the probabilities are those of the decision in the model.
    decided: bool,
    seconds: f64,
    images_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<&'a Path>,
    /// Where they are not written to a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    probabilities: Option<Vec<Row<'a>>>,
}

/// What the models say of one image.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    /// In the order of `label_names`.
    probabilities: &'a [f32],
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let out = arguments.out.as_deref();
    let file = Output::new(out.unwrap_or(Path::new("-")), "--out", &output::PREDICTIONS)?;
    let predictor = Predictor::open(&arguments.models, arguments.fold.0.as_deref())?;
    let stop = interrupt::watch()?;
    let mut images = Images::without_labels(&arguments.images)?;
    if arguments.skip_damaged {
        images = images.without_damaged(predictor.reading()?, &stop)?;
    }
    if let Some(folder) = images.folder() {
        say_what_was_found(folder, arguments.strict, console)?;
    }
    // Without other views, a model that carries a decision uses those that it was fitted on.
    let decided = arguments.decision.is_none() && arguments.tta.is_none();
    let decision = match predictor.decision().filter(|_| decided) {
        Some(decision) => Some(Decision::from_json(decision.clone(), &arguments.models[0])?),
        None => None,
    };
    let options = PredictOptions {
        device: arguments.device,
        threads: arguments.threads,
        batch: arguments.batch,
        views: match &decision {
            Some(_) => predictor.views().clone(),
            None => arguments.views()?,
        },
    };
    let started = Instant::now();
    let source = out.unwrap_or(Path::new("stdout"));
    let mut predictions = predict(&predictor, &images, &options, source, console, &stop)?;
    if let Some(decision) = &decision {
        predictions = decision.answer(&predictions, None)?.probabilities;
    }
    if out.is_some() {
        file.write_predictions(&predictions)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let facts = Facts {
        models: predictor.files().map(Path::to_path_buf).collect(),
        images: predictions.len(),
        labels: predictions.labels().len(),
        label_names: predictions.labels(),
        left_out: images.folder().map(Dataset::left_out),
        views: &options.views,
        decided: decision.is_some(),
        seconds,
        images_per_second: predictions.len() as f64 / seconds,
        out,
        probabilities: out.is_none().then(|| {
            let rows = predictions.ids().iter().enumerate();
            rows.map(|(row, id)| Row {
                id,
                probabilities: predictions.row(row),
            })
            .collect()
        }),
    };
    let Some(out) = out else {
        return Report::new(facts, predictions.to_csv().trim_end().to_owned());
    };
    let of_views = match options.views.views().len() {
        1 => String::new(),
        views => format!(", {views} views of each,"),
    };
    let text = format!(
        "{} images x {} labels by {} models{of_views} in {}",
        facts.images,
        facts.labels,
        facts.models.len(),
        out.display()
    );
    file.report(facts, text)
}

impl Arguments {
    fn views(&self) -> Result<Views> {
        if let Some(path) = &self.decision {
            return Ok(Decision::read(path)?.views().cloned().unwrap_or_default());
        }
        let views = self.tta.as_ref().map(ViewsArgument::open).transpose()?;
        let views = views.unwrap_or_default();
        Ok(match self.merge {
            Some(merge) => views.merged_by(merge),
            None => views,
        })
    }
}

/// Predicts all images; `source` is the name of the table in messages.
pub fn predict(
    predictor: &Predictor,
    images: &Images,
    options: &PredictOptions,
    source: &Path,
    console: Console,
    stop: &AtomicBool,
) -> Result<Predictions> {
    let views = options.views.views().len();
    let count = images.ids().len();
    let total = (count * predictor.files().count() * views) as u64;
    let unit = if views == 1 { "images" } else { "views" };
    let bar = Bar::new(console, "predicting", total, unit);
    let labels = predictor.label_names().to_vec();
    let mut values = vec![0.0; count * labels.len()];
    let mut before = 0;
    let predicted = images.by_shape(predictor.reading()?, stop, |examples, indices| {
        let mut note = |done, _| bar.set(before + done);
        let found = predictor.predict(examples, indices, options, &mut note, stop)?;
        before += (indices.len() * predictor.files().count() * views) as u64;
        for (&index, row) in indices.iter().zip(found.chunks_exact(labels.len())) {
            let at = index as usize * labels.len();
            values[at..at + labels.len()].copy_from_slice(row);
        }
        Ok::<_, soup_train::Error>(())
    });
    bar.finish();
    if let Some(warning) = predicted? {
        console.warn(&warning);
    }
    Ok(Predictions::new(
        source,
        images.ids().to_vec(),
        labels,
        values,
    )?)
}
