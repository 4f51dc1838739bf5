//! What was read of labels that are no one table: an entry an image.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::{LabelsFormat, MOST_CELLS, Marks, Part};
use crate::dataset::images::{ImageFile, Place};
use crate::dataset::left_out::{LeftOut, Reason};
use crate::dataset::table::UNKNOWN;
use crate::ids::{Fault, Index};
use crate::problems::Problems;
use crate::{Error, Result};

/// The image that an entry means.
#[derive(Clone, Debug)]
pub(in crate::dataset) enum Which {
    /// That of this place in the listing.
    Image(usize),
    /// The one of this name among those whose names begin with `within`.
    Named { name: String, within: String },
}

/// What is said of one image.
#[derive(Clone, Debug)]
pub(in crate::dataset) struct Entry {
    pub(in crate::dataset) which: Which,
    /// Place of its file in [`Gathered::paths`].
    pub(in crate::dataset) file: usize,
    /// Its row in a table or its number in a list, from 1; 0 where its file is about it alone.
    pub(in crate::dataset) number: u64,
    /// Labels that are there.
    pub(in crate::dataset) present: Vec<usize>,
    /// Labels of which nobody knows.
    pub(in crate::dataset) unknown: Vec<usize>,
    pub(in crate::dataset) marks: Option<Marks>,
    pub(in crate::dataset) part: Option<Part>,
}

impl Entry {
    pub(super) fn of_image(image: usize, file: usize) -> Self {
        Self {
            which: Which::Image(image),
            file,
            number: 0,
            present: vec![],
            unknown: vec![],
            marks: None,
            part: None,
        }
    }

    pub(super) fn named(name: impl Into<String>, within: &str, file: usize, number: u64) -> Self {
        Self {
            which: Which::Named {
                name: name.into(),
                within: within.to_owned(),
            },
            number,
            ..Self::of_image(0, file)
        }
    }
}

/// What images are of which nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dataset) enum Rest {
    /// Images without labels.
    Negative,
    /// Not looked at yet: they are left out.
    LeftOut,
}

/// All that was read.
#[derive(Debug)]
pub(in crate::dataset) struct Gathered {
    pub(in crate::dataset) format: LabelsFormat,
    /// The file or folder that holds the labels, for people.
    pub(in crate::dataset) path: PathBuf,
    /// Hash of all that was read.
    pub(in crate::dataset) hash: String,
    /// The files that were read.
    pub(in crate::dataset) paths: Vec<PathBuf>,
    pub(in crate::dataset) names: Vec<String>,
    pub(in crate::dataset) entries: Vec<Entry>,
    pub(in crate::dataset) rest: Rest,
    pub(in crate::dataset) notes: Vec<String>,
    pub(in crate::dataset) problems: Problems,
    /// Names of the files beside the images that were read.
    pub(in crate::dataset) used: Vec<String>,
}

/// Images that met their entries.
#[derive(Debug, Default)]
pub(in crate::dataset) struct Met {
    pub(in crate::dataset) files: Vec<ImageFile>,
    pub(in crate::dataset) labels: Vec<u8>,
    pub(in crate::dataset) marks: Option<Vec<Marks>>,
    pub(in crate::dataset) parts: Option<Vec<Part>>,
    pub(in crate::dataset) notes: Vec<String>,
}

