//! Images and the files that may say what is on them, as they lie there; and what shape that is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{
    Gathered, LabelsFormat, Part, coco, folders, labelme, lists,
    parts::{self},
    voc, yolo,
};
use crate::dataset::content_hash;
use crate::dataset::images::{FileReader, ImageFile, Place, ReadFault, Source, has_extension};
use crate::files::read_unpacked;
use crate::tables::Columns;
use crate::{Error, Result};

/// Files of a shape that are looked into to find out whether they are of it.
const LOOKED_AT: usize = 20;
/// Folders that hold images or what is said of them and whose names say nothing else.
const SILENT: [&str; 16] = [
    "images",
    "image",
    "imgs",
    "img",
    "jpegimages",
    "photos",
    "pictures",
    "labels",
    "label",
    "annotations",
    "annotation",
    "ann",
    "xml",
    "xmls",
    "json",
    "jsons",
];

/// What lies there.
pub(in crate::dataset) struct Lying<'a> {
    pub(in crate::dataset) place: &'a Place,
    pub(in crate::dataset) images: &'a [ImageFile],
    /// Where the files with labels lie; mostly beside the images.
    pub(in crate::dataset) labels_place: &'a Place,
    pub(in crate::dataset) files: &'a [ImageFile],
    pub(in crate::dataset) columns: &'a Columns,
}

impl Lying<'_> {
    pub(super) fn path(&self, file: &ImageFile) -> PathBuf {
        self.labels_place.display(file)
    }

    pub(super) fn bytes(&self, file: &ImageFile) -> Result<Vec<u8>> {
        read_file(self.labels_place, file)
    }

    /// Whether the files with labels lie beside the images, so that their folders are the same ones.
    pub(super) fn is_beside(&self) -> bool {
        self.place == self.labels_place
    }

    pub(super) fn with_extension<'a>(
        &'a self,
        extensions: &'static [&'static str],
    ) -> impl Iterator<Item = &'a ImageFile> {
        (self.files.iter()).filter(|file| has_extension(Path::new(&file.name), extensions))
    }

    /// The images that files belong to, by their folders and their names without extension.
    pub(super) fn partners(&self) -> Partners {
        let mut partners = Partners::default();
        for (at, image) in self.images.iter().enumerate() {
            let (path, stem) = (told_by(&image.name), image.stem().to_owned());
            partners.by_path.entry(path).or_default().push(at);
            partners.by_stem.entry(stem).or_default().push(at);
        }
        partners
    }

    /// Text of a file; what is no UTF-8 is an error.
    pub(super) fn text(&self, file: &ImageFile) -> Result<String> {
        let bytes = self.bytes(file)?;
        String::from_utf8(bytes).map_err(|_| {
            let hint = "save it as UTF-8";
            Error::format(self.path(file), "the text is not UTF-8", hint)
        })
    }
}

/// Images by what their files are called.
#[derive(Default)]
pub(super) struct Partners {
    // Only looked up, never iterated: their order reaches nothing.
    by_path: HashMap<String, Vec<usize>>,
    by_stem: HashMap<String, Vec<usize>>,
}

impl Partners {
    /// The image that a file beside it is about: of the same name in the same folder, or the only one of the name.
    pub(super) fn of(&self, name: &str) -> Option<usize> {
        let only = |found: Option<&Vec<usize>>| match found.map(Vec::as_slice) {
            Some([only]) => Some(*only),
            _ => None,
        };
        let stem = name.rsplit('/').next().unwrap_or(name);
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
        only(self.by_path.get(&told_by(name))).or_else(|| only(self.by_stem.get(stem)))
    }
}

/// A name without its extension and the folders that say nothing.
fn told_by(name: &str) -> String {
    let (folders, base) = name.rsplit_once('/').unwrap_or(("", name));
    let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
    let telling = folders
        .split('/')
        .filter(|folder| !folder.is_empty() && !SILENT.contains(&folder.to_lowercase().as_str()));
    telling.chain([stem]).collect::<Vec<_>>().join("/")
}

/// The bytes of a file, unpacked.
pub(in crate::dataset) fn read_file(place: &Place, file: &ImageFile) -> Result<Vec<u8>> {
    let path = place.display(file);
    if let Place::Folder(_) = place {
        return read_unpacked(&place.path_of(file));
    }
    let mut reader = FileReader::new(place);
    match reader.read(file) {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(ReadFault::Damaged(problem)) => Err(Error::format(
            path,
            problem,
            "restore the archive from its source",
        )),
        Err(ReadFault::Io(source)) => Err(Error::io("read", place.path())(source)),
        Err(ReadFault::Missing) => Err(Error::NotFound {
            path: place.path().into(),
            hint: "it was there a moment ago; restore it".into(),
        }),
    }
}

