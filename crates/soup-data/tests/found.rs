//! What is found in folders and archives as people have them, and what is said of the rest.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Write;
use std::path::Path;

use soup_data::dataset::{Columns, Dataset, Reason};
use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

fn png(value: u8) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, 4, 4);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[value; 16]).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A file of `fixtures/formats`.
fn format(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats");
    fs::read(path.join(name)).unwrap()
}

fn jpeg() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images/jpeg_grey.jpg");
    fs::read(path).unwrap()
}

fn put(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn ids(dataset: &Dataset) -> Vec<&str> {
    dataset.table().ids().iter().map(String::as_str).collect()
}

fn images(path: &Path) -> Dataset {
    Dataset::open_images(path).unwrap()
}

fn refused(path: &Path) -> String {
    let error = Dataset::open_images(path).unwrap_err();
    assert!(error.is_bad_data());
    error.to_string()
}

#[test]
fn content_decides_and_what_is_left_is_named() {
    let folder = TempDir::new().unwrap();
    put(&folder, "0.png", png(0));
    put(&folder, "1.jpg", jpeg());
    put(&folder, "2.heic", b"\0\0\0\x18ftypheic");
    put(&folder, "3.jp2", b"\0\0\0\x0cjP  ");
    put(&folder, "4.jxl", b"\xff\x0a");
    put(&folder, "5.exr", b"v/1\x01");
    put(&folder, "6.jpe", jpeg());
    put(&folder, "7.jfif", jpeg());
    put(&folder, "8", jpeg());
    put(&folder, "9.webp", png(9));
    put(&folder, "10", b"\xff\x0a");
    put(&folder, "11.data", format("rgb.qoi"));
    put(&folder, "scan.dcm", [&[0; 128][..], b"DICM"].concat());
    put(&folder, "read.me", "hello");
    put(&folder, "old.zip", "PK");
    put(&folder, ".hidden.png", png(1));
    put(&folder, ".gitignore", "x");
    put(&folder, "Thumbs.db", "x");
    put(&folder, "notes.csv", "a,b\n");
    let found = images(folder.path());
    assert_eq!(ids(&found), ["0", "1", "6", "7", "8", "9", "11"]);
    let left = found.left_out();
    assert_eq!(
        left.sentence(found.len()),
        "7 images found; 12 left out: 1 x .dcm (not supported), 1 x .exr (not supported), \
         1 x .heic (not supported), 1 x .jp2 (not supported), 1 x .jxl (not supported), \
         1 x JPEG XL without an extension (not supported), 1 hidden, 1 an archive (not looked into), \
         1 a table (not read), 1 x .me (no image), 2 of the operating system\n  \
         .dcm (not supported): scan.dcm\n  .exr (not supported): 5.exr\n  \
         .heic (not supported): 2.heic\n  .jp2 (not supported): 3.jp2\n  \
         .jxl (not supported): 4.jxl\n  JPEG XL without an extension (not supported): 10\n  \
         hidden: .hidden.png\n  an archive (not looked into): old.zip\n  \
         a table (not read): notes.csv\n  .me (no image): read.me\n  \
         of the operating system: .gitignore, Thumbs.db"
    );
    assert!(
        left.problem(folder.path(), 7, "mend it")
            .unwrap()
            .is_bad_data()
    );
    let json = serde_json::to_value(left).unwrap();
    assert_eq!(json[0]["reason"], ".dcm (not supported)");
    assert_eq!(
        (&json[0]["count"], &json[0]["names"][0]),
        (&1.into(), &"scan.dcm".into())
    );
}

#[test]
fn what_is_no_image_is_no_problem() {
    let folder = TempDir::new().unwrap();
    put(&folder, "0.png", png(0));
    put(&folder, "labels.csv", "id,a\n0,1\n");
    put(&folder, "notes.txt", "x");
    put(&folder, ".DS_Store", "x");
    let found = images(folder.path());
    assert_eq!(found.left_out().count(), 3);
    assert!(found.left_out().problem(folder.path(), 1, "").is_none());
    // The table that is read is not left out.
    let set = Dataset::open(folder.path(), &Columns::default()).unwrap();
    assert_eq!(set.table().label_names(), ["a"]);
    assert_eq!(set.left_out().of(&Reason::Table), 0);
    assert_eq!(set.left_out().count(), 2);
}

#[cfg(unix)]
#[test]
fn links_to_files_are_followed_and_those_to_folders_are_said() {
    use std::os::unix::fs::symlink;
    let folder = TempDir::new().unwrap();
    let elsewhere = TempDir::new().unwrap();
    put(&folder, "set/0.png", png(0));
    put(&elsewhere, "1.png", png(1));
    put(&elsewhere, "more/2.png", png(2));
    put(&elsewhere, "more/3.txt", "x");
    let set = folder.path().join("set");
    symlink(elsewhere.path().join("1.png"), set.join("1.png")).unwrap();
    symlink(elsewhere.path().join("more"), set.join("linked")).unwrap();
    symlink(folder.path(), set.join("loop")).unwrap();
    symlink(folder.path().join("nowhere.png"), set.join("broken.png")).unwrap();
    let found = images(&set);
    assert_eq!(ids(&found), ["0", "1"]);
    assert_eq!(
        found.left_out().sentence(2),
        "2 images found; 2 left out: 1 behind a linked folder, 1 a broken link\n  \
         behind a linked folder: linked/2.png\n  a broken link: broken.png"
    );
    // The folder that is named may itself be a link.
    let link = folder.path().join("link");
    symlink(&set, &link).unwrap();
    assert_eq!(images(&link).len(), 2);
}

#[test]
fn folders_beside_images_are_read_and_parts_are_not_mixed() {
    let folder = TempDir::new().unwrap();
    put(&folder, "mixed/000.png", png(0));
    put(&folder, "mixed/images/090.png", png(1));
    put(&folder, "deep/a/b/c/7.png", png(1));
    put(&folder, "classes/a/1.png", png(1));
    put(&folder, "classes/b/1.png", png(2));
    put(&folder, "parts/train/0.png", png(0));
    put(&folder, "parts/test/1.png", png(1));
    assert_eq!(ids(&images(&folder.path().join("mixed"))), ["000", "090"]);
    assert_eq!(ids(&images(&folder.path().join("deep"))), ["7"]);
    // Two images of one name differ by their folders.
    assert_eq!(
        ids(&images(&folder.path().join("classes"))),
        ["a/1.png", "b/1.png"]
    );
    let problem = refused(&folder.path().join("parts"));
    assert!(
        problem.contains("2 folders could hold the images: test, train"),
        "{problem}"
    );
    assert_eq!(ids(&images(&folder.path().join("parts/test"))), ["1"]);
}

#[test]
fn a_table_takes_the_images_of_the_known_folder_and_the_rest_is_said() {
    let folder = TempDir::new().unwrap();
    put(&folder, "images/0.png", png(0));
    put(&folder, "preview.png", png(1));
    put(&folder, "labels.csv", "id,a\n0,1\n");
    let set = Dataset::open(folder.path(), &Columns::default()).unwrap();
    assert_eq!((ids(&set), set.file_name(0)), (vec!["0"], Some("0.png")));
    assert_eq!(set.left_out().of(&Reason::Beside), 1);
    // Both names of a label table: which one?
    put(&folder, "answer.csv", "id,a\n0,0\n");
    let problem = Dataset::open(folder.path(), &Columns::default()).unwrap_err();
    assert!(
        problem
            .to_string()
            .contains("2 tables could hold the labels: answer.csv, labels.csv"),
        "{problem}"
    );
    assert_eq!(images(folder.path()).len(), 2);
}

#[test]
fn rows_and_images_that_do_not_meet_are_all_named() {
    let folder = TempDir::new().unwrap();
    for index in 0..6 {
        put(&folder, &format!("images/{index}.png"), png(index));
    }
    put(&folder, "images/8.jxl", b"\xff\x0a of JPEG XL");
    put(&folder, "labels.csv", "id,a\n0,1\n8,1\n2,0\n9,1\n");
    let problem = Dataset::open(folder.path(), &Columns::default())
        .unwrap_err()
        .to_string();
    for part in [
        "row 3: there is no image `8`",
        "row 5: there is no image `9`",
        "8.jxl",
    ] {
        assert!(problem.contains(part), "{problem}");
    }
    put(&folder, "labels.csv", "id,a\n0,1\n2,0\n");
    let set = Dataset::open(folder.path(), &Columns::default()).unwrap();
    assert_eq!(set.unlisted(), 4);
    let sentence = set.left_out().sentence(set.len());
    assert!(
        sentence.contains("in no row of the table: 1.png, 3.png, 4.png, 5.png"),
        "{sentence}"
    );
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_are_read_as_people_see_them() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = TempDir::new().unwrap();
    // "사진" in code page 949, as a folder and as a file.
    let name = OsStr::from_bytes(b"\xbb\xe7\xc1\xf8");
    let inner = folder.path().join(name);
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("1.png"), png(7)).unwrap();
    fs::write(
        folder
            .path()
            .join(OsStr::from_bytes(b"\xbb\xe7\xc1\xf8.png")),
        png(8),
    )
    .unwrap();
    put(&folder, "a,b\"c.png", png(1));
    put(&folder, "new\nline.png", png(1));
    let found = images(folder.path());
    assert_eq!(ids(&found), ["a,b\"c", "new\nline", "사진", "1"]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    assert!(found.shapes(&stop).unwrap().iter().all(Result::is_ok));
    let out = folder.path().join("x.pack");
    let set = Dataset::open(folder.path(), &Columns::default()).unwrap();
    soup_data::pack::write_pack(&set, &out, &soup_data::pack::PackOptions::default()).unwrap();
    let pack = soup_data::pack::Pack::open(&out).unwrap();
    assert_eq!(pack.image(3), [7; 16]);
}

fn archive(
    folder: &TempDir,
    name: &str,
    entries: &[(&str, &[u8])],
    method: CompressionMethod,
) -> std::path::PathBuf {
    let path = folder.path().join(name);
    let mut writer = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
    path
}

/// The archive with every `from` written as `to`, of the same length: what other systems write.
fn rewritten(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = (bytes.windows(from.len()).enumerate())
        .filter(|(_, window)| *window == from)
        .map(|(at, _)| at)
        .collect();
    assert!(places.len() >= 2);
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn archives_of_other_systems_are_read() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (png(1), png(2));
    let pair =
        |first: &'static str, second: &'static str| [(first, one.clone()), (second, two.clone())];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let make = |name: &str, entries: [(&'static str, Vec<u8>); 2]| {
            let entries = entries.each_ref().map(|(name, bytes)| (*name, &bytes[..]));
            archive(&folder, name, &entries, method)
        };
        let dots = make("dots.zip", pair("./pics/0.png", "./pics/1.png"));
        assert_eq!(ids(&images(&dots)), ["0", "1"]);
        let back = make("back.zip", pair("set@pics@0.png", "set@pics@1.png"));
        rewritten(&back, b"set@pics@", b"set\\pics\\");
        let found = images(&back);
        assert_eq!(
            (ids(&found), found.file_name(0)),
            (vec!["0", "1"], Some("set/pics/0.png"))
        );
        let korean = make("korean.zip", pair("AAAA0.png", "AAAA1.png"));
        rewritten(&korean, b"AAAA", b"\xbb\xe7\xc1\xf8");
        assert_eq!(ids(&images(&korean)), ["사진0", "사진1"]);
        let german = make("german.zip", pair("GrAAe0.png", "GrAAe1.png"));
        rewritten(&german, b"GrAAe", b"Gr\x94\xe1e");
        assert_eq!(ids(&images(&german)), ["Größe0", "Größe1"]);
        let slip = make("slip.zip", pair("../../0.png", "/1.png"));
        let found = images(&slip);
        assert_eq!(
            (ids(&found), found.file_name(0)),
            (vec!["0", "1"], Some("0.png"))
        );
        // Content decides here too.
        let bare = make("bare.zip", pair("0", "1.dat"));
        assert_eq!(ids(&images(&bare)), ["0", "1"]);
        let stop = std::sync::atomic::AtomicBool::new(false);
        for path in [dots, back, korean, german, slip, bare] {
            assert!(
                images(&path)
                    .faults(Default::default(), &stop)
                    .unwrap()
                    .is_empty()
            );
        }
    }
}

#[test]
fn what_an_archive_keeps_to_itself_is_said() {
    let folder = TempDir::new().unwrap();
    let one = png(1);
    let deflated = CompressionMethod::Deflated;
    let inner = archive(&folder, "inner.zip", &[("0.png", &one)], deflated);
    let nested = archive(
        &folder,
        "nested.zip",
        &[("inner.zip", &fs::read(inner).unwrap())],
        deflated,
    );
    let problem = refused(&nested);
    assert!(
        problem.contains("1 an archive (not looked into)") && problem.contains("inner.zip"),
        "{problem}"
    );
    let problem = refused(&archive(&folder, "empty.zip", &[], deflated));
    assert!(problem.contains("holds no images"), "{problem}");

    // Bit 0 of the flags, in both headers: encrypted.
    let locked = archive(
        &folder,
        "locked.zip",
        &[("0.png", &one), ("1.png", &one)],
        deflated,
    );
    let mut bytes = fs::read(&locked).unwrap();
    for at in 0..bytes.len() - 8 {
        match &bytes[at..at + 4] {
            b"PK\x03\x04" => bytes[at + 6] |= 1,
            b"PK\x01\x02" => bytes[at + 8] |= 1,
            _ => {}
        }
    }
    fs::write(&locked, &bytes).unwrap();
    let problem = refused(&locked);
    assert!(
        problem.contains("2 encrypted") && problem.contains("0.png, 1.png"),
        "{problem}"
    );

    // Method 14 in the second entry: LZMA.
    let packed = archive(
        &folder,
        "packed.zip",
        &[("0.png", &one), ("1.png", &one)],
        deflated,
    );
    let mut bytes = fs::read(&packed).unwrap();
    let last = |bytes: &[u8], mark: &[u8]| bytes.windows(4).rposition(|four| four == mark).unwrap();
    let (local, central) = (last(&bytes, b"PK\x03\x04"), last(&bytes, b"PK\x01\x02"));
    (bytes[local + 8], bytes[central + 10]) = (14, 14);
    fs::write(&packed, &bytes).unwrap();
    let found = images(&packed);
    assert_eq!(ids(&found), ["0"]);
    let sentence = found.left_out().sentence(1);
    assert!(
        sentence.contains("1 packed with lzma (not supported)"),
        "{sentence}"
    );

    // A name twice: the last one counts, as when it is unpacked.
    let twice = archive(
        &folder,
        "twice.zip",
        &[("0.png", &one), ("1.png", &png(9))],
        deflated,
    );
    rewritten(&twice, b"1.png", b"0.png");
    let found = images(&twice);
    assert_eq!(
        (ids(&found), found.left_out().of(&Reason::Twice)),
        (vec!["0"], 1)
    );

    let mac = [
        ("set/0.png", &one[..]),
        ("__MACOSX/set/._0.png", b"\0\x05\x16\x07"),
        ("set/.DS_Store", b"x"),
    ];
    let found = images(&archive(&folder, "mac.zip", &mac, deflated));
    assert_eq!(
        (ids(&found), found.left_out().of(&Reason::System)),
        (vec!["0"], 2)
    );
}
