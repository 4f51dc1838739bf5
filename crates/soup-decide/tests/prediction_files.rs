//! Reading and writing prediction files, good and bad.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use soup_decide::Predictions;

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("prediction_files")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn read(text: impl AsRef<[u8]>, name: &str) -> Result<Predictions, String> {
    let folder = folder(name);
    let path = folder.join("p.csv");
    fs::write(&path, text).unwrap();
    Predictions::read(&path).map_err(|error| {
        assert!(error.is_bad_data(), "{error}");
        error
            .to_string()
            .replace(&format!("{}/", folder.display()), "")
    })
}

fn example() -> Predictions {
    let values = vec![0.1, 1.0, 0.0, 1.0 / 3.0, f32::MIN_POSITIVE, 0.999_999_94];
    let ids = ["00007", "a, \"quoted\" id", "z"]
        .map(String::from)
        .to_vec();
    Predictions::new("example", ids, vec!["cat".into(), "dog".into()], values).unwrap()
}

#[test]
fn what_is_written_reads_back_bit_for_bit() {
    let folder = folder("round");
    for name in ["p.csv", "p.csv.gz", "p.npy", "new/folder/p.csv"] {
        let path = folder.join(name);
        example().write(&path).unwrap();
        let read = Predictions::read(&path).unwrap();
        assert_eq!(read.ids(), example().ids(), "{name}");
        assert_eq!(read.labels(), example().labels());
        assert_eq!(read.values(), example().values());
    }
    let mut names: Vec<_> = (fs::read_dir(&folder).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["new", "p.csv", "p.csv.gz", "p.ids.json", "p.npy"],
        "no leftovers"
    );
}

#[test]
fn csv_may_have_either_line_end_a_mark_gzip_and_no_last_newline() {
    let plain = read("id,a,b\n1,0,1\n2,0.5,1e-3\n", "plain").unwrap();
    assert_eq!(plain.values(), [0.0, 1.0, 0.5, 0.001]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"id,a,b\r\n1,0,1\r\n2,0.5,1e-3").unwrap();
    for (name, text) in [
        ("crlf", b"id,a,b\r\n1,0,1\r\n2,0.5,1e-3\r\n".to_vec()),
        ("cut", b"id,a,b\n1,0,1\n2,0.5,1e-3".to_vec()),
        ("mark", b"\xef\xbb\xbfid,a,b\n1,0,1\n2,0.5,1e-3".to_vec()),
        ("spaces", b"id, a, b\n1, 0, 1\n2, 0.5, 1e-3\n\n".to_vec()),
        ("gz", packed.finish().unwrap()),
    ] {
        let read = read(text, name).unwrap();
        assert_eq!(read.ids(), plain.ids(), "{name}");
        assert_eq!(read.labels(), plain.labels(), "{name}");
        assert_eq!(read.values(), plain.values(), "{name}");
    }
}

#[test]
fn numpys_arrays_are_read_and_ours_are_numpys_byte_for_byte() {
    let read = |kind| Predictions::read(&fixture(&format!("probabilities_{kind}.npy")));
    let single = read("f4").unwrap();
    assert_eq!((single.len(), single.labels().len()), (6, 3));
    assert_eq!(read("f8").unwrap().values(), single.values());
    let answers: Vec<f32> = single
        .values()
        .iter()
        .map(|value| f32::from(u8::from(*value > 0.5)))
        .collect();
    assert_eq!(read("u1").unwrap().values(), answers);
    let error = read("fortran").unwrap_err().to_string();
    assert!(error.contains("Fortran order"), "{error}");

    let path = folder("numpy").join("p.npy");
    single.write(&path).unwrap();
    assert_eq!(
        fs::read(path).unwrap(),
        fs::read(fixture("probabilities_f4.npy")).unwrap()
    );
}

#[test]
fn bad_tables_are_refused_with_file_and_row() {
    for (name, text, message) in [
        (
            "empty",
            "",
            "p.csv holds no rows; a table begins with a header such as `index,a,b,c`",
        ),
        (
            "header",
            "id,a\n",
            "p.csv holds no rows; a table has one row an image below its header",
        ),
        (
            "no_header",
            "0,0.1,0.2\n1,0.3,0.4\n",
            "p.csv, row 1: this looks like a row of values (`0`, `0.1`, `0.2`), not like a header; put a \
             header such as `index,a,b,c` before it (if it is one, call its first column `id`)",
        ),
        (
            "no_label",
            "id\n1\n",
            "p.csv, row 1: there is no label column; a table begins with a header such as `index,a,b,c`",
        ),
        (
            "label_twice",
            "id,a,a\n1,0,0\n",
            "p.csv, row 1: two columns are called `a`; rename one",
        ),
        (
            "short",
            "id,a,b\n1,0,1\n2,0\n",
            "p.csv, row 3: 2 fields, but the header has 3; the row is cut short or has a comma too many",
        ),
        (
            "no_id",
            "id,a\n ,0\n",
            "p.csv, row 2: column `id` is empty; each row needs an id",
        ),
        (
            "twice",
            "id,a\n1,0\n2,0\n1,1\n",
            "p.csv, row 4: image `1` was already named in row 2; keep one of the two rows",
        ),
        (
            "text",
            "id,a\n1,0\n2,yes\n",
            "p.csv, row 3 (image `2`): label `a` is `yes`; predictions must be probabilities from 0 \
             to 1 (for logits, apply the sigmoid first)",
        ),
        (
            "logit",
            "id,a\n1,-3.5\n",
            "p.csv, row 2 (image `1`): label `a` is `-3.5`; predictions must be probabilities from \
             0 to 1 (for logits, apply the sigmoid first)",
        ),
        (
            "nan",
            "id,a\n1,nan\n",
            "p.csv, row 2 (image `1`): label `a` is `nan`; predictions must be probabilities from 0 \
             to 1 (for logits, apply the sigmoid first)",
        ),
    ] {
        assert_eq!(read(text, name).unwrap_err(), message, "{name}");
    }
    assert!(
        read(b"id,a\n1,\xff\n", "utf8")
            .unwrap_err()
            .starts_with("p.csv, row 2: ")
    );
    let error = read(b"\x1f\x8bnonsense", "gzip").unwrap_err();
    assert!(
        error.starts_with("p.csv: the gzip data is damaged ("),
        "{error}"
    );
    let error = Predictions::read(Path::new("nowhere/p.csv")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "nowhere/p.csv does not exist; check the name"
    );
}

