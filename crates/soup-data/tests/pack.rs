//! Packs of real files: what goes in comes out, a stopped run goes on, and bad input is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use soup_data::{
    Error, Source,
    dataset::{Channels, Columns, Dataset, read_column},
    folds::{FoldKind, Folds},
    pack::{Pack, PackOptions, PackReport, write_pack},
};
use tempfile::TempDir;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images")
}

/// The data of a small `.npy` file.
fn npy(name: &str) -> Vec<u8> {
    let bytes = fs::read(fixtures().join(name)).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[start..].to_vec()
}

fn grey_png(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels).unwrap();
    writer.finish().unwrap();
    bytes
}

fn pixels(index: usize) -> Vec<u8> {
    (0..48u32)
        .map(|at| (at * 7 + index as u32 * 31).wrapping_mul(2_654_435_761) as u8)
        .collect()
}

/// `count` images of 8x6 in the contest's layout, as `soup compose` writes them.
fn contest(count: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("images")).unwrap();
    let mut table = String::from("index,a,b,c\n");
    for index in 0..count {
        let png = grey_png(8, 6, &pixels(index));
        fs::write(folder.path().join(format!("images/{index:05}.png")), png).unwrap();
        table.push_str(&format!("{index},{},{},1\n", index % 2, index / 2 % 2));
    }
    fs::write(folder.path().join("answer.csv"), table).unwrap();
    folder
}

fn open(path: &Path) -> Dataset {
    Dataset::open(path, &Columns::default()).unwrap()
}

fn pack(dataset: &Dataset, out: &Path) -> PackReport {
    write_pack(dataset, out, &PackOptions::default()).unwrap()
}

#[test]
fn what_goes_in_comes_out() {
    let folder = contest(150);
    let out = folder.path().join("train.pack");
    let dataset = open(folder.path());
    let report = pack(&dataset, &out);
    assert_eq!((report.images, report.decoded, report.kept), (150, 150, 0));
    let mut names: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["manifest.json", "pictures.npy"]);

    let opened = Pack::open(&out).unwrap();
    opened.verify().unwrap();
    assert_eq!(opened.shape().to_string(), "8x6 grey");
    assert_eq!(opened.label_names(), ["a", "b", "c"]);
    for index in 0..150 {
        assert_eq!(opened.image(index), pixels(index));
        assert_eq!(opened.ids()[index], index.to_string());
        let labels = [(index % 2) as u8, (index / 2 % 2) as u8, 1];
        assert_eq!(opened.labels(index).unwrap(), labels);
    }
    let (mut image, mut labels) = ([0; 48], [9.0; 3]);
    opened.read(3, &mut image, &mut labels).unwrap();
    assert_eq!((image.to_vec(), labels), (pixels(3), [1.0, 1.0, 1.0]));
    assert!(matches!(
        opened.read(150, &mut image, &mut labels),
        Err(Error::OutOfRange {
            index: 150,
            len: 150
        })
    ));
    assert!(matches!(
        opened.read(0, &mut image[1..], &mut labels),
        Err(Error::Buffer { .. })
    ));
    assert!(matches!(
        opened.read(0, &mut image, &mut labels[1..]),
        Err(Error::Buffer { .. })
    ));

    // Folds made from the folder fit the pack.
    let folds = Folds::make(FoldKind::Kfold, 5, 42, dataset.table(), None).unwrap();
    folds.save(&folder.path().join("folds.json")).unwrap();
    Folds::load(&folder.path().join("folds.json"), opened.table()).unwrap();

    // Decoded on the fly, the same.
    let live = dataset.examples(Channels::AsStored, None).unwrap();
    let (mut other, mut other_labels) = ([0; 48], [9.0; 3]);
    live.read(3, &mut other, &mut other_labels).unwrap();
    assert_eq!((other, other_labels), (image, labels));
}

#[test]
fn the_same_input_gives_the_same_bytes_on_any_number_of_threads() {
    let folder = contest(130);
    let dataset = open(folder.path());
    let bytes = |name: &str, threads: usize| {
        let out = folder.path().join(name);
        let options = PackOptions {
            threads: std::num::NonZeroUsize::new(threads),
            ..PackOptions::default()
        };
        write_pack(&dataset, &out, &options).unwrap();
        ["pictures.npy", "manifest.json"].map(|file| fs::read(out.join(file)).unwrap())
    };
    assert!(bytes("one.pack", 1) == bytes("four.pack", 4));
}

