//! Where the files of images lie: a folder with all that is below it, a zip archive, or an array of images.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::{Decompress, FlushDecompress, Status};

use super::arrays::Stack;
use crate::files::read_into;
use crate::{Error, Result};

/// Bytes of an image's file at most.
const MOST: u64 = 256 << 20;

/// A folder, an archive or an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Folder(PathBuf),
    Zip(PathBuf),
    /// A NumPy file of images.
    Array(PathBuf),
}

/// One file, by its name inside its place (`/` between folders).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageFile {
    pub(crate) name: String,
    pub(crate) source: Source,
}

/// Where the bytes of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// In the folder, under its name.
    Name,
    /// In the folder, but its name there is not UTF-8.
    Path(PathBuf),
    /// In the archive.
    Span(Span),
    /// In the array, from 0.
    Row(u64),
}

/// A file in a zip archive, so that threads can read it without sharing the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u64,
    stored: u64,
    pub(crate) size: u64,
    pub(crate) crc32: u32,
    deflated: bool,
}

impl Span {
    pub(super) fn new(start: u64, stored: u64, size: u64, crc32: u32, deflated: bool) -> Self {
        Self {
            start,
            stored,
            size,
            crc32,
            deflated,
        }
    }
}

impl ImageFile {
    /// Where it is in the archive.
    pub(crate) fn span(&self) -> Option<Span> {
        match self.source {
            Source::Span(span) => Some(span),
            _ => None,
        }
    }

    /// The name without folders and without its extension.
    pub(crate) fn stem(&self) -> &str {
        let name = self.name.rsplit('/').next().unwrap_or(&self.name);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }
}

impl Place {
    pub(crate) fn new(path: &Path) -> Result<Self> {
        if path.is_dir() {
            Ok(Self::Folder(path.into()))
        } else if path.is_file() && has_extension(path, &["zip"]) {
            Ok(Self::Zip(path.into()))
        } else if path.is_file() && has_extension(path, &["npy"]) {
            Ok(Self::Array(path.into()))
        } else if path.exists() {
            Err(Error::NotADataset {
                path: path.into(),
                problem: "neither a folder nor a zip archive nor a NumPy file".into(),
                hint: "give the folder, the zip archive or the .npy file that holds the images"
                    .into(),
            })
        } else {
            Err(Error::NotFound {
                path: path.into(),
                hint: "give the folder, the zip archive or the .npy file that holds the images"
                    .into(),
            })
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::Zip(path) | Self::Array(path) => path,
        }
    }

    /// Where a file of a folder is, or the array with it.
    pub(crate) fn path_of(&self, file: &ImageFile) -> PathBuf {
        match &file.source {
            Source::Path(path) => path.clone(),
            Source::Row(_) => self.path().into(),
            _ => self.display(file),
        }
    }

    /// The path of a file, for people: inside an archive as if that were a folder.
    pub(crate) fn display(&self, file: &ImageFile) -> PathBuf {
        self.path().join(&file.name)
    }
}

/// Whether the name ends in one of `extensions`, in any case.
pub(super) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| {
            extensions
                .iter()
                .any(|known| known.eq_ignore_ascii_case(extension))
        })
}

/// Reads the bytes of one file after the other; each thread has its own.
pub(crate) struct FileReader {
    place: Place,
    archive: Option<File>,
    stack: Option<Stack>,
    stored: Vec<u8>,
    bytes: Vec<u8>,
}

/// Why the bytes of an image could not be had.
pub(crate) enum ReadFault {
    /// The file is gone.
    Missing,
    /// The system refused.
    Io(std::io::Error),
    /// What the archive holds is not what its directory says.
    Damaged(String),
}

impl FileReader {
    pub(crate) fn new(place: &Place) -> Self {
        Self {
            place: place.clone(),
            archive: None,
            stack: None,
            stored: vec![],
            bytes: vec![],
        }
    }

    pub(crate) fn read(&mut self, file: &ImageFile) -> Result<&[u8], ReadFault> {
        let fault = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => ReadFault::Missing,
            _ => ReadFault::Io(error),
        };
        self.bytes.clear();
        if let Source::Row(row) = file.source {
            let stack = match &mut self.stack {
                Some(stack) => stack,
                closed => closed.insert(
                    Stack::open(self.place.path())
                        .map_err(|error| ReadFault::Damaged(error.to_string()))?,
                ),
            };
            stack.read(row, &mut self.bytes).map_err(fault)?;
            return Ok(&self.bytes);
        }
        match file.span() {
            None => {
                File::open(self.place.path_of(file))
                    .and_then(|opened| read_into(opened, &mut self.bytes, MOST))
                    .map_err(fault)?;
            }
            Some(span) => self.read_span(span, fault)?,
        }
        Ok(&self.bytes)
    }

    /// The first bytes of a file in the archive, up to `most`; unchecked.
    pub(super) fn start(&mut self, file: &ImageFile, most: usize) -> std::io::Result<Vec<u8>> {
        let Some(span) = file.span() else {
            return Ok(vec![]);
        };
        let archive = match &mut self.archive {
            Some(archive) => archive,
            closed => closed.insert(File::open(self.place.path())?),
        };
        archive.seek(SeekFrom::Start(span.start))?;
        let mut start = Vec::with_capacity(most);
        let stored = archive.take(span.stored);
        match span.deflated {
            true => flate2::read::DeflateDecoder::new(stored)
                .take(most as u64)
                .read_to_end(&mut start)?,
            false => stored.take(most as u64).read_to_end(&mut start)?,
        };
        Ok(start)
    }

    fn read_span(
        &mut self,
        span: Span,
        fault: impl Fn(std::io::Error) -> ReadFault,
    ) -> Result<(), ReadFault> {
        let damaged = |problem: &str| ReadFault::Damaged(format!("damaged archive: {problem}"));
        if span.size > MOST || span.stored > MOST {
            return Err(damaged("it claims a file of more than 256 MiB"));
        }
        let archive = match &mut self.archive {
            Some(archive) => archive,
            closed => closed.insert(File::open(self.place.path()).map_err(&fault)?),
        };
        archive.seek(SeekFrom::Start(span.start)).map_err(&fault)?;
        let target = if span.deflated {
            &mut self.stored
        } else {
            &mut self.bytes
        };
        target.clear();
        archive
            .take(span.stored)
            .read_to_end(target)
            .map_err(&fault)?;
        if target.len() as u64 != span.stored {
            return Err(damaged("it is cut short"));
        }
        if span.deflated {
            // Deflate packs at best 1032 to 1.
            if span.size / 1032 > span.stored {
                return Err(damaged("it claims more than deflate can pack"));
            }
            self.bytes.resize(span.size as usize, 0);
            let mut inflate = Decompress::new(false);
            let status = inflate
                .decompress(&self.stored, &mut self.bytes, FlushDecompress::Finish)
                .map_err(|error| damaged(&error.to_string()))?;
            if status != Status::StreamEnd || inflate.total_out() != span.size {
                return Err(damaged("the data does not unpack to its size"));
            }
        }
        if self.bytes.len() as u64 != span.size || crc32fast::hash(&self.bytes) != span.crc32 {
            return Err(damaged("the checksum does not match"));
        }
        Ok(())
    }
}
