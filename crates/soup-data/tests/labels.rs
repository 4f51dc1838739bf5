//! Labels in every shape: equal to what pandas and pycocotools read, told by content, refused with all that is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use serde::Deserialize;
use soup_data::Source;
use soup_data::dataset::{
    Blank, Channels, Columns, Dataset, Fit, LabelTable, LabelsFormat, Part, Reason, Separator,
    UNKNOWN, read_label_table,
};
use soup_data::folds::{FoldKind, Folds};
use soup_data::pack::{Pack, PackOptions, write_pack};
use tempfile::TempDir;

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer
        .write_image_data(&vec![9; (width * height) as usize])
        .unwrap();
    writer.finish().unwrap();
    bytes
}

/// A folder of files; what ends in `.png` without text is an image of 40 x 20.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let is_image = name.ends_with(".png") && text.is_empty();
        fs::write(
            path,
            if is_image {
                png(40, 20)
            } else {
                text.as_bytes().to_vec()
            },
        )
        .unwrap();
    }
    folder
}

fn open(path: &Path) -> Dataset {
    Dataset::open(path, &Columns::default()).unwrap()
}

fn refused(path: &Path, columns: &Columns) -> String {
    let error = Dataset::open(path, columns).unwrap_err();
    assert!(error.is_bad_data(), "{error}");
    error
        .to_string()
        .replace(&format!("{}/", path.display()), "")
}

fn names(table: &LabelTable, row: usize) -> Vec<&str> {
    let cells = table.labels(row).unwrap().iter().zip(table.label_names());
    cells
        .filter(|(cell, _)| **cell == 1)
        .map(|(_, name)| name.as_str())
        .collect()
}

/// Ids with their labels.
fn said(set: &Dataset) -> Vec<(&str, Vec<&str>)> {
    let table = set.table();
    (0..table.len())
        .map(|row| (table.ids()[row].as_str(), names(table, row)))
        .collect()
}

#[derive(Deserialize)]
struct Fixture {
    tables: Vec<Case>,
    tags: Vec<Case>,
    coco: Coco,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    blank: Option<Blank>,
    ids: Vec<String>,
    labels: Vec<String>,
    rows: Vec<Vec<i8>>,
}

#[derive(Deserialize)]
struct Coco {
    file: serde_json::Value,
    labels: Vec<String>,
    rows: Vec<Vec<u8>>,
    boxes: Vec<Vec<[f64; 5]>>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/labels.json")).unwrap()
}

#[test]
fn tables_and_tags_are_what_pandas_reads() {
    let Fixture { tables, tags, .. } = fixture();
    assert_eq!((tables.len(), tags.len()), (7, 7));
    for case in tables.iter().chain(&tags) {
        let folder = folder(&[("t.csv", &case.text)]);
        let columns = Columns {
            blank: case.blank,
            ..Columns::default()
        };
        let (table, notes) = read_label_table(&folder.path().join("t.csv"), &columns)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_eq!(table.ids(), case.ids, "{}", case.name);
        assert_eq!(table.label_names(), case.labels, "{}", case.name);
        for (row, expected) in case.rows.iter().enumerate() {
            let number = |cell: &u8| if *cell == UNKNOWN { -1 } else { *cell as i8 };
            let ours: Vec<i8> = table.labels(row).unwrap().iter().map(number).collect();
            assert_eq!(&ours, expected, "{} row {row}", case.name);
        }
        if let Some(blank) = case.blank {
            assert!(
                notes.iter().any(|note| note.contains("1 blank cells")),
                "{notes:?}"
            );
            let unknown = if blank == Blank::Zero { 1 } else { 2 };
            assert_eq!(table.unknown(), unknown);
        }
    }
}

