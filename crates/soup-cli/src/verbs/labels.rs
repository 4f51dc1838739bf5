//! `soup labels`: what is understood of labels, before anything is made of them.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_data::{
    dataset::{Dataset, LabelTable, LabelsFormat, LeftOut, Part, UNKNOWN, read_label_table},
    pack::Pack,
};

use super::doctor::quoted;
use crate::{
    console::{Console, Report},
    images::say_what_was_found,
    labels::LabelOptions,
    output::Output,
};

/// Show what is understood of the labels of images
///
/// Their shape, how often each label is there, and what was left out. Labels are read as pack and train read them: a 0/1 table, a column of tags, a folder a label, boxes of COCO, Pascal
/// VOC, YOLO, Roboflow, LabelMe or a CSV, lists in JSON. With --out they are written as a 0/1 table (-1 for unknown).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup labels my-photos/
  soup labels images/ --labels tags.csv --out labels.csv
  soup labels images/ --labels annotations.json --json
  soup labels tags.csv --label-columns tags --separator comma

Shapes for --labels-format: table (a 0/1 column a label), tags (a column of tags), box-table (a box a row), folders (a
folder a label), coco, voc, yolo, labelme, json (lists), none.")]
pub struct Arguments {
    /// Images with labels beside them: a folder or zip; or a pack, or a table alone
    #[arg(value_name = "DATA")]
    data: PathBuf,

    /// The labels: a table, a JSON file, or a folder of files with boxes [default: beside the images]
    #[arg(long, value_name = "FILE_OR_DIR")]
    labels: Option<PathBuf>,

    #[command(flatten)]
    shape: LabelOptions,

    /// Writes ids and labels as a 0/1 table; .gz packs it, - is stdout
    #[arg(long, value_name = "CSV")]
    out: Option<PathBuf>,

    /// Fails where files were left out that may be images
    #[arg(long)]
    strict: bool,
}

#[derive(Serialize)]
struct Facts {
    data: PathBuf,
    /// The shape in which labels came; none for a pack and where there are no labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<LabelsFormat>,
    images: usize,
    labels: Vec<LabelFacts>,
    /// Images without any label.
    images_without_labels: usize,
    /// Cells of which nobody knows.
    unknown: usize,
    /// Boxes, where the labels have any.
    #[serde(skip_serializing_if = "Option::is_none")]
    boxes: Option<usize>,
    /// Images to train on and to validate by, where the data came divided.
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<PartFacts>,
    /// How labels were read.
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<LeftOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct LabelFacts {
    label: String,
    /// Images that have it, and images of which nobody knows.
    images: usize,
    unknown: usize,
}

#[derive(Serialize)]
struct PartFacts {
    train: usize,
    valid: usize,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let out = (arguments.out.as_deref())
        .map(|path| Output::new(path, "--out", &["csv", "csv.gz"]))
        .transpose()?;
    let columns = arguments.shape.columns();
    let data = &arguments.data;
    let mut facts;
    let table = if Pack::is_pack(data) {
        let pack = Pack::open(data)?;
        facts = Facts::of(data, pack.table());
        let boxes = (0..pack.len()).filter_map(|image| pack.boxes(image));
        facts.boxes = pack.has_boxes().then(|| boxes.map(<[_]>::len).sum());
        pack.table().clone()
    } else if data.is_file()
        && !data
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("zip"))
    {
        let (table, notes) = read_label_table(data, &columns)?;
        console.notes(&notes);
        facts = Facts::of(data, &table);
        facts.notes = notes;
        table
    } else {
        let dataset = match &arguments.labels {
            Some(labels) => Dataset::from_parts(data, Some(labels), &columns)?,
            None => Dataset::open(data, &columns)?,
        };
        say_what_was_found(&dataset, arguments.strict, console)?;
        facts = Facts::of(data, dataset.table());
        facts.format = dataset.labels_format();
        facts.boxes = dataset.box_count();
        facts.parts = dataset.parts().map(|parts| {
            let valid = parts.iter().filter(|part| **part == Part::Valid).count();
            PartFacts {
                train: parts.len() - valid,
                valid,
            }
        });
        facts.notes = dataset.notes().to_vec();
        facts.left_out = Some(dataset.left_out().clone());
        dataset.table().clone()
    };
    if let Some(out) = &out {
        out.write(as_table(&table).as_bytes())?;
        facts.out = arguments.out.clone();
    }
    let text = facts.text();
    let report = Report::new(facts, text)?;
    let is_beside = out.is_some_and(|out| out.is_stdout());
    Ok(if is_beside {
        report.on_stderr()
    } else {
        report
    })
}

