//! The pack: images decoded once into one memory-mapped array, with ids, labels and hashes.
//!
//! A pack is a folder `X.pack` with `pictures.npy` (`uint8`, N x H x W for grey images, else
//! N x H x W x C; NumPy opens it) and `manifest.json`, and, where the data came divided into images to train on and to
//! validate by, the fold file `folds.json`.

mod build;
mod manifest;
mod progress;

use std::{
    fs::File,
    path::{Path, PathBuf},
};

pub use build::{PackOptions, PackReport, write_pack};
use manifest::Manifest;
use memmap2::Mmap;

use crate::{
    Annotation, Error, ImageShape, Result, Source,
    dataset::{LabelTable, Reading, SampleRange, content_hash},
    npy::images,
};

const IMAGES: &str = "pictures.npy";
/// The division that the data came with, as a fold file.
const FOLDS: &str = "folds.json";

/// An open pack. Images stay on disk until they are touched.
#[derive(Debug)]
pub struct Pack {
    path: PathBuf,
    array: Mmap,
    start: usize,
    shape: ImageShape,
    table: LabelTable,
    hash: String,
    plan: String,
    reading: Reading,
    samples: Option<SampleRange>,
    /// Name of each image's file.
    files: Vec<String>,
    /// Where labels are in each image, where that is known.
    boxes: Vec<Option<Vec<Annotation>>>,
    /// Hash of each image's file, and of its pixels.
    inputs: Vec<String>,
    pixels: Vec<String>,
}

impl Pack {
    /// Whether `path` looks like a pack: a folder with a manifest and an array.
    pub fn is_pack(path: &Path) -> bool {
        path.join(manifest::FILE).is_file() && path.join(IMAGES).is_file()
    }

