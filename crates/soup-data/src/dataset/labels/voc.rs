//! Pascal VOC's XML (Everingham et al., IJCV 2010): a file an image, an object a box.

use roxmltree::{Document, Node, ParsingOptions};

use super::gathered::{Names, renumber};
use super::{Entry, Gathered, LabelsFormat, Lying, Mark, Marks, Rest, count, lying};
use crate::dataset::content_hash;
use crate::problems::Problems;
use crate::{Error, Result};

/// Nodes of a file at most: what an image has of objects is far less.
const MOST_NODES: u32 = 1 << 20;

fn parse(text: &str) -> std::result::Result<Document<'_>, roxmltree::Error> {
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options)
}

/// Whether this is such a file.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    parse(text).is_ok_and(|document| document.root_element().has_tag_name("annotation"))
}

pub(super) fn read(lying: &Lying<'_>) -> Result<Gathered> {
    let partners = lying.partners();
    let (mut problems, mut known) = (Problems::default(), Names::default());
    let (mut entries, mut paths, mut used, mut hashes) = (vec![], vec![], vec![], vec![]);
    let (mut boxes, mut difficult, mut others) = (0, 0, 0);
    for file in lying.with_extension(&["xml"]) {
        let (path, text) = (lying.path(file), lying.text(file)?);
        hashes.push(content_hash(text.as_bytes()));
        used.push(file.name.clone());
        let document = match parse(text.trim_start_matches('\u{feff}')) {
            Ok(document) => document,
            Err(error) => {
                let hint = "correct it, or export the labels again";
                problems.push(Error::format(
                    path,
                    format!("not a whole XML file: {error}"),
                    hint,
                ));
                continue;
            }
        };
        let root = document.root_element();
        if !root.has_tag_name("annotation") {
            others += 1;
            used.pop();
            continue;
        }
        paths.push(path.clone());
        // What a file was called when it was drawn on may have changed since.
        let named = child(root, "filename").map(str::to_owned);
        let number = paths.len() - 1;
        let mut entry = match (partners.of(&file.name), named) {
            (Some(image), _) => Entry::of_image(image, number),
            (None, Some(name)) => Entry::named(name, "", number, 0),
            (None, None) => Entry::named(&file.name, "", number, 0),
        };
        let size = root.children().find(|node| node.has_tag_name("size"));
        let side = |name| size.and_then(|size| number_in(size, name)).unwrap_or(0.0);
        let mut marks = Marks {
            frame: Marks::frame_of(side("width"), side("height")),
            boxes: vec![],
        };
        for object in root.children().filter(|node| node.has_tag_name("object")) {
            let line = document.text_pos_at(object.range().start).row;
            let mut wrong = |problem: &str, hint: &str| {
                problems.push(Error::format(&path, format!("row {line}: {problem}"), hint));
            };
            let Some(name) = child(object, "name") else {
                wrong("an object has no name", "name it, or remove it");
                continue;
            };
            let label = known.place(name);
            entry.present.push(label);
            difficult += usize::from(child(object, "difficult") == Some("1"));
            let Some(drawn) = object.children().find(|node| node.has_tag_name("bndbox")) else {
                continue;
            };
            let sides = ["xmin", "ymin", "xmax", "ymax"].map(|name| number_in(drawn, name));
            match sides {
                [Some(left), Some(top), Some(right), Some(bottom)]
                    if right > left && bottom > top =>
                {
                    boxes += 1;
                    marks.boxes.push(Mark {
                        label,
                        sides: [left, top, right, bottom],
                    });
                }
                _ => wrong(
                    "a box has not xmin < xmax and ymin < ymax",
                    "correct it, or remove the object",
                ),
            }
        }
        entry.marks = Some(marks);
        entries.push(entry);
    }
    if entries.is_empty() && problems.is_empty() {
        return Err(Error::NotADataset {
            path: lying.labels_place.path().into(),
            problem: "there is no Pascal VOC file: XML whose root is <annotation>".into(),
            hint: "name the folder with --labels and the images with --images".into(),
        });
    }
    let (names, order) = known.sorted();
    renumber(&mut entries, &order);
    if boxes == 0 {
        entries.iter_mut().for_each(|entry| entry.marks = None);
    }
    let mut notes = vec![format!(
        "labels: Pascal VOC, {boxes} boxes in {}, {}",
        count(entries.len(), "file"),
        count(names.len(), "label")
    )];
    if difficult > 0 {
        notes.push(format!(
            "labels: {difficult} objects are marked as difficult; they count"
        ));
    }
    if others > 0 {
        notes.push(format!(
            "labels: {others} XML files are none of Pascal VOC and are left out"
        ));
    }
    Ok(Gathered {
        format: LabelsFormat::Voc,
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

/// The text of a child.
fn child<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let child = node.children().find(|child| child.has_tag_name(name))?;
    let text = child.text()?.trim();
    (!text.is_empty()).then_some(text)
}

fn number_in(node: Node<'_, '_>, name: &str) -> Option<f64> {
    child(node, name)?
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
}
