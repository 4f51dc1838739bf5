//! Data sets as people have them: a folder or zip of images, and labels in one of many shapes.

mod arrays;
mod column;
mod decode;
mod each;
mod find;
mod folder;
mod images;
mod labels;
mod left_out;
mod listing;
mod matching;
mod names;
mod table;

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

pub(crate) use column::read_pairs;
pub use column::{Column, read_column};
pub use decode::{
    Channels, Fit, FitMode, InChannels, Reading, SampleRange, convert, decode, extensions, formats,
    image_shape, is_deep, is_image, no_image,
};
pub use folder::FolderSource;
pub(crate) use labels::Marks;
pub use labels::{Blank, LabelsFormat, Part, Separator, read_label_table, tags_of_sample};
pub use left_out::{LeftOut, Reason};
pub(crate) use listing::Listing;
pub(crate) use table::content_hash;
pub use table::{LabelTable, UNKNOWN, cell_of, target};

pub(crate) use decode::Decoder;
/// The images in a folder and the folders in it, by one listing for all verbs: names that count from the folder, and
/// paths; and what was left out.
///
/// # Errors
/// [`Error::Io`] where a folder cannot be read.
pub fn images_below(folder: &Path) -> Result<(Vec<(String, PathBuf)>, LeftOut)> {
    let place = Place::Folder(folder.into());
    let named = |file: ImageFile| (file.name.clone(), place.path_of(&file));
    let Listing {
        images,
        tables,
        archives,
        labels,
        mut left,
    } = place.list()?;
    Listing::leave_labels(&mut left, &labels, &[]);
    for (reason, files) in [(Reason::Table, tables), (Reason::Archive, archives)] {
        for file in files {
            left.add(reason.clone(), file.name);
        }
    }
    Ok((images.into_iter().map(named).collect(), left))
}

pub(crate) use images::{FileReader, ImageFile, Place, ReadFault};

pub use crate::tables::Columns;
use crate::{Annotation, Error, ImageShape, Result};

/// Images that lie in a folder, a zip archive or an array, with their labels where there are any. Nothing
/// is decoded yet.
#[derive(Clone, Debug)]
pub struct Dataset {
    place: Place,
    files: Vec<ImageFile>,
    table: LabelTable,
    labels: Option<LabelSource>,
    /// The boxes of each image, where the labels have any.
    marks: Option<Vec<Marks>>,
    /// What each image is for, where the data came divided.
    parts: Option<Vec<Part>>,
    notes: Vec<String>,
    left: LeftOut,
}

/// The label file, and in which of its lines each image stands (0 where it has none).
#[derive(Clone, Debug)]
struct LabelSource {
    format: LabelsFormat,
    path: PathBuf,
    /// Hash of its text, unpacked.
    hash: String,
    rows: Vec<u64>,
}

/// A table that must be there.
fn existing(labels: &Path) -> Result<&Path> {
    match labels.exists() {
        true => Ok(labels),
        false => Err(Error::NotFound {
            path: labels.into(),
            hint: "give the file or folder with the labels".into(),
        }),
    }
}

impl Dataset {
    /// Finds images and labels below `path`: the contest's layout (a folder or zip archive of
    /// images beside `answer.csv` or `dirty_mnist_2nd_answer.csv`, gzipped or not), what
    /// `soup compose` writes (`images/` beside `answer.csv`), or any folder or zip with images, in
    /// all folders below, and at most one table; else labels in another shape ([`LabelsFormat`]), told by
    /// content. Without any the images have no labels, and their ids are their file names without extension.
    ///
    /// # Errors
    /// What is missing or ambiguous, and everything that [`Dataset::from_parts`] reports.
    pub fn open(path: &Path, columns: &Columns) -> Result<Self> {
        Self::join(
            find::find(path, &find::Labels::Beside, columns)?,
            columns,
            None,
        )
    }

    /// As [`open`](Self::open) where `labels` is none and they lie beside the images, else as
    /// [`from_parts`](Self::from_parts). Where cells of the table are wrong, every image is decoded, too: those
    /// that cannot be read or decoded are named with them.
    ///
    /// # Errors
    /// As those; [`Error::Interrupted`] once the flag is true.
    pub fn open_wholly(
        images: &Path,
        labels: Option<&Path>,
        columns: &Columns,
        (reading, stop): (Reading, &AtomicBool),
    ) -> Result<Self> {
        let labels = match labels {
            Some(labels) => find::Labels::Given(existing(labels)?),
            None => find::Labels::Beside,
        };
        let found = find::find(images, &labels, columns)?;
        Self::join(found, columns, Some((reading, stop)))
    }

    /// The images below `path` alone, whatever tables lie beside them.
    ///
    /// # Errors
    /// What is missing or ambiguous.
    pub fn open_images(path: &Path) -> Result<Self> {
        let columns = Columns::default();
        let found = find::find(path, &find::Labels::None, &columns)?;
        Self::join(found, &columns, None)
    }