#[test]
fn coco_is_what_pycocotools_reads() {
    let Coco {
        file,
        labels,
        rows,
        boxes,
    } = fixture().coco;
    let text = file.to_string();
    let folder = folder(&[
        ("00.png", ""),
        ("01.png", ""),
        ("02.png", ""),
        ("99.png", ""),
        ("labels.json", &text),
    ]);
    let set = open(folder.path());
    assert_eq!(set.labels_format(), Some(LabelsFormat::Coco));
    assert_eq!(set.table().label_names(), labels);
    assert_eq!(set.left_out().of(&Reason::Unlabelled), 1);
    let source = set.clone().examples(Channels::default(), None).unwrap();
    let (mut pixels, mut cells) = (vec![0; 800], vec![0.0; 3]);
    for (row, expected) in rows.iter().enumerate() {
        assert_eq!(set.table().labels(row).unwrap(), expected);
        let found = source
            .read(row as u64, &mut pixels, &mut cells)
            .unwrap()
            .unwrap();
        assert_eq!(found.len(), boxes[row].len());
        for (found, [label, left, top, width, height]) in found.iter().zip(&boxes[row]) {
            assert_eq!(found.label as f64, *label);
            // Whole pixels.
            let near = |ours: u32, theirs: f64| (f64::from(ours) - theirs).abs() <= 0.5;
            assert!(near(found.x0, *left) && near(found.y0, *top), "{found:?}");
            assert!(
                near(found.x1, left + width) && near(found.y1, top + height),
                "{found:?}"
            );
        }
    }
    let wrong = text
        .replace("\"image_id\":9", "\"image_id\":1")
        .replace("\"category_id\":18", "\"category_id\":19");
    fs::write(folder.path().join("labels.json"), wrong).unwrap();
    let error = refused(folder.path(), &Columns::default());
    for part in [
        "3 problems",
        "labels.json: annotation 1: there is no category of the id 19",
        "annotation 4: there is no image of the id 1",
    ] {
        assert!(error.contains(part), "{error}");
    }
    fs::write(
        folder.path().join("labels.json"),
        text.replace("01.png", "77.png"),
    )
    .unwrap();
    let error = refused(folder.path(), &Columns::default());
    assert!(
        error.contains("labels.json: entry 2: there is no image `77.png`"),
        "{error}"
    );
}

#[test]
fn a_doubtful_column_of_tags_is_refused_with_the_way_out() {
    for (text, part) in [
        (
            "file,tags\n1,a|b\n2,\"a,c\"\n",
            "--separator pipe or --separator comma",
        ),
        (
            "file,tags\n1,red fox\n2,red wolf\n3,cat\n",
            "is `red fox` one tag or are there several? --separator none or --separator space",
        ),
        ("file,tags,width\n1,a b,7\n2,b a,1\n3,b,1\n", ""),
        (
            "file,note,what\n1,a,x\n2,b,y\n",
            "column `note` holds words (`a`, `b`), no numbers; if these are tags",
        ),
        ("a.png,cat\nb.png,dog\n", "this looks like a row (`a.png`)"),
        ("file,tags\n1,['a'\n2,\"['a', 'b']\"\n", ""),
        (
            "file,a\n1,0\n2,1\n3,2\n4,1\n",
            "row 4 (image `3`): label `a` is `2`; labels must be 0 or 1",
        ),
        ("file,a\n1,0.2\n2,0.7\n", "label `a` is `0.2`"),
    ] {
        let folder = folder(&[("t.csv", text)]);
        match read_label_table(&folder.path().join("t.csv"), &Columns::default()) {
            Err(error) => assert!(
                !part.is_empty() && error.to_string().contains(part),
                "{text}: {error}"
            ),
            Ok(_) => assert!(part.is_empty(), "{text}"),
        }
    }
    let folder = folder(&[("t.csv", "file,tags\n1,red fox\n2,red wolf\n3,cat\n")]);
    for (separator, labels) in [
        (Separator::None, &["cat", "red fox", "red wolf"][..]),
        (Separator::Space, &["cat", "fox", "red", "wolf"]),
    ] {
        let columns = Columns {
            separator: Some(separator),
            ..Columns::default()
        };
        let (table, _) = read_label_table(&folder.path().join("t.csv"), &columns).unwrap();
        assert_eq!(table.label_names(), labels);
    }
}

