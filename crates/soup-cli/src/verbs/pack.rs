//! `soup pack`: images decoded once.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_data::{
    Source,
    dataset::{Channels, Dataset, Fit, FitMode, LabelsFormat, LeftOut, Reading, SampleRange},
    pack::{Pack, PackOptions, PackReport, write_pack},
};

use crate::{
    console::{Console, Report},
    failure::Usage,
    images::{say_what_was_found, several_sizes},
    interrupt,
    labels::LabelOptions,
    progress::Bar,
};

/// Decode images once into a memory-mapped array, and check every one and every label
///
/// The pack holds one .npy (uint8, N x H x W for grey, N x H x W x C else; NumPy opens it) and a
/// manifest of ids, labels, boxes and hashes. What is wrong with the input is named with its file and row.
/// Interrupted, the same command goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup pack --data dirty_mnist_2nd/ --out pack/              the contest's layout, or compose's
  soup pack --images images/ --labels labels.csv --out pack/
  soup pack --images images.zip --labels labels.csv --id file --ignore source --out pack/
  soup pack --images images/ --labels annotations.json --out pack/     COCO, with its boxes
  soup pack --images x.npy --labels y.npy --label-names cat,dog --out pack/

soup labels shows beforehand what is understood of the labels.")]
pub struct Arguments {
    /// A data set: a folder or zip file with images, and labels in any shape that soup labels reads
    #[arg(long, value_name = "DIR_OR_ZIP", conflicts_with_all = ["images", "labels"])]
    data: Option<PathBuf>,

    /// The images alone: a folder, a zip file, or a NumPy array (N x H x W or N x H x W x C of uint8 or uint16)
    #[arg(long, value_name = "DIR_OR_ZIP_OR_NPY")]
    images: Option<PathBuf>,

    /// The labels: a table, a JSON file, a folder of files with boxes, or a NumPy array of N x labels
    #[arg(long, value_name = "FILE_OR_DIR", requires = "images")]
    labels: Option<PathBuf>,

    #[command(flatten)]
    shape: LabelOptions,

    /// Channels of the pack: grey, rgb, or auto: as the files have them, and of files that differ RGB
    /// where any is coloured, else grey, without alpha
    #[arg(long, value_name = "CHANNELS", default_value = "auto")]
    channels: Channels,

    /// The largest value of 16-bit images that use fewer bits, such as 4095 for 12; it becomes white
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    max_value: Option<u16>,

    /// The one size of the pack's images [default: their own, or 256 where they have several]
    #[arg(long, value_name = "N_OR_HEIGHTxWIDTH", value_parser = size)]
    size: Option<[usize; 2]>,

    /// How images of another aspect get that size: squash (scaled apart), crop (the middle), pad (black beside)
    #[arg(long, value_name = "MODE", default_value = "squash")]
    fit: FitMode,

    /// Folder of the pack
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Threads [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    /// Fails where files were left out that may be images
    #[arg(long)]
    strict: bool,

    /// Leaves out images that cannot be decoded, and says which; else they are an error
    #[arg(long, conflicts_with = "strict")]
    skip_damaged: bool,
}

#[derive(Serialize)]
struct Facts<'a> {
    pack: &'a PathBuf,
    #[serde(rename = "pictures")]
    images: u64,
    /// Images decoded now; the others were there from an earlier run.
    decoded: u64,
    /// Images that no row of the table names.
    unlisted: u64,
    /// What lay beside the images and was not taken.
    left_out: &'a LeftOut,
    shape: [usize; 3],
    labels: usize,
    /// The shape in which they came.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels_format: Option<LabelsFormat>,
    /// Cells of which nobody knows.
    unknown_labels: usize,
    /// Images of which it is known where their labels are.
    images_with_boxes: usize,
    /// The fold file of the division with which the data came.
    #[serde(skip_serializing_if = "Option::is_none")]
    folds: Option<PathBuf>,
    hash: String,
    /// Of images with 16 bits a channel: the least and greatest value, and the one that became 255.
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<SampleRange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_value: Option<u16>,
    /// How images were brought to one size, such as `256x256-squash`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fit: Option<Fit>,
    seconds: f64,
}

