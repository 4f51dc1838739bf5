//! The manifest of a pack: what stands in which row, and what it was made of.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::progress::Done;
use crate::dataset::{Fit, LabelTable, Reading, SampleRange, UNKNOWN, content_hash};
use crate::{Annotation, Error, ImageShape, Result, files};

pub(super) const FILE: &str = "manifest.json";
const FORMAT: &str = "soup-pack";
const VERSION: u32 = 1;
const HINT: &str = "make the pack again with `soup pack`";

/// As it stands in `manifest.json`. It holds no paths and no times: the same input gives the same
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: String,
    version: u32,
    /// Hash of images, ids and labels.
    pub(super) hash: String,
    /// Hash of what was asked for: ids, labels, file names, channels.
    pub(super) plan: String,
    pub(super) shape: ImageShape,
    pub(super) label_names: Vec<String>,
    /// The sample of 16 bits that became 255, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_value: Option<u16>,
    /// How images of other sizes were brought to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fit: Option<Fit>,
    /// The samples of the images with 16 bits a channel, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) samples: Option<SampleRange>,
    /// Name and hash of the label file.
    labels_file: Option<LabelsFile>,
    #[serde(rename = "pictures")]
    pub(super) images: Vec<Image>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelsFile {
    name: String,
    hash: String,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Image {
    pub(super) id: String,
    /// One `0`, `1` or, where nobody knows, `?` a label.
    pub(super) labels: String,
    /// Name of the image's file in its folder or archive.
    pub(super) file: String,
    /// Where labels are in it, where that is known: label, left, top, right, bottom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) boxes: Option<Vec<[u32; 5]>>,
    #[serde(flatten)]
    pub(super) hashes: Hashes,
}

/// What was read, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hashes {
    /// Hash of the image's file.
    pub(super) input: String,
    /// Hash of the decoded pixels.
    pub(super) pixels: String,
}

impl Manifest {
    /// `files` and `done`: one a row of `table`.
    pub(super) fn new<'a>(
        plan: String,
        shape: ImageShape,
        table: &LabelTable,
        labels_file: Option<(String, &str)>,
        files: impl Iterator<Item = &'a str>,
        (done, reading): (Vec<Done>, Reading),
        boxes: Vec<Option<Vec<Annotation>>>,
    ) -> Self {
        let samples = done.iter().filter_map(|done| done.samples);
        let samples = samples.reduce(SampleRange::joined);
        let images: Vec<Image> = files
            .zip(done)
            .zip(boxes)
            .enumerate()
            .map(|(row, ((file, done), boxes))| Image {
                id: table.ids()[row].clone(),
                labels: table
                    .labels(row)
                    .unwrap_or_default()
                    .iter()
                    .map(|&label| match label {
                        0 => '0',
                        UNKNOWN => '?',
                        _ => '1',
                    })
                    .collect(),
                file: file.into(),
                boxes: boxes.map(|boxes| boxes.iter().map(sides).collect()),
                hashes: done.hashes,
            })
            .collect();
        Self {
            format: FORMAT.into(),
            version: VERSION,
            hash: hash(shape, table, &images),
            plan,
            shape,
            label_names: table.label_names().to_vec(),
            max_value: reading.max_value,
            fit: reading.fit,
            samples,
            labels_file: labels_file.map(|(name, hash)| LabelsFile {
                name,
                hash: hash.into(),
            }),
            images,
        }
    }

    pub(super) fn to_json(&self, path: &Path) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| {
            Error::format(
                path,
                format!("cannot be written: {error}"),
                "report this as a bug",
            )
        })
    }

    /// Reads the manifest and checks all that can be checked without the images.
    pub(super) fn read(path: &Path) -> Result<(Self, LabelTable)> {
        let broken = |problem: String| Error::format(path, problem, HINT);
        let bytes = files::read(path).map_err(Error::io("read", path))?;
        let manifest: Self = serde_json::from_slice(&bytes)
            .map_err(|error| broken(format!("not the manifest of a pack: {error}")))?;
        if manifest.format != FORMAT || manifest.version != VERSION {
            return Err(broken(format!(
                "format `{}` version {}; this program reads `{FORMAT}` version {VERSION}",
                manifest.format, manifest.version
            )));
        }
        let shape = manifest.shape;
        if !(1..=4).contains(&shape.channels) || shape.height == 0 || shape.width == 0 {
            return Err(broken(format!("images of {shape}")));
        }
        if manifest.images.is_empty() {
            return Err(broken("it lists no images".into()));
        }
        // Only looked up, never iterated: its order reaches nothing.
        let mut seen = HashSet::new();
        let mut labels = Vec::with_capacity(manifest.images.len() * manifest.label_names.len());
        for (row, image) in manifest.images.iter().enumerate() {
            let place = || format!("image {row} (from 0, `{}`)", image.id);
            if !seen.insert(&image.id) {
                return Err(broken(format!("{} is listed twice", place())));
            }
            if image.labels.len() != manifest.label_names.len() {
                return Err(broken(format!(
                    "{} has {} labels, but there are {} label names",
                    place(),
                    image.labels.len(),
                    manifest.label_names.len()
                )));
            }
            for label in image.labels.bytes() {
                labels.push(match label {
                    b'0' => 0,
                    b'1' => 1,
                    b'?' => UNKNOWN,
                    _ => return Err(broken(format!("{} has a label not 0 or 1", place()))),
                });
            }
            let is_right = |[label, x0, y0, x1, y1]: &[u32; 5]| {
                (*label as usize) < manifest.label_names.len()
                    && x0 < x1
                    && y0 < y1
                    && *x1 as usize <= shape.width
                    && *y1 as usize <= shape.height
            };
            if !image.boxes.iter().flatten().all(is_right) {
                return Err(broken(format!("{} has a box outside of it", place())));
            }
        }
        let ids = manifest.images.iter().map(|image| image.id.clone());
        let table = LabelTable::new(ids.collect(), manifest.label_names.clone(), labels);
        if hash(shape, &table, &manifest.images) != manifest.hash {
            return Err(broken(
                "it was changed since it was written (its hash differs)".into(),
            ));
        }
        Ok((manifest, table))
    }
}

/// A box as it is written.
fn sides(found: &Annotation) -> [u32; 5] {
    [found.label as u32, found.x0, found.y0, found.x1, found.y1]
}

fn hash(shape: ImageShape, table: &LabelTable, images: &[Image]) -> String {
    let mut text = format!("soup-pack 1\n{shape}\n{}\n", table.hash());
    for image in images {
        text.push_str(&image.hashes.pixels);
        if let Some(boxes) = &image.boxes {
            text.push_str(&format!(" {boxes:?}"));
        }
        text.push('\n');
    }
    format!("xxh3-128:{}", content_hash(text.as_bytes()))
}
