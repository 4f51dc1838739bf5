//! `soup doctor`: leaks, and validations that will not hold.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_data::{
    Source,
    dataset::{
        Channels, Columns, Dataset, Fit, FolderSource, LabelTable, LeftOut, Reading, SampleRange,
    },
    doctor::{
        Finding, Fingerprints, Inputs, Likeness, Sources, Verdict, examine, groups, packed,
        read_sources,
    },
    folds::Folds,
    pack::Pack,
};
use soup_train::{doctor, runs::RunDirectory, trainer::OutOfFold};

use crate::{
    console::{Console, Report},
    failure::Usage,
    images::{all_faults, say_what_was_found},
    interrupt,
    labels::LabelOptions,
    output::Output,
    progress::Bar,
};

/// Find leaks in a data set, and reasons why a run's validation is too optimistic
///
/// Finds duplicate or similar images (perceptual hash), on both sides of a fold or with other labels;
/// sources that folds share; labels that file names or the order reveal; labels that are constant, rare or
/// unevenly distributed. Of a run also the gap between training and validation, and folds that differ. Of
/// grey images also whether levels are noise within a few bins, and which ones.
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 0 whatever it finds: scripts read `problems` and `warnings` from --json.

Examples:
  soup doctor pack/
  soup doctor images/ --folds folds.json --groups groups.csv
  soup folds --data images/ --kind group --group group --groups groups.csv --out folds.json
  soup doctor runs/first
  soup doctor set/ --sources set/boxes.csv --source glyph")]
pub struct Arguments {
    /// A pack, a folder or zip of images, or a run
    #[arg(value_name = "DATA_OR_RUN")]
    patient: PathBuf,

    /// Which images are held out together [default: a run's own]
    #[arg(long, value_name = "FILE")]
    folds: Option<PathBuf>,

    /// A table of what images were made of: an id column first, a row an image and source
    /// [default: boxes.csv beside the images]
    #[arg(long, value_name = "CSV")]
    sources: Option<PathBuf>,

    /// The column of that table that names the source
    #[arg(long, value_name = "COLUMN", default_value = "glyph")]
    source: String,

    /// Writes id and group of every image: those that are equal or similar share one
    #[arg(long, value_name = "CSV")]
    groups: Option<PathBuf>,

    /// Fails where files were left out that may be images
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    shape: LabelOptions,
}

#[derive(Serialize)]
struct Facts {
    patient: PathBuf,
    data: Option<PathBuf>,
    #[serde(rename = "pictures")]
    images: usize,
    /// What lay beside the images and was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<LeftOut>,
    problems: usize,
    warnings: usize,
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<PathBuf>,
}

enum Opened {
    Pack(Pack),
    Folder(FolderSource<'static>),
}

impl Opened {
    fn images(&self) -> &dyn Source {
        match self {
            Self::Pack(pack) => pack,
            Self::Folder(folder) => folder,
        }
    }

    /// The samples of images with 16 bits a channel, once all are read.
    fn samples(&self) -> Option<(SampleRange, Option<u16>)> {
        let samples = match self {
            Self::Pack(pack) => pack.samples(),
            Self::Folder(folder) => folder.samples(),
        };
        Some((samples?, self.images().reading().max_value))
    }
}

/// Images with their names, as they lie there.
struct Data {
    path: PathBuf,
    table: LabelTable,
    images: Opened,
    file_names: Vec<String>,
    left_out: Option<LeftOut>,
    /// Of a pack: whether its images are what was packed.
    packed: Option<Finding>,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let groups_out = (arguments.groups.as_deref())
        .map(|path| Output::new(path, "--groups", &["csv", "csv.gz"]))
        .transpose()?;
    let stop = interrupt::watch()?;
    let patient = &arguments.patient;
    let run = patient.join("config.toml").is_file().then_some(patient);
    let data = match run {
        Some(run) => of_run(run, arguments.strict, console)?,
        None => Some(open(
            patient,
            &arguments.shape.columns(),
            arguments.strict,
            console,
        )?),
    };
    let Some(data) = data else {
        // Every image of the run is composed: held-out glyphs are never trained on.
        if arguments.groups.is_some() || arguments.folds.is_some() || arguments.sources.is_some() {
            return Err(
                Usage("this run composes its images; there is no data to examine".into()).into(),
            );
        }
        let found = OutOfFold::read(patient, &stop).ok();
        let mut findings = vec![Finding::fine(
            "composed images",
            "held-out images are made of glyphs that training never shows",
        )];
        findings.extend(doctor::examine(patient, found.as_ref(), false)?);
        let images = found.map_or(0, |found| found.ids.len());
        return report(arguments, (None, None), images, findings);
    };

    let fold_file = match (&arguments.folds, run) {
        (Some(path), _) => Some(path.clone()),
        (None, Some(run)) => Some(run.join("folds.json")).filter(|path| path.is_file()),
        (None, None) => None,
    };
    let folds = (fold_file.as_deref())
        .map(|path| Folds::load(path, &data.table))
        .transpose()?;
    let sources = sources(arguments, &data)?;

