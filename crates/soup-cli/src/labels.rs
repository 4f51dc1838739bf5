//! How labels are read: the same flags for every verb that reads them beside images.

use clap::Args;
use serde_json::json;
use soup_data::{
    dataset::{Blank, LabelsFormat, Separator},
    tables::Columns,
};

/// Flags of the labels' shape.
#[derive(Debug, Default, Args)]
pub struct LabelOptions {
    /// The shape of the labels [default: told by their content, and said]
    #[arg(
        long,
        help_heading = "Labels",
        value_name = "SHAPE",
        value_enum,
        hide_possible_values = true
    )]
    labels_format: Option<LabelsFormat>,

    /// The id column of a table [default: the first]
    #[arg(long, help_heading = "Labels", value_name = "COLUMN")]
    id: Option<String>,

    /// The label columns of a table, in this order, or its column of tags [default: all others]; of an array the names
    /// of its columns [default: label0, label1, ...]
    #[arg(
        long,
        visible_alias = "label-names",
        help_heading = "Labels",
        value_name = "COLUMNS",
        value_delimiter = ','
    )]
    label_columns: Option<Vec<String>>,

    /// Columns that are no labels
    #[arg(
        long,
        help_heading = "Labels",
        value_name = "COLUMNS",
        value_delimiter = ','
    )]
    ignore: Vec<String>,

    /// What parts the tags of a cell: space, comma, semicolon, pipe, list or none [default: told by the cells]
    #[arg(
        long,
        help_heading = "Labels",
        value_name = "WHAT",
        value_enum,
        hide_possible_values = true
    )]
    separator: Option<Separator>,

    /// What a blank cell of a 0/1 table means: zero (the label is not there) or unknown [default: it is an error]
    #[arg(
        long,
        help_heading = "Labels",
        value_name = "WHAT",
        value_enum,
        hide_possible_values = true
    )]
    blank: Option<Blank>,
}

impl LabelOptions {
    /// For the readers.
    pub fn columns(&self) -> Columns {
        Columns {
            id: self.id.clone(),
            labels: self.label_columns.clone(),
            ignored: self.ignore.clone(),
            format: self.labels_format,
            separator: self.separator,
            blank: self.blank,
        }
    }

    /// As settings of a run.
    pub fn settings(&self) -> Vec<String> {
        let mut settings = Vec::new();
        let mut set = |key: &str, value: Option<serde_json::Value>| {
            settings.extend(value.map(|value| format!("data.{key}={value}")));
        };
        set(
            "labels_format",
            self.labels_format.map(|value| json!(value)),
        );
        set("id_column", self.id.clone().map(Into::into));
        set("label_columns", self.label_columns.clone().map(Into::into));
        let ignored = (!self.ignore.is_empty()).then(|| self.ignore.clone().into());
        set("ignored_columns", ignored);
        set("separator", self.separator.map(|value| json!(value)));
        set("blank", self.blank.map(|value| json!(value)));
        settings
    }
}
