//! JSON and JSON lines that name images, each with its labels.
//!
//! A list of objects (`{"image": "a.jpg", "labels": ["x", "y"]}`), a list of pairs (`["a.jpg", ["x"]]`), or an object
//! from images to labels. Labels are a list of names, one name, or an object from names to 0, 1 and null.

use serde_json::{Map, Value};

use super::gathered::{Names, renumber};
use super::{Entry, Gathered, LabelsFormat, Lying, Rest, alike, count, lying};
use crate::dataset::content_hash;
use crate::problems::Problems;
use crate::{Error, Result};

/// Keys under which an object names its image, the likeliest first.
const IMAGES: [&str; 12] = [
    "image",
    "file",
    "filename",
    "file_name",
    "image_path",
    "image_id",
    "path",
    "img",
    "name",
    "id",
    "image_name",
    "url",
];
/// Keys under which it has its labels.
const LABELS: [&str; 9] = [
    "labels",
    "label",
    "tags",
    "classes",
    "class",
    "categories",
    "category",
    "tag",
    "annotations",
];

/// What is said of an image: its name and its labels.
type Said<'a> = (String, &'a Value);

fn under<'a>(object: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a Value> {
    keys.iter().find_map(|key| object.get(*key))
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The image of an element of a list, and its labels.
fn said(element: &Value) -> Option<Said<'_>> {
    match element {
        Value::Object(object) => Some((word(under(object, &IMAGES)?)?, under(object, &LABELS)?)),
        Value::Array(pair) => match &pair[..] {
            [name, labels] => Some((name.as_str()?.to_owned(), labels)),
            _ => None,
        },
        _ => None,
    }
}

/// Labels that are there, and those of which nobody knows.
fn labels(value: &Value) -> Option<(Vec<String>, Vec<String>, Vec<String>)> {
    let (mut present, mut unknown, mut absent) = (vec![], vec![], vec![]);
    match value {
        Value::Null => {}
        Value::Array(list) => {
            for label in list {
                present.push(word(label)?);
            }
        }
        Value::Object(object) => {
            for (name, value) in object {
                let number = value.as_f64().or(value.as_bool().map(f64::from));
                match (number, value) {
                    (Some(1.0), _) => present.push(name.clone()),
                    (Some(0.0), _) => absent.push(name.clone()),
                    (Some(-1.0), _) | (None, Value::Null) => unknown.push(name.clone()),
                    _ => return None,
                }
            }
        }
        one => present.push(word(one)?),
    }
    Some((present, unknown, absent))
}

/// The elements of a file, or what is wrong with it.
fn elements(bytes: &[u8], are_lines: bool) -> std::result::Result<Vec<Value>, String> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if are_lines {
        let lines = text.split(|byte| *byte == b'\n').enumerate();
        let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
        return lines
            .map(|(at, line)| {
                serde_json::from_slice(line).map_err(|error| format!("row {}: {error}", at + 1))
            })
            .collect();
    }
    match serde_json::from_slice(text).map_err(|error| error.to_string())? {
        Value::Array(list) => Ok(list),
        Value::Object(object) => {
            let pair = |(name, labels): (String, Value)| Value::Array(vec![name.into(), labels]);
            Ok(object.into_iter().map(pair).collect())
        }
        _ => Err("it is neither a list nor an object".into()),
    }
}

/// Whether this may be such a file: an image's name and labels in the first element.
pub(super) fn is_one(bytes: &[u8], are_lines: bool) -> bool {
    let Ok(elements) = elements(bytes, are_lines) else {
        return false;
    };
    let is_right = |element: &Value| {
        said(element).is_some_and(|(name, value)| {
            let is_image = crate::ids::is_image(&name) || matches!(element, Value::Object(_));
            is_image && labels(value).is_some()
        })
    };
    elements.first().is_some_and(is_right)
}

pub(super) fn read(lying: &Lying<'_>) -> Result<Gathered> {
    let mut found = Vec::new();
    for file in lying.with_extension(&["json", "jsonl", "ndjson"]) {
        let are_lines = !file.name.to_lowercase().ends_with(".json");
        let bytes = lying.bytes(file)?;
        if lying.files.len() == 1 || is_one(&bytes, are_lines) {
            found.push((file, bytes, are_lines));
        }
    }
    let [(file, bytes, are_lines)] = &found[..] else {
        let names: Vec<&str> = found.iter().map(|(file, ..)| file.name.as_str()).collect();
        return Err(Error::NotADataset {
            path: lying.labels_place.path().into(),
            problem: match found.is_empty() {
                true => "there is no JSON that names images and their labels".into(),
                false => format!(
                    "{} files could hold the labels: {}",
                    found.len(),
                    names.join(", ")
                ),
            },
            hint: "name the right one with --labels and the images with --images".into(),
        });
    };
    let path = lying.path(file);
    let elements = elements(bytes, *are_lines).map_err(|error| {
        let hint = "correct it: {\"image\": \"a.jpg\", \"labels\": [\"x\"]}, or a map from images to labels";
        Error::format(&path, format!("not a list of labels: {error}"), hint)
    })?;
    let (mut problems, mut known) = (Problems::default(), Names::default());
    let (mut entries, mut without, mut unknowns) = (vec![], 0, 0);
    for (at, element) in elements.iter().enumerate() {
        let read = said(element).and_then(|(name, value)| Some((name, labels(value)?)));
        let Some((name, (present, unknown, absent))) = read else {
            problems.push(Error::format(
                &path,
                format!("entry {} names no image and its labels", at + 1),
                "write it as {\"image\": \"a.jpg\", \"labels\": [\"x\", \"y\"]}",
            ));
            continue;
        };
        let mut places = |names: &[String]| -> Vec<usize> {
            let names = names.iter().filter(|name| !name.trim().is_empty());
            names.map(|name| known.place(name)).collect()
        };
        places(&absent);
        let (present, unknown) = (places(&present), places(&unknown));
        without += usize::from(present.is_empty() && unknown.is_empty());
        unknowns += unknown.len();
        entries.push(Entry {
            present,
            unknown,
            ..Entry::named(name, "", 0, at as u64 + 1)
        });
    }
    let (names, order) = known.sorted();
    renumber(&mut entries, &order);
    if names.is_empty() && problems.is_empty() {
        let hint = "give each image its labels";
        return Err(Error::format(path, "there is no label in it", hint));
    }
    let mut notes = vec![format!(
        "labels: {} of {}, {}",
        if *are_lines {
            "JSON lines"
        } else {
            "a JSON list"
        },
        count(entries.len(), "image"),
        count(names.len(), "label")
    )];
    if without > 0 {
        notes.push(format!(
            "labels: {without} images have no label: none of them is there"
        ));
    }
    if unknowns > 0 {
        notes.push(format!(
            "labels: {unknowns} cells are unknown; they neither teach nor count"
        ));
    }
    notes.extend(alike(&names));
    Ok(Gathered {
        format: LabelsFormat::Json,
        hash: lying::hash_of(&[content_hash(bytes)]),
        paths: vec![path.clone()],
        path,
        names,
        entries,
        rest: Rest::LeftOut,
        notes,
        problems,
        used: vec![file.name.clone()],
    })
}