#[test]
fn class_numbers_and_the_column_that_is_called_so_are_tags() {
    let folder = folder(&[
        ("numbers.csv", "file,class\n1,10\n2,2\n3,2\n4,0\n5,1\n6,7\n"),
        (
            "xray.csv",
            "Image Index,Finding Labels,Age\n1,Mass|Nodule,58\n2,No Finding,61\n3,Mass,7\n",
        ),
    ]);
    let read =
        |name: &str| read_label_table(&folder.path().join(name), &Columns::default()).unwrap();
    let (table, _) = read("numbers.csv");
    assert_eq!(table.label_names(), ["0", "1", "2", "7", "10"]);
    let (table, notes) = read("xray.csv");
    assert_eq!(table.label_names(), ["Mass", "No Finding", "Nodule"]);
    assert_eq!(
        notes,
        [
            "labels: a column of tags (`Finding Labels`), separated by |, 3 labels",
            "labels: 1 column beside it hold no labels (--label-columns chooses)"
        ]
    );
}

#[test]
fn a_folder_is_a_label_where_nothing_else_says_more() {
    let set = folder(&[
        ("set/images/cat/1.png", ""),
        ("set/images/cat/2.png", ""),
        ("set/images/dog/1.png", ""),
    ]);
    let found = open(set.path());
    assert_eq!(found.labels_format(), Some(LabelsFormat::Folders));
    assert_eq!(
        said(&found),
        [
            ("set/images/cat/1.png", vec!["cat"]),
            ("set/images/cat/2.png", vec!["cat"]),
            ("set/images/dog/1.png", vec!["dog"]),
        ]
    );
    assert!(found.notes().iter().any(|note| {
        note.contains("1 file name are in the folders of several labels, such as `1`")
    }));
    let none = Columns {
        format: Some(LabelsFormat::None),
        ..Columns::default()
    };
    assert!(
        Dataset::open(set.path(), &none)
            .unwrap()
            .table()
            .label_names()
            .is_empty()
    );
    // One that lies deeper: nobody knows.
    fs::create_dir_all(set.path().join("set/images/dog/deep")).unwrap();
    fs::write(set.path().join("set/images/dog/deep/3.png"), png(40, 20)).unwrap();
    assert!(open(set.path()).table().label_names().is_empty());
    let columns = Columns {
        format: Some(LabelsFormat::Folders),
        ..Columns::default()
    };
    let error = refused(set.path(), &columns);
    assert!(
        error.contains("set/images/dog/deep/3.png: it is in no folder of a label"),
        "{error}"
    );
}

#[test]
fn a_division_is_kept_as_folds() {
    let set = folder(&[
        ("train/cat/1.png", ""),
        ("train/dog/2.png", ""),
        ("train/dog/3.png", ""),
        ("val/cat/4.png", ""),
        ("val/dog/5.png", ""),
        ("test/cat/6.png", ""),
    ]);
    let found = open(set.path());
    assert_eq!(found.table().ids(), ["1", "2", "3", "4", "5"]);
    assert_eq!(found.left_out().of(&Reason::Test), 1);
    let parts = found.parts().unwrap();
    assert_eq!(parts.iter().filter(|part| **part == Part::Valid).count(), 2);
    let out = set.path().join("out.pack");
    write_pack(&found, &out, &PackOptions::default()).unwrap();
    let pack = Pack::open(&out).unwrap();
    let folds = Folds::load(&pack.given_folds().unwrap(), pack.table()).unwrap();
    assert_eq!((folds.kind(), folds.k()), (FoldKind::Given, 1));
    assert_eq!(
        (folds.valid_rows(0), folds.train_rows(0)),
        (vec![3, 4], vec![0, 1, 2])
    );
    // The test images alone are a set of their own.
    assert_eq!(open(&set.path().join("test")).len(), 1);
}

