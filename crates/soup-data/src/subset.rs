//! The subset file: some images of a data set that stand for all of them.

use std::path::Path;

use serde::{Deserialize, Serialize};
use soup_random::{Purpose, Stream};

use crate::{
    Annotation, Error, ImageShape, Result, Source,
    dataset::{LabelTable, Reading, UNKNOWN, content_hash},
    files::{self, write_once},
    folds::stratified,
};

const FORMAT: &str = "soup-subset";
const VERSION: u32 = 1;
/// Exchanges that are tried for each image of the subset.
const TRIES: usize = 50;

/// Rows of one data set, chosen so that the mean of every label is that of the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subset {
    format: String,
    version: u32,
    seed: u64,
    /// [`LabelTable::hash`] of the data that was chosen from.
    data: String,
    rows: u64,
    labels: Vec<LabelMeans>,
    subset: Vec<u64>,
}

/// How well a subset stands for the whole in one label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelMeans {
    /// Name of the label.
    pub label: String,
    /// Share of all images that have it.
    pub whole: f64,
    /// Share of the subset's images that have it.
    pub subset: f64,
}

impl LabelMeans {
    /// How far the two shares are apart, from 0 to 1.
    pub fn difference(&self) -> f64 {
        (self.whole - self.subset).abs()
    }
}

impl Subset {
    /// Chooses `count` rows: by iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML PKDD
    /// 2011) into the subset and the rest, then by exchanging rows between the two as long as that
    /// brings the means of the labels nearer to the whole's. Without labels the rows are drawn at random.
    ///
    /// # Errors
    /// [`Error::Setting`] for a `count` of 0 or above the number of rows.
    pub fn choose(table: &LabelTable, count: usize, seed: u64) -> Result<Self> {
        let rows = table.len();
        if count == 0 || count > rows {
            return Err(Error::setting(
                "count",
                format!("{count} of {rows} images; give 1 to {rows}"),
            ));
        }
        let share = count as f64 / rows as f64;
        let mut inside: Vec<bool> = stratified::assign(table, &[share, 1.0 - share], seed)
            .into_iter()
            .map(|part| part == 0)
            .collect();
        Balance::new(table, share, &inside).improve(&mut inside, count, seed);
        let subset: Vec<u64> = (0..)
            .zip(&inside)
            .filter(|(_, in_it)| **in_it)
            .map(|(row, _)| row)
            .collect();
        let share_of = |label: usize, rows: &mut dyn Iterator<Item = usize>| {
            let (mut with, mut all) = (0u64, 0u64);
            for row in rows {
                let cell = table.labels(row).map_or(UNKNOWN, |cells| cells[label]);
                with += u64::from(cell == 1);
                all += u64::from(cell != UNKNOWN);
            }
            // Of a label that is known of no image there is no mean.
            with as f64 / all.max(1) as f64
        };
        let labels = table
            .label_names()
            .iter()
            .enumerate()
            .map(|(label, name)| LabelMeans {
                label: name.clone(),
                whole: share_of(label, &mut (0..rows)),
                subset: share_of(label, &mut subset.iter().map(|row| *row as usize)),
            });
        Ok(Self {
            format: FORMAT.into(),
            version: VERSION,
            seed,
            data: table.hash(),
            rows: rows as u64,
            labels: labels.collect(),
            subset,
        })
    }

    /// Reads a subset file that belongs to `table`.
    ///
    /// # Errors
    /// [`Error::OtherData`] where it was made for other ids or labels, [`Error::Format`] where it is
    /// damaged, [`Error::Io`] where it cannot be read.
    pub fn load(path: &Path, table: &LabelTable) -> Result<Self> {
        let subset = Self::read(path)?;
        let problem = if subset.rows != table.len() as u64 {
            format!(
                "this subset file was made for {} rows, but the data has {}",
                subset.rows,
                table.len()
            )
        } else if subset.data != table.hash() {
            "this subset file was made for other ids or labels than the data has (the hashes differ)".into()
        } else {
            return Ok(subset);
        };
        Err(Error::OtherData {
            path: path.into(),
            problem,
            hint: "give the subset file of this data, or make one with `soup subset`".into(),
        })
    }

    /// Reads a subset file and checks it in itself, without the data that it belongs to.
    ///
    /// # Errors
    /// [`Error::Format`] where it is damaged, [`Error::Io`] where it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = files::read(path).map_err(Error::io("read", path))?;
        let broken = |problem: String| {
            let hint = "restore the file, or make one with `soup subset`";
            Error::format(path, problem, hint)
        };
        let read: Self = serde_json::from_slice(&bytes)
            .map_err(|error| broken(format!("not a subset file: {error}")))?;
        if read.format != FORMAT || read.version != VERSION {
            return Err(broken(format!(
                "format `{}` version {}; this program reads `{FORMAT}` version {VERSION}",
                read.format, read.version
            )));
        }
        if read.subset.is_empty() {
            return Err(broken("it names no row".into()));
        }
        if !read.subset.is_sorted_by(|a, b| a < b) {
            return Err(broken("its rows do not ascend".into()));
        }
        if let Some(row) = read.subset.last().filter(|row| **row >= read.rows) {
            return Err(broken(format!("row {row} (from 0) of {}", read.rows)));
        }
        Ok(read)
    }

    /// Writes the subset file, whole or not at all. Writing the same subset again is allowed.
    ///
    /// # Errors
    /// [`Error::OtherData`] where another file is already there, [`Error::Io`] where writing fails.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_once(path, "subset file", self, Self::read)
    }

    /// Hash of the data's ids and labels ([`LabelTable::hash`]).
    pub fn data_hash(&self) -> &str {
        &self.data
    }

    /// The rows, from 0, ascending.
    pub fn rows(&self) -> &[u64] {
        &self.subset
    }

    /// Both means of every label.
    pub fn labels(&self) -> &[LabelMeans] {
        &self.labels
    }

    /// The largest difference between the means of a label, from 0 to 1.
    pub fn worst_difference(&self) -> f64 {
        let differences = self.labels.iter().map(LabelMeans::difference);
        differences.fold(0.0, f64::max)
    }

    /// The table of the subset's rows; `whole` is the one that it belongs to.
    pub fn of_table(&self, whole: &LabelTable) -> LabelTable {
        let rows = || self.subset.iter().map(|row| *row as usize);
        LabelTable::new(
            rows().map(|row| whole.ids()[row].clone()).collect(),
            whole.label_names().to_vec(),
            rows()
                .filter_map(|row| whole.labels(row))
                .flatten()
                .copied()
                .collect(),
        )
    }

    /// Tells this subset from every other one of any data.
    pub fn fingerprint(&self) -> String {
        let rows: Vec<u8> = self
            .subset
            .iter()
            .flat_map(|row| row.to_le_bytes())
            .collect();
        format!("{} rows {}", self.subset.len(), content_hash(&rows))
    }
}