#[test]
fn answers_are_0_or_1() {
    let folder = folder("answers");
    let path = folder.join("a.csv");
    fs::write(&path, "id,a,b\n7,1,0\n\n8,0,1.0\n").unwrap();
    assert_eq!(
        Predictions::read_answers(&path).unwrap().values(),
        [1.0, 0.0, 0.0, 1.0]
    );
    // What is unknown, and the same as tags.
    fs::write(&path, "id,a,b\n7,-1,no\n8,Yes,?\n").unwrap();
    let values = Predictions::read_answers(&path).unwrap().values().to_vec();
    assert!(values[0].is_nan() && values[3].is_nan());
    assert_eq!(values[1..3], [0.0, 1.0]);
    fs::write(&path, "id,tags\n7,a\n8,a b\n9,b a\n").unwrap();
    let read = Predictions::read_answers(&path).unwrap();
    assert_eq!(
        (read.labels(), read.row(1)),
        (&["a".to_owned(), "b".to_owned()][..], &[1.0, 1.0][..])
    );
    for value in ["0.5", "2", "-2", "maybe", "", "nan"] {
        let end = if value == "2" { "\r\n" } else { "\n" };
        let text = format!("id,a,b\n7,1,0\n\n8,0,{value}").replace('\n', end);
        fs::write(&path, text).unwrap();
        let error = Predictions::read_answers(&path).unwrap_err();
        assert!(error.is_bad_data());
        let message = error
            .to_string()
            .replace(&format!("{}/", folder.display()), "");
        let said = match value {
            "" | "nan" => {
                let is = if value.is_empty() { "empty" } else { "`nan`" };
                format!(
                    "is {is}; write 0 or 1, or say what blanks mean: --blank zero or --blank unknown (soup labels, pack, \
                     train)"
                )
            }
            value => format!("is `{value}`; labels must be 0 or 1, or -1 for unknown"),
        };
        assert_eq!(
            message,
            format!("a.csv, row 4 (image `8`): label `b` {said}")
        );
    }
    let error = Predictions::read_answers(&fixture("probabilities_f4.npy")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("labels must be 0 or 1, or -1 for unknown")
    );
}

#[test]
fn bad_arrays_are_refused() {
    let folder = folder("bad_npy");
    let path = folder.join("p.npy");
    let good = fs::read(fixture("probabilities_f4.npy")).unwrap();
    let message = |bytes: &[u8], names: Option<&str>| {
        let _ = fs::remove_file(folder.join("p.ids.json"));
        fs::write(&path, bytes).unwrap();
        if let Some(names) = names {
            fs::write(folder.join("p.ids.json"), names).unwrap();
        }
        let error = Predictions::read(&path).unwrap_err();
        assert!(error.is_bad_data());
        error
            .to_string()
            .replace(&format!("{}/", folder.display()), "")
    };
    let hint = "; save it with numpy.save as a C-ordered float32 array, images x labels";
    assert_eq!(
        message(b"hello", None),
        format!("p.npy: it is not a NumPy array file{hint}")
    );
    assert_eq!(
        message(&good[..30], None),
        format!("p.npy: its header is cut short{hint}")
    );
    assert_eq!(
        message(&good[..good.len() - 1], None),
        format!("p.npy: it is 6 x 3 of `<f4`, but holds 71 bytes of data{hint}")
    );
    assert_eq!(
        message(&good, None),
        "p.ids.json does not exist; write one beside p.npy: {\"ids\": [\"00000\", ...], \"labels\": \
         [\"a\", ...]}"
    );
    assert_eq!(
        message(&good, Some(r#"{"ids": ["1"], "labels": ["a", "b", "c"]}"#)),
        "p.ids.json: it names 1 ids and 3 labels, but p.npy is 6 x 3; use the pair that was written \
         together"
    );
    assert!(message(&good, Some("{")).starts_with("p.ids.json: EOF while parsing"));
    // Every cut and every flipped byte of the header is an error or a table, never a panic.
    for end in 0..good.len() {
        message(&good[..end], None);
    }
    for at in 0..128 {
        let mut bytes = good.clone();
        bytes[at] ^= 0x15;
        fs::write(&path, &bytes).unwrap();
        let _ = Predictions::read(&path);
    }
}
