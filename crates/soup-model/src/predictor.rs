//! Probabilities of images by trained models.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use soup_data::{ImageShape, Source, dataset::InChannels, ids::are_same_names};
use soup_devices::DeviceName;
use soup_graph::safetensors::Archive;

use soup_decide::views::{ViewLogits, Views};

use crate::{
    Error, Member, Model, Notes, bundled,
    file::{is_model, room_for_file},
    views::view_logits,
};

/// What training leaves in a fold's folder.
pub const WEIGHTS_FILE: &str = "model.safetensors";

/// Networks that answer together: the mean of their probabilities.
#[derive(Clone, Debug)]
pub struct Predictor {
    label_names: Vec<String>,
    networks: Vec<Network>,
    /// Of the one `model.soup` that was named, where nothing else was.
    answering: Answering,
}

/// How a `model.soup` makes answers; it belongs to the answers of that one file.
#[derive(Clone, Debug, Default)]
struct Answering {
    thresholds: Option<Vec<f32>>,
    views: Views,
    decision: Option<serde_json::Value>,
}

/// A network and the file that it lies in.
#[derive(Clone, Debug)]
struct Network {
    file: PathBuf,
    /// The images that it was made for, where the file says.
    image: Option<ImageShape>,
    /// As [`Source::max_value`] of these.
    max_value: Option<u16>,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// As training left it: built and read when its turn comes.
    Trained(Box<Notes>),
    /// As a `model.soup` holds it.
    Exported(Box<Member>),
}

impl Network {
    /// Ready for images of this shape.
    fn member(&self, image: ImageShape) -> Result<Cow<'_, Member>, Error> {
        match &self.form {
            Form::Trained(notes) => Member::trained(&self.file, notes, image).map(Cow::Owned),
            Form::Exported(member) => {
                let graph = member.graph_for(image)?;
                if graph == member.graph {
                    return Ok(Cow::Borrowed(member));
                }
                Ok(Cow::Owned(Member {
                    graph,
                    ..Member::clone(member)
                }))
            }
        }
    }
}

/// How a prediction is made.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictOptions {
    /// Where the networks run.
    pub device: DeviceName,
    /// Threads; 0 takes every core.
    pub threads: usize,
    /// Images in a batch.
    pub batch: usize,
    /// The views of each model.
    pub views: Views,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self {
            device: DeviceName::Auto,
            threads: 0,
            batch: 8,
            views: Views::plain(),
        }
    }
}

impl Predictor {
    /// Opens runs (their folds that are trained, or those of `folds`), model files, `model.soup`s and models that the
    /// program bundles ([`bundled`]), in any number.
    ///
    /// # Errors
    /// [`Error::Format`] where a path is none of them, [`Error::Mismatch`] where a fold that was
    /// asked for has no model or two networks have other labels.
    pub fn open(paths: &[PathBuf], folds: Option<&[usize]>) -> Result<Self, Error> {
        let mut all = Self {
            label_names: Vec::new(),
            networks: Vec::new(),
            answering: Answering::default(),
        };
        for path in paths {
            if !path.exists() {
                if let Some(bytes) = bundled::bytes(path) {
                    all.add(
                        path.clone(),
                        &Archive::carried(&path.display().to_string(), bytes),
                    )?;
                    continue;
                }
                return Err(Error::format(
                    path,
                    format!(
                        "there is no such run or model file; name a run that soup train wrote, a \
                         model.safetensors, a model.soup, or {}, which the program carries",
                        bundled::LETTERS
                    ),
                ));
            }
            let files = if path.is_dir() {
                of_run(path, folds)?
            } else {
                vec![path.clone()]
            };
            for file in files {
                room_for_file(&file)?;
                let archive = Archive::open(&file)?;
                all.add(file, &archive)?;
            }
        }
        match all.networks.is_empty() {
            true => Err(Error::Mismatch("no model was named".to_owned())),
            false => Ok(all),
        }
    }