/// How far the labels of a subset are from what they should be.
struct Balance<'a> {
    table: &'a LabelTable,
    /// Images with each label that the subset has more than its share (less: below 0).
    surplus: Vec<f64>,
}

impl<'a> Balance<'a> {
    fn new(table: &'a LabelTable, share: f64, inside: &[bool]) -> Self {
        let mut balance = Self {
            table,
            surplus: vec![0.0; table.label_names().len()],
        };
        for (row, &inside) in inside.iter().enumerate() {
            balance.add(row, f64::from(u8::from(inside)) - share);
        }
        balance
    }

    fn add(&mut self, row: usize, times: f64) {
        for (surplus, &cell) in self
            .surplus
            .iter_mut()
            .zip(self.table.labels(row).unwrap_or_default())
        {
            *surplus += times * f64::from(u8::from(cell == 1));
        }
    }

    /// The sum of the squared surpluses after `joins` came and `leaves` went.
    fn squares_after(&self, joins: Option<usize>, leaves: Option<usize>) -> f64 {
        let cells = |row: Option<usize>| row.and_then(|row| self.table.labels(row));
        let (joins, leaves) = (cells(joins), cells(leaves));
        let cell = |cells: Option<&[u8]>, label: usize| {
            cells.map_or(0.0, |cells| f64::from(u8::from(cells[label] == 1)))
        };
        self.surplus
            .iter()
            .enumerate()
            .map(|(label, surplus)| (surplus + cell(joins, label) - cell(leaves, label)).powi(2))
            .sum()
    }

    /// Brings the subset to `count` rows and exchanges rows while that helps.
    fn improve(mut self, inside: &mut [bool], count: usize, seed: u64) {
        let mut order: Vec<usize> = (0..inside.len()).collect();
        let mut stream = Stream::new(seed, Purpose::Split, 1, 0);
        stream.shuffle(&mut order);
        let (mut members, mut others): (Vec<usize>, Vec<usize>) =
            order.into_iter().partition(|&row| inside[row]);
        // Which row goes hardly matters yet: the exchanges follow.
        while members.len() > count {
            if let Some(row) = members.pop() {
                others.push(row);
                self.add(row, -1.0);
            }
        }
        while members.len() < count {
            if let Some(row) = others.pop() {
                members.push(row);
                self.add(row, 1.0);
            }
        }
        let mut squares = self.squares_after(None, None);
        for _ in 0..if others.is_empty() { 0 } else { TRIES * count } {
            let member = stream.below(members.len() as u32) as usize;
            let other = stream.below(others.len() as u32) as usize;
            let (leaves, joins) = (members[member], others[other]);
            let after = self.squares_after(Some(joins), Some(leaves));
            if after < squares {
                squares = after;
                self.add(leaves, -1.0);
                self.add(joins, 1.0);
                (members[member], others[other]) = (joins, leaves);
            }
        }
        inside.fill(false);
        members.into_iter().for_each(|row| inside[row] = true);
    }
}

/// The images of a subset, numbered from 0.
pub struct SubsetSource {
    whole: Box<dyn Source>,
    rows: Vec<u64>,
}

impl SubsetSource {
    /// Those of `whole` that `subset` names.
    pub fn new(whole: Box<dyn Source>, subset: &Subset) -> Self {
        Self {
            whole,
            rows: subset.subset.clone(),
        }
    }

    /// The row of the whole.
    fn row(&self, index: u64) -> Result<u64> {
        let row = usize::try_from(index)
            .ok()
            .and_then(|index| self.rows.get(index));
        row.copied().ok_or(Error::OutOfRange {
            index,
            len: self.len(),
        })
    }
}

impl Source for SubsetSource {
    fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    fn shape(&self) -> ImageShape {
        self.whole.shape()
    }

    fn label_names(&self) -> &[String] {
        self.whole.label_names()
    }

    fn reading(&self) -> Reading {
        self.whole.reading()
    }

    fn read(
        &self,
        index: u64,
        pixels: &mut [u8],
        labels: &mut [f32],
    ) -> Result<Option<Vec<Annotation>>> {
        self.whole.read(self.row(index)?, pixels, labels)
    }

    fn read_labels(&self, index: u64, labels: &mut [f32]) -> Result<()> {
        self.whole.read_labels(self.row(index)?, labels)
    }
}