#[test]
fn a_stopped_run_goes_on_and_redoes_only_what_is_not_sound() {
    let folder = contest(640);
    let dataset = open(folder.path());
    let (whole, out) = (
        folder.path().join("whole.pack"),
        folder.path().join("parts.pack"),
    );
    pack(&dataset, &whole);

    let stop = AtomicBool::new(false);
    let seen = AtomicU64::new(0);
    let progress = |done: u64, _| {
        seen.store(done, Ordering::Relaxed);
        stop.store(done >= 256, Ordering::Relaxed);
    };
    let options = PackOptions {
        threads: std::num::NonZeroUsize::new(1),
        progress: Some(&progress),
        stop: Some(&stop),
        ..PackOptions::default()
    };
    let error = write_pack(&dataset, &out, &options).unwrap_err();
    assert!(matches!(error, Error::Interrupted));
    assert!(!out.exists());
    assert_eq!(seen.into_inner(), 256);

    // A kill can cut the journal's last line; a power cut can lose pixels; an image can change.
    let building = folder.path().join("parts.pack.building");
    let journal = building.join("progress.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, &text[..text.len() - 9]).unwrap();
    let array = building.join("pictures.npy");
    let mut bytes = fs::read(&array).unwrap();
    bytes[128 + 48 * 70] ^= 1;
    fs::write(&array, &bytes).unwrap();
    let report = pack(&dataset, &out);
    assert_eq!((report.kept, report.decoded), (128, 512));
    for file in ["pictures.npy", "manifest.json"] {
        assert!(
            fs::read(out.join(file)).unwrap() == fs::read(whole.join(file)).unwrap(),
            "{file}"
        );
    }
    assert!(!building.exists());

    // Again: nothing to do. With an image changed: refused, the pack as it was.
    assert_eq!(pack(&dataset, &out).kept, 640);
    fs::write(
        folder.path().join("images/00009.png"),
        grey_png(8, 6, &pixels(10)),
    )
    .unwrap();
    let error = write_pack(&dataset, &out, &PackOptions::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("`9` has changed"), "{error}");
    Pack::open(&out).unwrap().verify().unwrap();
}

#[test]
fn every_form_of_png_and_jpeg_decodes_as_in_pillow() {
    let folder = TempDir::new().unwrap();
    let decoded = |name: &str, channels| {
        let place = folder.path().join(format!("{name}{channels:?}"));
        fs::create_dir_all(&place).unwrap();
        fs::copy(fixtures().join(name), place.join(name)).unwrap();
        let live = Dataset::from_parts(&place, None, &Columns::default())
            .unwrap()
            .examples(channels, None)
            .unwrap();
        let mut image = vec![0; live.shape().len()];
        live.read(0, &mut image, &mut []).unwrap();
        image
    };
    for form in [
        "grey",
        "grey_alpha",
        "rgb",
        "rgba",
        "palette",
        "one_bit",
        "sixteen_bit",
        "interlaced",
    ] {
        let image = decoded(&format!("{form}.png"), Channels::AsStored);
        assert_eq!(image, npy(&format!("{form}.npy")), "{form}");
    }
    // Decoders round the inverse transform and the colours differently, by a little; where the
    // colours were stored at half the size they interpolate differently, too.
    for (form, most, mean_most) in [
        ("jpeg_grey", 1, 0.1),
        ("jpeg_full_colour", 3, 0.5),
        ("jpeg_rgb", 6, 1.0),
        ("jpeg_progressive", 6, 1.0),
    ] {
        let ours = decoded(&format!("{form}.jpg"), Channels::AsStored);
        let theirs = npy(&format!("{form}.npy"));
        assert_eq!(ours.len(), theirs.len());
        let differences = || ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b));
        let worst = differences().max().unwrap();
        let mean = differences().map(f64::from).sum::<f64>() / ours.len() as f64;
        eprintln!("{form}: worst difference {worst}, mean {mean:.3}");
        assert!(worst <= most && mean <= mean_most, "{form}: {worst} {mean}");
    }
    assert_eq!(decoded("rgb.png", Channels::Grey), npy("rgb_to_grey.npy"));
    let grey: Vec<u8> = npy("grey.npy")
        .iter()
        .flat_map(|&level| [level; 3])
        .collect();
    assert_eq!(decoded("grey.png", Channels::Rgb), grey);
    let rgb: Vec<u8> = npy("rgba.npy")
        .chunks(4)
        .flat_map(|pixel| pixel[..3].to_vec())
        .collect();
    assert_eq!(decoded("rgba.png", Channels::Rgb), rgb);
}

