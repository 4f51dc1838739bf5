//! `soup compose`: images in the manner of the founding contest.

use std::{
    num::NonZeroUsize,
    ops::ControlFlow,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_compose::{Composer, WriteOptions, glyphs::GlyphSpec, write_dataset};
use soup_train::config::{Config, renamed};

use crate::{
    console::{Console, Report},
    failure::Usage,
    images::say_what_glyphs_leave_out,
    interrupt,
    progress::Bar,
};

/// Make labelled images of letters under noise
///
/// Writes images/00000.png, ..., answer.csv (index and one 0/1 column a letter), boxes.csv (where
/// each letter is) and compose.json (what they were made of). The same seed makes the same images
/// on every machine. Interrupted, the same command goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
Glyphs:
  strokes                    carried in the program, endless, no two alike
  csv:PATH                   rows of id,digit,letter,0..783
  idx:IMAGES,LABELS          IDX files; with ,transpose for EMNIST's orientation
  folder:PATH                a folder of PNG images a label
  font:PATH                  a TrueType or OpenType font
Join several with +; [0..12000] takes a range, so two sets can be made of other glyphs:
  soup compose --glyphs 'strokes[0..20000]' --count 2000 --seed 1 --out train
  soup compose --glyphs 'strokes[20000..30000]' --count 500 --seed 2 --out test

The settings of an image are keys of the section compose, for example:
  soup compose --count 100 --seed 1 --out small compose.width=128 compose.height=128

Images that share a glyph score too high when one of them is held out. To cut folds that share none:
  soup compose --count 5000 --out set compose.glyph_groups=5
  soup folds --data set --kind group --group group --groups set/groups.csv --k 5 --out folds.json")]
pub struct Arguments {
    /// What the letters are drawn from
    #[arg(long, value_name = "SOURCE", default_value = "strokes")]
    glyphs: String,

    /// Number of images
    #[arg(long, value_name = "N")]
    count: u64,

    /// Seed of the images
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,

    /// Folder for the images and tables
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Threads [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    /// Fails where files of a folder of glyphs were left out that may be images
    #[arg(long)]
    strict: bool,

    /// Settings of the composer: compose.key=value
    #[arg(value_name = "SETTINGS")]
    settings: Vec<String>,
}

#[derive(Serialize)]
struct Facts<'a> {
    data: &'a PathBuf,
    #[serde(rename = "pictures")]
    images: u64,
    labels: usize,
    seed: u64,
    glyphs: String,
    seconds: f64,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let started = Instant::now();
    let others = |text: &&String| !text.starts_with("compose.");
    if let Some(other) = arguments.settings.iter().find(others) {
        let problem = "is no setting of the composer; write compose.key=value";
        return Err(Usage(format!("`{other}` {problem}")).into());
    }
    console.renamed(&renamed::used(None, &arguments.settings));
    let config = Config::load(None, &arguments.settings)?.compose;
    let glyphs: GlyphSpec = arguments.glyphs.parse()?;
    say_what_glyphs_leave_out(&glyphs, arguments.strict, console)?;
    let composer = Composer::new(config, glyphs.open()?)?;
    let options = WriteOptions {
        out: arguments.out.clone(),
        count: arguments.count,
        seed: arguments.seed,
        glyphs: glyphs.to_string(),
        threads: arguments.threads,
    };
    let stop = interrupt::watch()?;
    write(&composer, &options, console, &stop)?;
    let facts = Facts {
        data: &arguments.out,
        images: arguments.count,
        labels: composer.label_names().len(),
        seed: arguments.seed,
        glyphs: glyphs.to_string(),
        seconds: started.elapsed().as_secs_f64(),
    };
    let text = format!(
        "{} images with {} labels in {} (images/, answer.csv, boxes.csv)",
        facts.images,
        facts.labels,
        arguments.out.display()
    );
    Report::new(facts, text)
}

/// Writes the images under a bar.
pub fn write(
    composer: &Composer,
    options: &WriteOptions,
    console: Console,
    stop: &AtomicBool,
) -> soup_data::Result<()> {
    let bar = Bar::new(console, "composing", options.count, "images");
    let written = write_dataset(composer, options, &|done| {
        bar.set(done);
        match stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    bar.finish();
    written
}
