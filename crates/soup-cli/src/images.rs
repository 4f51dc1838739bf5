//! Images to be answered for, with their ids and labels.

use std::{collections::BTreeMap, path::Path, sync::atomic::AtomicBool};

use soup_compose::glyphs::GlyphSpec;
use soup_data::{
    Error, ImageShape, Source,
    dataset::{Columns, Dataset, Fit, FitMode, LabelTable, Reading, SampleRange},
    pack::Pack,
    problems::Problems,
};

use crate::console::Console;

/// An error that may come from an image.
pub trait Faulty: Sized {
    /// What is wrong with the data, or the error as it is.
    fn fault(self) -> Result<Error, Self>;
}

impl Faulty for soup_model::Error {
    fn fault(self) -> Result<Error, Self> {
        match self {
            Self::Data(fault) => Ok(fault),
            other => Err(other),
        }
    }
}

impl Faulty for soup_train::Error {
    fn fault(self) -> Result<Error, Self> {
        match self {
            Self::Base(error) => error.fault().map_err(Self::Base),
            other => Err(other),
        }
    }
}

/// Where an image is at fault: all that are, so that one round of repair is enough.
pub fn all_faults(dataset: &Dataset, reading: Reading, fault: Error, stop: &AtomicBool) -> Error {
    if !fault.is_bad_data() {
        return fault;
    }
    let mut problems = Problems::default();
    match dataset.faults(reading, stop) {
        Ok(faults) => problems.extend(faults.into_iter().map(|(_, fault)| fault)),
        Err(error) => return error,
    }
    // The fault was of another kind, or is gone.
    problems.check().err().unwrap_or(fault)
}

/// Says how a table was read and what was left out; an error where that may be images and `strict`
/// was asked for.
pub fn say_what_was_found(
    dataset: &Dataset,
    is_strict: bool,
    console: Console,
) -> Result<(), Error> {
    for note in dataset.notes() {
        console.note(note);
    }
    let left = dataset.left_out();
    if is_strict {
        let hint = "convert, unpack, move or remove them, or do without --strict";
        if let Some(error) = left.problem(dataset.images_path(), dataset.len(), hint) {
            return Err(error);
        }
    }
    if !left.is_empty() {
        console.warn(&left.sentence(dataset.len()));
    }
    Ok(())
}

/// What a person should know of images of several sizes that were brought to one; `choose` is how they choose another.
pub fn several_sizes(fit: Fit, choose: &str) -> String {
    let (height, width) = (fit.height, fit.width);
    let how = match fit.mode {
        FitMode::Squash => "whatever their aspect",
        FitMode::Crop => "by what is in their middle",
        FitMode::Pad => "with black beside them",
    };
    format!("the images have several sizes; all become {width}x{height}, {how} ({choose})")
}

/// Says what folders of glyphs hold beside glyphs; an error where that may be images and `strict` was asked for.
pub fn say_what_glyphs_leave_out(
    glyphs: &GlyphSpec,
    is_strict: bool,
    console: Console,
) -> Result<(), Error> {
    for (path, found, left) in glyphs.left_out()? {
        if is_strict {
            let hint = "convert, unpack, move them into a label's folder or remove them, or do without --strict";
            if let Some(error) = left.problem(&path, found, hint) {
                return Err(error);
            }
        }
        console.warn(&format!(
            "glyphs in {}: {}",
            path.display(),
            left.sentence(found)
        ));
    }
    Ok(())
}

/// Images, the id of each, and the labels where there are any.
pub enum Images {
    /// All of one shape.
    Pack(Pack),
    /// Each as it is stored.
    Folder(Dataset),
}

impl Images {
    /// The images of a pack, a folder or a zip file, with the labels of the table beside them.
    pub fn open(path: &Path) -> soup_data::Result<Self> {
        if Pack::is_pack(path) {
            return Ok(Self::Pack(Pack::open(path)?));
        }
        Ok(Self::Folder(Dataset::open(path, &Columns::default())?))
    }