    /// The images in `images` (folder or zip) that `labels` names: a table (CSV, gzipped or not), in its order;
    /// another file or a folder of files with labels, in the order of the images' names. Without `labels` all images.
    ///
    /// Ids and files meet by the rule of [`ids`](crate::ids).
    ///
    /// # Errors
    /// Named with file and row, all at once: a table that cannot be read, a label that is not 0 or 1,
    /// an id twice, an image that is not there; and no images at all.
    pub fn from_parts(images: &Path, labels: Option<&Path>, columns: &Columns) -> Result<Self> {
        let Some(labels) = labels else {
            return Self::open_images(images);
        };
        let found = find::find(images, &find::Labels::Given(existing(labels)?), columns)?;
        Self::join(found, columns, None)
    }

    /// Matches images with the table. Where its cells are wrong, the images are read so.
    fn join(
        found: find::Found,
        columns: &Columns,
        decoding: Option<(Reading, &AtomicBool)>,
    ) -> Result<Self> {
        let find::Found {
            place,
            files,
            table,
            gathered,
            mut left,
        } = found;
        if let Some(gathered) = gathered {
            return Self::of_gathered(gathered, place, files, left);
        }
        let Some((path, bytes)) = table else {
            let ids = matching::ids_of(&files);
            return Ok(Self {
                place,
                files,
                table: LabelTable::new(ids, vec![], vec![]),
                labels: None,
                marks: None,
                parts: None,
                notes: vec![],
                left,
            });
        };
        let (read, mut problems) = labels::read_labels(&path, &bytes, columns)?;
        if arrays::is_array(&bytes) && read.ids.len() != files.len() {
            return Err(Error::OtherData {
                path,
                problem: format!(
                    "it has labels of {} images, but {} has {}",
                    read.ids.len(),
                    place.path().display(),
                    files.len()
                ),
                hint: "give the labels of these images, a row each in their order".into(),
            });
        }
        let matched = matching::files_of(&path, &read, files, &place, &mut left);
        let (files, note) = matched.or_else(|error| {
            let mut all = std::mem::take(&mut problems);
            all.push(error);
            all.check().map(|()| Default::default())
        })?;
        let set = Self {
            place,
            notes: read.notes.into_iter().chain(note).collect(),
            left,
            files,
            table: LabelTable::new(read.ids, read.names, read.labels),
            marks: read.marks,
            parts: None,
            labels: Some(LabelSource {
                format: read.format,
                hash: content_hash(&bytes),
                path,
                rows: read.rows,
            }),
        };
        if !problems.is_empty() {
            if let Some((reading, stop)) = decoding {
                let faults = set.faults(reading, stop)?.into_iter();
                problems.extend(faults.map(|(_, fault)| fault));
            }
            problems.check()?;
        }
        Ok(set)
    }

    /// The images that labels of another shape than one table speak of.
    fn of_gathered(
        mut gathered: labels::Gathered,
        place: Place,
        files: Vec<ImageFile>,
        mut left: LeftOut,
    ) -> Result<Self> {
        let met = gathered.meet(files, &place, &mut left)?;
        if met.files.is_empty() {
            return Err(Error::Empty {
                path: place.path().into(),
                what: "images",
                hint: format!("the labels in {} speak of none", gathered.path.display()),
            });
        }
        Ok(Self {
            table: LabelTable::new(matching::ids_of(&met.files), gathered.names, met.labels),
            labels: Some(LabelSource {
                format: gathered.format,
                path: gathered.path,
                hash: gathered.hash,
                rows: vec![0; met.files.len()],
            }),
            place,
            files: met.files,
            marks: met.marks,
            parts: met.parts,
            notes: gathered.notes.into_iter().chain(met.notes).collect(),
            left,
        })
    }

    /// The shape in which the labels came; none where there are none.
    pub fn labels_format(&self) -> Option<LabelsFormat> {
        self.labels.as_ref().map(|source| source.format)
    }

    /// Whether it is known where labels are in the images.
    pub fn has_boxes(&self) -> bool {
        self.marks.is_some()
    }

    /// Number of boxes in all images together, where the labels have any.
    pub fn box_count(&self) -> Option<usize> {
        let marks = self.marks.as_ref()?;
        Some(marks.iter().map(|marks| marks.boxes.len()).sum())
    }

    /// What each image is for, where the data came divided into images to train on and to validate by.
    pub fn parts(&self) -> Option<&[Part]> {
        self.parts.as_deref()
    }

    /// Where labels are in an image that is `stored` upright in this shape, once it was read; none where nobody knows.
    pub(crate) fn boxes_of(
        &self,
        index: usize,
        stored: ImageShape,
        fit: Option<Fit>,
    ) -> Option<Vec<Annotation>> {
        self.marks.as_ref()?[index].placed(stored, fit)
    }

    /// Identifies all boxes; none where there are none.
    pub(crate) fn boxes_hash(&self) -> Option<String> {
        let marks = self.marks.as_ref()?;
        Some(content_hash(format!("{marks:?}").as_bytes()))
    }