const VOC: &str = "<annotation><filename>old.png</filename><size><width>40</width><height>20</height></size>\
    <object><name>cat</name><bndbox><xmin>4</xmin><ymin>2</ymin><xmax>20</xmax><ymax>10</ymax></bndbox></object>\
    <object><name>dog</name><difficult>1</difficult><bndbox><xmin>0</xmin><ymin>0</ymin><xmax>40</xmax>\
    <ymax>20</ymax></bndbox></object></annotation>";

#[test]
fn voc_names_labels_and_boxes() {
    let set = folder(&[
        ("JPEGImages/1.png", ""),
        ("JPEGImages/2.png", ""),
        ("Annotations/1.xml", VOC),
    ]);
    let found = open(set.path());
    assert_eq!(said(&found), [("1", vec!["cat", "dog"])]);
    assert_eq!(
        (found.labels_format(), found.box_count()),
        (Some(LabelsFormat::Voc), Some(2))
    );
    assert_eq!(found.left_out().of(&Reason::Unlabelled), 1);
    for (from, to, part) in [
        (
            "</annotation>",
            "",
            "Annotations/1.xml: not a whole XML file",
        ),
        ("<name>cat</name>", "", "row 1: an object has no name"),
        (
            "<xmax>20</xmax>",
            "<xmax>3</xmax>",
            "row 1: a box has not xmin < xmax",
        ),
    ] {
        fs::write(set.path().join("Annotations/1.xml"), VOC.replace(from, to)).unwrap();
        let columns = Columns {
            format: Some(LabelsFormat::Voc),
            ..Columns::default()
        };
        let error = refused(set.path(), &columns);
        assert!(error.contains(part), "{error}");
    }
    // Elsewhere than the images.
    fs::write(set.path().join("Annotations/1.xml"), VOC).unwrap();
    let labels = set.path().join("Annotations");
    let images = set.path().join("JPEGImages");
    let found = Dataset::from_parts(&images, Some(&labels), &Columns::default()).unwrap();
    assert_eq!(said(&found), [("1", vec!["cat", "dog"])]);
}

#[test]
fn yolo_and_its_layouts() {
    let boxes = "1 0.5 0.5 0.5 0.5\n0 0.1 0.1 0.2 0.2\n";
    let set = folder(&[
        (
            "data.yaml",
            "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['cat', 'dog']\n",
        ),
        ("README.roboflow.txt", "This dataset was exported.\n"),
        ("train/images/1.png", ""),
        ("train/labels/1.txt", boxes),
        ("train/images/2.png", ""),
        ("train/labels/2.txt", ""),
        ("valid/images/1.png", ""),
        ("valid/labels/1.txt", "1 0.5 0.5 1 1\n"),
    ]);
    let found = open(set.path());
    assert_eq!(
        said(&found),
        [
            ("train/images/1.png", vec!["cat", "dog"]),
            ("train/images/2.png", vec![]),
            ("valid/images/1.png", vec!["dog"]),
        ]
    );
    assert_eq!(found.labels_format(), Some(LabelsFormat::Yolo));
    assert_eq!(found.parts().unwrap()[2], Part::Valid);
    let source = found.examples(Channels::default(), None).unwrap();
    let read = source
        .read(0, &mut [0; 800], &mut [0.0; 2])
        .unwrap()
        .unwrap();
    let sides = |at: usize| [read[at].x0, read[at].y0, read[at].x1, read[at].y1];
    assert_eq!((sides(0), sides(1)), ([10, 5, 30, 15], [0, 0, 8, 4]));
    fs::write(
        set.path().join("train/labels/1.txt"),
        "2 0.5 0.5 0.5 0.5\n0 5 5 1 1\n",
    )
    .unwrap();
    let error = refused(set.path(), &Columns::default());
    for part in [
        "2 problems",
        "train/labels/1.txt, row 1: there is no class 2: 2 are named, from 0",
        "train/labels/1.txt, row 2: `0 5 5 1 1` is no class and box",
    ] {
        assert!(error.contains(part), "{error}");
    }
    // Without names, labels are numbers.
    let set = folder(&[("1.png", ""), ("1.txt", "3 0.5 0.5 0.5 0.5\n")]);
    assert_eq!(said(&open(set.path())), [("1", vec!["3"])]);
}