#[test]
fn a_damaged_image_is_never_taken_for_a_whole_one() {
    let folder = contest(3);
    let path = folder.path().join("images/00001.png");
    let good = fs::read(&path).unwrap();
    let out = folder.path().join("x.pack");
    let attempt = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        write_pack(&open(folder.path()), &out, &PackOptions::default())
    };
    // Every byte of a PNG is under a checksum or in the frame of its chunks.
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        let error = attempt(&bytes).unwrap_err().to_string();
        assert!(
            error.contains("00001.png (image `1`, row 3 of the labels)"),
            "{error}"
        );
    }
    for cut in 0..good.len() {
        let error = attempt(&good[..cut]).unwrap_err().to_string();
        assert!(
            error.contains("00001.png (image `1`, row 3 of the labels)"),
            "{error}"
        );
    }
    for jpeg in ["jpeg_rgb.jpg", "jpeg_progressive.jpg"] {
        let good = fs::read(fixtures().join(jpeg)).unwrap();
        for cut in [0, 2, 100, good.len() / 2, good.len() - 20] {
            attempt(&good[..cut]).unwrap_err();
        }
    }
    attempt(&good).unwrap();
}

#[test]
fn zip_archives_are_read_in_place() {
    let folder = contest(100);
    let archive = folder.path().join("dirty_mnist_2nd.zip");
    let mut writer = zip::ZipWriter::new(fs::File::create(&archive).unwrap());
    for index in 0..100 {
        let method = if index % 2 == 0 {
            zip::CompressionMethod::Stored
        } else {
            zip::CompressionMethod::Deflated
        };
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        writer
            .start_file(format!("some/{index:05}.png"), options)
            .unwrap();
        let png = fs::read(folder.path().join(format!("images/{index:05}.png"))).unwrap();
        writer.write_all(&png).unwrap();
    }
    writer
        .start_file(
            "__MACOSX/._00000.png",
            zip::write::SimpleFileOptions::default(),
        )
        .unwrap();
    writer.write_all(b"rubbish").unwrap();
    writer.finish().unwrap();
    let whole = folder.path().join("folder.pack");
    pack(&open(folder.path()), &whole);
    fs::rename(folder.path().join("images"), folder.path().join(".images")).unwrap();

    let out = folder.path().join("zip.pack");
    pack(&open(folder.path()), &out);
    let (zipped, plain) = (Pack::open(&out).unwrap(), Pack::open(&whole).unwrap());
    assert_eq!(zipped.hash(), plain.hash());
    // Without the table: ids are names.
    let bare = Dataset::open(&archive, &Columns::default()).unwrap();
    assert_eq!((bare.len(), bare.table().ids()[7].as_str()), (100, "00007"));

    // Damage: in the data, at the end, everywhere.
    let good = fs::read(&archive).unwrap();
    let mut bytes = good.clone();
    let at = bytes
        .windows(4)
        .position(|window| window == b"IDAT")
        .unwrap();
    bytes[at + 8] ^= 1;
    fs::write(&archive, &bytes).unwrap();
    let out = folder.path().join("broken.pack");
    let error = write_pack(&open(folder.path()), &out, &PackOptions::default()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("00000.png") && error.contains("checksum"),
        "{error}"
    );
    fs::write(&archive, &good[..good.len() / 2]).unwrap();
    let error = Dataset::open(folder.path(), &Columns::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("not a whole zip archive"), "{error}");
}

#[test]
fn ids_find_their_files() {
    let folder = contest(4);
    let images = folder.path().join("images");
    let table = folder.path().join("t.csv");
    let ids = |text: &str| {
        fs::write(&table, text).unwrap();
        Dataset::from_parts(&images, Some(&table), &Columns::default()).map(|dataset| {
            (0..dataset.len())
                .map(|at| {
                    dataset
                        .image_path(at)
                        .unwrap()
                        .file_name()
                        .unwrap()
                        .to_owned()
                })
                .collect::<Vec<_>>()
        })
    };
    let files = ["00002.png", "00000.png", "00003.png"];
    for text in [
        "id,x\n2,1\n0,0\n3,1\n",
        "id,x\n00002,1\n00000.png,0\n003,1\n",
        "\u{feff}id,x\r\n\"2\",1.0\r\n 0 ,0\r\n3,1\r\n",
    ] {
        assert_eq!(ids(text).unwrap(), files, "{text}");
    }
    let error = ids("id,x\n2,1\n0002,1\n").unwrap_err().to_string();
    assert!(
        error.contains("row 3") && error.contains("both mean"),
        "{error}"
    );
    fs::copy(images.join("00001.png"), images.join("00001.jpg")).unwrap();
    let error = ids("id,x\n00001,1\n").unwrap_err().to_string();
    assert!(error.contains("may mean"), "{error}");
    assert_eq!(ids("id,x\n00001.png,1\n").unwrap(), ["00001.png"]);
}