/// The labels as a table that every verb reads.
fn as_table(table: &LabelTable) -> String {
    let mut text = String::from("id");
    for name in table.label_names() {
        text.push(',');
        text.push_str(&quoted(name));
    }
    text.push('\n');
    for (row, id) in table.ids().iter().enumerate() {
        text.push_str(&quoted(id));
        for cell in table.labels(row).unwrap_or_default() {
            text.push_str(match *cell {
                0 => ",0",
                UNKNOWN => ",-1",
                _ => ",1",
            });
        }
        text.push('\n');
    }
    text
}

impl Facts {
    fn of(data: &std::path::Path, table: &LabelTable) -> Self {
        let mut labels: Vec<LabelFacts> = (table.label_names().iter())
            .map(|label| LabelFacts {
                label: label.clone(),
                images: 0,
                unknown: 0,
            })
            .collect();
        let mut without = 0;
        for cells in (0..table.len()).filter_map(|row| table.labels(row)) {
            without += usize::from(cells.iter().all(|cell| *cell == 0));
            for (label, cell) in labels.iter_mut().zip(cells) {
                label.images += usize::from(*cell == 1);
                label.unknown += usize::from(*cell == UNKNOWN);
            }
        }
        Self {
            data: data.to_path_buf(),
            format: None,
            images: table.len(),
            images_without_labels: without,
            unknown: table.unknown(),
            labels,
            boxes: None,
            parts: None,
            notes: vec![],
            left_out: None,
            out: None,
        }
    }

    fn text(&self) -> String {
        if self.labels.is_empty() {
            return format!(
                "{} images without labels: there is no table, no file with boxes and no folder a label beside them",
                self.images
            );
        }
        let mut text = format!("{} images, {} labels", self.images, self.labels.len());
        if let Some(format) = self.format {
            text.push_str(&format!(" (--labels-format {format})"));
        }
        text.push_str("\n\n");
        let width = |label: &LabelFacts| label.label.chars().count();
        let widest = self
            .labels
            .iter()
            .map(width)
            .max()
            .unwrap_or(0)
            .clamp(5, 40);
        text.push_str(&format!(
            "{:widest$}  {:>7}  {:>6}",
            "label", "images", "share"
        ));
        text.push_str(if self.unknown > 0 {
            "  unknown\n"
        } else {
            "\n"
        });
        for label in &self.labels {
            let known = (self.images - label.unknown).max(1) as f64;
            let share = 100.0 * label.images as f64 / known;
            text.push_str(&format!(
                "{:widest$}  {:>7}  {share:>5.1}%",
                label.label, label.images
            ));
            if self.unknown > 0 {
                text.push_str(&format!("  {:>7}", label.unknown));
            }
            text.push('\n');
        }
        text.push('\n');
        let images = self.images_without_labels;
        text.push_str(&format!("{images} images have none of them"));
        if let Some(boxes) = self.boxes {
            text.push_str(&format!("\n{boxes} boxes"));
        }
        if let Some(parts) = &self.parts {
            let PartFacts { train, valid } = parts;
            text.push_str(&format!(
                "\n{train} images to train on, {valid} to validate by"
            ));
        }
        if let Some(out) = &self.out {
            text.push_str(&format!("\nas a table in {}", out.display()));
        }
        text
    }
}
