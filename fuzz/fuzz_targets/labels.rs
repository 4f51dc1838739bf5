//! Labels beside an image: the first byte says in which shape, the rest is the file.
#![no_main]

use std::fs;
use std::path::Path;

use libfuzzer_sys::{Corpus, fuzz_target};
use soup_data::dataset::{Columns, Dataset, LabelsFormat};

/// A grey pixel.
const IMAGE: &[u8] = include_bytes!("../seeds/image/l.png");

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((kind, bytes)) = input.split_first() else {
        return Corpus::Reject;
    };
    let (format, name) = match kind {
        b'c' => (LabelsFormat::Coco, "labels.json"),
        b'v' => (LabelsFormat::Voc, "1.xml"),
        b'y' => (LabelsFormat::Yolo, "1.txt"),
        b'n' => (LabelsFormat::Yolo, "data.yaml"),
        b'm' => (LabelsFormat::Labelme, "1.json"),
        b'j' => (LabelsFormat::Json, "labels.json"),
        b'l' => (LabelsFormat::Json, "labels.jsonl"),
        b't' => (LabelsFormat::Tags, "labels.csv"),
        b'b' => (LabelsFormat::BoxTable, "labels.csv"),
        _ => return Corpus::Reject,
    };
    let folder = format!("labels-{kind}");
    let image = soup_fuzz::file(&format!("{folder}/1.png"), IMAGE);
    let root = image.parent().unwrap_or(Path::new("."));
    if *kind == b'n' {
        soup_fuzz::file(&format!("{folder}/1.txt"), b"0 0.5 0.5 0.5 0.5");
    }
    let path = soup_fuzz::file(&format!("{folder}/{name}"), bytes);
    let columns = Columns {
        format: Some(format),
        ..Columns::default()
    };
    if let Ok(set) = Dataset::open(root, &columns) {
        // A file that begins as an image does is one, whatever its name.
        assert!((1..=2).contains(&set.len()));
        assert!(!set.table().label_names().is_empty() || set.labels_format().is_some());
    }
    // Told by its content it is the same, something else, or nothing.
    let _ = Dataset::open(root, &Columns::default());
    let _ = fs::remove_file(path);
    Corpus::Keep
});