    /// Opens a pack. The manifest is checked whole, of the array header and length;
    /// [`Pack::verify`] checks the pixels.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotADataset`] where it is no pack, [`Error::Format`] where it
    /// is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(Error::NotFound {
                path: path.into(),
                hint: "make a pack with `soup pack`".into(),
            });
        }
        if !Self::is_pack(path) {
            return Err(Error::NotADataset {
                path: path.into(),
                problem: format!("not a pack: it lacks {IMAGES} or {}", manifest::FILE),
                hint: "make a pack with `soup pack`".into(),
            });
        }
        let (manifest, table) = Manifest::read(&path.join(manifest::FILE))?;
        let array_path = path.join(IMAGES);
        let file = File::open(&array_path).map_err(Error::io("open", &array_path))?;
        #[expect(unsafe_code, reason = "a file can only be mapped so")]
        // SAFETY: the map is read-only, and a pack is never written again once it has its name
        // (`write_pack` builds it under another one). A process that cut the file short while it is
        // mapped would end this one with a signal; it could not corrupt it.
        let array = unsafe { Mmap::map(&file) }.map_err(Error::io("map", &array_path))?;
        let shape = manifest.shape;
        let start = images::data_start(&array, table.len(), shape).map_err(|problem| {
            Error::format(&array_path, problem, "make the pack again with `soup pack`")
        })?;
        let (mut files, mut inputs, mut pixels) = (Vec::new(), Vec::new(), Vec::new());
        let mut boxes = Vec::new();
        for image in manifest.images {
            let of_box = |[label, x0, y0, x1, y1]: [u32; 5]| Annotation {
                label: label as usize,
                x0,
                y0,
                x1,
                y1,
            };
            boxes.push(
                image
                    .boxes
                    .map(|boxes| boxes.into_iter().map(of_box).collect()),
            );
            files.push(image.file);
            inputs.push(image.hashes.input);
            pixels.push(image.hashes.pixels);
        }
        Ok(Self {
            path: path.into(),
            array,
            start,
            shape,
            table,
            hash: manifest.hash,
            plan: manifest.plan,
            reading: Reading {
                max_value: manifest.max_value,
                fit: manifest.fit,
                ..Reading::default()
            },
            samples: manifest.samples,
            files,
            boxes,
            inputs,
            pixels,
        })
    }

    /// Hashes every image and compares with the manifest.
    ///
    /// # Errors
    /// [`Error::Format`] with the first image that differs.
    pub fn verify(&self) -> Result<()> {
        let Some(index) = self.damaged().first().copied() else {
            return Ok(());
        };
        Err(Error::format(
            self.path.join(IMAGES),
            format!(
                "image {index} (from 0, `{}`) is not what was packed",
                self.table.ids()[index]
            ),
            "the disk or a program changed it: make the pack again with `soup pack`",
        ))
    }

    /// The images whose pixels do not have the hash in the manifest, from 0.
    pub fn damaged(&self) -> Vec<usize> {
        let hashes = self.pixels.iter().enumerate();
        let other = hashes.filter(|(index, hash)| content_hash(self.image(*index)) != **hash);
        other.map(|(index, _)| index).collect()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no image; never so for a pack that could be opened.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// The pixels of image `index`: `shape().len()` bytes, height x width x channels.
    ///
    /// # Panics
    /// For an index past the end.
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.shape.len();
        &self.array[self.start..][index * size..(index + 1) * size]
    }

    /// Ids, label names and labels together; [`crate::folds::Folds`] are made of and bound to them.
    pub fn table(&self) -> &LabelTable {
        &self.table
    }

    /// The id of every image.
    pub fn ids(&self) -> &[String] {
        self.table.ids()
    }

    /// Name of the file that each image was packed from, in its folder or archive.
    pub fn file_names(&self) -> &[String] {
        &self.files
    }

    /// Names of the labels; empty where there are none.
    pub fn label_names(&self) -> &[String] {
        self.table.label_names()
    }

    /// The labels of an image, each 0, 1 or [`UNKNOWN`](crate::dataset::UNKNOWN); `None` where the pack has none.
    pub fn labels(&self, index: usize) -> Option<&[u8]> {
        self.table.labels(index)
    }

    /// Where labels are in image `index`, in its pixels; `None` where that is not known.
    pub fn boxes(&self, index: usize) -> Option<&[Annotation]> {
        self.boxes.get(index)?.as_deref()
    }

    /// Whether it is known of any image where labels are in it.
    pub fn has_boxes(&self) -> bool {
        self.boxes.iter().any(Option::is_some)
    }

    /// The fold file of the division that the data came with, where they came divided.
    pub fn given_folds(&self) -> Option<PathBuf> {
        Some(self.path.join(FOLDS)).filter(|path| path.is_file())
    }

    /// The samples of those of its images that had 16 bits a channel; packs of earlier versions do not
    /// say.
    pub fn samples(&self) -> Option<SampleRange> {
        self.samples
    }

    /// Hash of images, ids and labels.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

impl Source for Pack {
    fn len(&self) -> u64 {
        self.table.len() as u64
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn label_names(&self) -> &[String] {
        self.table.label_names()
    }

    fn reading(&self) -> Reading {
        self.reading
    }

    fn read(
        &self,
        index: u64,
        pixels: &mut [u8],
        labels: &mut [f32],
    ) -> Result<Option<Vec<Annotation>>, Error> {
        let len = self.table.len() as u64;
        if index >= len {
            return Err(Error::OutOfRange { index, len });
        }
        let image = self.image(index as usize);
        if pixels.len() != image.len() {
            return Err(Error::Buffer {
                what: "pixels",
                found: pixels.len(),
                expected: image.len(),
            });
        }
        self.table.load_labels(index as usize, labels)?;
        pixels.copy_from_slice(image);
        Ok(self.boxes[index as usize].clone())
    }

    fn read_labels(&self, index: u64, labels: &mut [f32]) -> Result<(), Error> {
        let len = self.table.len() as u64;
        if index >= len {
            return Err(Error::OutOfRange { index, len });
        }
        self.table.load_labels(index as usize, labels)
    }
}
