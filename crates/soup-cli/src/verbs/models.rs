//! `soup models`: the backbones there are.

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_zoo::{ModelConfig, ModelSpec, ZooError, build, models};

use crate::console::Report;

/// List the backbones: parameters, multiply-adds, the input each was designed for
///
/// Names are timm's. A model reads images of any size and number of channels; the figures are for
/// what is asked for here.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup models
  soup models efficientnet_b0 repvgg_a0 --size 331 --channels 1 --labels 26
  soup models --json | jq '.models[].name'

Take one with: soup train ... model.name=repvgg_a0")]
pub struct Arguments {
    /// Models to show [default: all]
    #[arg(value_name = "NAMES")]
    names: Vec<String>,

    /// Rows and columns of the images [default: what each model was designed for]
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,

    /// Channels of the images
    #[arg(long, value_name = "N", default_value_t = 3)]
    channels: usize,

    /// Number of labels
    #[arg(long, value_name = "N", default_value_t = 1000)]
    labels: usize,
}

#[derive(Serialize)]
struct Facts {
    channels: usize,
    labels: usize,
    models: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    /// Side of the images that it was designed for.
    default_size: usize,
    /// Side of the images that the multiply-adds are for.
    size: usize,
    parameters: usize,
    multiply_adds: u64,
}

pub fn run(arguments: &Arguments) -> Result<Report> {
    let names = match arguments.names.as_slice() {
        [] => models().iter().map(|spec| spec.name).collect(),
        names => names.iter().map(String::as_str).collect::<Vec<_>>(),
    };
    let rows = names.into_iter().map(|name| row(name, arguments));
    let rows = rows.collect::<Result<Vec<_>, ZooError>>()?;
    let mut text = String::from("model                 size  parameters  multiply-adds\n");
    for row in &rows {
        text.push_str(&format!(
            "{:<20} {:>5} {:>9.2} M {:>12.3} G\n",
            row.name,
            row.size,
            row.parameters as f64 / 1e6,
            row.multiply_adds as f64 / 1e9
        ));
    }
    text.push_str(&format!(
        "for images of {} channels and {} labels\n",
        arguments.channels, arguments.labels
    ));
    let facts = Facts {
        channels: arguments.channels,
        labels: arguments.labels,
        models: rows,
    };
    Report::new(facts, text)
}

fn row(name: &str, arguments: &Arguments) -> Result<Row, ZooError> {
    let unknown = ModelConfig {
        name: name.to_owned(),
        ..ModelConfig::default()
    };
    let spec = models().iter().find(|spec| spec.name == name);
    let model = spec.map_or(unknown, ModelSpec::config);
    let size = arguments.size.unwrap_or(model.height);
    let graph = build(&ModelConfig {
        height: size,
        width: size,
        channels: arguments.channels,
        labels: arguments.labels,
        ..model.clone()
    })?;
    Ok(Row {
        default_size: model.height,
        size,
        parameters: graph.trainable_len(),
        multiply_adds: graph.multiply_adds(),
        name: model.name,
    })
}
