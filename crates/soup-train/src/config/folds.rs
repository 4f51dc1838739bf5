//! How the images are cut into folds.

use serde::{Deserialize, Serialize};
use soup_data::folds::FoldKind;
use soup_engine::setting::{InvalidSetting, require};

/// The section `[folds]`. Once a run has its `folds.json`, that is obeyed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FoldsConfig {
    /// A fold file that `soup folds` wrote; empty cuts anew by the other keys.
    pub file: String,
    /// By what rule. Data that came divided into images to train on and to validate by (folders such as `train` and
    /// `valid`) keep that, `given`, unless `file` is set or `kind`, `k` or `seed` are other than these.
    pub kind: FoldKind,
    /// Number of folds.
    pub k: u32,
    /// Seed of the draw.
    pub seed: u64,
}

impl Default for FoldsConfig {
    fn default() -> Self {
        Self {
            file: String::new(),
            kind: FoldKind::Kfold,
            k: 5,
            seed: 42,
        }
    }
}

impl FoldsConfig {
    /// Whether the division with which data came is kept, where it came divided.
    pub fn takes_given(&self) -> bool {
        let is_default = *self == Self::default();
        self.file.is_empty() && (is_default || self.kind == FoldKind::Given)
    }

    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        require(self.k >= 2, "folds.k", self.k, "must be at least 2")?;
        require(
            u32::try_from(self.seed).is_ok(),
            "folds.seed",
            self.seed,
            "must be below 2^32",
        )?;
        require(
            self.kind != FoldKind::Group || !self.file.is_empty(),
            "folds.kind",
            "group",
            "folds by group need the groups: make them with `soup folds` and name the file as \
             folds.file",
        )
    }
}
