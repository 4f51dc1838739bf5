//! `soup subset`: some images that stand for all of them.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_data::dataset::Columns;
use soup_data::subset::Subset;

use super::folds;
use crate::console::{Console, Report};
use crate::output::Output;

/// Choose images that stand for the whole data set
///
/// The mean of every label in the subset is that of all images as nearly as whole images allow.
/// The subset file is bound to the ids and labels that it was made for and is refused with others.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup subset --labels answer.csv --count 2000 --seed 42 --out subset.json
  soup subset --labels pack/ --count 2000 --out subset.json
  soup train  --preset dacon12 --data pack/ --out runs/small data.subset=subset.json

A fold file of the whole data (folds.file=...) fits a subset of it too.")]
pub struct Arguments {
    /// A table of labels (an id column, then a 0/1 column a label), a pack or a data set
    #[arg(long, value_name = "CSV")]
    labels: PathBuf,

    /// Number of images
    #[arg(long, value_name = "N")]
    count: usize,

    /// Seed of the draw
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u64,

    /// The subset file; - is stdout
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Facts<'a> {
    labels: &'a PathBuf,
    seed: u64,
    /// Images there are, and images chosen.
    #[serde(rename = "pictures")]
    images: usize,
    count: usize,
    /// Largest difference of a label's mean, from 0 to 1; a point is .01.
    worst_label_mean_difference: f64,
    worst_label: Option<&'a str>,
    label_means: Vec<Means<'a>>,
    data_hash: &'a str,
    out: &'a PathBuf,
}

#[derive(Serialize)]
struct Means<'a> {
    label: &'a str,
    whole: f64,
    subset: f64,
    difference: f64,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let out = Output::new(&arguments.out, "--out", &["json"])?;
    let folds::Known { table, notes, .. } = folds::table(&arguments.labels, &Columns::default())?;
    console.notes(&notes);
    let subset = Subset::choose(&table, arguments.count, arguments.seed)?;
    if out.is_stdout() {
        out.write(&serde_json::to_vec(&subset)?)?;
    } else {
        subset.save(&arguments.out)?;
    }
    let worst = subset.worst_difference();
    let label_means = subset.labels().iter().map(|means| Means {
        label: &means.label,
        whole: means.whole,
        subset: means.subset,
        difference: means.difference(),
    });
    let facts = Facts {
        labels: &arguments.labels,
        seed: arguments.seed,
        images: table.len(),
        count: arguments.count,
        worst_label_mean_difference: worst,
        worst_label: (subset.labels().iter())
            .find(|means| means.difference() == worst)
            .map(|means| means.label.as_str()),
        label_means: label_means.collect(),
        data_hash: subset.data_hash(),
        out: &arguments.out,
    };
    let text = facts.text();
    out.report(facts, text)
}

impl Facts<'_> {
    fn text(&self) -> String {
        let mut text = String::from("label           all   subset   points apart\n");
        for means in &self.label_means {
            text.push_str(&format!(
                "{:<12} {:>6.4}   {:>6.4}   {:>12.3}\n",
                means.label,
                means.whole,
                means.subset,
                100.0 * means.difference
            ));
        }
        text.push_str(&format!(
            "{} of {} images in {}; labels are at most {:.3} points apart\n\
             next: soup train --data PACK --out RUN data.subset={}\n",
            self.count,
            self.images,
            self.out.display(),
            100.0 * self.worst_label_mean_difference,
            self.out.display(),
        ));
        text
    }
}