#[test]
fn columns_can_be_chosen() {
    let folder = contest(3);
    let table = folder.path().join("t.csv");
    fs::write(&table, "source,x,name,y\nA,1,0,0\nB,0,1,1\nA,1,2,1\n").unwrap();
    let open = |columns: &Columns| {
        Dataset::from_parts(&folder.path().join("images"), Some(&table), columns)
    };
    let columns = Columns {
        id: Some("name".into()),
        ignored: vec!["source".into()],
        ..Columns::default()
    };
    let dataset = open(&columns).unwrap();
    assert_eq!(dataset.table().label_names(), ["x", "y"]);
    assert_eq!(dataset.table().labels(1).unwrap(), [0, 1]);
    let groups = read_column(&table, Some("name"), "source", dataset.table().ids()).unwrap();
    assert_eq!(groups.values, ["A", "B", "A"]);
    let columns = Columns {
        labels: Some(vec!["y".into(), "z".into()]),
        ..columns
    };
    let error = open(&columns).unwrap_err().to_string();
    assert!(
        error.contains("no column `z`; the columns are `source`, `x`"),
        "{error}"
    );
}

#[test]
fn bad_data_is_named_with_file_and_row() {
    type Spoil = fn(&Path);
    let cases: [(Spoil, &[&str]); 16] = [
        (
            |f| fs::remove_file(f.join("images/00002.png")).unwrap(),
            &["answer.csv, row 4", "`2`"],
        ),
        (
            |f| fs::write(f.join("images/00002.png"), b"").unwrap(),
            &["00002.png", "row 4", "empty"],
        ),
        (
            |f| fs::write(f.join("images/00002.png"), b"GIF89a").unwrap(),
            &["00002.png", "row 4", "damaged GIF"],
        ),
        (
            |f| fs::write(f.join("images/00002.png"), grey_png(6, 8, &pixels(1))).unwrap(),
            &["00002.png", "row 4", "6x8 grey", "00000.png) is 8x6 grey"],
        ),
        (
            |f| fs::write(f.join("answer.csv"), "index,a\n0,1\n1,2\n").unwrap(),
            &["answer.csv, row 3 (image `1`)", "label `a` is `2`"],
        ),
        (
            |f| fs::write(f.join("answer.csv"), "index,a\n0,\n").unwrap(),
            &["row 2", "label `a` is empty; write 0 or 1"],
        ),
        (
            |f| fs::write(f.join("answer.csv"), "index,a\n0,1\n1,1\n0,1\n").unwrap(),
            &["row 4", "`0` was already named in row 2"],
        ),
        (
            |f| fs::write(f.join("answer.csv"), "index,a\n").unwrap(),
            &["answer.csv holds no rows"],
        ),
        (
            |f| fs::write(f.join("answer.csv"), "").unwrap(),
            &["answer.csv holds no rows"],
        ),
        (
            |f| fs::write(f.join("answer.csv"), "index\n0\n").unwrap(),
            &["row 1", "no label column"],
        ),
        (
            |f| fs::write(f.join("answer.csv"), "index,a,a\n0,1,1\n").unwrap(),
            &["row 1", "two columns are called `a`"],
        ),
        (
            |f| fs::write(f.join("answer.csv"), "index,a,b\n0,1,1\n1,1\n").unwrap(),
            &["row 3", "2 fields, but the header has 3"],
        ),
        (
            |f| fs::write(f.join("answer.csv"), b"index,a\n\xff\xfe,1\n").unwrap(),
            &["row 2", "not UTF-8"],
        ),
        (
            |f| fs::write(f.join("answer.csv"), "index,a\n ,1\n").unwrap(),
            &["row 2", "is empty"],
        ),
        (
            |f| {
                fs::remove_file(f.join("answer.csv")).unwrap();
                fs::write(f.join("answer.csv.gz"), b"\x1f\x8b\x08\0rubbish").unwrap();
            },
            &["answer.csv.gz", "gzip data is damaged"],
        ),
        (
            |f| {
                fs::remove_dir_all(f.join("images")).unwrap();
                fs::create_dir(f.join("images")).unwrap();
            },
            &["holds no images"],
        ),
    ];
    for (at, (spoil, expected)) in cases.into_iter().enumerate() {
        let folder = contest(5);
        spoil(folder.path());
        let out = folder.path().join("x.pack");
        let error = Dataset::open(folder.path(), &Columns::default())
            .and_then(|dataset| write_pack(&dataset, &out, &PackOptions::default()))
            .expect_err(&format!("case {at}"));
        assert!(error.is_bad_data(), "{error}");
        let error = error.to_string();
        eprintln!("{}", error.replace(folder.path().to_str().unwrap(), "DIR"));
        for part in expected {
            assert!(error.contains(part), "{error} lacks {part}");
        }
        assert!(!out.exists());
    }
}

