//! Where the images of a run come from.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use soup_compose::{ComposeConfig, ComposedSource, Composer, glyphs::GlyphPool};
use soup_data::{
    ImageShape, Source,
    dataset::{Dataset, Fit, LabelTable, Reading, cell_of},
    folds::{FoldKind, Folds},
    ids::are_same_names,
    mixture::{Dense, Mixture},
    pack::{Pack, PackOptions, write_pack},
    subset::{Subset, SubsetSource},
    transforms::Pipeline,
};

use super::{
    out_of_fold,
    state::{Cursor, LAST},
};
use crate::{Error, checkpoint, config::CheckedConfig, runs::RunDirectory};

/// The images of a run, by reference.
///
/// Either there are rows, which are trained on and held out in turn; or every image is composed, and `validation` is what
/// the one fold is validated by. The trainer itself knows [`Source`]s alone.
#[derive(Clone, Copy)]
pub struct TrainData<'a> {
    /// Names of the labels, in the order of every source.
    pub label_names: &'a [String],
    /// Images on disk, or wherever they are.
    pub rows: Option<&'a dyn Source>,
    /// An endless set of composed images to train on.
    pub composed: Option<&'a dyn Source>,
    /// The same with more in each image, for the first epochs.
    pub dense: Option<&'a dyn Source>,
    /// Composed images from glyphs that are never trained on; used where there are no rows.
    pub validation: Option<&'a dyn Source>,
    /// A name of each row or, without rows, of `validation`.
    pub ids: &'a [String],
    /// The rows that each fold holds out, sorted.
    pub held_out_rows: &'a [Vec<u64>],
    /// Identifies the data, e.g. the pack's hash.
    pub fingerprint: &'a str,
}

impl<'a> TrainData<'a> {
    /// What a fold is trained on.
    pub fn training(&self, config: &CheckedConfig, fold: usize) -> Box<dyn Source + 'a> {
        let data = &config.data;
        let rows = self.rows.map(|source| {
            let held_out = &self.held_out_rows[fold];
            let rows = (0..source.len()).filter(|row| held_out.binary_search(row).is_err());
            (source, rows.collect::<Vec<u64>>())
        });
        let count = rows.as_ref().map_or(0, |(_, rows)| rows.len());
        let composed = match data.only_composed() {
            true => data.composed,
            false => Mixture::composed_beside(count, data.compose_share),
        };
        let dense = self.dense.map(|source| Dense {
            source,
            share: data.dense_share,
            labels_teach: data.dense_labels,
        });
        Box::new(Mixture::new(
            self.label_names,
            rows,
            self.composed.map(|source| (source, composed)),
            dense,
            fold,
            config.train.epoch_images,
        ))
    }

    /// What the folds are validated on: its rows are those of `ids`.
    pub fn validation(&self) -> Result<&'a dyn Source, Error> {
        let source = self.rows.or(self.validation);
        source.ok_or_else(|| Error::mismatch("there is no source of images"))
    }

    /// The labels of a row of `ids`.
    pub(crate) fn targets_of(&self, row: u64) -> Result<Vec<f32>, Error> {
        let mut targets = vec![0.0; self.label_names.len()];
        self.validation()?.read_labels(row, &mut targets)?;
        Ok(targets)
    }

    /// The labels of all rows.
    pub(super) fn table(&self, stop: &AtomicBool) -> Result<LabelTable, Error> {
        let mut labels = Vec::with_capacity(self.ids.len() * self.label_names.len());
        for row in 0..self.ids.len() as u64 {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::STOPPED);
            }
            labels.extend(self.targets_of(row)?.into_iter().map(cell_of));
        }
        let (ids, names) = (self.ids.to_vec(), self.label_names.to_vec());
        Ok(LabelTable::new(ids, names, labels))
    }
}

/// The images that a configuration names, opened.
pub struct OwnedData {
    rows: Option<Box<dyn Source>>,
    composed: Option<ComposedSource>,
    dense: Option<ComposedSource>,
    validation: Option<ComposedSource>,
    label_names: Vec<String>,
    ids: Vec<String>,
    held_out_rows: Vec<Vec<u64>>,
    fingerprint: String,
}