impl Gathered {
    /// Gives each image its entry, in the order of the images. Images to test with are left out where there are others.
    ///
    /// # Errors
    /// All that is wrong, at once: what the reader found, entries without an image, or with several.
    pub(in crate::dataset) fn meet(
        &mut self,
        files: Vec<ImageFile>,
        place: &Place,
        left: &mut LeftOut,
    ) -> Result<Met> {
        let mut problems = std::mem::take(&mut self.problems);
        let mut met = Met::default();
        if files.len().saturating_mul(self.names.len()) > MOST_CELLS {
            let problem = format!("{} labels for {} images", self.names.len(), files.len());
            problems.push(Error::format(
                &self.path,
                problem,
                "are they labels? fewer can be learned from",
            ));
            problems.check()?;
            return Ok(met);
        }
        let of_images = self.images_of(&files, place, &mut problems, &mut met.notes);
        if !problems.is_empty() {
            let hint = "convert, unpack or move what is meant";
            problems.extend(left.problem(place.path(), files.len(), hint));
        }
        problems.check()?;
        let part_of = |image: usize, entry: Option<usize>| {
            let own = entry.and_then(|entry| self.entries[entry].part);
            own.or_else(|| Part::of_path(&files[image].name))
        };
        let parts: Vec<Option<Part>> = (of_images.iter().enumerate())
            .map(|(image, entry)| part_of(image, *entry))
            .collect();
        let has_others = parts.iter().zip(&of_images).any(|(part, entry)| {
            *part != Some(Part::Test) && (entry.is_some() || self.rest == Rest::Negative)
        });
        let has_marks = self.entries.iter().any(|entry| entry.marks.is_some());
        let (mut marks, mut kept_parts, mut tests, mut silent) = (vec![], vec![], 0, 0);
        for (image, file) in files.into_iter().enumerate() {
            let entry = of_images[image].map(|entry| &self.entries[entry]);
            if entry.is_none() && self.rest == Rest::LeftOut {
                left.add(Reason::Unlabelled, &file.name);
                continue;
            }
            if parts[image] == Some(Part::Test) && has_others {
                left.add(Reason::Test, &file.name);
                tests += 1;
                continue;
            }
            silent += usize::from(entry.is_none());
            let first = met.labels.len();
            met.labels.resize(first + self.names.len(), 0);
            for label in entry.iter().flat_map(|entry| &entry.unknown) {
                met.labels[first + label] = UNKNOWN;
            }
            for label in entry.iter().flat_map(|entry| &entry.present) {
                met.labels[first + label] = 1;
            }
            let own = entry.and_then(|entry| entry.marks.clone());
            marks.push(own.unwrap_or_default());
            kept_parts.push(parts[image].unwrap_or(Part::Train));
            met.files.push(file);
        }
        if silent > 0 {
            met.notes.push(format!(
                "labels: nothing is said of {silent} images; they are taken as images without labels"
            ));
        }
        if tests > 0 {
            met.notes.push(format!(
                "labels: {tests} images are to test with and are left out; soup evaluate RUN --data takes them"
            ));
        }
        let held_out = kept_parts.iter().filter(|part| **part == Part::Valid);
        let held_out = held_out.count();
        if held_out > 0 && held_out < kept_parts.len() {
            met.notes.push(format!(
                "labels: the data came divided: {} images to train on, {held_out} to validate by",
                kept_parts.len() - held_out
            ));
            met.parts = Some(kept_parts);
        }
        met.marks = has_marks.then_some(marks);
        Ok(met)
    }