#[test]
fn a_damaged_pack_is_refused() {
    let folder = contest(5);
    let out = folder.path().join("x.pack");
    pack(&open(folder.path()), &out);
    let manifest = fs::read_to_string(out.join("manifest.json")).unwrap();
    let array = fs::read(out.join("pictures.npy")).unwrap();
    for (from, to, expected) in [
        ("\"version\":1", "\"version\":2", "version 2"),
        ("soup-pack", "soup-sack", "format `soup-sack`"),
        ("\"height\":6", "\"height\":0", "images of 8x0"),
        ("\"height\":6", "\"height\":7", "hash differs"),
        ("\"labels\":\"001\"", "\"labels\":\"011\"", "hash differs"),
        ("\"labels\":\"001\"", "\"labels\":\"01\"", "has 2 labels"),
        (
            "\"labels\":\"001\"",
            "\"labels\":\"0x1\"",
            "label not 0 or 1",
        ),
        ("\"id\":\"3\"", "\"id\":\"2\"", "listed twice"),
        ("\"pictures\"", "\"shown\"", "unknown field"),
        ("{", "", "not the manifest"),
    ] {
        assert!(manifest.contains(from), "{from}");
        fs::write(out.join("manifest.json"), manifest.replacen(from, to, 1)).unwrap();
        let error = Pack::open(&out).unwrap_err().to_string();
        assert!(
            error.contains("manifest.json") && error.contains(expected),
            "{error}"
        );
    }
    fs::write(out.join("manifest.json"), &manifest).unwrap();
    for cut in [0, 5, 100, array.len() - 1] {
        fs::write(out.join("pictures.npy"), &array[..cut]).unwrap();
        let error = Pack::open(&out).unwrap_err().to_string();
        assert!(error.contains("pictures.npy"), "{error}");
    }
    let mut bytes = array.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(out.join("pictures.npy"), bytes).unwrap();
    let error = Pack::open(&out).unwrap().verify().unwrap_err().to_string();
    assert!(error.contains("image 4 (from 0, `4`)"), "{error}");
    fs::remove_file(out.join("pictures.npy")).unwrap();
    assert!(matches!(Pack::open(&out), Err(Error::NotADataset { .. })));
    let error = write_pack(&open(folder.path()), &out, &PackOptions::default()).unwrap_err();
    assert!(error.to_string().contains("not a whole pack"), "{error}");
    assert!(matches!(
        Pack::open(&folder.path().join("none")),
        Err(Error::NotFound { .. })
    ));
}

#[test]
fn two_processes_do_not_make_one_pack() {
    let folder = contest(2);
    let building = folder.path().join("x.pack.building");
    fs::create_dir(&building).unwrap();
    let other = fs::File::create(building.join("lock")).unwrap();
    other.lock().unwrap();
    let out = folder.path().join("x.pack");
    let error = write_pack(&open(folder.path()), &out, &PackOptions::default()).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    drop(other);
    pack(&open(folder.path()), &out);
}

proptest::proptest! {
    #[test]
    fn no_table_makes_it_panic(text in "[0-9a,\"\n\r ]{0,60}", head: bool) {
        let folder = contest(2);
        let header = if head { "index,a\n" } else { "" };
        fs::write(folder.path().join("answer.csv"), format!("{header}{text}")).unwrap();
        let _ = Dataset::open(folder.path(), &Columns::default());
    }

    #[test]
    fn no_archive_makes_it_panic(at in 0usize..300, byte: u8, cut in 0usize..400) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("images.zip");
        let mut writer = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        writer.start_file("0.png", zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(&grey_png(8, 6, &pixels(0))).unwrap();
        writer.finish().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let length = bytes.len();
        bytes[at % length] = byte;
        if cut < length { bytes.truncate(cut); }
        fs::write(&path, bytes).unwrap();
        if let Ok(dataset) = Dataset::open(folder.path(), &Columns::default()) {
            let _ = write_pack(&dataset, &folder.path().join("x.pack"), &PackOptions::default());
        }
    }
}