/// The pack that a run makes of images that were given as a folder or zip.
pub(super) const PACKED: &str = "pictures.pack";
/// Share of the glyphs that composed held-out images are made of.
const HELD_OUT_GLYPHS: f64 = 0.2;
/// Keeps the layouts of held-out images apart from those of training images.
const HELD_OUT_SEED: u64 = 1 << 62;

impl OwnedData {
    /// Opens what the settings name: a pack; a folder or zip of images, which is packed into the
    /// run first; or composed images alone.
    ///
    /// # Errors
    /// Whatever is wrong with the data, and those of [`OwnedData::packed`].
    pub fn open(
        config: &CheckedConfig,
        run: &RunDirectory,
        stop: &AtomicBool,
    ) -> Result<Self, Error> {
        if config.data.only_composed() {
            return Self::composed(config);
        }
        if config.data.path.is_empty() {
            return Err(Error::mismatch(
                "there are no images to learn from: give --data (data.path), or \
                 data.compose_share=1 to compose all of them"
                    .to_owned(),
            ));
        }
        let given = Path::new(&config.data.path);
        let pack = match Pack::is_pack(given) {
            true => Pack::open(given)?,
            false => pack_into(config, run, given, stop)?,
        };
        let path = pack.path().to_owned();
        if config.boxes.is_on() && config.data.compose_share == 0.0 && !pack.has_boxes() {
            return Err(Error::mismatch(format!(
                "boxes.weight: {} does not say where labels are in its images, and none is composed; set it to 0, or \
                 give images with boxes",
                path.display()
            )));
        }
        let given = pack.given_folds();
        let (images, table, fingerprint) = images(config, pack)?;
        if let (Some(given), true) = (given, config.folds.takes_given()) {
            begin_with(config, run, &given, &table)?;
        } else if config.folds.kind == FoldKind::Given && !run.file("folds.json").exists() {
            return Err(Error::mismatch(format!(
                "folds.kind=given: {} did not come divided into images to train on and to validate by; take another kind",
                path.display()
            )));
        }
        if let Some(change) = out_of_fold::table_of(run)?.and_then(|old| old.difference(&table)) {
            return Err(changed(&path, &change));
        }
        Self::packed(config, run, images, &table, fingerprint)
    }

    /// The images that a run holds out, for verbs that only read it: nothing is written, no lock is
    /// waited for, and nothing is composed for training.
    ///
    /// # Errors
    /// Where the images or the folds of the run are not there any more, or belong to others.
    pub fn held_out(config: &CheckedConfig, run: &RunDirectory) -> Result<Self, Error> {
        if config.data.only_composed() {
            return Self::composed(config);
        }
        let pack = kept_pack(config, run)?;
        let path = pack.path().to_owned();
        let (packed, table, fingerprint) = images(config, pack)?;
        if let Some(change) = out_of_fold::table_of(run)?.and_then(|old| old.difference(&table)) {
            return Err(changed(&path, &change));
        }
        refuse_other(run, &fingerprint)?;
        let folds = Folds::load(&run.file("folds.json"), &table)?;
        Ok(Self {
            label_names: packed.label_names().to_vec(),
            rows: Some(packed),
            composed: None,
            dense: None,
            validation: None,
            ids: table.ids().to_vec(),
            held_out_rows: (0..folds.k()).map(|fold| folds.valid_rows(fold)).collect(),
            fingerprint,
        })
    }

    /// Composed images alone: one fold, validated on images of glyphs that are never trained on.
    ///
    /// # Errors
    /// Whatever is wrong with the glyphs or the composer's settings.
    pub fn composed(config: &CheckedConfig) -> Result<Self, Error> {
        let (composed, validation) = composers(config)?;
        let count = config.data.composed_valid;
        Ok(Self {
            rows: None,
            label_names: composed.label_names().to_vec(),
            ids: (0..count).map(|index| format!("{index:05}")).collect(),
            held_out_rows: vec![(0..count).collect()],
            fingerprint: format!("images composed of {} glyphs", config.data.glyphs),
            dense: dense(config, &composed)?,
            composed: Some(composed),
            validation: Some(validation),
        })
    }