#[test]
fn labelme_has_shapes_and_flags() {
    let shapes = r#"{"version": "5", "flags": {"night": true, "rain": false}, "imagePath": "1.png", "imageData": null,
        "imageHeight": 20, "imageWidth": 40, "shapes": [
        {"label": "cat", "points": [[4, 2], [20, 10]], "shape_type": "rectangle"},
        {"label": "dog", "points": [[9, 9]], "shape_type": "point"}]}"#;
    let set = folder(&[("1.png", ""), ("1.json", shapes)]);
    let found = open(set.path());
    assert_eq!(found.labels_format(), Some(LabelsFormat::Labelme));
    assert_eq!(found.table().label_names(), ["cat", "dog", "night", "rain"]);
    assert_eq!(said(&found), [("1", vec!["cat", "dog", "night"])]);
    // A flag has no place.
    assert!(!found.has_boxes());
    fs::write(
        set.path().join("1.json"),
        shapes.replace("\"night\": true, \"rain\": false", ""),
    )
    .unwrap();
    assert_eq!(open(set.path()).box_count(), Some(1));
}

#[test]
fn roboflow_writes_a_file_into_each_part() {
    let coco = |name: &str, category: usize| {
        format!(
            r#"{{"images": [{{"id": 0, "file_name": "{name}", "width": 40, "height": 20}}],
            "categories": [{{"id": 0, "name": "pets", "supercategory": "none"}},
            {{"id": 1, "name": "cat", "supercategory": "pets"}}, {{"id": 2, "name": "dog", "supercategory": "pets"}}],
            "annotations": [{{"id": 0, "image_id": 0, "category_id": {category}, "bbox": [1, 1, 9, 9]}}]}}"#
        )
    };
    let set = folder(&[
        ("train/1.png", ""),
        ("train/_annotations.coco.json", &coco("1.png", 1)),
        ("valid/1.png", ""),
        ("valid/_annotations.coco.json", &coco("1.png", 2)),
    ]);
    let found = open(set.path());
    assert_eq!(found.table().label_names(), ["cat", "dog"]);
    assert_eq!(
        said(&found),
        [("train/1.png", vec!["cat"]), ("valid/1.png", vec!["dog"])]
    );
    assert_eq!(found.parts(), Some(&[Part::Train, Part::Valid][..]));
    let set = folder(&[
        ("train/1.png", ""),
        ("train/2.png", ""),
        (
            "train/_classes.csv",
            "filename, cat, dog\n1.png, 1, 0\n2.png, 0, 0\n",
        ),
        ("valid/3.png", ""),
        ("valid/_classes.csv", "filename, cat, owl\n3.png, 1, 1\n"),
    ]);
    let found = open(set.path());
    assert_eq!(found.table().label_names(), ["cat", "dog", "owl"]);
    assert_eq!(
        said(&found),
        [("1", vec!["cat"]), ("2", vec![]), ("3", vec!["cat", "owl"])]
    );
    fs::write(
        set.path().join("valid/_classes.csv"),
        "filename, cat\n3.png, 5\n4.png, 1\n",
    )
    .unwrap();
    let error = refused(set.path(), &Columns::default());
    for part in [
        "row 2 (image `3.png`): label `cat` is `5`",
        "row 3: there is no image `4.png`",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_table_of_boxes_names_labels_and_boxes() {
    let text = "filename,width,height,class,xmin,ymin,xmax,ymax\n1.png,80,40,cat,8,4,40,20\n1.png,80,40,dog,0,0,80,40\n\
                2.png,80,40,cat,1,1,9,9\n";
    let set = folder(&[
        ("train/1.png", ""),
        ("train/2.png", ""),
        ("labels.csv", text),
    ]);
    let found = open(set.path());
    assert_eq!(found.labels_format(), Some(LabelsFormat::BoxTable));
    assert_eq!(
        said(&found),
        [("1.png", vec!["cat", "dog"]), ("2.png", vec!["cat"])]
    );
    // Drawn at twice the size; packed at half of it.
    let out = set.path().join("out.pack");
    let options = PackOptions {
        reading: soup_data::dataset::Reading {
            fit: Some("10x20".parse::<Fit>().unwrap()),
            ..Default::default()
        },
        ..PackOptions::default()
    };
    let report = write_pack(&found, &out, &options).unwrap();
    assert_eq!(report.unplaced, 0);
    let pack = Pack::open(&out).unwrap();
    let sides = |image: usize, at: usize| {
        let found = pack.boxes(image).unwrap()[at];
        (found.label, [found.x0, found.y0, found.x1, found.y1])
    };
    assert_eq!(sides(0, 0), (0, [2, 1, 10, 5]));
    assert_eq!(sides(0, 1), (1, [0, 0, 20, 10]));
    let read = pack.read(0, &mut [0; 200], &mut [0.0; 2]).unwrap().unwrap();
    assert_eq!(read, pack.boxes(0).unwrap());
    // Again: nothing is decoded, other boxes are other data.
    assert_eq!(write_pack(&found, &out, &options).unwrap().kept, 2);
    fs::write(
        set.path().join("labels.csv"),
        text.replace("8,4,40,20", "8,4,40,22"),
    )
    .unwrap();
    assert!(write_pack(&open(set.path()), &out, &options).is_err());
    fs::write(
        set.path().join("labels.csv"),
        text.replace("8,4,40,20", "40,4,8,x")
            .replace("1,1,9,9", "9,1,1,9"),
    )
    .unwrap();
    let error = refused(set.path(), &Columns::default());
    assert!(
        error.contains("row 2: `40, 4, 8, x` is no box")
            && error.contains("row 4: the box from 9, 1 to 1, 9"),
        "{error}"
    );
}

#[test]
fn lists_are_read_in_every_form() {
    for (name, text) in [
        (
            "l.json",
            r#"[{"image": "1.png", "labels": ["b", "a"]}, {"image": "2.png", "labels": []}]"#,
        ),
        ("l.json", r#"{"1.png": ["a", "b"], "2.png": []}"#),
        ("l.json", r#"[["1.png", ["a", "b"]], ["2.png", []]]"#),
        (
            "l.jsonl",
            "{\"file_name\": \"1.png\", \"tags\": [\"a\", \"b\"]}\n\n{\"file_name\": \"2.png\", \"tags\": null}\n",
        ),
        (
            "l.json",
            r#"{"1.png": {"a": 1, "b": true, "c": 0}, "2.png": {"c": false}}"#,
        ),
    ] {
        let set = folder(&[("1.png", ""), ("2.png", ""), (name, text)]);
        let found = open(set.path());
        assert_eq!(found.labels_format(), Some(LabelsFormat::Json), "{text}");
        assert_eq!(
            said(&found),
            [("1", vec!["a", "b"]), ("2", vec![])],
            "{text}"
        );
        let beside = folder(&[(name, text)]);
        let path = beside.path().join(name);
        let found = Dataset::from_parts(set.path(), Some(&path), &Columns::default()).unwrap();
        assert_eq!(found.len(), 2);
        // Named where it lies, it is not left out.
        let path = set.path().join(name);
        let found = Dataset::from_parts(set.path(), Some(&path), &Columns::default()).unwrap();
        assert!(found.left_out().is_empty());
    }
    let set = folder(&[
        ("1.png", ""),
        ("l.json", r#"{"1.png": {"a": null, "b": -1, "c": 1}}"#),
    ]);
    assert_eq!(
        open(set.path()).table().labels(0).unwrap(),
        [UNKNOWN, UNKNOWN, 1]
    );
    let set = folder(&[
        ("1.png", ""),
        (
            "l.json",
            r#"[{"image": "1.png", "labels": ["a"]}, {"labels": ["b"]}, {"image": "7.png", "labels": ["a"]}]"#,
        ),
    ]);
    let error = refused(set.path(), &Columns::default());
    for part in [
        "l.json: entry 2 names no image",
        "entry 3: there is no image `7.png`",
    ] {
        assert!(error.contains(part), "{error}");
    }
    // What is none of these is left out, as ever.
    let set = folder(&[
        ("1.png", ""),
        ("package.json", r#"{"name": "x"}"#),
        ("notes.txt", "hello\n"),
    ]);
    let found = open(set.path());
    assert!(found.table().label_names().is_empty());
    assert_eq!(found.left_out().count(), 2);
}

#[test]
fn several_shapes_are_a_choice() {
    let list = r#"{"1.png": ["x"]}"#;
    let set = folder(&[("1.png", ""), ("1.xml", VOC), ("list.json", list)]);
    let error = refused(set.path(), &Columns::default());
    assert!(
        error.contains("labels in several shapes: json (list.json), voc (1.xml); choose one with --labels-format"),
        "{error}"
    );
    for (format, labels) in [
        (LabelsFormat::Json, vec!["x"]),
        (LabelsFormat::Voc, vec!["cat", "dog"]),
    ] {
        let columns = Columns {
            format: Some(format),
            ..Columns::default()
        };
        assert_eq!(
            said(&Dataset::open(set.path(), &columns).unwrap()),
            [("1", labels)]
        );
    }
}

#[test]
fn unknown_cells_are_packed_as_such() {
    let set = folder(&[
        ("1.png", ""),
        ("2.png", ""),
        ("labels.csv", "id,a,b\n1,-1,1\n2,0,?\n"),
    ]);
    let out = set.path().join("out.pack");
    write_pack(&open(set.path()), &out, &PackOptions::default()).unwrap();
    let pack = Pack::open(&out).unwrap();
    assert_eq!(
        (pack.labels(0).unwrap(), pack.labels(1).unwrap()),
        (&[UNKNOWN, 1][..], &[0, UNKNOWN][..])
    );
    let mut cells = [0.0; 2];
    pack.read_labels(0, &mut cells).unwrap();
    assert!(cells[0].is_nan() && cells[1] == 1.0);
    // A reader that knows 0 and 1 alone refuses it.
    let manifest = fs::read_to_string(out.join("manifest.json")).unwrap();
    assert!(manifest.contains("\"labels\":\"?1\""), "{manifest}");
}

#[test]
fn an_archive_is_read_as_its_folder() {
    let yolo = "0 0.5 0.5 0.5 0.5\n";
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("set.zip");
    let mut writer = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    let image = png(40, 20);
    for (name, bytes) in [
        ("images/1.png", &image[..]),
        ("images/2.png", &image),
        ("labels/1.txt", yolo.as_bytes()),
        ("labels/classes.txt", b"cat\ndog\n"),
    ] {
        writer.start_file(name, options).unwrap();
        std::io::Write::write_all(&mut writer, bytes).unwrap();
    }
    writer.finish().unwrap();
    let set = open(&path);
    assert_eq!(said(&set), [("1", vec!["cat"]), ("2", vec![])]);
    assert_eq!(set.table().label_names(), ["cat", "dog"]);
    assert!(set.left_out().is_empty());
}

#[test]
fn labels_may_be_called_as_the_sides_of_boxes() {
    let text = "id,w,x,y,h,xmin,ymin,xmax,ymax\n1,0,1,1,0,1,0,1,1\n2,0,0,1,0,1,0,0,1\n";
    let folder = folder(&[("t.csv", text)]);
    let (table, _) = read_label_table(&folder.path().join("t.csv"), &Columns::default()).unwrap();
    assert_eq!(table.label_names().len(), 8);
    assert_eq!(names(&table, 1), ["y", "xmin", "ymax"]);
}
