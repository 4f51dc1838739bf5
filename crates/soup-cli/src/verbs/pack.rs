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
    dataset::{Channels, Columns, Dataset, Fit, FitMode, LeftOut, Reading, SampleRange},
    pack::{Pack, PackOptions, PackReport, write_pack},
};

use crate::{
    console::{Console, Report},
    failure::Usage,
    images::{say_what_was_found, several_sizes},
    interrupt,
    progress::Bar,
};

/// Decode images once into a memory-mapped array, and check every one and every label
///
/// The pack holds one .npy (uint8, N x H x W for grey, N x H x W x C else; NumPy opens it) and a
/// manifest of ids, labels and hashes. What is wrong with the input is named with its file and row.
/// Interrupted, the same command goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup pack --data dirty_mnist_2nd/ --out pack/              the contest's layout, or compose's
  soup pack --images images/ --labels labels.csv --out pack/
  soup pack --images images.zip --labels labels.csv --id file --ignore source --out pack/
  soup pack --images x.npy --labels y.npy --label-names cat,dog --out pack/")]
pub struct Arguments {
    /// A data set: a folder or zip file with images and at most one table of labels
    #[arg(long, value_name = "DIR_OR_ZIP", conflicts_with_all = ["images", "labels"])]
    data: Option<PathBuf>,

    /// The images alone: a folder, a zip file, or a NumPy array (N x H x W or N x H x W x C of uint8 or uint16)
    #[arg(long, value_name = "DIR_OR_ZIP_OR_NPY")]
    images: Option<PathBuf>,

    /// The labels: a table with an id column and 0/1 columns, or a NumPy array of N x labels
    #[arg(long, value_name = "CSV_OR_NPY", requires = "images")]
    labels: Option<PathBuf>,

    /// The id column [default: the first]
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,

    /// The label columns, in this order [default: all others]; of an array the names of its columns
    /// [default: label0, label1, ...]
    #[arg(
        long,
        visible_alias = "label-names",
        value_name = "COLUMNS",
        value_delimiter = ','
    )]
    label_columns: Option<Vec<String>>,

    /// Columns that are no labels
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    ignore: Vec<String>,

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
    let columns = Columns {
        id: arguments.id.clone(),
        labels: arguments.label_columns.clone(),
        ignored: arguments.ignore.clone(),
    };
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