    /// Images on disk with their table, in the folds of the run, and composed ones beside them as
    /// `data.compose_share` asks. `fingerprint` identifies these images.
    ///
    /// # Errors
    /// A fold file that does not belong to the table, labels that the composer does not have in
    /// the same order, and whatever is wrong with the composer's settings.
    pub fn packed(
        config: &CheckedConfig,
        run: &RunDirectory,
        packed: Box<dyn Source>,
        table: &LabelTable,
        fingerprint: String,
    ) -> Result<Self, Error> {
        let label_names = packed.label_names().to_vec();
        if label_names.is_empty() {
            return Err(Error::mismatch(format!(
                "{}: these images have no labels to learn",
                config.data.path
            )));
        }
        let folds = folds_of_run(config, run, table)?;
        let composed = if config.data.compose_share > 0.0 {
            let composed = composed(
                &config.compose,
                config.data.glyphs.open()?,
                config.train.seed,
                u64::MAX,
            )?;
            if !are_same_names(composed.label_names(), &label_names) {
                return Err(Error::mismatch(format!(
                    "the images have the labels {}, the glyphs {}: they cannot be mixed",
                    label_names.join(", "),
                    composed.label_names().join(", ")
                )));
            }
            Some(composed)
        } else {
            None
        };
        Ok(Self {
            rows: Some(packed),
            dense: match &composed {
                Some(composed) => dense(config, composed)?,
                None => None,
            },
            composed,
            validation: None,
            label_names,
            ids: table.ids().to_vec(),
            held_out_rows: (0..folds.k()).map(|fold| folds.valid_rows(fold)).collect(),
            fingerprint,
        })
    }

    /// The images by reference.
    pub fn borrow(&self) -> TrainData<'_> {
        fn dynamic(source: &ComposedSource) -> &dyn Source {
            source
        }
        TrainData {
            label_names: &self.label_names,
            rows: self.rows.as_deref(),
            composed: self.composed.as_ref().map(dynamic),
            dense: self.dense.as_ref().map(dynamic),
            validation: self.validation.as_ref().map(dynamic),
            ids: &self.ids,
            held_out_rows: &self.held_out_rows,
            fingerprint: &self.fingerprint,
        }
    }
}

/// The images that a run was trained on, for verbs that only read: those that it packed into its folder, wherever their
/// source is now, or the pack that its settings name.
pub(super) fn kept_pack(config: &CheckedConfig, run: &RunDirectory) -> Result<Pack, Error> {
    let (own, given) = (run.file(PACKED), Path::new(&config.data.path));
    if Pack::is_pack(&own) {
        return Ok(Pack::open(&own)?);
    }
    if Pack::is_pack(given) {
        return Ok(Pack::open(given)?);
    }
    Err(Error::format(
        given,
        format!(
            "the images that the run was trained on are not here any more; soup train --data PACK --out {} \
             says where they are now",
            run.root().display()
        ),
    ))
}

/// Those of a pack that the settings name, with their table and fingerprint.
pub(super) fn images(
    config: &CheckedConfig,
    pack: Pack,
) -> Result<(Box<dyn Source>, LabelTable, String), Error> {
    let (table, hash) = (pack.table().clone(), pack.hash().to_owned());
    let Some(path) = &config.data.subset else {
        return Ok((Box::new(pack), table, hash));
    };
    let subset = Subset::load(Path::new(path), &table)?;
    Ok((
        Box::new(SubsetSource::new(Box::new(pack), &subset)),
        subset.of_table(&table),
        format!("{hash}, {}", subset.fingerprint()),
    ))
}

/// Refuses images that are not those that folds of the run were trained on.
pub(super) fn refuse_other(run: &RunDirectory, fingerprint: &str) -> Result<(), Error> {
    for fold in run.folds()? {
        let path = run.fold(fold).file(LAST);
        // A damaged one is reported where it is needed.
        let cursor = checkpoint::read_state::<Cursor>(&path).ok().flatten();
        if let Some(cursor) = cursor.filter(|cursor| cursor.data != fingerprint) {
            return Err(other_data(&path, &cursor.data, fingerprint));
        }
    }
    Ok(())
}

/// The error for a checkpoint of other data.
pub(super) fn other_data(path: &Path, then: &str, now: &str) -> Error {
    Error::mismatch(format!(
        "{} was trained on other data ({then}) than these ({now}); take the old data to go on with it, or another \
         --out to begin a new run",
        path.display()
    ))
}

