//! A folder a label: images lie in the folder of the one label that they have.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, Gathered, LabelsFormat, Lying, Part, Rest, count, in_order};
use crate::dataset::content_hash;
use crate::dataset::images::ImageFile;
use crate::problems::Problems;
use crate::{Error, Result};

/// The folders above each image, without those that all share; parts first.
struct Layout {
    /// Number of folders at the front that say nothing of labels.
    shared: usize,
    has_parts: bool,
}

impl Layout {
    fn of(images: &[ImageFile]) -> Self {
        let mut shared = 0;
        loop {
            let here: BTreeSet<Option<&str>> =
                (images.iter().map(|image| folder_at(image, shared))).collect();
            let only = (here.len() == 1)
                .then(|| here.first().copied().flatten())
                .flatten();
            // The last folder above the images is a label, even where there is one alone.
            let deeper = images
                .iter()
                .all(|image| folder_at(image, shared + 1).is_some());
            if only.is_none() || !deeper || only.is_some_and(|name| Part::of_folder(name).is_some())
            {
                break;
            }
            shared += 1;
        }
        let has_parts = !images.is_empty()
            && (images.iter()).all(|image| {
                folder_at(image, shared).is_some_and(|name| Part::of_folder(name).is_some())
            });
        Self { shared, has_parts }
    }

    /// The label of an image; none where it does not lie exactly one folder deep.
    fn label<'a>(&self, image: &'a ImageFile) -> Option<&'a str> {
        let folders = image.name.rsplit_once('/')?.0;
        let mut below = folders
            .split('/')
            .skip(self.shared + usize::from(self.has_parts));
        let label = below.next()?;
        below.next().is_none().then_some(label)
    }

    fn part(&self, image: &ImageFile) -> Option<Part> {
        let folder = image.name.split('/').nth(self.shared)?;
        self.has_parts.then(|| Part::of_folder(folder)).flatten()
    }
}

/// The folder above an image at this depth, from 0 for the outermost.
fn folder_at(image: &ImageFile, depth: usize) -> Option<&str> {
    let (folders, _) = image.name.rsplit_once('/')?;
    folders.split('/').nth(depth)
}

/// Whether every image lies in the folder of a label, of which there are several.
pub(super) fn fits(images: &[ImageFile]) -> bool {
    let layout = Layout::of(images);
    let labels: Option<BTreeSet<&str>> = images.iter().map(|image| layout.label(image)).collect();
    labels.is_some_and(|labels| {
        let are_parts = labels.iter().all(|label| Part::of_folder(label).is_some());
        labels.len() > 1 && !are_parts
    })
}

pub(super) fn read(lying: &Lying<'_>) -> Result<Gathered> {
    let layout = Layout::of(lying.images);
    let mut problems = Problems::default();
    let mut labels = Vec::with_capacity(lying.images.len());
    for image in lying.images {
        let label = layout.label(image);
        if label.is_none() {
            problems.push(Error::format(
                lying.place.display(image),
                "it is in no folder of a label",
                "each image must lie in the folder of its label, one folder deep",
            ));
        }
        labels.push(label.unwrap_or_default());
    }
    let names = in_order(labels.iter().map(|label| (*label).to_owned()));
    let mut same: BTreeMap<(Option<Part>, &str), usize> = BTreeMap::new();
    let entries: Vec<Entry> = (lying.images.iter().zip(&labels).enumerate())
        .map(|(at, (image, label))| {
            let part = layout.part(image);
            *same.entry((part, image.stem())).or_default() += 1;
            Entry {
                present: names
                    .iter()
                    .position(|name| name == label)
                    .into_iter()
                    .collect(),
                part,
                ..Entry::of_image(at, 0)
            }
        })
        .collect();
    let mut notes = vec![format!(
        "labels: a folder a label, {}; each image has the one of its folder",
        count(names.len(), "label")
    )];
    let twice: Vec<&str> = (same.iter().filter(|(_, images)| **images > 1))
        .map(|((_, stem), _)| *stem)
        .collect();
    if let Some(first) = twice.first() {
        notes.push(format!(
            "labels: {} are in the folders of several labels, such as `{first}`; they are taken for different images \
             (soup doctor finds equal ones)",
            count(twice.len(), "file name")
        ));
    }
    let text: Vec<&str> = lying
        .images
        .iter()
        .map(|image| image.name.as_str())
        .collect();
    Ok(Gathered {
        format: LabelsFormat::Folders,
        path: lying.place.path().into(),
        hash: content_hash(text.join("\n").as_bytes()),
        paths: vec![lying.place.path().into()],
        names,
        entries,
        rest: Rest::LeftOut,
        notes,
        problems,
        used: vec![],
    })
}
