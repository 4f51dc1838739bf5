//! Images and labels that come as NumPy arrays.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path};

use soup_data::{
    dataset::{Columns, Dataset},
    npy::header,
    pack::{Pack, PackOptions, write_pack},
};
use tempfile::TempDir;

const PIXELS: usize = 5 * 3 * 4;

/// An array file of these bytes.
fn put(path: &Path, kind: &str, axes: &[usize], data: &[u8]) {
    fs::write(path, [header(kind, axes), data.to_vec()].concat()).unwrap();
}

fn pixels(channels: usize) -> Vec<u8> {
    (0..PIXELS * channels)
        .map(|at| (at * 7 % 251) as u8)
        .collect()
}

#[test]
fn images_and_labels_of_arrays_become_a_pack() {
    let folder = TempDir::new().unwrap();
    let (images, labels) = (folder.path().join("x.npy"), folder.path().join("y.npy"));
    let truth: [u8; 10] = [1, 0, 0, 1, 1, 1, 0, 0, 1, 0];
    for (axes, channels) in [(&[5, 3, 4][..], 1), (&[5, 3, 4, 3], 3), (&[5, 3, 4, 4], 4)] {
        put(&images, "|u1", axes, &pixels(channels));
        let as_floats: Vec<u8> = truth
            .iter()
            .flat_map(|one| f64::from(*one).to_le_bytes())
            .collect();
        let as_whole: Vec<u8> = truth
            .iter()
            .flat_map(|one| i64::from(*one).to_le_bytes())
            .collect();
        let as_big: Vec<u8> = truth
            .iter()
            .flat_map(|one| i16::from(*one).to_be_bytes())
            .collect();
        for (kind, data) in [
            ("|b1", truth.to_vec()),
            ("<f8", as_floats),
            ("<i8", as_whole),
            (">i2", as_big),
        ] {
            put(&labels, kind, &[5, 2], &data);
            let set = Dataset::from_parts(&images, Some(&labels), &Columns::default()).unwrap();
            assert_eq!(set.table().label_names(), ["label0", "label1"]);
            let out = folder.path().join(format!("{channels}{kind}.pack"));
            write_pack(&set, &out, &PackOptions::default()).unwrap();
            let pack = Pack::open(&out).unwrap();
            assert_eq!(pack.ids(), ["0", "1", "2", "3", "4"]);
            assert_eq!(pack.shape().channels, channels);
            for index in 0..5 {
                let size = 12 * channels;
                assert_eq!(pack.image(index), &pixels(channels)[index * size..][..size]);
                assert_eq!(pack.labels(index).unwrap(), &truth[2 * index..][..2]);
            }
        }
    }
    // With names, and one label a file of one axis.
    put(&labels, "|u1", &[5], &truth[..5]);
    let columns = Columns {
        labels: Some(vec!["cat".into()]),
        ..Columns::default()
    };
    let set = Dataset::from_parts(&images, Some(&labels), &columns).unwrap();
    assert_eq!(set.table().label_names(), ["cat"]);
    assert!(
        set.notes()[0].contains("5 images x 1 labels"),
        "{:?}",
        set.notes()
    );
    // Without labels, and with a table of ids; labels beside the images.
    assert_eq!(Dataset::open_images(&images).unwrap().len(), 5);
    let table = folder.path().join("labels.csv");
    fs::write(&table, "id,a\n3,1\n1,0\n").unwrap();
    let set = Dataset::from_parts(&images, Some(&table), &Columns::default()).unwrap();
    assert_eq!(
        (set.len(), set.unlisted(), set.file_name(0)),
        (2, 3, Some("3"))
    );
    fs::copy(&labels, folder.path().join("labels.npy")).unwrap();
    let set = Dataset::open(&images, &Columns::default()).unwrap();
    assert_eq!(set.table().label_names(), ["label0"]);
}

#[test]
fn images_of_sixteen_bits_follow_the_rule_of_all() {
    let folder = TempDir::new().unwrap();
    let images = folder.path().join("x.npy");
    let samples: Vec<u16> = (0..PIXELS as u16).map(|at| at * 1000 + 7).collect();
    let little = samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect();
    let big = samples
        .iter()
        .flat_map(|sample| sample.to_be_bytes())
        .collect();
    for (kind, data) in [("<u2", little), (">u2", big)] {
        let data: Vec<u8> = data;
        put(&images, kind, &[5, 3, 4], &data);
        let out = folder
            .path()
            .join(format!("{}.pack", &kind[1..].replace('2', &kind[..1])));
        let set = Dataset::open_images(&images).unwrap();
        write_pack(&set, &out, &PackOptions::default()).unwrap();
        let pack = Pack::open(&out).unwrap();
        let upper: Vec<u8> = samples[24..36]
            .iter()
            .map(|sample| (sample >> 8) as u8)
            .collect();
        assert_eq!(pack.image(2), upper);
        assert_eq!(pack.samples().unwrap().greatest, samples[PIXELS - 1]);
    }
}

#[test]
fn what_is_wrong_with_an_array_is_named() {
    let folder = TempDir::new().unwrap();
    let (images, labels) = (folder.path().join("x.npy"), folder.path().join("y.npy"));
    let said = |columns: &Columns| {
        Dataset::from_parts(&images, Some(&labels), columns)
            .unwrap_err()
            .to_string()
    };
    put(&labels, "|u1", &[5, 1], &[0, 1, 0, 1, 1]);
    for (kind, axes, length, expected) in [
        (
            "<f4",
            &[5, 3, 4][..],
            240,
            "its elements are `<f4`, not bytes",
        ),
        (
            "|u1",
            &[60],
            60,
            "its shape is [60], and images have 3 or 4 axes",
        ),
        ("|u1", &[5, 3, 4], 59, "cut short"),
        ("|u1", &[1, 3, 4, 5], 60, "numpy.moveaxis"),
        ("|u1", &[1, 2, 5, 6], 60, "its images have 6 channels"),
        ("|u1", &[4, 3, 4], 48, "it has labels of 5 images, but"),
    ] {
        put(&images, kind, axes, &vec![0; length]);
        let problem = said(&Columns::default());
        assert!(
            problem.contains(expected) && problem.contains(".npy"),
            "{problem}"
        );
    }
    put(&images, "|u1", &[5, 3, 4], &pixels(1));
    put(
        &labels,
        "<f4",
        &[5, 1],
        &[1f32, 0.0, 0.5, f32::NAN, -1.0]
            .map(f32::to_le_bytes)
            .concat(),
    );
    let problem = said(&Columns::default());
    for part in ["row 2", "0.5", "NaN", "-1"] {
        assert!(problem.contains(part), "{part}: {problem}");
    }
    put(&labels, "<c8", &[5, 1], &[0; 40]);
    assert!(said(&Columns::default()).contains("no numbers"));
    put(&labels, "|u1", &[5, 1], &[0, 1, 0, 1, 1]);
    let columns = Columns {
        labels: Some(vec!["a".into(), "b".into()]),
        ..Columns::default()
    };
    assert!(said(&columns).contains("1 columns, but 2 names"));
}