/// The error for images that are no longer what the run was begun with.
fn changed(path: &Path, how: &str) -> Error {
    Error::format(
        path,
        format!(
            "changed since the run was begun:\n  {how}\nput the old ones back to go on, or begin a new run with another \
             --out"
        ),
    )
}

/// How many folds a run has or will have, before its data are opened.
pub(super) fn fold_count(config: &CheckedConfig, run: &RunDirectory) -> Result<usize, Error> {
    let (own, given) = (run.file("folds.json"), &config.folds.file);
    let k = if config.data.only_composed() {
        1
    } else if own.exists() {
        Folds::read(&own)?.k()
    } else if !given.is_empty() {
        Folds::read(Path::new(given))?.k()
    } else if config.folds.takes_given() && comes_divided(config)? {
        1
    } else {
        config.folds.k
    };
    Ok(k as usize)
}

/// Whether the images came divided into those to train on and those to validate by.
fn comes_divided(config: &CheckedConfig) -> Result<bool, Error> {
    let path = Path::new(&config.data.path);
    if config.data.path.is_empty() || !path.exists() {
        return Ok(false);
    }
    if Pack::is_pack(path) {
        return Ok(Pack::open(path)?.given_folds().is_some());
    }
    Ok(open(config, path)?.parts().is_some())
}

/// The images of a folder or zip, with their labels as the settings say.
fn open(config: &CheckedConfig, path: &Path) -> Result<Dataset, Error> {
    let columns = config.data.columns();
    Ok(match &config.data.labels {
        Some(labels) => Dataset::from_parts(path, Some(Path::new(labels)), &columns)?,
        None => Dataset::open(path, &columns)?,
    })
}

/// Gives a run that has no folds yet those with which its data came.
fn begin_with(
    config: &CheckedConfig,
    run: &RunDirectory,
    given: &Path,
    table: &LabelTable,
) -> Result<(), Error> {
    let _lock = run.lock()?;
    let path = run.file("folds.json");
    if path.exists() {
        return Ok(());
    }
    let folds = match &config.data.subset {
        Some(subset) => {
            Folds::read(given)?.of_subset(given, &Subset::read(Path::new(subset))?, table)?
        }
        None => Folds::load(given, table)?,
    };
    Ok(folds.save(&path)?)
}

/// The images of a folder or zip as a pack in the run's folder. One process at a time makes it; it
/// goes on where a killed one stopped, and where the pack is whole the others only open it.
fn pack_into(
    config: &CheckedConfig,
    run: &RunDirectory,
    path: &Path,
    stop: &AtomicBool,
) -> Result<Pack, Error> {
    let out = run.file(PACKED);
    if !path.exists() && Pack::is_pack(&out) {
        return Ok(Pack::open(&out)?);
    }
    let dataset = open(config, path)?;
    let _lock = run.lock()?;
    if Pack::is_pack(&out) {
        let known = Pack::open(&out)?;
        if let Some(change) = known.table().difference(dataset.table()) {
            return Err(changed(path, &change));
        }
    }
    let options = PackOptions {
        reading: Reading {
            max_value: config.data.max_value,
            fit: config.data.fit,
            ..Reading::default()
        },
        otherwise: Some(fit_with_room(&config.transforms)),
        stop: Some(stop),
        ..PackOptions::default()
    };
    match write_pack(&dataset, &out, &options) {
        Ok(_) => Ok(Pack::open(&out)?),
        Err(soup_data::Error::Interrupted) => Err(Error::Interrupted { checkpoint: out }),
        Err(error) => Err(match changes(&error) {
            Some(changes) => changed(path, &changes),
            None => error.into(),
        }),
    }
}

/// The size for images of several sizes: that of the transforms' result with room for random crops, an eighth of it as
/// where ImageNet's 224 pixels are cut from 256. Transforms that take any size get the usual one.
fn fit_with_room(transforms: &Pipeline) -> Fit {
    let usual = |side| ImageShape {
        channels: 3,
        height: side,
        width: side,
    };
    let of = |side| transforms.output_shape(usual(side)).ok();
    let sides = match (of(Fit::DEFAULT.height), of(2 * Fit::DEFAULT.height)) {
        // A result of a size of its own, whatever comes in.
        (Some(first), Some(second)) if first == second => [first.height, first.width],
        _ => return Fit::DEFAULT,
    };
    let [height, width] = sides.map(|side| (side * 8).div_ceil(7).next_multiple_of(8));
    Fit {
        height,
        width,
        ..Fit::DEFAULT
    }
}

