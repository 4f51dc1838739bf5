//! The fold file: which rows are held out in which fold, written once and obeyed ever after.

mod group;
mod kfold;
mod numpy;
pub(crate) mod stratified;

pub use group::spellings as group_spellings;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::dataset::{LabelTable, Part};
use crate::files::{self, write_once};
use crate::subset::Subset;
use crate::{Error, Result};

const FORMAT: &str = "soup-folds";
const VERSION: u32 = 1;

/// How rows are cut into folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum FoldKind {
    /// The indices of scikit-learn's `KFold(n_splits, shuffle=True, random_state)`.
    Kfold,
    /// Iterative multi-label stratification: every fold gets its share of every label.
    Stratified,
    /// The images of one source stay together.
    Group,
    /// The division with which the data came: one fold, which holds out the images to validate by.
    Given,
}

impl std::str::FromStr for FoldKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "kfold" => Ok(Self::Kfold),
            "stratified" => Ok(Self::Stratified),
            "group" => Ok(Self::Group),
            "given" => Ok(Self::Given),
            other => Err(Error::setting(
                "kind",
                format!("`{other}` is not one of kfold, stratified, group, given"),
            )),
        }
    }
}

/// A fold for every row of one data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folds {
    format: String,
    version: u32,
    kind: FoldKind,
    k: u32,
    seed: u64,
    /// [`LabelTable::hash`] of the data that was cut.
    data: String,
    rows: u64,
    fold: Vec<u32>,
}

impl Folds {
    /// Cuts the rows of `table` into `k` folds. `groups` (one name a row) is needed for
    /// [`FoldKind::Group`] and ignored otherwise.
    ///
    /// # Errors
    /// [`Error::Setting`] for a `k` below 2 or above the number of rows (or groups), for `kfold`
    /// with a seed past 2^32 - 1 (NumPy's limit), for `stratified` without labels and for `group`
    /// without a group for every row.
    pub fn make(
        kind: FoldKind,
        k: u32,
        seed: u64,
        table: &LabelTable,
        groups: Option<&[String]>,
    ) -> Result<Self> {
        let rows = table.len();
        if k < 2 || k as usize > rows {
            return Err(Error::setting(
                "k",
                format!("{k} folds of {rows} rows; give 2 to {rows}"),
            ));
        }
        let fold = match kind {
            FoldKind::Kfold => {
                let seed = u32::try_from(seed).map_err(|_| {
                    Error::setting("seed", format!("{seed}; kfold takes 0 to {}", u32::MAX))
                })?;
                if u32::try_from(rows).is_err() {
                    return Err(Error::setting("kind", "kfold takes at most 2^32 - 1 rows"));
                }
                kfold::assign(rows, k, seed)
            }
            FoldKind::Stratified if table.label_names().is_empty() => {
                return Err(Error::setting(
                    "kind",
                    "stratified folds need labels, but the data has none; use kfold or group",
                ));
            }
            FoldKind::Stratified => {
                let mut folds =
                    stratified::assign(table, &vec![1.0 / f64::from(k); k as usize], seed);
                stratified::fill_empty(&mut folds, k, table);
                folds
            }
            FoldKind::Given => {
                return Err(Error::setting(
                    "kind",
                    "given folds come with the data, in folders such as train and valid; take one of the other kinds",
                ));
            }
            FoldKind::Group => match groups {
                Some(groups) if groups.len() == rows => group::assign(groups, k, seed)?,
                Some(groups) => {
                    return Err(Error::setting(
                        "group",
                        format!("{} groups for {rows} rows; give one a row", groups.len()),
                    ));
                }
                None => {
                    return Err(Error::setting(
                        "group",
                        "group folds need the column that names the group of each image",
                    ));
                }
            },
        };
        Ok(Self {
            format: FORMAT.into(),
            version: VERSION,
            kind,
            k,
            seed,
            data: table.hash(),
            rows: rows as u64,
            fold,
        })
    }

    /// One fold, which holds out the images of `parts` (one a row of `table`) to validate by; all others are only
    /// trained on.
    ///
    /// # Errors
    /// [`Error::Setting`] where there is none of either kind, or not one part a row.
    pub fn given(table: &LabelTable, parts: &[Part]) -> Result<Self> {
        let fold: Vec<u32> = (parts.iter())
            .map(|part| u32::from(*part != Part::Valid))
            .collect();
        let held_out = fold.iter().filter(|fold| **fold == 0).count();
        if parts.len() != table.len() || held_out == 0 || held_out == parts.len() {
            return Err(Error::setting(
                "kind",
                format!(
                    "{} images of {} are to validate by; given folds need some of either kind",
                    held_out,
                    table.len()
                ),
            ));
        }
        Ok(Self {
            format: FORMAT.into(),
            version: VERSION,
            kind: FoldKind::Given,
            k: 1,
            seed: 0,
            data: table.hash(),
            rows: table.len() as u64,
            fold,
        })
    }

    /// What is odd about the folds, a line each: labels that some fold holds out no image of, groups
    /// that are larger than a fold should be.
    pub fn warnings(&self, table: &LabelTable, groups: Option<&[String]>) -> Vec<String> {
        let mut warnings = Vec::new();
        for (label, name) in table.label_names().iter().enumerate() {
            let mut without = vec![true; self.k as usize];
            let mut images = 0;
            for (row, fold) in self.fold.iter().enumerate() {
                if table.labels(row).is_some_and(|cells| cells[label] == 1) {
                    // Rows that no fold holds out count as images alone.
                    if let Some(without) = without.get_mut(*fold as usize) {
                        *without = false;
                    }
                    images += 1;
                }
            }
            let without = without.iter().filter(|without| **without).count();
            if images > 0 && without > 0 {
                warnings.push(format!(
                    "{without} of {} folds hold out no image with label `{name}`, of which there are {images}",
                    self.k
                ));
            }
        }
        warnings.extend(
            groups
                .into_iter()
                .flat_map(|groups| group::too_large(groups, self.k)),
        );
        warnings
    }

