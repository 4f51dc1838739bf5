//! `soup folds`: which pictures are held out together, written once.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;
use soup_data::dataset::{Columns, Dataset, LabelTable};
use soup_data::folds::{FoldKind, Folds};
use soup_data::pack::Pack;
use soup_decide::Predictions;

use crate::console::Report;

/// Cut a data set into folds, once
///
/// The fold file is bound to the ids and labels that it was made for and is refused with others. One
/// that is there is never overwritten with other folds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup folds --data pack/ --kind kfold --k 5 --seed 42 --out folds.json
  soup folds --data answer.csv.gz --kind stratified --out folds.json")]
pub struct Arguments {
    /// A pack, a data set, or a table of labels alone: an id column, then a 0/1 column a label
    #[arg(long, value_name = "DIR_OR_PACK")]
    data: PathBuf,

    /// How rows are cut
    #[arg(long, value_enum, default_value_t = Kind::Kfold)]
    kind: Kind,

    /// Number of folds
    #[arg(long, value_name = "N", default_value_t = 5)]
    k: u32,

    /// Seed of the draw
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u64,

    /// The fold file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// At random: the indices of scikit-learn's KFold(shuffle=True, random_state=S)
    Kfold,
    /// So that every fold gets its share of every label
    Stratified,
}

#[derive(Serialize)]
struct Facts<'a> {
    data: &'a PathBuf,
    kind: FoldKind,
    seed: u64,
    pictures: usize,
    /// Pictures that each fold holds out.
    sizes: Vec<usize>,
    data_hash: String,
    out: &'a PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<Report> {
    let table = table(&arguments.data)?;
    let kind = match arguments.kind {
        Kind::Kfold => FoldKind::Kfold,
        Kind::Stratified => FoldKind::Stratified,
    };
    let folds = Folds::make(kind, arguments.k, arguments.seed, &table, None)?;
    folds.save(&arguments.out)?;
    let mut sizes = vec![0; arguments.k as usize];
    for fold in folds.of_rows() {
        sizes[*fold as usize] += 1;
    }
    let text = format!(
        "{} pictures in {} folds of {} in {}",
        table.len(),
        arguments.k,
        sizes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        arguments.out.display()
    );
    let facts = Facts {
        data: &arguments.data,
        kind,
        seed: arguments.seed,
        pictures: table.len(),
        sizes,
        data_hash: folds.data_hash().to_owned(),
        out: &arguments.out,
    };
    Report::new(facts, text)
}

/// Ids and labels of a pack, a data set or a table alone.
fn table(path: &Path) -> Result<LabelTable> {
    if Pack::is_pack(path) {
        return Ok(Pack::open(path)?.table().clone());
    }
    let is_zip = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
    if path.is_dir() || is_zip {
        return Ok(Dataset::open(path, &Columns::default())?.table().clone());
    }
    let answers = Predictions::read_answers(path)?;
    let cells = answers.values().iter().map(|value| *value as u8);
    let (ids, labels) = (answers.ids().to_vec(), answers.labels().to_vec());
    Ok(LabelTable::new(ids, labels, cells.collect()))
}
