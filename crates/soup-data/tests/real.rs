//! The real label file and the two real images of the founding task: ignored unless asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use soup_data::dataset::{Columns, Dataset, LabelTable};
use soup_data::folds::{FoldKind, Folds};
use soup_data::pack::{Pack, PackOptions, write_pack};

fn real(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    assert!(path.exists(), "the real data is not at {}", path.display());
    path
}

/// The table, read as it is when every image is there: with empty files.
fn table(labels: &Path) -> LabelTable {
    let folder = tempfile::TempDir::new().unwrap();
    for index in 0..50_000 {
        fs::File::create(folder.path().join(format!("{index:05}.png"))).unwrap();
    }
    let started = Instant::now();
    let dataset = Dataset::from_parts(folder.path(), Some(labels), &Columns::default()).unwrap();
    eprintln!(
        "50,000 rows read and matched with files in {:?}",
        started.elapsed()
    );
    dataset.table().clone()
}

#[test]
#[ignore = "needs the contest's files"]
fn the_real_label_file_is_cut_as_by_scikit_learn() {
    let labels = real("dirty_mnist_2nd_labels/dirty_mnist_2nd_answer.csv.gz");
    let table = table(&labels);
    assert_eq!((table.len(), table.label_names().len()), (50_000, 26));
    assert_eq!(table.ids()[49_999], "49999");
    let total = |label: usize| {
        (0..50_000)
            .map(|row| u32::from(table.labels(row).unwrap()[label]))
            .sum::<u32>()
    };
    let fixture: serde_json::Value =
        serde_json::from_str(include_str!("fixtures/folds.json")).unwrap();
    for (label, expected) in fixture["real"]["totals"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        assert_eq!(u64::from(total(label)), expected.as_u64().unwrap());
    }

    let folds = Folds::make(FoldKind::Kfold, 5, 42, &table, None).unwrap();
    let checksum = folds.of_rows().iter().fold(0u64, |total, &fold| {
        total
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(u64::from(fold))
            .wrapping_add(1_442_695_040_888_963_407)
    });
    assert_eq!(fixture["real"]["checksum"], checksum.to_string());

    let started = Instant::now();
    let folds = Folds::make(FoldKind::Stratified, 5, 42, &table, None).unwrap();
    eprintln!("stratified in {:?}", started.elapsed());
    let mut worst = 0.0f64;
    for label in 0..26 {
        let mut counts = [0u32; 5];
        for row in 0..50_000 {
            counts[folds.of_rows()[row] as usize] += u32::from(table.labels(row).unwrap()[label]);
        }
        for count in counts {
            worst = worst.max((f64::from(count) - f64::from(total(label)) / 5.0).abs());
        }
    }
    let theirs = fixture["real"]["worst"].as_f64().unwrap();
    eprintln!("worst deviation of a label's count in a fold: {worst}, the peer's {theirs}");
    assert!(worst <= theirs + 1.0, "{worst} {theirs}");
}

#[test]
#[ignore = "needs the contest's files"]
fn the_real_images_pack() {
    let images = real("dirty_mnist_2nd_images");
    let labels = real("dirty_mnist_2nd_labels/dirty_mnist_2nd_answer.csv.gz");
    let folder = tempfile::TempDir::new().unwrap();
    let error = Dataset::from_parts(&images, Some(&labels), &Columns::default()).unwrap_err();
    assert!(
        error.to_string().contains("row 4: there is no image `2`"),
        "{error}"
    );

    let dataset = Dataset::from_parts(&images, None, &Columns::default()).unwrap();
    let out = folder.path().join("real.pack");
    write_pack(&dataset, &out, &PackOptions::default()).unwrap();
    let pack = Pack::open(&out).unwrap();
    assert_eq!(pack.ids(), ["00000", "00001"]);
    assert_eq!(pack.shape().to_string(), "256x256 grey");
    // The `png` crate as an independent reader.
    for (index, id) in pack.ids().iter().enumerate() {
        let file = fs::File::open(images.join(format!("{id}.png"))).unwrap();
        let mut reader = png::Decoder::new(std::io::BufReader::new(file))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; 65_536];
        reader.next_frame(&mut pixels).unwrap();
        assert!(pack.image(index) == pixels);
    }
}
