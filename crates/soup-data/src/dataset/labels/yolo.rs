//! YOLO's text files: a line a box, with the number of its class and its place as shares of the image's sides.
//!
//! What classes are called stands in `data.yaml` (of which only `names` is read), or a line each in `classes.txt`.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser};

use super::gathered::renumber;
use super::{Entry, Gathered, LabelsFormat, Lying, Mark, Marks, Rest, count, lying};
use crate::dataset::content_hash;
use crate::dataset::images::ImageFile;
use crate::problems::Problems;
use crate::{Error, Result};

/// Files that list the names of classes, a line each.
const CLASSES: [&str; 5] = [
    "classes.txt",
    "obj.names",
    "_darknet.labels",
    "predefined_classes.txt",
    "labels.txt",
];
/// Classes at most: a number that is larger is a slip.
const MOST_CLASSES: usize = 1 << 16;
/// How far a share may lie outside of 0 to 1, as programs round.
const SLACK: f64 = 1e-3;

/// A line: its class, and the box around what it says, as shares.
fn line(text: &str) -> Option<(usize, [f64; 4])> {
    let mut fields = text.split_whitespace();
    let class: usize = fields.next()?.parse().ok()?;
    let numbers: Vec<f64> = fields
        .map(|field| field.parse().ok())
        .collect::<Option<_>>()?;
    if !numbers
        .iter()
        .all(|number| (-SLACK..=1.0 + SLACK).contains(number))
    {
        return None;
    }
    match numbers[..] {
        // The last of five is how sure a detector was.
        [x, y, width, height] | [x, y, width, height, _] => {
            let sides = [
                x - width / 2.0,
                y - height / 2.0,
                x + width / 2.0,
                y + height / 2.0,
            ];
            (width > 0.0 && height > 0.0).then_some((class, sides))
        }
        // A polygon.
        _ if numbers.len() >= 6 && numbers.len().is_multiple_of(2) => {
            let axis = |first: usize| numbers.iter().skip(first).step_by(2).copied();
            let least = |first| axis(first).fold(f64::INFINITY, f64::min);
            let most = |first| axis(first).fold(f64::NEG_INFINITY, f64::max);
            let sides = [least(0), least(1), most(0), most(1)];
            (sides[2] > sides[0] && sides[3] > sides[1]).then_some((class, sides))
        }
        _ => None,
    }
}

/// Whether this is such a file with a box at least.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let first = text.lines().find(|text| !text.trim().is_empty());
    first.is_some_and(|first| line(first).is_some())
}

