//! `soup export`: runs as one file for production.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use serde::Serialize;
use soup_data::{ImageShape, dataset::Fit, ids::are_same_names};
use soup_decide::{DecideError, Decision, Thresholds, views::Views};
use soup_model::{Model, Origin, Precision, Predictor};

use super::Folds;
use crate::{console::Report, failure::Usage, output::Output};

/// Write runs as one file for production: model.soup, ONNX, or weights for timm
///
/// model.soup holds all that soup needs to answer: networks, transforms, labels, thresholds or a decision; soup
/// predict takes it in place of runs. ONNX holds the transforms too: bytes of images in,
/// probabilities out. safetensors holds the weights of one network under timm's names.
#[derive(Debug, Args)]
#[command(after_help = "\
Several runs and folds become one file whose answer is the mean of their probabilities.

ONNX: input `pictures`, uint8, N x height x width x channels (RGB where there are three); output
`probabilities`, float, N x labels; with --maps also `maps`, N x labels x rows x columns, 0 to 1;
operator set 18; labels and thresholds as JSON in the metadata.

Examples:
  soup export runs/first --out model.soup
  soup export runs/first --decision runs/first/decision.json --out model.soup
  soup export runs/first runs/second --half --out both.soup
  soup export runs/first runs/second --fold 0,2 --out model.onnx --maps
  soup export runs/first --fold 0 --out model.safetensors

Next: soup predict model.soup --images test/ --out probs.csv")]
pub struct Arguments {
    /// Runs (all of their trained folds) and model files
    #[arg(required = true, value_name = "RUN_OR_MODEL")]
    models: Vec<PathBuf>,

    /// The file: .soup, .onnx or .safetensors; - is stdout, with --format
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// What to write [default: by the name of --out]
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Folds of the runs that answer: all, or numbers from 0 such as 0,2
    #[arg(long, value_name = "FOLDS", default_value = "all")]
    fold: Folds,

    /// ONNX: give the label maps as a second output
    #[arg(long)]
    maps: bool,

    /// Images it is to read, such as 256x256x1 [default: those it was trained on]
    #[arg(long, value_name = "HEIGHTxWIDTHxCHANNELS")]
    image: Option<Sides>,

    /// model.soup: answers as this decision of soup decide makes them, views included
    #[arg(long, value_name = "FILE", conflicts_with = "threshold")]
    decision: Option<PathBuf>,

    /// A yes is a probability above T; T,a=T,... gives labels their own [default: 0.5]
    #[arg(long, value_name = "T")]
    threshold: Option<Thresholds>,

    /// model.soup: how the engine computes [default: as the run was trained]
    #[arg(long, value_enum)]
    precision: Option<Computing>,

    /// model.soup: weights in half precision (f16), in half the size
    #[arg(long)]
    half: bool,
}

/// [`Precision`] as an argument.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Computing {
    /// Single precision, on every processor
    F32,
    /// Activations in half, for processors that multiply them
    Bf16,
    /// bf16 where the processor that answers is faster in it, else f32
    Auto,
}

impl From<Computing> for Precision {
    fn from(computing: Computing) -> Self {
        match computing {
            Computing::F32 => Self::F32,
            Computing::Bf16 => Self::Bf16,
            Computing::Auto => Self::Auto,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Format {
    /// All that soup needs to answer
    Soup,
    /// For ONNX Runtime, OpenVINO and others
    Onnx,
    /// Weights of one network under timm's names
    Safetensors,
}

impl Format {
    fn of(out: &Path) -> Result<Self> {
        let extension = out.extension().unwrap_or_default().to_string_lossy();
        <Self as ValueEnum>::from_str(&extension, true).map_err(|_| {
            let problem = format!(
                "the name {} says no format; end it in .soup, .onnx or .safetensors, or give --format",
                out.display()
            );
            Usage(problem).into()
        })
    }
}

/// An image's shape as an argument.
#[derive(Clone, Copy, Debug)]
struct Sides(ImageShape);

impl FromStr for Sides {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sides: Result<Vec<usize>, _> = text.split('x').map(str::parse).collect();
        match sides.as_deref() {
            Ok(&[height, width, channels @ 1..=4]) if height > 0 && width > 0 => {
                Ok(Self(ImageShape {
                    height,
                    width,
                    channels,
                }))
            }
            _ => Err("write rows, columns and channels (1 to 4), such as 256x256x1".into()),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Soup => "model.soup",
            Self::Onnx => "ONNX",
            Self::Safetensors => "safetensors",
        })
    }
}

#[derive(Serialize)]
struct Facts<'a> {
    format: Format,
    networks: Vec<Origin>,
    labels: usize,
    /// Height, width, channels.
    #[serde(rename = "picture")]
    image: [usize; 3],
    /// The white of the 16-bit images that it was trained on, where that is below 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_value: Option<u16>,
    /// How it brings images of other sizes to its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    fit: Option<Fit>,
    bytes: usize,
    out: &'a Path,
}