    fn add(&mut self, file: PathBuf, archive: &Archive) -> Result<(), Error> {
        let metadata = archive.metadata()?;
        let (label_names, answering) = if is_model(&metadata) {
            let model = Model::of(&file, archive, &metadata)?;
            let networks = model.members.into_iter().map(|member| Network {
                file: file.clone(),
                image: Some(model.image),
                max_value: model.max_value,
                form: Form::Exported(Box::new(member)),
            });
            self.networks.extend(networks);
            let answering = Answering {
                thresholds: Some(model.thresholds),
                views: model.views,
                decision: model.decision,
            };
            (model.label_names, answering)
        } else {
            let notes = Notes::of(&file, &metadata)?;
            let label_names = notes.label_names.clone();
            self.networks.push(Network {
                file: file.clone(),
                image: notes.image,
                max_value: notes.max_value,
                form: Form::Trained(Box::new(notes)),
            });
            (label_names, Answering::default())
        };
        if self.label_names.is_empty() {
            (self.label_names, self.answering) = (label_names, answering);
        } else if !are_same_names(&self.label_names, &label_names) {
            return Err(Error::Mismatch(format!(
                "{} and {} have other labels and cannot answer together",
                self.networks[0].file.display(),
                file.display()
            )));
        } else {
            self.answering = Answering::default();
        }
        Ok(())
    }

    /// Names of the labels, in the order of the columns.
    pub fn label_names(&self) -> &[String] {
        &self.label_names
    }

    /// The views of the one `model.soup` that was opened; else the plain one.
    pub fn views(&self) -> &Views {
        &self.answering.views
    }

    /// What the one `model.soup` that was opened makes of probabilities, where it says.
    pub fn decision(&self) -> Option<&serde_json::Value> {
        self.answering.decision.as_ref()
    }

    /// The file of each network that answers.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.networks.iter().map(|network| network.file.as_path())
    }

    /// All networks as one model for images of this shape, or of the shape that they were trained
    /// on. Thresholds are those of the one `model.soup` that was opened, else 0.5.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where no shape is given and the files name none or several, and
    /// everything that reading the networks reports.
    pub fn model(&self, image: Option<ImageShape>) -> Result<Model, Error> {
        let image = match image {
            Some(image) => image,
            None => self.image()?,
        };
        let members = self.networks.iter();
        let members = members.map(|network| Ok(network.member(image)?.into_owned()));
        let Answering {
            thresholds,
            views,
            decision,
        } = self.answering.clone();
        Ok(Model {
            members: members.collect::<Result<_, Error>>()?,
            image,
            max_value: self.max_value()?,
            views,
            decision,
            thresholds: thresholds.unwrap_or_else(|| vec![0.5; self.label_names.len()]),
            label_names: self.label_names.clone(),
        })
    }

    /// The sample of images with 16 bits a channel that is to be 255, where the networks learned from
    /// images read so.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where they learned from images read differently.
    pub fn max_value(&self) -> Result<Option<u16>, Error> {
        let said = |most: Option<u16>| most.map_or("no".to_owned(), |most| most.to_string());
        let first = self.networks.first();
        let other =
            |network: &&Network| Some(network.max_value) != first.map(|first| first.max_value);
        match (first, self.networks.iter().find(other)) {
            (Some(first), Some(other)) => Err(Error::Mismatch(format!(
                "{} was trained on 16-bit images with {} largest value (--max-value), {} with {}; \
                 predict with each alone and join the answers with soup ensemble",
                first.file.display(),
                said(first.max_value),
                other.file.display(),
                said(other.max_value)
            ))),
            _ => Ok(first.and_then(|first| first.max_value)),
        }
    }

    /// The bytes of the one file of weights that was opened, under timm's names as training left
    /// them.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where there are several networks, or one whose weights were made for
    /// inference, [`Error::File`].
    pub fn trained_weights(&self) -> Result<Vec<u8>, Error> {
        match &self.networks[..] {
            [
                Network {
                    file,
                    form: Form::Trained(_),
                    ..
                },
            ] => std::fs::read(file).map_err(Error::file(file, "read")),
            [network] => Err(Error::Mismatch(format!(
                "{} holds weights made for inference, which no longer have timm's names; name the run \
                 that it came from",
                network.file.display()
            ))),
            networks => Err(Error::Mismatch(format!(
                "a safetensors file holds one network, and {} were named; choose one run and one fold",
                networks.len()
            ))),
        }
    }

    /// The one shape of images that all networks were made for.
    fn image(&self) -> Result<ImageShape, Error> {
        let mut found: Option<(&Network, ImageShape)> = None;
        for network in &self.networks {
            let file = network.file.display();
            match (network.image, found) {
                (None, _) => {
                    return Err(Error::Mismatch(format!(
                        "{file} does not say which images it was trained on; give their size (--image 256x256x1)"
                    )));
                }
                (Some(image), Some((first, other))) if image != other => {
                    return Err(Error::Mismatch(format!(
                        "{} was trained on images of {other}, {file} on {image}; give the size \
                         that all of them are to read (--image)",
                        first.file.display()
                    )));
                }
                (Some(image), _) => found = Some((network, image)),
            }
        }
        match found {
            Some((_, image)) => Ok(image),
            None => Err(Error::Mismatch("no model was named".to_owned())),
        }
    }

    /// Probabilities of the examples with these indices: a row an index, a column a label. Images in
    /// other channels than a network learned from are converted to those.
    ///
    /// `note` gets how many views are done, of how many; an image counts once a model and view.
    ///
    /// # Errors
    /// [`Error::Data`] where an image cannot be read, [`Error::Model`] where a network cannot read
    /// images of this size, [`Error::Stopped`] where `stop` was raised.
    pub fn predict(
        &self,
        examples: &dyn Source,
        indices: &[u64],
        options: &PredictOptions,
        note: &mut dyn FnMut(u64, u64),
        stop: &AtomicBool,
    ) -> Result<Vec<f32>, Error> {
        let views = &options.views;
        let per_network = (indices.len() * views.views().len()) as u64;
        let total = per_network * self.networks.len() as u64;
        let mut sums = vec![0.0f64; indices.len() * self.label_names().len()];
        for number in 0..self.networks.len() {
            let before = number as u64 * per_network;
            let seen = self.view_logits(
                number,
                examples,
                indices,
                options,
                &mut |done| note(before + done, total),
                stop,
            )?;
            for (sum, probability) in sums.iter_mut().zip(seen.merged_all(views)) {
                *sum += f64::from(probability);
            }
        }
        let count = self.networks.len() as f64;
        Ok(sums.iter().map(|sum| (sum / count) as f32).collect())
    }

    /// What one model, by its place among [`files`](Self::files), says in each view.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    ///
    /// # Panics
    /// For a place past the models.
    pub fn view_logits(
        &self,
        model: usize,
        examples: &dyn Source,
        indices: &[u64],
        options: &PredictOptions,
        note: &mut dyn FnMut(u64),
        stop: &AtomicBool,
    ) -> Result<ViewLogits, Error> {
        let network = &self.networks[model];
        let converted;
        let examples = match network.image {
            Some(learned) if learned.channels != examples.shape().channels => {
                converted = InChannels::new(examples, learned.channels);
                &converted
            }
            _ => examples,
        };
        let member = network.member(examples.shape())?;
        view_logits(
            &member,
            options.views.views(),
            (examples, indices),
            (
                options.batch.max(1),
                &options.device.with_threads(options.threads),
            ),
            note,
            stop,
        )
    }
}