    let examples = data.images.images();
    let bar = Bar::new(console, "reading", examples.len(), "images");
    let fingerprints = Fingerprints::take(examples, &|done| bar.set(done), &stop);
    bar.finish();
    let fingerprints = fingerprints.map_err(|fault| match &data.images {
        Opened::Pack(_) => fault,
        Opened::Folder(folder) => all_faults(folder.dataset(), Reading::default(), fault, &stop),
    })?;
    let mut findings = Vec::from_iter(data.packed.clone());
    findings.extend(examine(&Inputs {
        table: &data.table,
        file_names: Some(&data.file_names),
        fingerprints: Some(&fingerprints),
        folds: folds.as_ref(),
        samples: data.images.samples(),
        sources: sources.as_ref(),
    }));
    if let Some(run) = run {
        let twins = |finding: &Finding| {
            finding.verdict == Verdict::Problem
                && ["equal images", "similar images"].contains(&finding.check)
        };
        let has_twins = findings.iter().any(twins);
        let found = (run.join("oof.npy").is_file())
            .then(|| OutOfFold::read(run, &stop))
            .transpose()?;
        findings.extend(doctor::examine(run, found.as_ref(), has_twins)?);
    }
    if let Some(out) = &groups_out {
        let firsts = groups(&Likeness::of(&fingerprints), data.table.len());
        let ids = data.table.ids();
        let mut text = String::from("id,group\n");
        for (id, first) in ids.iter().zip(firsts) {
            text.push_str(&format!("{},{}\n", quoted(id), quoted(&ids[first])));
        }
        out.write(text.as_bytes())?;
    }
    let count = data.table.len();
    let report = report(arguments, (Some(data.path), data.left_out), count, findings)?;
    let beside_groups = groups_out.is_some_and(|out| out.is_stdout());
    Ok(if beside_groups {
        report.on_stderr()
    } else {
        report
    })
}

/// The data that a run's settings name; none where every image is composed.
fn of_run(run: &Path, is_strict: bool, console: Console) -> Result<Option<Data>> {
    let config = RunDirectory::at(run).config()?;
    if config.data.only_composed() {
        return Ok(None);
    }
    let own = run.join("pictures.pack");
    let path = PathBuf::from(&config.data.path);
    let path = if Pack::is_pack(&own) { &own } else { &path };
    Ok(Some(open(
        path,
        &config.data.columns(),
        is_strict,
        console,
    )?))
}

fn open(path: &Path, columns: &Columns, is_strict: bool, console: Console) -> Result<Data> {
    if Pack::is_pack(path) {
        let pack = Pack::open(path)?;
        return Ok(Data {
            path: path.to_path_buf(),
            table: pack.table().clone(),
            file_names: pack.file_names().to_vec(),
            packed: Some(packed(&pack)),
            images: Opened::Pack(pack),
            left_out: None,
        });
    }
    let dataset = Dataset::open(path, columns)?;
    say_what_was_found(&dataset, is_strict, console)?;
    Ok(Data {
        left_out: Some(dataset.left_out().clone()),
        path: path.to_path_buf(),
        table: dataset.table().clone(),
        file_names: (0..dataset.len())
            .filter_map(|index| dataset.file_name(index).map(str::to_owned))
            .collect(),
        images: Opened::Folder(dataset.examples(Channels::default(), Some(Fit::DEFAULT))?),
        packed: None,
    })
}

fn sources(arguments: &Arguments, data: &Data) -> Result<Option<Sources>> {
    let beside = data.path.join("boxes.csv");
    let path = match &arguments.sources {
        Some(path) => path,
        None if beside.is_file() => &beside,
        None => return Ok(None),
    };
    Ok(Some(read_sources(
        path,
        &arguments.source,
        data.table.ids(),
    )?))
}

/// A field of a CSV file.
pub fn quoted(text: &str) -> String {
    if text.contains([',', ';', '\t', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn report(
    arguments: &Arguments,
    (data, left_out): (Option<PathBuf>, Option<LeftOut>),
    images: usize,
    findings: Vec<Finding>,
) -> Result<Report> {
    let count = |verdict| {
        findings
            .iter()
            .filter(|finding| finding.verdict == verdict)
            .count()
    };
    let facts = Facts {
        patient: arguments.patient.clone(),
        data,
        images,
        left_out,
        problems: count(Verdict::Problem),
        warnings: count(Verdict::Warning),
        findings,
        groups: arguments.groups.clone(),
    };
    let text = facts.text();
    Report::new(facts, text)
}

impl Facts {
    fn text(&self) -> String {
        let mut text = format!("{}, {} images\n\n", self.patient.display(), self.images);
        for finding in &self.findings {
            let verdict = match finding.verdict {
                Verdict::Fine => "fine",
                Verdict::Skipped => "skipped",
                Verdict::Warning => "WARNING",
                Verdict::Problem => "PROBLEM",
            };
            text.push_str(&format!(
                "{verdict:<8} {}: {}\n",
                finding.check, finding.message
            ));
            for example in &finding.examples {
                text.push_str(&format!("           {example}\n"));
            }
            if let Some(advice) = &finding.advice {
                text.push_str(&format!("         -> {advice}\n"));
            }
        }
        text.push_str(&format!(
            "\n{} problems, {} warnings\n",
            self.problems, self.warnings
        ));
        if let Some(groups) = &self.groups {
            text.push_str(&format!("groups in {}\n", groups.display()));
        }
        text
    }
}