/// What an error says of images that are not those that were packed, where it says nothing else.
fn changes(error: &soup_data::Error) -> Option<String> {
    match error {
        soup_data::Error::OtherData { problem, .. } => Some(problem.clone()),
        soup_data::Error::Several(all) => {
            let mut lines: Vec<String> = all.shown().iter().map(changes).collect::<Option<_>>()?;
            if all.count() > lines.len() {
                lines.push(format!("and {} more", all.count() - lines.len()));
            }
            Some(lines.join("\n  "))
        }
        _ => None,
    }
}

/// The folds that the run has, or from now on has: those of `folds.file`, or new ones.
fn folds_of_run(
    config: &CheckedConfig,
    run: &RunDirectory,
    table: &LabelTable,
) -> Result<Folds, Error> {
    let _lock = run.lock()?;
    let path = run.file("folds.json");
    let settings = &config.folds;
    let given = if settings.file.is_empty() {
        None
    } else {
        Some(given_folds(config, table)?)
    };
    if path.exists() {
        let folds = Folds::load(&path, table)?;
        return match given {
            Some(given) if given != folds => Err(Error::mismatch(format!(
                "{} holds other folds than {}; take the run's own to go on with it, or another \
                 --out to begin a new run",
                path.display(),
                settings.file
            ))),
            _ => Ok(folds),
        };
    }
    let folds = match given {
        Some(given) => given,
        None => Folds::make(settings.kind, settings.k, settings.seed, table, None)?,
    };
    folds.save(&path)?;
    Ok(folds)
}

/// The folds of `folds.file`. Where a subset is trained on, those of the whole data fit too.
fn given_folds(config: &CheckedConfig, table: &LabelTable) -> Result<Folds, Error> {
    let path = Path::new(&config.folds.file);
    if let Some(subset) = &config.data.subset {
        let (folds, subset) = (Folds::read(path)?, Subset::read(Path::new(subset))?);
        if folds.data_hash() == subset.data_hash() {
            return Ok(folds.of_subset(path, &subset, table)?);
        }
    }
    Ok(Folds::load(path, table)?)
}

/// Composed images to train on and to hold out: from glyphs of their own and with seeds of their
/// own.
fn composers(config: &CheckedConfig) -> Result<(ComposedSource, ComposedSource), Error> {
    let data = &config.data;
    let (training, held_out) = match &data.held_out_glyphs {
        Some(held_out) => (data.glyphs.open()?, held_out.open()?),
        None => {
            let shares = [1.0 - HELD_OUT_GLYPHS, HELD_OUT_GLYPHS];
            let mut pools = data.glyphs.open()?.split(&shares, 0)?.into_iter();
            match (pools.next(), pools.next()) {
                (Some(training), Some(held_out)) => (training, held_out),
                _ => return Err(Error::mismatch("the glyphs cannot be split".to_owned())),
            }
        }
    };
    let seed = config.train.seed;
    let settings = &config.compose;
    Ok((
        composed(settings, training, seed, u64::MAX)?,
        composed(
            &settings.undeformed(),
            held_out,
            seed ^ HELD_OUT_SEED,
            data.composed_valid,
        )?,
    ))
}

/// The training images with more letters in each, where the settings want any.
fn dense(
    config: &CheckedConfig,
    composed: &ComposedSource,
) -> Result<Option<ComposedSource>, Error> {
    if config.data.dense_share == 0.0 {
        return Ok(None);
    }
    let settings = ComposeConfig {
        letters: config.data.dense_letters,
        repeat: true,
        ..config.compose.clone()
    };
    let composer = Composer::new(settings, composed.composer.pool().clone())?;
    Ok(Some(ComposedSource {
        composer: Arc::new(composer),
        ..composed.clone()
    }))
}

fn composed(
    settings: &ComposeConfig,
    pool: GlyphPool,
    seed: u64,
    count: u64,
) -> Result<ComposedSource, Error> {
    Ok(ComposedSource {
        composer: Arc::new(Composer::new(settings.clone(), pool)?),
        seed,
        count,
    })
}