/// The folds of a run that have weights, in order.
///
/// # Errors
/// As [`folds`].
pub fn trained_folds(run: &Path) -> Result<Vec<usize>, Error> {
    let mut folds = folds(run)?;
    folds.retain(|fold| weights_of(run, *fold).is_file());
    Ok(folds)
}

/// The folds of a run that have a folder, in order.
///
/// # Errors
/// [`Error::File`] where the run's folder cannot be listed.
pub fn folds(run: &Path) -> Result<Vec<usize>, Error> {
    let mut folds = Vec::new();
    for entry in std::fs::read_dir(run).map_err(Error::file(run, "list"))? {
        let name = entry.map_err(Error::file(run, "list"))?.file_name();
        let number: Option<usize> = name
            .to_str()
            .and_then(|name| name.strip_prefix("fold")?.parse().ok());
        folds.extend(number);
    }
    folds.sort_unstable();
    Ok(folds)
}

fn weights_of(run: &Path, fold: usize) -> PathBuf {
    run.join(format!("fold{fold}")).join(WEIGHTS_FILE)
}

fn of_run(path: &Path, folds: Option<&[usize]>) -> Result<Vec<PathBuf>, Error> {
    let trained = trained_folds(path)?;
    if trained.is_empty() {
        return Err(Error::format(
            path,
            "this folder holds no trained fold (no fold0/model.safetensors); name a run that soup \
             train wrote",
        ));
    }
    let wanted = folds.unwrap_or(&trained);
    match wanted.iter().find(|fold| !trained.contains(fold)) {
        Some(missing) => Err(Error::Mismatch(format!(
            "{}: fold {missing} has no model; trained are {trained:?}",
            path.display()
        ))),
        None => Ok(wanted.iter().map(|fold| weights_of(path, *fold)).collect()),
    }
}
