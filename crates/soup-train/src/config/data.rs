//! Which images are trained on and which are held out.

use serde::{Deserialize, Serialize};
use soup_compose::glyphs::GlyphSpec;
use soup_data::{
    dataset::{Blank, Fit, LabelsFormat, Separator},
    tables::Columns,
};
use soup_engine::setting::{InvalidSetting, require};

/// The section `[data]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The pack; empty where every image is composed.
    pub path: String,
    /// Where the labels of a folder or zip of images are: a table, a file or a folder of files; none looks beside the
    /// images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// The shape in which they come: `table`, `tags`, `box-table`, `folders`, `coco`, `voc`, `yolo`, `labelme`, `json` or
    /// `none`; without it their content says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels_format: Option<LabelsFormat>,
    /// The column of a table that names the images; none takes the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_column: Option<String>,
    /// Columns of a table that are no labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored_columns: Option<Vec<String>>,
    /// The columns of a table that are labels; none takes all but the first, which names the images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_columns: Option<Vec<String>>,
    /// What parts the tags of a cell: `space`, `comma`, `semicolon`, `pipe`, `list` or `none`; without it the cells say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<Separator>,
    /// What an empty cell of a 0/1 table says: `zero` or `unknown`; without it that is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blank: Option<Blank>,
    /// A subset file that `soup subset` wrote: only these images of the pack are trained on and
    /// held out; none takes all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subset: Option<String>,
    /// The largest value of 16-bit images in a folder or zip, such as 4095 where they use 12 bits; none
    /// takes the upper 8 bits. A pack has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_value: Option<u16>,
    /// The one size that the images of a folder or zip are brought to, and how: `256`, `256x320-crop`, with `-squash`,
    /// `-crop` or `-pad`. Without it images keep their size; where they have several, the size is that of `[[transforms]]`
    /// and an eighth of room, squashed. A pack has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// Share of composed images in an epoch, from 0 (none) to 1 (no pack needed). Each packed
    /// image of the fold is still seen once an epoch.
    pub compose_share: f64,
    /// Share of the training, from its start, whose composed images are dense: a curriculum. Dense images hold
    /// `dense_letters` letters, so each trains more for the same work. The images after them hold `compose.letters`.
    pub dense_share: f64,
    /// Least and greatest number of letters in a dense image. Beyond one of each, letters are repeated.
    pub dense_letters: [u32; 2],
    /// Whether the labels of dense images are trained on, beside their boxes. Nearly every label is in a dense image,
    /// so its labels train little but to answer yes.
    pub dense_labels: bool,
    /// Composed images in an epoch where every image is composed.
    pub composed: u64,
    /// Composed images held out where every image is composed, from glyphs never trained on.
    pub composed_valid: u64,
    /// Glyphs that composed images are made of: `strokes` (drawn by the program), `csv:PATH`, ...,
    /// with `+` between several.
    pub glyphs: GlyphSpec,
    /// Glyphs of the composed images that are held out; none holds back a fifth of `glyphs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out_glyphs: Option<GlyphSpec>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            path: String::new(),
            labels: None,
            labels_format: None,
            id_column: None,
            ignored_columns: None,
            label_columns: None,
            separator: None,
            blank: None,
            subset: None,
            max_value: None,
            fit: None,
            compose_share: 0.0,
            dense_share: 0.0,
            dense_letters: [22, 26],
            dense_labels: true,
            composed: 10_000,
            composed_valid: 1_000,
            glyphs: GlyphSpec::default(),
            held_out_glyphs: None,
        }
    }
}

impl DataConfig {
    /// How labels beside images are read.
    pub fn columns(&self) -> Columns {
        Columns {
            format: self.labels_format,
            id: self.id_column.clone(),
            labels: self.label_columns.clone(),
            ignored: self.ignored_columns.clone().unwrap_or_default(),
            separator: self.separator,
            blank: self.blank,
        }
    }

    /// Whether every image is composed, so that no pack is needed.
    pub fn only_composed(&self) -> bool {
        self.compose_share == 1.0
    }

    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        require(
            (0.0..=1.0).contains(&self.compose_share),
            "data.compose_share",
            self.compose_share,
            "must be from 0 to 1",
        )?;
        require(
            (0.0..=1.0).contains(&self.dense_share),
            "data.dense_share",
            self.dense_share,
            "must be from 0 to 1",
        )?;
        require(
            self.subset.is_none() || !self.only_composed(),
            "data.subset",
            self.subset.as_deref().unwrap_or_default(),
            "it names images of a pack, and with data.compose_share=1 all are composed",
        )?;
        require(
            self.max_value != Some(0),
            "data.max_value",
            0,
            "must be at least 1",
        )?;
        require(
            self.composed >= 1,
            "data.composed",
            self.composed,
            "must be at least 1",
        )?;
        require(
            self.composed_valid >= 1,
            "data.composed_valid",
            self.composed_valid,
            "must be at least 1",
        )
    }
}