    /// The entry of each image.
    fn images_of(
        &self,
        files: &[ImageFile],
        place: &Place,
        problems: &mut Problems,
        notes: &mut Vec<String>,
    ) -> Vec<Option<usize>> {
        let mut of_images: Vec<Option<usize>> = vec![None; files.len()];
        let mut by_folder: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for (place, entry) in self.entries.iter().enumerate() {
            match &entry.which {
                Which::Image(image) => pairs.push((place, *image)),
                Which::Named { within, .. } => by_folder.entry(within).or_default().push(place),
            }
        }
        let name = |entry: usize| match &self.entries[entry].which {
            Which::Named { name, .. } => name.as_str(),
            Which::Image(image) => files[*image].name.as_str(),
        };
        for (within, entries) in &by_folder {
            let inside: Vec<usize> = (0..files.len())
                .filter(|file| files[*file].name.starts_with(within))
                .collect();
            let below = |file: &usize| &files[*file].name[within.len()..];
            let asked: Vec<&str> = entries.iter().map(|entry| name(*entry)).collect();
            let found = Index::of_files(inside.iter().map(below)).meet(&asked);
            for fault in &found.faults {
                match *fault {
                    Fault::Missing { asked } => {
                        problems.push(self.missing(entries[asked], name(entries[asked]), place))
                    }
                    Fault::Several { asked, rows } => problems.push(self.fault(
                        entries[asked],
                        format!(
                            "`{}` may mean {} or {}",
                            name(entries[asked]),
                            place.display(&files[inside[rows[0]]]).display(),
                            place.display(&files[inside[rows[1]]]).display(),
                        ),
                        "write the file name in full",
                    )),
                    Fault::Twice { asked, row } => pairs.push((entries[asked[1]], inside[row])),
                }
            }
            let own = found.note("the labels");
            notes.extend(own);
            let met = entries.iter().zip(&found.rows);
            pairs.extend(met.filter_map(|(entry, row)| Some((*entry, inside[(*row)?]))));
        }
        pairs.sort_unstable();
        for (entry, image) in pairs {
            match of_images[image] {
                None => of_images[image] = Some(entry),
                Some(first) => problems.push(self.fault(
                    entry,
                    format!(
                        "{} is named again; {} names it too",
                        place.display(&files[image]).display(),
                        self.said(first)
                    ),
                    "keep one of the two",
                )),
            }
        }
        of_images
    }

    fn missing(&self, entry: usize, name: &str, place: &Place) -> Error {
        if self.format.is_table() {
            return Error::MissingImage {
                labels: self.paths[self.entries[entry].file].clone(),
                row: self.entries[entry].number,
                id: name.into(),
                images: place.path().into(),
            };
        }
        self.fault(
            entry,
            format!("there is no image `{name}` in {}", place.path().display()),
            "add the file, or remove what is said of it",
        )
    }

    fn fault(&self, entry: usize, problem: String, hint: &str) -> Error {
        let Entry { file, number, .. } = self.entries[entry];
        let path = &self.paths[file];
        match number {
            0 => Error::format(path, problem, hint),
            row if self.format.is_table() => Error::table(path, row, format!("{problem}; {hint}")),
            number => Error::format(path, format!("entry {number}: {problem}"), hint),
        }
    }

    fn said(&self, entry: usize) -> String {
        let Entry { file, number, .. } = self.entries[entry];
        match number {
            0 => self.paths[file].display().to_string(),
            number => format!("entry {number}"),
        }
    }
}

/// Names of labels with a number each, as they are met.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<String>,
    // Only looked up, never iterated: its order reaches nothing.
    places: HashMap<String, usize>,
}

impl Names {
    /// The number of a label.
    pub(super) fn place(&mut self, name: &str) -> usize {
        let name = crate::ids::composed(name.trim());
        if let Some(place) = self.places.get(&*name) {
            return *place;
        }
        self.places.insert(name.to_string(), self.names.len());
        self.names.push(name.into_owned());
        self.names.len() - 1
    }

    /// The names in the order in which they were met.
    pub(super) fn into_met(self) -> Vec<String> {
        self.names
    }

    /// The names in order, and for each number its new one.
    pub(super) fn sorted(self) -> (Vec<String>, Vec<usize>) {
        let names = super::in_order(self.names.iter().cloned());
        // Only looked up, never iterated: its order reaches nothing.
        let places: HashMap<&String, usize> = names
            .iter()
            .enumerate()
            .map(|(at, name)| (name, at))
            .collect();
        let order = self.names.iter().map(|name| places[name]).collect();
        (names, order)
    }
}

/// Gives labels their new numbers, each once and in order.
pub(super) fn renumber(entries: &mut [Entry], order: &[usize]) {
    for entry in entries {
        for labels in [&mut entry.present, &mut entry.unknown] {
            labels.iter_mut().for_each(|label| *label = order[*label]);
            labels.sort_unstable();
            labels.dedup();
        }
        for mark in entry.marks.iter_mut().flat_map(|marks| &mut marks.boxes) {
            mark.label = order[mark.label];
        }
    }
}
