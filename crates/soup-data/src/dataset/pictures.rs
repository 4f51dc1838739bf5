//! Where the files of pictures lie: a folder with all that is below it, or a zip archive.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::{Decompress, FlushDecompress, Status};

use super::decode::EXTENSIONS;
use crate::{Error, Result};

/// A folder or an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Folder(PathBuf),
    Zip(PathBuf),
}

/// One file, by its name inside its place (`/` between folders).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PictureFile {
    pub(crate) name: String,
    /// Where its bytes are, if the place is an archive.
    pub(crate) span: Option<Span>,
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

impl PictureFile {
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
        } else if path.exists() {
            Err(Error::NotADataset {
                path: path.into(),
                problem: "neither a folder nor a zip archive".into(),
                hint: "give the folder or the zip archive that holds the pictures".into(),
            })
        } else {
            Err(Error::NotFound {
                path: path.into(),
                hint: "give the folder or the zip archive that holds the pictures".into(),
            })
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::Zip(path) => path,
        }
    }

    /// All PNG and JPEG files, sorted: by number where every name is a plain number, else by name.
    pub(crate) fn pictures(&self) -> Result<Vec<PictureFile>> {
        let mut files = self.files(&EXTENSIONS)?;
        if files.is_empty() {
            return Err(Error::Empty {
                path: self.path().into(),
                what: "pictures",
                hint: "PNG and JPEG files are looked for, in all folders below".into(),
            });
        }
        let number = |file: &PictureFile| file.stem().parse::<u64>().ok();
        if files.iter().all(|file| number(file).is_some()) {
            files.sort_by_key(number);
        }
        Ok(files)
    }

    /// All files with one of `extensions` (in lower case), sorted by name. Hidden ones are skipped.
    pub(crate) fn files(&self, extensions: &[&str]) -> Result<Vec<PictureFile>> {
        let mut files = match self {
            Self::Folder(path) => {
                let mut files = vec![];
                walk(path, "", extensions, &mut files)?;
                files
            }
            Self::Zip(path) => list_zip(path, extensions)?,
        };
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// The path of a file, for people: inside an archive as if that were a folder.
    pub(crate) fn display(&self, file: &PictureFile) -> PathBuf {
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

fn is_hidden(name: &str) -> bool {
    name.split('/')
        .any(|part| part.starts_with('.') || part == "__MACOSX")
}

fn walk(
    folder: &Path,
    prefix: &str,
    extensions: &[&str],
    files: &mut Vec<PictureFile>,
) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            if has_extension(&path, extensions) {
                return Err(Error::NotADataset {
                    path,
                    problem: "the file name is not UTF-8".into(),
                    hint: "rename the file".into(),
                });
            }
            continue;
        };
        if is_hidden(name) {
            continue;
        }
        let mut kind = entry.file_type().map_err(Error::io("look at", &path))?;
        let linked = kind.is_symlink();
        if linked {
            kind = fs::metadata(&path)
                .map_err(Error::io("follow the link", &path))?
                .file_type();
        }
        let name = format!("{prefix}{name}");
        // A linked folder could lead back to one above it: only the top may be a link.
        if kind.is_dir() && !linked {
            walk(&path, &format!("{name}/"), extensions, files)?;
        } else if kind.is_file() && has_extension(&path, extensions) {
            files.push(PictureFile { name, span: None });
        }
    }
    Ok(())
}

fn list_zip(path: &Path, extensions: &[&str]) -> Result<Vec<PictureFile>> {
    let damaged = |problem: String| {
        Error::format(
            path,
            problem,
            "restore the archive from its source, or unpack it yourself",
        )
    };
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file))
        .map_err(|error| damaged(format!("not a whole zip archive ({error})")))?;
    let mut files = vec![];
    for index in 0..archive.len() {
        let entry = archive
            .by_index_raw(index)
            .map_err(|error| damaged(format!("entry {} is damaged ({error})", index + 1)))?;
        let name = entry
            .name()
            .map_err(|error| damaged(format!("entry {} has no name ({error})", index + 1)))?
            .into_owned();
        if !entry.is_file() || is_hidden(&name) || !has_extension(Path::new(&name), extensions) {
            continue;
        }
        let deflated = match entry.compression() {
            _ if entry.encrypted() => return Err(damaged(format!("`{name}` is encrypted"))),
            zip::CompressionMethod::Stored => false,
            zip::CompressionMethod::Deflated => true,
            other => {
                return Err(damaged(format!(
                    "`{name}` is packed with {other}, not deflate"
                )));
            }
        };
        let start = entry
            .data_start()
            .ok_or_else(|| damaged(format!("the data of `{name}` is not where it should be")))?;
        files.push(PictureFile {
            span: Some(Span {
                start,
                stored: entry.compressed_size(),
                size: entry.size(),
                crc32: entry.crc32(),
                deflated,
            }),
            name,
        });
    }
    Ok(files)
}

/// Reads the bytes of one file after the other; each thread has its own.
pub(crate) struct FileReader {
    place: Place,
    archive: Option<File>,
    stored: Vec<u8>,
    bytes: Vec<u8>,
}

/// Why the bytes of a picture could not be had.
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
            stored: vec![],
            bytes: vec![],
        }
    }

    pub(crate) fn read(&mut self, file: &PictureFile) -> Result<&[u8], ReadFault> {
        let fault = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => ReadFault::Missing,
            _ => ReadFault::Io(error),
        };
        self.bytes.clear();
        match file.span {
            None => {
                File::open(self.place.path().join(&file.name))
                    .and_then(|mut opened| opened.read_to_end(&mut self.bytes))
                    .map_err(fault)?;
            }
            Some(span) => self.read_span(span, fault)?,
        }
        Ok(&self.bytes)
    }

    fn read_span(
        &mut self,
        span: Span,
        fault: impl Fn(std::io::Error) -> ReadFault,
    ) -> Result<(), ReadFault> {
        const MOST: u64 = 1 << 30;
        let damaged = |problem: &str| ReadFault::Damaged(format!("damaged archive: {problem}"));
        if span.size > MOST || span.stored > MOST {
            return Err(damaged("it claims a file of more than 1 GiB"));
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
