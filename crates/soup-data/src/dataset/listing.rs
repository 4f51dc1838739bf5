//! All that lies in a folder or an archive, sorted into images, tables, archives and the rest. This
//! is the one place where images are found.
//!
//! A file with the extension of a format that is read is an image, and damaged where it holds something else.
//! Of every other file the first bytes decide. Links to files are followed, links to folders are not.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use super::{
    arrays::Stack,
    decode::{extensions, foreign_format, is_image},
    images::{FileReader, ImageFile, Place, Source, Span, has_extension},
    left_out::{LeftOut, Reason},
};
use crate::{Error, Result, pack::Pack};

/// First bytes that tell a format; DICOM needs the most.
pub(super) const START: usize = 132;
/// Most files that are checked behind a hidden or linked folder, only to count its images.
const BEHIND: usize = 100_000;

/// What lies in a place, each kind sorted by name.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) images: Vec<ImageFile>,
    pub(crate) tables: Vec<ImageFile>,
    /// Zip archives.
    pub(crate) archives: Vec<ImageFile>,
    /// Files that may hold labels in other shapes than a table: JSON, XML, YAML, texts.
    pub(crate) labels: Vec<ImageFile>,
    pub(crate) left: LeftOut,
}

impl Place {
    /// Lists everything that lies here.
    pub(crate) fn list(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        match self {
            Self::Folder(path) => Walk {
                root: path,
                listing: &mut listing,
            }
            .folder(path, "")?,
            Self::Zip(path) => list_zip(self, path, &mut listing)?,
            Self::Array(path) => listing.images = Stack::open(path)?.files(),
        }
        for files in [
            &mut listing.images,
            &mut listing.tables,
            &mut listing.archives,
            &mut listing.labels,
        ] {
            files.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(listing)
    }
}

/// What a name alone says.
enum Named {
    Image,
    Table,
    Archive,
    /// What may hold labels.
    Labels,
    System,
    /// What `soup compose` says of the images that it made.
    Composed,
    /// Its first bytes must tell.
    Unknown,
}

impl Named {
    fn of(name: &str) -> Self {
        let base = name.rsplit('/').next().unwrap_or(name);
        let is_in = |list: &[&str]| list.iter().any(|one| one.eq_ignore_ascii_case(base));
        if is_in(&["Thumbs.db", "ehthumbs.db", "desktop.ini", ".DS_Store"]) {
            return Self::System;
        }
        let path = Path::new(base);
        if base == "compose.json" {
            Self::Composed
        } else if extensions().any(|extension| has_extension(path, &[extension])) {
            Self::Image
        } else if has_extension(path, &["csv", "tsv"])
            || base.to_lowercase().ends_with(".csv.gz")
            || base.to_lowercase().ends_with(".tsv.gz")
        {
            Self::Table
        } else if has_extension(path, &["zip"]) {
            Self::Archive
        } else if has_extension(path, &LABELS) {
            Self::Labels
        } else {
            Self::Unknown
        }
    }
}

/// Extensions of files that may hold labels.
const LABELS: [&str; 9] = [
    "json", "jsonl", "ndjson", "xml", "yaml", "yml", "txt", "names", "labels",
];

impl Listing {
    /// Leaves out files that hold no labels after all.
    pub(crate) fn leave_labels(left: &mut LeftOut, files: &[ImageFile], used: &[String]) {
        // Only looked up, never iterated: its order reaches nothing.
        let used: HashSet<&str> = used.iter().map(String::as_str).collect();
        for file in files.iter().filter(|file| !used.contains(&*file.name)) {
            left.add(reason(&file.name, &[]), &file.name);
        }
    }
}

/// Why a file that is none of ours is left out, by its name and first bytes.
fn reason(name: &str, start: &[u8]) -> Reason {
    const ARCHIVES: [&str; 8] = ["7z", "bz2", "gz", "rar", "tar", "tgz", "xz", "zst"];
    /// What a file without a telling start may be meant as.
    const IMAGES: [&str; 15] = [
        "arw", "avif", "cr2", "cr3", "dcm", "dng", "exr", "heic", "heif", "ico", "jp2", "jxl",
        "nef", "psd", "tga",
    ];
    let base = name.rsplit('/').next().unwrap_or(name);
    let extension = Path::new(base).extension().and_then(|end| end.to_str());
    let extension = extension.map(str::to_lowercase);
    let is_one_of =
        |list: &[&str]| (extension.as_deref()).is_some_and(|extension| list.contains(&extension));
    match (foreign_format(start), &extension) {
        (Some(_), Some(extension)) => Reason::Format(format!(".{extension}")),
        (Some(format), None) => Reason::Format(format!("{format} without an extension")),
        (None, _) if is_one_of(&ARCHIVES) => Reason::Archive,
        (None, Some(extension)) if is_one_of(&IMAGES) => Reason::Format(format!(".{extension}")),
        (None, Some(extension)) => Reason::Other(format!(".{extension}")),
        (None, None) => Reason::Other("without an extension".into()),
    }
}

struct Walk<'a> {
    root: &'a Path,
    listing: &'a mut Listing,
}

