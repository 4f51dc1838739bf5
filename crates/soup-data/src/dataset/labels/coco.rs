//! COCO's JSON (Lin et al., "Microsoft COCO", ECCV 2014): the labels of an image are the categories of its annotations.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::gathered::{Names, renumber};
use super::{Entry, Gathered, LabelsFormat, Lying, Mark, Marks, Part, Rest, count, lying};
use crate::dataset::content_hash;
use crate::dataset::images::ImageFile;
use crate::problems::Problems;
use crate::{Error, Result};

#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: Id,
    file_name: String,
    #[serde(default)]
    width: Option<f64>,
    #[serde(default)]
    height: Option<f64>,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: Id,
    category_id: Id,
    #[serde(default)]
    bbox: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct Category {
    id: Id,
    name: String,
    #[serde(default)]
    supercategory: Option<Value>,
}

/// Ids are numbers, but some programs write words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Word(String),
}

impl std::fmt::Display for Id {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Word(word) => word.fmt(formatter),
        }
    }
}

/// Whether this is such a file, whether or not all of it is right.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Keys {
        #[serde(rename = "images")]
        _images: IgnoredAny,
        #[serde(rename = "annotations")]
        _annotations: IgnoredAny,
        #[serde(rename = "categories")]
        _categories: IgnoredAny,
    }
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    is_object && serde_json::from_slice::<Keys>(bytes).is_ok()
}