pub fn run(arguments: &Arguments) -> Result<Report> {
    let format = match arguments.format {
        Some(format) => format,
        None => Format::of(&arguments.out)?,
    };
    // Whoever names the format may call the file as they like.
    let ending = arguments
        .out
        .extension()
        .unwrap_or_default()
        .to_string_lossy();
    let out = Output::new(&arguments.out, "--out", &[&ending])?;
    refuse_idle_flags(arguments, format)?;
    let predictor = Predictor::open(&arguments.models, arguments.fold.0.as_deref())?;
    let weights = (format == Format::Safetensors).then(|| predictor.trained_weights());
    let weights = weights.transpose()?;
    let image = arguments.image.map(|sides| sides.0);
    let mut model = predictor.model(image)?;
    if let Some(thresholds) = &arguments.threshold {
        model.thresholds = thresholds.in_order(&model.label_names)?;
    }
    if let Some(computing) = arguments.precision {
        for member in &mut model.members {
            member.precision = computing.into();
        }
    }
    if arguments.half {
        for member in &mut model.members {
            let file = member.origin.file.clone();
            member.weights.round_to_half().map_err(|value| {
                anyhow!("{file} has a weight of {value}, and half precision ends at 65504; leave --half out")
            })?;
        }
    }
    if let Some(path) = &arguments.decision {
        decide(&mut model, path)?;
    }
    let bytes = match weights {
        Some(weights) => weights,
        None if format == Format::Onnx => {
            // Networks only: what a decision makes of their answers stays out.
            model.views = Views::default();
            if model.decision.take().is_some() {
                model.thresholds.fill(0.5);
            }
            model.to_onnx(arguments.maps)?
        }
        None => model.to_bytes()?,
    };
    out.write(&bytes)?;
    let report = report(arguments, format, &model, bytes.len())?;
    Ok(if out.is_stdout() {
        report.on_stderr()
    } else {
        report
    })
}

/// Puts a decision into the model.
fn decide(model: &mut Model, path: &Path) -> Result<()> {
    let decision = Decision::read(path)?;
    let wrong = |problem: String| DecideError::Decision {
        path: path.to_path_buf(),
        problem,
    };
    if !are_same_names(decision.labels(), &model.label_names) {
        return Err(wrong("it is for other labels than the networks'".to_owned()).into());
    }
    let cuts = decision.cuts().ok_or_else(|| {
        wrong(
            "it decodes whole sets of labels, which a model that answers label by label cannot do; fit one with \
             --metric accuracy"
                .to_owned(),
        )
    })?;
    model.thresholds = cuts;
    model.views = decision.views().cloned().unwrap_or_default();
    model.decision = Some(decision.to_json()?);
    Ok(())
}

fn refuse_idle_flags(arguments: &Arguments, format: Format) -> Result<()> {
    let idle = [
        (
            "--maps",
            arguments.maps && format != Format::Onnx,
            "--format onnx only; a model.soup always has its maps",
        ),
        (
            "--decision",
            arguments.decision.is_some() && format != Format::Soup,
            "model.soup only; ONNX and safetensors hold the networks alone",
        ),
        (
            "--precision",
            arguments.precision.is_some() && format != Format::Soup,
            "model.soup only; ONNX and safetensors leave that to who runs them",
        ),
        (
            "--half",
            arguments.half && format != Format::Soup,
            "model.soup only; ONNX and safetensors hold weights in single precision",
        ),
        (
            "--threshold",
            arguments.threshold.is_some() && format == Format::Safetensors,
            "model.soup and ONNX only",
        ),
    ];
    match idle.into_iter().find(|(_, idle, _)| *idle) {
        Some((flag, _, what)) => Err(Usage(format!("{flag} is for {what}")).into()),
        None => Ok(()),
    }
}

fn report(arguments: &Arguments, format: Format, model: &Model, bytes: usize) -> Result<Report> {
    let origins = model.members.iter().map(|member| member.origin.clone());
    let ImageShape {
        height,
        width,
        channels,
    } = model.image;
    let facts = Facts {
        format,
        networks: origins.collect(),
        labels: model.label_names.len(),
        image: [height, width, channels],
        max_value: model.reading.max_value,
        fit: model.reading.fit,
        bytes,
        out: &arguments.out,
    };
    let mut text = String::new();
    for origin in &facts.networks {
        let accuracy = match origin.valid_accuracy {
            Some(accuracy) => format!(", accuracy {accuracy:.4}"),
            None => String::new(),
        };
        text.push_str(&format!(
            "{} fold {} epoch {}{accuracy}: {}\n",
            origin.network, origin.fold, origin.epoch, origin.file
        ));
    }
    text.push_str(&format!(
        "{} networks, {} labels, images of {} as {format} in {} ({:.1} MB)",
        facts.networks.len(),
        facts.labels,
        model.image,
        arguments.out.display(),
        bytes as f64 / 1e6
    ));
    if let (Format::Onnx, Some(most)) = (format, model.reading.max_value) {
        text.push_str(&format!(
            "\nit was trained on 16-bit images whose white is {most}: bring such images to bytes as min(value, {most}) * 255 / {most}, \
             rounded (max_value in its metadata)"
        ));
    }
    if let (Format::Onnx, Some(fit)) = (format, model.reading.fit) {
        text.push_str(&format!(
            "\nit learned from images of several sizes that were brought to one: bring images to it as {fit} does, with \
             the antialiased bilinear filter of Pillow and torchvision (fit in its metadata)"
        ));
    }
    if format == Format::Soup {
        text.push_str(&format!(
            "\nnext: soup predict {} --images DIR --out probs.csv",
            arguments.out.display()
        ));
    }
    Report::new(facts, text)
}
