//! The journal of a pack in the making: which blocks of images are done, so that a run that was
//! killed can go on.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::manifest::Hashes;
use crate::dataset::{Channels, Fit, SampleRange};
use crate::{Error, ImageShape, Result};

/// First line: what the blocks are blocks of.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    plan: String,
    shape: ImageShape,
    block: usize,
    /// The channels that images are brought to which were found to differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    joined: Option<Channels>,
    /// The size that images are brought to which were found to differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fitted: Option<Fit>,
}

/// What a pass over the images found out about all of them, for the next one to act upon.
#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    /// The channels that all are brought to, as those that are stored differ.
    pub(super) joined: Option<Channels>,
    /// The size that all are brought to, as those that are stored differ.
    pub(super) fitted: Option<Fit>,
}

/// Every other line: one block.
#[derive(Serialize, Deserialize)]
struct Line {
    block: usize,
    #[serde(rename = "pictures")]
    images: Vec<Done>,
}

/// An image that stands in the array.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Done {
    /// Size and time of change of its file; zeros for a file in an archive.
    pub(super) stamp: (u64, u64),
    #[serde(flatten)]
    pub(super) hashes: Hashes,
    /// Of an image with 16 bits a channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) samples: Option<SampleRange>,
    /// The shape in which it was stored, where boxes are to be placed in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stored: Option<ImageShape>,
}

pub(super) struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// What an earlier run of this plan had found out.
    pub(super) fn found(path: &Path, plan: &str) -> Found {
        let text = fs::read_to_string(path).unwrap_or_default();
        let head = text.lines().next().map(serde_json::from_str);
        match head {
            Some(Ok(Head {
                plan: known,
                joined,
                fitted,
                ..
            })) if known == plan => Found { joined, fitted },
            _ => Found::default(),
        }
    }

    /// Opens the journal for one plan, with the blocks that an earlier run of it wrote; a journal of
    /// another plan, or none, is begun anew. A last line cut short by a kill is dropped.
    pub(super) fn open(
        path: &Path,
        plan: &str,
        (shape, found): (ImageShape, Found),
        block: usize,
    ) -> Result<(Self, BTreeMap<usize, Vec<Done>>)> {
        let head = Head {
            plan: plan.into(),
            shape,
            block,
            joined: found.joined,
            fitted: found.fitted,
        };
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let mut done = BTreeMap::new();
        let mut whole = 0;
        if let Some(first) = lines.next()
            && serde_json::from_str::<Head>(first).is_ok_and(|found| found == head)
        {
            whole = first.len();
            for line in lines {
                let Ok(Line { block, images }) = serde_json::from_str(line) else {
                    break;
                };
                whole += line.len();
                done.insert(block, images);
            }
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .and_then(|file| file.set_len(whole as u64).map(|()| file))
            .map_err(Error::io("write", path))?;
        let journal = Self {
            path: path.into(),
            file: Mutex::new(file),
        };
        if whole == 0 {
            journal.append(&head)?;
        }
        Ok((journal, done))
    }

    /// Notes a block whose pixels are written.
    pub(super) fn note(&self, block: usize, images: Vec<Done>) -> Result<()> {
        self.append(&Line { block, images })
    }

    fn append(&self, line: &impl Serialize) -> Result<()> {
        let mut bytes = serde_json::to_vec(line).map_err(|error| {
            Error::format(
                &self.path,
                format!("cannot be written: {error}"),
                "report this as a bug",
            )
        })?;
        bytes.push(b'\n');
        self.file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&bytes)
            .map_err(Error::io("write", &self.path))
    }
}