    /// The images of a pack, a folder or a zip file, whatever tables lie beside them.
    pub fn without_labels(path: &Path) -> soup_data::Result<Self> {
        if Pack::is_pack(path) {
            return Ok(Self::Pack(Pack::open(path)?));
        }
        Ok(Self::Folder(Dataset::open_images(path)?))
    }

    /// Without the images of a folder or zip that cannot be decoded.
    pub fn without_damaged(self, reading: Reading, stop: &AtomicBool) -> soup_data::Result<Self> {
        match self {
            Self::Pack(pack) => Ok(Self::Pack(pack)),
            Self::Folder(dataset) => Ok(Self::Folder(dataset.without_damaged(reading, stop)?)),
        }
    }

    /// The folder or archive, where it is none of our packs.
    pub fn folder(&self) -> Option<&Dataset> {
        match self {
            Self::Pack(_) => None,
            Self::Folder(dataset) => Some(dataset),
        }
    }

    /// Calls `work` with the images of each shape, and the places that these have among all. Gives what
    /// a person should know of images with 16 bits a channel.
    ///
    /// # Errors
    /// All images that cannot be read, and those of `work`.
    pub fn by_shape<E: From<Error> + Faulty>(
        &self,
        reading: Reading,
        stop: &AtomicBool,
        mut work: impl FnMut(&dyn Source, &[u64]) -> Result<(), E>,
    ) -> Result<Option<String>, E> {
        let dataset = match self {
            Self::Pack(pack) => {
                work(pack, &(0..pack.len() as u64).collect::<Vec<u64>>())?;
                let own = pack.reading();
                let is_fitted = match (own.fit, reading.fit) {
                    (None, Some(wanted)) => wanted.of_shape(pack.shape()) == pack.shape(),
                    (own, wanted) => own == wanted,
                };
                if !is_fitted {
                    let said =
                        |fit: Option<Fit>| fit.map_or("none".to_owned(), |fit| fit.to_string());
                    return Ok(Some(format!(
                        "the pack brought its images to one size otherwise ({}) than those that the model learned from \
                         ({}); predict from the images themselves",
                        said(own.fit),
                        said(reading.fit)
                    )));
                }
                let differs = pack.samples().is_some() && own.max_value != reading.max_value;
                return Ok(differs.then(|| {
                    let said = |most: Option<u16>| most.map_or("none".to_owned(), |most| most.to_string());
                    format!(
                        "the pack read its 16-bit images with another largest value ({}) than the model \
                         trained on ({}); make it again with the model's --max-value",
                        said(own.max_value),
                        said(reading.max_value)
                    )
                }));
            }
            Self::Folder(dataset) => dataset,
        };
        let mut groups: BTreeMap<[usize; 3], Vec<u64>> = BTreeMap::new();
        for (index, shape) in (0..).zip(dataset.shapes(stop)?) {
            let ImageShape {
                height,
                width,
                channels,
            } = shape
                .map(|shape| reading.of_shape(shape))
                .map_err(|fault| all_faults(dataset, reading, fault, stop))?;
            groups
                .entry([height, width, channels])
                .or_default()
                .push(index);
        }
        let mut samples: Option<SampleRange> = None;
        for ([height, width, channels], indices) in groups {
            let shape = ImageShape {
                height,
                width,
                channels,
            };
            let examples = dataset.examples_of(shape, reading);
            work(&examples, &indices).map_err(|error| match error.fault() {
                Ok(fault) => all_faults(dataset, reading, fault, stop).into(),
                Err(error) => error,
            })?;
            samples = samples
                .into_iter()
                .chain(examples.samples())
                .reduce(SampleRange::joined);
        }
        Ok(samples.and_then(|samples| samples.warning(reading.max_value)))
    }

    /// The id of each image, in their order.
    pub fn ids(&self) -> &[String] {
        self.table().ids()
    }

    /// Ids, label names and labels.
    pub fn table(&self) -> &LabelTable {
        match self {
            Self::Pack(pack) => pack.table(),
            Self::Folder(dataset) => dataset.table(),
        }
    }
}