/// `N` or `HEIGHTxWIDTH`.
fn size(text: &str) -> Result<[usize; 2], String> {
    let fit: Fit = text.parse()?;
    Ok([fit.height, fit.width])
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let started = Instant::now();
    let columns = arguments.shape.columns();
    let stop = interrupt::watch()?;
    let reading = Reading {
        channels: arguments.channels,
        max_value: arguments.max_value,
        fit: arguments.size.map(|[height, width]| Fit {
            height,
            width,
            mode: arguments.fit,
        }),
    };
    let labels = arguments.labels.as_deref();
    let mut dataset = match (&arguments.data, &arguments.images) {
        (Some(data), _) if arguments.skip_damaged => Dataset::open(data, &columns)?,
        (Some(data), _) => Dataset::open_wholly(data, None, &columns, (reading, &stop))?,
        (None, Some(images)) if labels.is_none() || arguments.skip_damaged => {
            Dataset::from_parts(images, labels, &columns)?
        }
        (None, Some(images)) => Dataset::open_wholly(images, labels, &columns, (reading, &stop))?,
        (None, None) => {
            return Err(Usage("name the images with --data or --images".into()).into());
        }
    };
    if arguments.skip_damaged {
        dataset = dataset.without_damaged(reading, &stop)?;
    }
    say_what_was_found(&dataset, arguments.strict, console)?;
    let options = PackOptions {
        reading,
        otherwise: Some(Fit {
            mode: arguments.fit,
            ..Fit::DEFAULT
        }),
        threads: arguments.threads,
        progress: None,
        stop: Some(&stop),
    };
    let written = write(&dataset, &arguments.out, options, console)?;
    let pack = Pack::open(&arguments.out)?;
    let shape = pack.shape();
    if let Some(channels) = written.joined {
        console.warn(&format!(
            "the images are stored in different channels; all are packed as {channels} (--channels)"
        ));
    }
    if let Some(fit) = written.fitted {
        console.warn(&several_sizes(fit, "--size and --fit choose"));
    }
    if written.unplaced > 0 {
        console.warn(&format!(
            "the boxes of {} images were drawn on images of another aspect (turned, perhaps); nobody knows where they \
             are, so they teach no maps",
            written.unplaced
        ));
    }
    let samples = pack.samples();
    if let Some(warning) = samples.and_then(|samples| samples.warning(arguments.max_value)) {
        console.warn(&warning);
    }
    let facts = Facts {
        pack: &arguments.out,
        images: written.images,
        decoded: written.decoded,
        unlisted: written.unlisted,
        left_out: dataset.left_out(),
        shape: [shape.height, shape.width, shape.channels],
        labels: pack.label_names().len(),
        labels_format: dataset.labels_format(),
        unknown_labels: pack.table().unknown(),
        images_with_boxes: (0..pack.len())
            .filter(|at| pack.boxes(*at).is_some())
            .count(),
        folds: pack.given_folds(),
        hash: pack.hash().to_owned(),
        samples,
        max_value: arguments.max_value,
        fit: pack.reading().fit,
        seconds: started.elapsed().as_secs_f64(),
    };
    let mut text = format!(
        "{} images of {shape} with {} labels in {}",
        facts.images,
        facts.labels,
        arguments.out.display()
    );
    if let Some(folds) = &facts.folds {
        text.push_str(&format!(
            "\nimages to train on and to validate by came apart: {} holds that, and soup train keeps to it",
            folds.display()
        ));
    }
    if written.unlisted > 0 {
        text.push_str(&format!(
            "\n{} images are in no row of the table",
            written.unlisted
        ));
    }
    Report::new(facts, text)
}

/// Packs under a bar.
pub fn write(
    dataset: &Dataset,
    out: &Path,
    options: PackOptions<'_>,
    console: Console,
) -> soup_data::Result<PackReport> {
    let bar = Bar::new(console, "packing", dataset.len() as u64, "images");
    let options = PackOptions {
        progress: Some(&|done, _| bar.set(done)),
        ..options
    };
    let written = write_pack(dataset, out, &options);
    bar.finish();
    written
}
