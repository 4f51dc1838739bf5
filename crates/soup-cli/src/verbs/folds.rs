//! `soup folds`: which images are held out together, written once.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_data::dataset::{Columns, Dataset, LabelTable, cell_of, read_column, read_label_table};
use soup_data::folds::{FoldKind, Folds, group_spellings};
use soup_data::pack::Pack;
use soup_decide::Predictions;

use crate::console::{Console, Report};
use crate::failure::Usage;
use crate::output::Output;

/// Cut a data set into folds, once
///
/// The fold file is bound to the ids and labels that it was made for and is refused with others. One
/// that is there is never overwritten with other folds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup folds --data pack/ --kind kfold --k 5 --seed 42 --out folds.json
  soup folds --data answer.csv.gz --kind stratified --out folds.json
  soup folds --data images/ --kind group --group writer --out folds.json
  soup folds --data set/ --kind given --out folds.json       the set's own train and valid folders
  soup folds --data pack/ --kind group --group writer --groups writers.csv --out folds.json

A column of the table of labels that names groups is no label: pack it with --ignore COLUMN.")]
pub struct Arguments {
    /// A pack, a data set, or a table of labels alone: an id column, then a 0/1 column a label
    #[arg(long, value_name = "DIR_OR_PACK")]
    data: PathBuf,

    /// How images are cut
    #[arg(long, value_enum, default_value_t = FoldKind::Kfold)]
    kind: FoldKind,

    /// The column that names the group of each image
    #[arg(long, value_name = "COLUMN", required_if_eq("kind", "group"))]
    group: Option<String>,

    /// The table with that column: an id column first [default: the table of labels]
    #[arg(long, value_name = "CSV", requires = "group")]
    groups: Option<PathBuf>,

    /// Number of folds
    #[arg(long, value_name = "N", default_value_t = 5)]
    k: u32,

    /// Seed of the draw
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u64,

    /// The fold file; - is stdout
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Facts<'a> {
    data: &'a PathBuf,
    kind: FoldKind,
    seed: u64,
    #[serde(rename = "pictures")]
    images: usize,
    /// Images that each fold holds out.
    sizes: Vec<usize>,
    data_hash: String,
    /// What is odd about the groups and folds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    out: &'a PathBuf,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let out = Output::new(&arguments.out, "--out", &["json"])?;
    let kind = arguments.kind;
    if arguments.group.is_some() && kind != FoldKind::Group {
        return Err(Usage("--group is for --kind group".into()).into());
    }
    let mut columns = Columns::default();
    if arguments.groups.is_none() {
        columns.ignored.extend(arguments.group.clone());
    }
    let Known {
        table,
        labels_path,
        notes,
        given,
    } = table(&arguments.data, &columns)?;
    console.notes(&notes);
    let groups = match &arguments.group {
        Some(column) => Some(groups(
            arguments,
            column,
            labels_path.as_deref(),
            &table,
            console,
        )?),
        None => None,
    };
    let groups = groups.as_deref();
    let mut warnings = groups.map(group_spellings).unwrap_or_default();
    console.notes(&warnings);
    let folds = match (kind, &given) {
        (FoldKind::Given, Some(given)) => given.clone(),
        (FoldKind::Given, None) => {
            return Err(Usage(format!(
                "{} did not come divided into images to train on and to validate by, such as folders train and valid; \
                 take another --kind",
                arguments.data.display()
            ))
            .into());
        }
        _ => Folds::make(kind, arguments.k, arguments.seed, &table, groups)?,
    };
    let of_folds = folds.warnings(&table, groups);
    console.notes(&of_folds);
    warnings.extend(of_folds);
    if out.is_stdout() {
        out.write(&serde_json::to_vec(&folds)?)?;
    } else {
        folds.save(&arguments.out)?;
    }
    let sizes: Vec<usize> = (0..folds.k())
        .map(|fold| folds.valid_rows(fold).len())
        .collect();
    let text = format!(
        "{} images in {} folds of {} in {}",
        table.len(),
        folds.k(),
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
        images: table.len(),
        sizes,
        data_hash: folds.data_hash().to_owned(),
        warnings,
        out: &arguments.out,
    };
    out.report(facts, text)
}

/// The group of each image.
fn groups(
    arguments: &Arguments,
    column: &str,
    labels_path: Option<&Path>,
    table: &LabelTable,
    console: Console,
) -> Result<Vec<String>> {
    // The table of labels may lie in a zip file, or only be known from a pack.
    let path = arguments.groups.as_deref().or(labels_path);
    let Some(path) = path.filter(|path| arguments.groups.is_some() || path.is_file()) else {
        return Err(Usage(format!(
            "{} has no table beside it to read the column `{column}` from; name one with --groups",
            arguments.data.display()
        ))
        .into());
    };
    let read = read_column(path, None, column, table.ids())?;
    console.notes(&read.notes);
    Ok(read.values)
}

/// What is known of images without decoding them.
pub struct Known {
    pub table: LabelTable,
    /// The file of the labels, if known.
    pub labels_path: Option<PathBuf>,
    /// What a person should know of how it was read.
    pub notes: Vec<String>,
    /// The division with which the data came.
    pub given: Option<Folds>,
}

/// Ids and labels of a pack, a data set or a table alone.
pub fn table(path: &Path, columns: &Columns) -> Result<Known> {
    if Pack::is_pack(path) {
        let pack = Pack::open(path)?;
        let given = pack.given_folds();
        return Ok(Known {
            table: pack.table().clone(),
            labels_path: None,
            notes: vec![],
            given: given
                .map(|path| Folds::load(&path, pack.table()))
                .transpose()?,
        });
    }
    let ends_in = |ending: &str| {
        let extension = path.extension();
        extension.is_some_and(|extension| extension.eq_ignore_ascii_case(ending))
    };
    if path.is_dir() || ends_in("zip") {
        let dataset = Dataset::open(path, columns)?;
        let left = dataset.left_out();
        let left = (!left.is_empty()).then(|| left.sentence(dataset.len()));
        return Ok(Known {
            labels_path: dataset.labels_path().map(Path::to_path_buf),
            notes: dataset.notes().iter().cloned().chain(left).collect(),
            given: (dataset.parts())
                .map(|parts| Folds::given(dataset.table(), parts))
                .transpose()?,
            table: dataset.table().clone(),
        });
    }
    let (table, notes) = if ends_in("npy") {
        let answers = Predictions::read_answers(path)?;
        let cells = answers.values().iter().map(|value| cell_of(*value));
        let (ids, labels) = (answers.ids().to_vec(), answers.labels().to_vec());
        (LabelTable::new(ids, labels, cells.collect()), vec![])
    } else {
        read_label_table(path, columns)?
    };
    Ok(Known {
        table,
        labels_path: Some(path.to_path_buf()),
        notes,
        given: None,
    })
}
