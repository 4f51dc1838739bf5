//! LabelMe's JSON: a file an image, with shapes drawn on it, and flags of the whole image.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::gathered::{Names, renumber};
use super::{Entry, Gathered, LabelsFormat, Lying, Mark, Marks, Rest, count, lying};
use crate::dataset::content_hash;
use crate::problems::Problems;
use crate::{Error, Result};

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    flags: Option<BTreeMap<String, bool>>,
    shapes: Vec<Shape>,
    #[serde(rename = "imagePath", default)]
    image: Option<String>,
    #[serde(rename = "imageWidth", default)]
    width: Option<f64>,
    #[serde(rename = "imageHeight", default)]
    height: Option<f64>,
}

#[derive(Deserialize)]
struct Shape {
    label: String,
    #[serde(default)]
    points: Vec<[f64; 2]>,
    #[serde(default)]
    shape_type: Option<String>,
}

impl Shape {
    /// The sides of the box around it.
    fn sides(&self) -> Option<[f64; 4]> {
        let points = match (self.shape_type.as_deref(), &self.points[..]) {
            // A circle is its centre and a point on it.
            (Some("circle"), [[x, y], [other_x, other_y]]) => {
                let radius = (x - other_x).hypot(y - other_y);
                vec![[x - radius, y - radius], [x + radius, y + radius]]
            }
            (_, points) => points.to_vec(),
        };
        let side = |axis: usize, pick: fn(f64, f64) -> f64| {
            points.iter().map(|point| point[axis]).reduce(pick)
        };
        let sides = [
            side(0, f64::min)?,
            side(1, f64::min)?,
            side(0, f64::max)?,
            side(1, f64::max)?,
        ];
        (sides[2] > sides[0] && sides[3] > sides[1]).then_some(sides)
    }
}

/// Whether this is such a file.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Keys {
        #[serde(rename = "shapes")]
        _shapes: Vec<IgnoredAny>,
        #[serde(rename = "imagePath")]
        _image: IgnoredAny,
    }
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    is_object && serde_json::from_slice::<Keys>(bytes).is_ok()
}

pub(super) fn read(lying: &Lying<'_>) -> Result<Gathered> {
    let partners = lying.partners();
    let (mut problems, mut known) = (Problems::default(), Names::default());
    let (mut entries, mut paths, mut used, mut hashes) = (vec![], vec![], vec![], vec![]);
    let (mut boxes, mut flags) = (0, 0);
    for file in lying.with_extension(&["json"]) {
        let (path, bytes) = (lying.path(file), lying.bytes(file)?);
        let partner = partners.of(&file.name);
        if partner.is_none() && !is_one(&bytes) {
            continue;
        }
        hashes.push(content_hash(&bytes));
        used.push(file.name.clone());
        let read: File = match serde_json::from_slice(&bytes) {
            Ok(read) => read,
            Err(error) => {
                let hint = "correct it, or save it again in LabelMe";
                problems.push(Error::format(
                    path,
                    format!("not a file of LabelMe: {error}"),
                    hint,
                ));
                continue;
            }
        };
        paths.push(path.clone());
        let number = paths.len() - 1;
        let mut entry = match (partner, &read.image) {
            (Some(image), _) => Entry::of_image(image, number),
            (None, Some(name)) => Entry::named(name.replace('\\', "/"), "", number, 0),
            (None, None) => Entry::named(&file.name, "", number, 0),
        };
        let mut marks = Marks {
            frame: (read.width.zip(read.height))
                .and_then(|(width, height)| Marks::frame_of(width, height)),
            boxes: vec![],
        };
        for (at, shape) in read.shapes.iter().enumerate() {
            if shape.label.trim().is_empty() {
                let problem = format!("shape {} has no label", at + 1);
                problems.push(Error::format(&path, problem, "name it, or remove it"));
                continue;
            }
            let label = known.place(&shape.label);
            entry.present.push(label);
            if let Some(sides) = shape.sides() {
                boxes += 1;
                marks.boxes.push(Mark { label, sides });
            }
        }
        for (name, is_set) in read.flags.iter().flatten() {
            let label = known.place(name);
            if *is_set {
                flags += 1;
                entry.present.push(label);
            }
        }
        entry.marks = Some(marks);
        entries.push(entry);
    }
    if entries.is_empty() && problems.is_empty() {
        return Err(Error::NotADataset {
            path: lying.labels_place.path().into(),
            problem: "there is no file of LabelMe: JSON with shapes and imagePath".into(),
            hint: "name the folder with --labels and the images with --images".into(),
        });
    }
    let (names, order) = known.sorted();
    renumber(&mut entries, &order);
    // What is said by a flag is nowhere in the image.
    if boxes == 0 || flags > 0 {
        entries.iter_mut().for_each(|entry| entry.marks = None);
    }
    let mut notes = vec![format!(
        "labels: LabelMe, {boxes} shapes in {}, {}",
        count(entries.len(), "file"),
        count(names.len(), "label")
    )];
    if flags > 0 {
        notes.push(format!(
            "labels: {flags} flags of whole images are labels too; as they have no place, shapes teach no maps"
        ));
    }
    Ok(Gathered {
        format: LabelsFormat::Labelme,
        path: lying.labels_place.path().into(),
        hash: lying::hash_of(&hashes),
        paths,
        names,
        entries,
        rest: Rest::LeftOut,
        notes,
        problems,
        used,
    })
}