pub(super) fn read(lying: &Lying<'_>) -> Result<Gathered> {
    let partners = lying.partners();
    let mut problems = Problems::default();
    let (mut names, named_in) = names(lying)?;
    let is_named = named_in.is_some();
    let mut used: Vec<String> = named_in.iter().map(|file| file.name.clone()).collect();
    let (mut entries, mut paths, mut hashes) = (vec![], vec![], vec![]);
    let (mut boxes, mut most) = (0, 0);
    for file in lying.with_extension(&["txt"]) {
        let partner = partners.of(&file.name);
        let base = file.name.rsplit('/').next().unwrap_or(&file.name);
        if partner.is_none() && (CLASSES.contains(&base) || !is_one(&lying.bytes(file)?)) {
            // Lists of files, licences, and what else is called text.
            continue;
        }
        let (path, text) = (lying.path(file), lying.text(file)?);
        hashes.push(content_hash(text.as_bytes()));
        used.push(file.name.clone());
        paths.push(path.clone());
        let number = paths.len() - 1;
        let mut entry = match partner {
            Some(image) => Entry::of_image(image, number),
            None => {
                let stem = file
                    .name
                    .rsplit_once('.')
                    .map_or(&*file.name, |(stem, _)| stem);
                Entry::named(stem, "", number, 0)
            }
        };
        let mut marks = Marks {
            frame: Marks::SHARES,
            boxes: vec![],
        };
        for (at, text) in text.lines().enumerate() {
            if text.trim().is_empty() {
                continue;
            }
            let row = at as u64 + 1;
            match line(text) {
                None => problems.push(Error::table(
                    &path,
                    row,
                    format!(
                        "`{}` is no class and box: a number, then centre, width and height as shares from 0 to 1",
                        text.chars().take(60).collect::<String>()
                    ),
                )),
                Some((class, _)) if class >= if is_named { names.len() } else { MOST_CLASSES } => {
                    problems.push(Error::table(
                        &path,
                        row,
                        format!(
                            "there is no class {class}: {} are named, from 0",
                            names.len()
                        ),
                    ));
                }
                Some((class, sides)) => {
                    boxes += 1;
                    most = most.max(class);
                    entry.present.push(class);
                    marks.boxes.push(Mark {
                        label: class,
                        sides,
                    });
                }
            }
        }
        entry.marks = Some(marks);
        entries.push(entry);
    }
    if entries.is_empty() {
        return Err(Error::NotADataset {
            path: lying.labels_place.path().into(),
            problem: "there is no text of YOLO for any image".into(),
            hint: "each image x.jpg has its boxes in x.txt; name their folder with --labels".into(),
        });
    }
    let mut notes = Vec::new();
    match &named_in {
        Some(file) => notes.push(format!(
            "labels: YOLO, {boxes} boxes in {}, {} named by {}",
            count(entries.len(), "file"),
            count(names.len(), "label"),
            file.name
        )),
        None => {
            names = (0..=most).map(|class| class.to_string()).collect();
            notes.push(format!(
                "labels: YOLO, {boxes} boxes in {}; there is no data.yaml and no classes.txt, so the {} are called by \
                 their numbers",
                count(entries.len(), "file"),
                count(names.len(), "label")
            ));
        }
    }
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            problems.push(Error::format(
                named_in
                    .as_ref()
                    .map_or(lying.labels_place.path().into(), |file| lying.path(file)),
                format!("two classes are called `{name}`"),
                "rename one",
            ));
        }
    }
    renumber(
        &mut entries,
        &(0..names.len().max(most + 1)).collect::<Vec<_>>(),
    );
    Ok(Gathered {
        format: LabelsFormat::Yolo,
        path: lying.labels_place.path().into(),
        hash: lying::hash_of(&hashes),
        paths,
        names,
        entries,
        rest: Rest::Negative,
        notes,
        problems,
        used,
    })
}

/// What the classes are called, and where that stands.
fn names<'a>(lying: &Lying<'a>) -> Result<(Vec<String>, Option<&'a ImageFile>)> {
    let mut found: Vec<(Vec<String>, &ImageFile)> = Vec::new();
    let files = lying.files;
    for file in files {
        let base = file.name.rsplit('/').next().unwrap_or(&file.name);
        let names = if base.ends_with(".yaml") || base.ends_with(".yml") {
            match names_in(&lying.text(file)?) {
                Ok(names) => names,
                Err(error) => {
                    let hint = "correct it, or write a class a line into classes.txt";
                    return Err(Error::format(lying.path(file), error, hint));
                }
            }
        } else if CLASSES.contains(&base) {
            let text = lying.text(file)?;
            let lines = text.lines().map(|line| line.trim().to_owned());
            let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
            (!lines.is_empty() && !is_one(text.as_bytes())).then_some(lines)
        } else {
            None
        };
        if let Some(names) = names {
            found.push((names, file));
        }
    }
    match &found[..] {
        [] => Ok((vec![], None)),
        [(first, file), others @ ..] => match others.iter().find(|(names, _)| names != first) {
            None => Ok((first.clone(), Some(*file))),
            Some((_, other)) => Err(Error::NotADataset {
                path: lying.labels_place.path().into(),
                problem: format!("{} and {} name other classes", file.name, other.name),
                hint: "remove the one that is not meant".into(),
            }),
        },
    }
}