/// The shape in which labels lie beside images, where there are any.
///
/// # Errors
/// Labels of several shapes; what the system says.
pub(in crate::dataset) fn choose(lying: &Lying<'_>) -> Result<Option<LabelsFormat>> {
    if let Some(format) = lying.columns.format {
        return Ok(Some(format));
    }
    let partners = lying.partners();
    let mut found: Vec<(LabelsFormat, String)> = Vec::new();
    let mut add = |format: LabelsFormat, file: &ImageFile| {
        if found.iter().all(|(known, _)| *known != format) {
            found.push((format, file.name.clone()));
        }
    };
    let mut labelme = 0;
    for file in lying.with_extension(&["json"]) {
        if partners.of(&file.name).is_some() {
            if labelme < LOOKED_AT {
                labelme += 1;
                if labelme::is_one(&lying.bytes(file)?) {
                    add(LabelsFormat::Labelme, file);
                }
            }
            continue;
        }
        let bytes = lying.bytes(file)?;
        if coco::is_one(&bytes) {
            add(LabelsFormat::Coco, file);
        } else if lists::is_one(&bytes, false) {
            add(LabelsFormat::Json, file);
        }
    }
    for file in lying.with_extension(&["jsonl", "ndjson"]) {
        if lists::is_one(&lying.bytes(file)?, true) {
            add(LabelsFormat::Json, file);
        }
    }
    let with_partner = |file: &&ImageFile| partners.of(&file.name).is_some();
    for file in lying
        .with_extension(&["xml"])
        .filter(with_partner)
        .take(LOOKED_AT)
    {
        if voc::is_one(&lying.bytes(file)?) {
            add(LabelsFormat::Voc, file);
        }
    }
    let texts = lying.with_extension(&["txt"]).filter(with_partner);
    for file in texts.take(LOOKED_AT) {
        if yolo::is_one(&lying.bytes(file)?) {
            add(LabelsFormat::Yolo, file);
        }
    }
    match &found[..] {
        [] if folders::fits(lying.images) => Ok(Some(LabelsFormat::Folders)),
        [] => Ok(None),
        [(only, _)] => Ok(Some(*only)),
        several => {
            let listed: Vec<String> = (several.iter())
                .map(|(format, file)| format!("{format} ({file})"))
                .collect();
            Err(Error::NotADataset {
                path: lying.labels_place.path().into(),
                problem: format!("there are labels in several shapes: {}", listed.join(", ")),
                hint: "choose one with --labels-format".into(),
            })
        }
    }
}

/// Reads labels of one shape that is no single table.
///
/// # Errors
/// Labels that cannot be read at all; what is wrong with single entries is in [`Gathered::problems`].
pub(in crate::dataset) fn read(lying: &Lying<'_>, format: LabelsFormat) -> Result<Gathered> {
    match format {
        LabelsFormat::Coco => coco::read(lying),
        LabelsFormat::Voc => voc::read(lying),
        LabelsFormat::Yolo => yolo::read(lying),
        LabelsFormat::Labelme => labelme::read(lying),
        LabelsFormat::Json => lists::read(lying),
        LabelsFormat::Folders => folders::read(lying),
        LabelsFormat::Table | LabelsFormat::Tags | LabelsFormat::BoxTable | LabelsFormat::None => {
            Err(Error::NotADataset {
                path: lying.labels_place.path().into(),
                problem: "there is no table of labels beside the images".into(),
                hint: "name it with --labels and the images with --images".into(),
            })
        }
    }
}

/// The place and the files of labels that were named: a file, or a folder of them. None for a table.
///
/// # Errors
/// What the system says.
pub(in crate::dataset) fn given(path: &Path) -> Result<Option<(Place, Vec<ImageFile>)>> {
    if path.is_dir() || has_extension(path, &["zip"]) {
        let place = Place::new(path)?;
        let listing = place.list()?;
        return Ok(Some((place, listing.labels)));
    }
    const OTHERS: [&str; 7] = ["json", "jsonl", "ndjson", "xml", "yaml", "yml", "txt"];
    if !has_extension(path, &OTHERS) {
        return Ok(None);
    }
    let Some(name) = path.file_name() else {
        return Ok(None);
    };
    // A text that is named alone is a table, whatever it is called.
    if has_extension(path, &["txt"]) {
        return Ok(None);
    }
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let place = Place::Folder(folder.unwrap_or(Path::new(".")).into());
    // YOLO's names lie beside the files that they are the names in.
    if has_extension(path, &["yaml", "yml"]) {
        let listing = place.list()?;
        return Ok(Some((place, listing.labels)));
    }
    let file = ImageFile {
        name: name.to_string_lossy().into_owned(),
        source: Source::Path(path.into()),
    };
    Ok(Some((place, vec![file])))
}

/// The one table of each part (`train/_classes.csv`, `valid/_classes.csv`), where every part has one.
///
/// # Errors
/// What is wrong with a table as such.
pub(in crate::dataset) fn parts_with_tables(
    lying: &Lying<'_>,
    tables: &[ImageFile],
) -> Result<Option<Gathered>> {
    let mut of_parts: Vec<(&str, &ImageFile)> = Vec::new();
    for table in tables {
        let Some((folder, _)) = table.name.split_once('/') else {
            continue;
        };
        if Part::of_folder(folder).is_none() {
            continue;
        }
        if of_parts.iter().any(|(known, _)| *known == folder) {
            return Ok(None);
        }
        of_parts.push((folder, table));
    }
    if of_parts.is_empty() {
        return Ok(None);
    }
    parts::tables(lying, &of_parts).map(Some)
}

/// One hash of several files.
pub(super) fn hash_of(hashes: &[String]) -> String {
    match hashes {
        [only] => only.clone(),
        several => content_hash(several.join("\n").as_bytes()),
    }
}