    /// Reads a fold file that belongs to `table`.
    ///
    /// # Errors
    /// [`Error::OtherData`] where it was made for other ids or labels, [`Error::Format`] where it is
    /// damaged, [`Error::Io`] where it cannot be read.
    pub fn load(path: &Path, table: &LabelTable) -> Result<Self> {
        let folds = Self::read(path)?;
        let hint = "give the fold file of this data, or make one with `soup folds`";
        if folds.rows != table.len() as u64 {
            return Err(Error::OtherData {
                path: path.into(),
                problem: format!(
                    "this fold file was made for {} rows, but the data has {}",
                    folds.rows,
                    table.len()
                ),
                hint: hint.into(),
            });
        }
        if folds.data != table.hash() {
            return Err(Error::OtherData {
                path: path.into(),
                problem: "this fold file was made for other ids or labels than the data has (the \
                          hashes differ)"
                    .into(),
                hint: hint.into(),
            });
        }
        Ok(folds)
    }

    /// Reads a fold file and checks it in itself, without the data that it belongs to.
    ///
    /// # Errors
    /// [`Error::Format`] where it is damaged, [`Error::Io`] where it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = files::read(path).map_err(Error::io("read", path))?;
        let broken = |problem: String| {
            Error::format(
                path,
                problem,
                "restore the file, or make one with `soup folds`",
            )
        };
        let folds: Self = serde_json::from_slice(&bytes)
            .map_err(|error| broken(format!("not a fold file: {error}")))?;
        if folds.format != FORMAT || folds.version != VERSION {
            return Err(broken(format!(
                "format `{}` version {}; this program reads `{FORMAT}` version {VERSION}",
                folds.format, folds.version
            )));
        }
        if folds.fold.len() as u64 != folds.rows {
            return Err(broken(format!(
                "{} folds for {} rows",
                folds.fold.len(),
                folds.rows
            )));
        }
        let is_given = folds.kind == FoldKind::Given;
        let least = if is_given { 1 } else { 2 };
        if folds.k < least || (is_given && folds.k > 1) || folds.k as usize > folds.fold.len() {
            return Err(broken(format!("{} folds of {} rows", folds.k, folds.rows)));
        }
        // Of given folds, the rows that are only trained on stand past the last fold.
        let most = folds.k + u32::from(is_given);
        if let Some(row) = folds.fold.iter().position(|&fold| fold >= most) {
            return Err(broken(format!(
                "row {row} (from 0) is in fold {}, but there are {}",
                folds.fold[row], folds.k
            )));
        }
        Ok(folds)
    }

    /// Writes the fold file, whole or not at all. Writing the same folds again is allowed.
    ///
    /// # Errors
    /// [`Error::OtherData`] where another fold file is already there, [`Error::Io`] where writing
    /// fails.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_once(path, "fold file", self, Self::read)
    }

    /// How the rows were cut.
    pub fn kind(&self) -> FoldKind {
        self.kind
    }

    /// Number of folds.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// The seed that the folds were drawn with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Hash of the data's ids and labels ([`LabelTable::hash`]).
    pub fn data_hash(&self) -> &str {
        &self.data
    }

    /// These folds for the images of `subset` alone; `table` is the subset's own.
    ///
    /// # Errors
    /// [`Error::OtherData`] where the folds and the subset belong to other data, or where a fold of
    /// the subset holds out no image.
    pub fn of_subset(&self, path: &Path, subset: &Subset, table: &LabelTable) -> Result<Self> {
        let other = |problem: String| Error::OtherData {
            path: path.into(),
            problem,
            hint: "cut folds of the subset instead: leave folds.file out".into(),
        };
        if self.data != subset.data_hash() {
            return Err(other(
                "this fold file and the subset were made for different data".into(),
            ));
        }
        let fold: Vec<u32> = subset
            .rows()
            .iter()
            .map(|row| self.fold[*row as usize])
            .collect();
        if let Some(empty) = (0..self.k).find(|empty| !fold.contains(empty)) {
            return Err(other(format!(
                "fold {empty} holds out no image of the subset"
            )));
        }
        Ok(Self {
            data: table.hash(),
            rows: fold.len() as u64,
            fold,
            ..self.clone()
        })
    }

    /// The fold, from 0, in which each row is held out; `k` for a row that no fold holds out.
    pub fn of_rows(&self) -> &[u32] {
        &self.fold
    }

    /// The rows held out in `fold`, ascending; none for a fold past the last.
    pub fn valid_rows(&self, fold: u32) -> Vec<u64> {
        self.rows_where(|of_row| of_row == fold)
    }

    /// The rows trained on in `fold`, ascending.
    pub fn train_rows(&self, fold: u32) -> Vec<u64> {
        self.rows_where(|of_row| of_row != fold)
    }

    fn rows_where(&self, keep: impl Fn(u32) -> bool) -> Vec<u64> {
        (0..self.rows)
            .zip(&self.fold)
            .filter(|&(_, &fold)| keep(fold))
            .map(|(row, _)| row)
            .collect()
    }
}