impl Walk<'_> {
    /// Everything in `folder`, whose names begin with `prefix`.
    fn folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
            let entry = entry.map_err(Error::io("list", folder))?;
            let (path, raw) = (entry.path(), entry.file_name());
            let base = super::names::of_bytes(raw.as_encoded_bytes());
            let name = format!("{prefix}{base}");
            let on_disk = raw.to_str() != Some(&base);
            let mut kind = entry.file_type().map_err(Error::io("read", &path))?;
            let is_link = kind.is_symlink();
            if is_link {
                match fs::metadata(&path) {
                    Ok(data) => kind = data.file_type(),
                    Err(_) => {
                        self.listing.left.add(Reason::BrokenLink, name);
                        continue;
                    }
                }
            }
            let is_hidden = base.starts_with('.');
            if kind.is_dir() {
                if base == "__MACOSX" {
                    self.listing.left.add(Reason::System, format!("{name}/"));
                } else if is_link || is_hidden {
                    let reason = if is_link {
                        Reason::LinkedFolder
                    } else {
                        Reason::Hidden
                    };
                    self.behind(&path, &name, &reason);
                } else if Pack::is_pack(&path) {
                    self.listing.left.add(Reason::Pack, format!("{name}/"));
                } else {
                    // A folder whose name is not UTF-8 is gone through by its path.
                    self.folder(&path, &format!("{name}/"))?;
                }
            } else if !kind.is_file() {
                self.listing.left.add(Reason::Unreadable, name);
            } else {
                let source = match on_disk || prefix_differs(&path, self.root, &name) {
                    true => Source::Path(path.clone()),
                    false => Source::Name,
                };
                self.file(&path, ImageFile { name, source }, is_hidden);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, file: ImageFile, is_hidden: bool) {
        let Listing {
            images,
            tables,
            archives,
            labels,
            left,
        } = &mut *self.listing;
        if is_hidden {
            let is_image = start_of(path).is_ok_and(|start| is_image(&start));
            let reason = if is_image {
                Reason::Hidden
            } else {
                Reason::System
            };
            left.add(reason, file.name);
            return;
        }
        match Named::of(&file.name) {
            Named::Image => images.push(file),
            Named::Table => tables.push(file),
            Named::Archive => archives.push(file),
            Named::System => left.add(Reason::System, file.name),
            Named::Composed => {}
            named @ (Named::Unknown | Named::Labels) => match start_of(path) {
                Ok(start) if is_image(&start) => images.push(file),
                Ok(_) if matches!(named, Named::Labels) => labels.push(file),
                Ok(start) => left.add(reason(&file.name, &start), file.name),
                Err(_) => left.add(Reason::Unreadable, file.name),
            },
        }
    }

    /// Counts the images in a folder that is not gone into, and in those below it.
    fn behind(&mut self, folder: &Path, name: &str, reason: &Reason) {
        // A link back to what is gone through anyway hides nothing.
        if let (Ok(root), Ok(target)) = (fs::canonicalize(self.root), fs::canonicalize(folder))
            && *reason == Reason::LinkedFolder
            && (root.starts_with(&target) || target.starts_with(&root))
        {
            return;
        }
        let mut folders = vec![(folder.to_path_buf(), name.to_owned())];
        let mut budget = BEHIND;
        while let Some((folder, name)) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else {
                self.listing
                    .left
                    .add(Reason::Unreadable, format!("{name}/"));
                continue;
            };
            for entry in entries.flatten() {
                if budget == 0 {
                    return;
                }
                budget -= 1;
                let name = format!("{name}/{}", entry.file_name().to_string_lossy());
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push((entry.path(), name)),
                    Ok(kind) if kind.is_file() && matches!(Named::of(&name), Named::Image) => {
                        self.listing.left.add(reason.clone(), name);
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Whether a folder above the file has a name that is not UTF-8.
fn prefix_differs(path: &Path, root: &Path, name: &str) -> bool {
    path.strip_prefix(root).ok().and_then(Path::to_str) != Some(name)
}

fn start_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(START);
    File::open(path)?
        .take(START as u64)
        .read_to_end(&mut start)?;
    Ok(start)
}

fn list_zip(place: &Place, path: &Path, listing: &mut Listing) -> Result<()> {
    let damaged = |problem: String| {
        Error::format(
            path,
            problem,
            "restore the archive from its source, or unpack it yourself",
        )
    };
    let file = File::open(path).map_err(Error::io("open", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    let mut stored = 0u64;
    let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file))
        .map_err(|error| damaged(format!("not a whole zip archive ({error})")))?;
    if archive.has_duplicate_names() {
        let start = archive.central_directory_start();
        for name in names_again(path, start).map_err(Error::io("read", path))? {
            listing
                .left
                .add(Reason::Twice, super::names::of_bytes(&name));
        }
    }
    // Only looked up, never iterated: its order reaches nothing.
    let mut seen = HashSet::new();
    let mut reader = FileReader::new(place);
    for index in 0..archive.len() {
        let entry = archive
            .by_index_raw(index)
            .map_err(|error| damaged(format!("entry {} is damaged ({error})", index + 1)))?;
        if !entry.is_file() {
            continue;
        }
        stored = stored.saturating_add(entry.compressed_size());
        if stored > length {
            return Err(damaged("its entries lie over one another".into()));
        }
        // The flag says UTF-8, and then the library has checked that it is.
        let name = super::names::in_archive(&super::names::of_bytes(entry.name_raw()));
        let mut parts = name.split('/');
        if parts.clone().any(|part| part == "__MACOSX") {
            listing.left.add(Reason::System, name);
            continue;
        }
        let is_hidden = parts.any(|part| part.starts_with('.'));
        let named = Named::of(&name);
        if name.is_empty() || matches!(named, Named::System) {
            listing.left.add(Reason::System, name);
            continue;
        }
        let is_open = matches!(named, Named::Unknown | Named::Labels);
        let is_wanted = !is_hidden && !is_open;
        let is_deflated = match entry.compression() {
            _ if entry.encrypted() => {
                listing.left.add(Reason::Encrypted, name);
                continue;
            }
            zip::CompressionMethod::Stored => false,
            zip::CompressionMethod::Deflated => true,
            other => {
                let how = format!("{other}").to_lowercase();
                listing.left.add(Reason::Packed(how), name);
                continue;
            }
        };
        let start = entry
            .data_start()
            .ok_or_else(|| damaged(format!("the data of `{name}` is not where it should be")))?;
        let span = Span::new(
            start,
            entry.compressed_size(),
            entry.size(),
            entry.crc32(),
            is_deflated,
        );
        let file = ImageFile {
            name,
            source: Source::Span(span),
        };
        let start = match is_wanted {
            true => vec![],
            false => reader.start(&file, START).unwrap_or_default(),
        };
        if is_hidden {
            let reason = if is_image(&start) {
                Reason::Hidden
            } else {
                Reason::System
            };
            listing.left.add(reason, file.name);
        } else if matches!(named, Named::Unknown) && !is_image(&start) {
            listing.left.add(reason(&file.name, &start), file.name);
        } else if !seen.insert(file.name.clone()) {
            listing.left.add(Reason::Twice, file.name);
        } else {
            match named {
                Named::Table => listing.tables.push(file),
                Named::Archive => listing.archives.push(file),
                Named::Labels if !is_image(&start) => listing.labels.push(file),
                Named::Composed => {}
                _ => listing.images.push(file),
            }
        }
    }
    Ok(())
}

/// The names that come again in the directory of an archive, each but its last time.
fn names_again(path: &Path, start: u64) -> std::io::Result<Vec<Vec<u8>>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut rest = &bytes[..];
    let (mut seen, mut again) = (HashSet::new(), Vec::new());
    // A header of 46 bytes, then name, extra field and comment (APPNOTE 4.3.12).
    while let Some((header, after)) = rest.split_first_chunk::<46>() {
        let length = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let (name, further) = (length(28), length(30) + length(32));
        if header[..4] != *b"PK\x01\x02" || after.len() < name + further {
            break;
        }
        if !seen.insert(&after[..name]) {
            again.push(after[..name].to_vec());
        }
        rest = &after[name + further..];
    }
    Ok(again)
}