pub(super) fn read(lying: &Lying<'_>) -> Result<Gathered> {
    let mut files: Vec<(&ImageFile, Vec<u8>)> = Vec::new();
    for file in lying.with_extension(&["json"]) {
        let bytes = lying.bytes(file)?;
        if is_one(&bytes) || lying.files.len() == 1 {
            files.push((file, bytes));
        }
    }
    let part_of = |file: &ImageFile| {
        let base = file.name.rsplit('/').next().unwrap_or(&file.name);
        Part::of(base).or_else(|| Part::of_path(&file.name))
    };
    let parts: BTreeSet<Option<Part>> = files.iter().map(|(file, _)| part_of(file)).collect();
    if files.is_empty() || (files.len() > 1 && parts.len() < files.len()) {
        let names: Vec<&str> = files.iter().map(|(file, _)| file.name.as_str()).collect();
        return Err(Error::NotADataset {
            path: lying.labels_place.path().into(),
            problem: match files.is_empty() {
                true => {
                    "there is no COCO file: JSON with images, annotations and categories".into()
                }
                false => format!(
                    "{} COCO files could hold the labels: {}",
                    files.len(),
                    names.join(", ")
                ),
            },
            hint: "name the right one with --labels and the images with --images".into(),
        });
    }
    let (mut problems, mut known) = (Problems::default(), Names::default());
    let (mut entries, mut notes, mut hashes) = (vec![], vec![], vec![]);
    let (mut boxes, mut areas) = (0, 0);
    for (number, (file, bytes)) in files.iter().enumerate() {
        let path = lying.path(file);
        hashes.push(content_hash(bytes));
        let read: File = serde_json::from_slice(bytes).map_err(|error| {
            let hint = "correct it, or export the labels again";
            Error::format(&path, format!("not a COCO file: {error}"), hint)
        })?;
        let categories = categories(&read, &mut notes);
        let mut places: HashMap<&Id, usize> = HashMap::new();
        // Labels stand in the order of their ids, as pycocotools gives them.
        for (id, name) in &categories {
            places.insert(id, known.place(name));
        }
        let mut ids: Vec<&Id> = read
            .categories
            .iter()
            .map(|category| &category.id)
            .collect();
        ids.sort();
        for pair in ids.windows(2).filter(|pair| pair[0] == pair[1]) {
            problems.push(Error::format(
                &path,
                format!("two categories have the id {}", pair[0]),
                "give each an id of its own",
            ));
        }
        let within = within(lying, file, part_of(file));
        let first = entries.len();
        let mut of_ids: HashMap<&Id, usize> = HashMap::new();
        for (place, image) in read.images.iter().enumerate() {
            if of_ids.insert(&image.id, first + place).is_some() {
                problems.push(Error::format(
                    &path,
                    format!("two images have the id {}", image.id),
                    "give each an id of its own",
                ));
            }
            let frame = image.width.zip(image.height);
            entries.push(Entry {
                part: part_of(file),
                marks: Some(Marks {
                    frame: frame.and_then(|(width, height)| Marks::frame_of(width, height)),
                    boxes: vec![],
                }),
                ..Entry::named(&image.file_name, &within, number, place as u64 + 1)
            });
        }
        for (at, annotation) in read.annotations.iter().enumerate() {
            let mut wrong = |problem: String, hint: &str| {
                problems.push(Error::format(
                    &path,
                    format!("annotation {}: {problem}", at + 1),
                    hint,
                ));
            };
            let (image, category) = (&annotation.image_id, &annotation.category_id);
            let Some(entry) = of_ids.get(image) else {
                wrong(
                    format!("there is no image of the id {image}"),
                    "add it, or remove the annotation",
                );
                continue;
            };
            let Some(label) = places.get(category) else {
                wrong(
                    format!("there is no category of the id {category}"),
                    "add it, or remove the annotation",
                );
                continue;
            };
            let entry: &mut Entry = &mut entries[*entry];
            entry.present.push(*label);
            match annotation.bbox.as_deref() {
                Some([left, top, width, height]) if *width > 0.0 && *height > 0.0 => {
                    boxes += 1;
                    let sides = [*left, *top, left + width, top + height];
                    if let Some(marks) = &mut entry.marks {
                        marks.boxes.push(Mark {
                            label: *label,
                            sides,
                        });
                    }
                }
                None | Some([] | [_, _, _, _]) => areas += 1,
                Some(other) => wrong(
                    format!("its box has {} numbers", other.len()),
                    "a box is left, top, width, height",
                ),
            }
        }
    }
    let names = known.into_met();
    renumber(&mut entries, &(0..names.len()).collect::<Vec<_>>());
    if boxes == 0 {
        entries.iter_mut().for_each(|entry| entry.marks = None);
    }
    let without = if areas > 0 {
        format!(", {areas} annotations without a box")
    } else {
        String::new()
    };
    notes.insert(
        0,
        format!(
            "labels: COCO ({}), {boxes} boxes{without} in {}, {}",
            files
                .iter()
                .map(|(file, _)| file.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            count(entries.len(), "image"),
            count(names.len(), "label")
        ),
    );
    Ok(Gathered {
        format: LabelsFormat::Coco,
        path: match &files[..] {
            [(only, _)] => lying.path(only),
            _ => lying.labels_place.path().into(),
        },
        hash: lying::hash_of(&hashes),
        paths: files.iter().map(|(file, _)| lying.path(file)).collect(),
        names,
        entries,
        rest: Rest::LeftOut,
        notes,
        problems,
        used: files.iter().map(|(file, _)| file.name.clone()).collect(),
    })
}

/// The categories by their ids. One that only names a group of the others, as Roboflow writes it, is none.
fn categories(read: &File, notes: &mut Vec<String>) -> BTreeMap<Id, String> {
    let used: BTreeSet<&Id> = (read.annotations.iter().map(|one| &one.category_id)).collect();
    let groups: BTreeSet<&str> = (read.categories.iter())
        .filter_map(|category| category.supercategory.as_ref()?.as_str())
        .collect();
    let mut categories = BTreeMap::new();
    for category in &read.categories {
        let has_group = (category.supercategory.as_ref())
            .and_then(Value::as_str)
            .is_some_and(|group| group != "none" && group != category.name);
        let is_group = groups.contains(category.name.as_str()) && !has_group;
        if is_group && !used.contains(&category.id) && read.categories.len() > 1 {
            let note = format!(
                "labels: the category `{}` has no annotation and is the group of others; it is no label",
                category.name
            );
            if !notes.contains(&note) {
                notes.push(note);
            }
            continue;
        }
        categories
            .entry(category.id.clone())
            .or_insert_with(|| category.name.clone());
    }
    categories
}

/// The folder whose images a file is about: its own, where any lie there; that of its part; or all.
fn within(lying: &Lying<'_>, file: &ImageFile, part: Option<Part>) -> String {
    if !lying.is_beside() {
        return String::new();
    }
    let has = |folder: &str| {
        lying
            .images
            .iter()
            .any(|image| image.name.starts_with(folder))
    };
    if let Some((folder, _)) = file.name.rsplit_once('/')
        && has(&format!("{folder}/"))
    {
        return format!("{folder}/");
    }
    // A folder anywhere that is called by the part: images/train2017/, train/.
    let of_part = lying.images.iter().find_map(|image| {
        let folders = image.name.rsplit_once('/')?.0;
        let mut end = 0;
        for folder in folders.split('/') {
            end += folder.len();
            if part.is_some() && Part::of_folder(folder) == part {
                return Some(format!("{}/", &folders[..end]));
            }
            end += 1;
        }
        None
    });
    of_part.unwrap_or_default()
}
