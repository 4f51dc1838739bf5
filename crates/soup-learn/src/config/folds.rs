//! How the pictures are cut into folds.

use serde::{Deserialize, Serialize};

use crate::setting::{InvalidSetting, require};

/// The section `[folds]`: used where neither the run nor the data has a fold file yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FoldsConfig {
    /// By what rule.
    pub kind: FoldKind,
    /// Number of folds.
    pub k: usize,
    /// Seed of the draw.
    pub seed: u64,
    /// For the kind `group`: a CSV file with an id column and a column of group names; pictures of
    /// one group stay together.
    pub groups: String,
}

/// By what rule pictures are cut into folds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoldKind {
    /// At random, as scikit-learn's `KFold` with shuffling.
    #[default]
    Kfold,
    /// So that each label is equally frequent in each fold.
    Stratified,
    /// By group.
    Group,
}

impl Default for FoldsConfig {
    fn default() -> Self {
        Self {
            kind: FoldKind::Kfold,
            k: 5,
            seed: 42,
            groups: String::new(),
        }
    }
}

impl FoldsConfig {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        require(self.k >= 2, "folds.k", self.k, "must be at least 2")?;
        require(
            u32::try_from(self.seed).is_ok(),
            "folds.seed",
            self.seed,
            "must be below 2^32",
        )?;
        require(
            self.kind != FoldKind::Group || !self.groups.is_empty(),
            "folds.groups",
            "empty",
            "folds by group need a file of groups",
        )
    }
}