    /// Ids, label names and labels.
    pub fn table(&self) -> &LabelTable {
        &self.table
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no image; never so for a data set that could be opened.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The folder or zip archive with the images.
    pub fn images_path(&self) -> &Path {
        self.place.path()
    }

    /// The label file.
    pub fn labels_path(&self) -> Option<&Path> {
        self.labels.as_ref().map(|source| source.path.as_path())
    }

    /// Number of images that lie there, but that no row of the label table names.
    pub fn unlisted(&self) -> usize {
        self.left.of(&Reason::Unlisted)
    }

    /// What lay there and was not taken.
    pub fn left_out(&self) -> &LeftOut {
        &self.left
    }

    /// What a person should know of how the table was read and its ids were matched, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The file of image `index`, inside an archive as if that were a folder.
    pub fn image_path(&self, index: usize) -> Option<PathBuf> {
        self.files.get(index).map(|file| self.place.display(file))
    }

    /// Name of the file of image `index` below the folder or inside the archive.
    pub fn file_name(&self, index: usize) -> Option<&str> {
        self.files.get(index).map(|file| file.name.as_str())
    }

    /// The images as examples, each read and decoded when it is asked for. Headers are read now. Images of several sizes
    /// are brought to one as `otherwise` says, where `reading` says nothing of it.
    ///
    /// # Errors
    /// All images that are of another size than the first one or whose headers are damaged.
    pub fn examples(
        self,
        reading: impl Into<Reading>,
        otherwise: Option<Fit>,
    ) -> Result<FolderSource<'static>> {
        FolderSource::new(self, reading.into(), otherwise)
    }

    /// Those of the images that have this shape as examples, by their places in the whole set; to
    /// load another one is an error.
    pub fn examples_of(&self, shape: ImageShape, reading: Reading) -> FolderSource<'_> {
        FolderSource::of(Cow::Borrowed(self), reading, shape)
    }

    /// The set without some of its images, which are left out as damaged.
    fn without(mut self, damaged: &HashSet<usize>) -> Self {
        let kept: Vec<usize> = (0..self.len())
            .filter(|index| !damaged.contains(index))
            .collect();
        for (index, file) in self.files.iter().enumerate() {
            if damaged.contains(&index) {
                self.left.add(Reason::Damaged, &file.name);
            }
        }
        self.files = kept
            .iter()
            .map(|&index| self.files[index].clone())
            .collect();
        if let Some(marks) = &mut self.marks {
            *marks = kept.iter().map(|&index| marks[index].clone()).collect();
        }
        if let Some(parts) = &mut self.parts {
            *parts = kept.iter().map(|&index| parts[index]).collect();
        }
        if let Some(source) = &mut self.labels {
            source.rows = kept.iter().map(|&index| source.rows[index]).collect();
        }
        self.table = LabelTable::new(
            kept.iter()
                .map(|&index| self.table.ids()[index].clone())
                .collect(),
            self.table.label_names().to_vec(),
            (kept.iter().filter_map(|&index| self.table.labels(index)))
                .flatten()
                .copied()
                .collect(),
        );
        self
    }

    /// Name and hash of the label file.
    pub(crate) fn labels_file(&self) -> Option<(String, &str)> {
        self.labels.as_ref().map(|source| {
            let name = source.path.file_name().unwrap_or_default();
            (name.to_string_lossy().into_owned(), source.hash.as_str())
        })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn files(&self) -> &[ImageFile] {
        &self.files
    }

    /// Line of the label table that names image `index`.
    fn row(&self, index: usize) -> Option<u64> {
        self.labels
            .as_ref()
            .and_then(|source| source.rows.get(index).copied())
            .filter(|row| *row > 0)
    }

    /// The error for an image whose bytes could not be had.
    pub(crate) fn read_fault(&self, index: usize, fault: ReadFault) -> Error {
        let path = self.place.display(&self.files[index]);
        match (fault, self.labels.as_ref().zip(self.row(index))) {
            (ReadFault::Missing, Some((source, row))) => Error::MissingImage {
                labels: source.path.clone(),
                row,
                id: self.table.ids()[index].clone(),
                images: self.place.path().into(),
            },
            (ReadFault::Missing, None) => Error::NotFound {
                path,
                hint: "it was there a moment ago; restore it".into(),
            },
            (ReadFault::Io(source), _) => Error::Io {
                action: "read",
                path,
                source,
            },
            (ReadFault::Damaged(problem), _) => self.damaged(index, problem),
        }
    }

    /// The error for an image that cannot be decoded.
    pub(crate) fn damaged(&self, index: usize, problem: String) -> Error {
        Error::DamagedImage {
            path: self.place.display(&self.files[index]),
            row: self.row(index),
            id: self.table.ids()[index].clone(),
            problem,
        }
    }

    /// Checks that image `index` has the shape of the first one.
    pub(crate) fn check_shape(
        &self,
        index: usize,
        found: ImageShape,
        expected: ImageShape,
    ) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        Err(Error::ImageShape {
            path: self.place.display(&self.files[index]),
            row: self.row(index),
            id: self.table.ids()[index].clone(),
            found: Box::new(found),
            expected: Box::new(expected),
            first: self.place.display(&self.files[0]),
        })
    }
}