/// `names` of a `data.yaml`: a list, or a map from numbers. None where there is no such key. The parser gives events, so
/// neither deep nor repeated structures cost memory.
pub fn names_in(text: &str) -> std::result::Result<Option<Vec<String>>, String> {
    let (mut depth, mut is_key, mut is_wanted) = (0usize, true, false);
    let mut events = Parser::new_from_str(text);
    while let Some(event) = events.next() {
        let (event, span) = event.map_err(|error| format!("not YAML: {error}"))?;
        let line = span.start.line();
        let wrong = |what: &str| format!("row {line}: {what}");
        match event {
            Event::MappingStart(..) if depth == 1 && is_wanted => {
                let mut numbered = BTreeMap::new();
                loop {
                    let key = match events.next() {
                        Some(Ok((Event::MappingEnd, _))) => break,
                        Some(Ok((Event::Scalar(key, ..), _))) => key,
                        _ => return Err(wrong("names must map numbers to words")),
                    };
                    let (Ok(number), Some(Ok((Event::Scalar(name, ..), _)))) =
                        (key.parse::<usize>(), events.next())
                    else {
                        return Err(wrong("names must map numbers to words"));
                    };
                    numbered.insert(number, name.into_owned());
                }
                let is_whole = numbered.keys().copied().eq(0..numbered.len());
                return match is_whole {
                    true => Ok(Some(numbered.into_values().collect())),
                    false => Err(wrong(
                        "the numbers of names must be 0, 1, 2, ... without a gap",
                    )),
                };
            }
            Event::SequenceStart(..) if depth == 1 && is_wanted => {
                let mut names = Vec::new();
                loop {
                    match events.next() {
                        Some(Ok((Event::SequenceEnd, _))) => return Ok(Some(names)),
                        Some(Ok((Event::Scalar(name, ..), _))) => names.push(name.into_owned()),
                        _ => return Err(wrong("names must be a list of words")),
                    }
                }
            }
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                // A document that is no map has no keys.
                if depth == 0 && matches!(event, Event::SequenceStart(..)) {
                    return Ok(None);
                }
                depth += 1;
                is_key = depth == 1;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                depth = depth.saturating_sub(1);
                is_key = true;
            }
            Event::Scalar(word, ..) if depth == 1 => {
                is_wanted = is_key && word == "names";
                is_key = !is_key;
            }
            Event::Alias(_) if depth == 1 => is_key = !is_key,
            _ => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_stand_in_a_list_or_under_numbers() {
        for text in [
            "train: a\nval: b\nnc: 2\nnames: ['cat', \"my dog\"]\n",
            "names:\n- cat\n- my dog\n",
            "path: x # here\nnames:\n  0: cat\n  1: my dog\nroboflow:\n  names: [no]\n",
            "nested:\n  names: [no]\nlist: [1, [2, {a: 3}]]\nnames: {1: my dog, 0: cat}",
        ] {
            let names = names_in(text).unwrap().unwrap();
            assert_eq!(names, ["cat", "my dog"], "{text}");
        }
        assert_eq!(names_in("a: names\nb: [1]\n").unwrap(), None);
        assert_eq!(names_in("- names\n- [1]\n").unwrap(), None);
        for text in [
            "names: {0: a, 2: b}",
            "names: {a: b}",
            "names: [[a]]",
            "names: [a",
        ] {
            assert!(names_in(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lines_are_boxes_or_polygons() {
        let of = |text| {
            line(text).map(|(class, sides)| (class, sides.map(|side| (side * 100.0).round())))
        };
        assert_eq!(of("3 0.5 0.5 0.2 0.4"), Some((3, [40.0, 30.0, 60.0, 70.0])));
        assert_eq!(
            of("3 0.5 0.5 0.2 0.4 0.9"),
            Some((3, [40.0, 30.0, 60.0, 70.0]))
        );
        assert_eq!(
            of("0 0.1 0.2 0.5 0.3 0.2 0.9"),
            Some((0, [10.0, 20.0, 50.0, 90.0]))
        );
        for text in [
            "",
            "0",
            "0 0.5 0.5 0.2",
            "0 50 50 20 40",
            "-1 0.5 0.5 0.2 0.4",
            "a b",
            "0 .5 .5 0 .1",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
