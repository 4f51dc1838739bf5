//! Tables as people have them: taken where they are common, refused by row where they are ambiguous.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;

use soup_data::dataset::{Columns, LabelTable, read_column, read_label_table};
use soup_data::tables::{Cells, Table};

/// Six rows in the shape `row` (`{i}` the id, `{a}` and `{b}` two labels), below `head`.
fn written(head: &str, row: &str) -> String {
    let rows = (0..6).map(|i| {
        let (a, b) = ((i % 2).to_string(), (1 - i % 2).to_string());
        row.replace("{i}", &format!("{i:05}"))
            .replace("{n}", &i.to_string())
            .replace("{a}", &a)
            .replace("{b}", &b)
            + "\n"
    });
    format!("{head}\n{}", rows.collect::<String>())
}

fn read(bytes: impl AsRef<[u8]>) -> Result<(LabelTable, Vec<String>), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    fs::write(&path, bytes).unwrap();
    read_label_table(&path, &Columns::default()).map_err(|error| {
        assert!(error.is_bad_data(), "{error}");
        let within = format!("{}/", folder.path().display());
        error.to_string().replace(&within, "")
    })
}

fn plain() -> String {
    written("id,cat,dog", "{i},{a},{b}")
}

#[test]
fn what_is_common_is_taken() {
    let (expected, notes) = read(plain()).unwrap();
    assert_eq!(expected.ids()[5], "00005");
    assert_eq!(expected.label_names(), ["cat", "dog"]);
    assert_eq!(expected.labels(1), Some(&[1, 0][..]));
    assert_eq!(notes, [""; 0]);
    let utf16 = |text: String| -> Vec<u8> {
        let units = ["\u{feff}", &text].concat();
        units.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let silent: [(&str, Vec<u8>); 17] = [
        ("crlf", plain().replace('\n', "\r\n").into()),
        ("cr", plain().replace('\n', "\r").into()),
        ("mark", format!("\u{feff}{}", plain()).into()),
        ("utf16", utf16(plain())),
        ("semicolon", plain().replace(',', ";").into()),
        ("tab", plain().replace(',', "\t").into()),
        (
            "decimal comma",
            written("id;cat;dog", "{i};{a},0;{b},0").into(),
        ),
        (
            "named separator",
            format!("sep=;\n{}", plain().replace(',', ";")).into(),
        ),
        ("floats", written("id,cat,dog", "{i},{a}.0,{b}.00").into()),
        (
            "scientific",
            written("id,cat,dog", "{i},{a}.000000e+00,{b}e0").into(),
        ),
        (
            "spaces",
            written("id, cat, dog", " {i} , {a} , {b} ").into(),
        ),
        ("trailing", written("id,cat,dog", "{i},{a},{b},").into()),
        (
            "trailing both",
            written("id,cat,dog,,", "{i},{a},{b},,").into(),
        ),
        (
            "quoted",
            written("\"id\",\"cat\",\"dog\"", "\"{i}\",\"{a}\",\"{b}\"").into(),
        ),
        ("blank lines", format!("{}\n\n", plain()).into()),
        (
            "bools",
            plain()
                .replace(",0", ",False")
                .replace(",1", ",TRUE")
                .into(),
        ),
        ("unnamed id", written(",cat,dog", "{i},{a},{b}").into()),
    ];
    for (name, bytes) in silent {
        let (table, notes) = read(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(table, expected, "{name}");
        assert_eq!(notes, [""; 0], "{name}");
    }
    for (name, text, note) in [
        (
            "blank rows",
            plain() + ",,\n , ,\n",
            "t.csv: 2 blank rows left out, rows 8, 9",
        ),
        (
            "comment",
            plain() + "# made by hand\n",
            "t.csv: 1 comments left out, rows 8",
        ),
        (
            "comment first",
            format!("# made by hand, in a hurry\n{}", plain()),
            "t.csv: 1 comments left out, rows 1",
        ),
        (
            "pandas",
            written(",id,cat,dog", "{n},{i},{a},{b}"),
            "t.csv: column 1 has no name; it is left out",
        ),
        (
            "no numbers",
            written(",id,cat,dog", "0,{i},{a},{b}"),
            "t.csv: column 1 has no name; it is left out",
        ),
        (
            "counted by another name",
            written(",image no,cat,dog", "{n},{i},{a},{b}"),
            "t.csv: column 1 has no name; it is left out",
        ),
        (
            "pandas twice",
            written("Unnamed: 0,file,cat,dog", "{n},{i},{a},{b}"),
            "t.csv: column 1 has no name; it is left out",
        ),
    ] {
        let (table, notes) = read(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(table, expected, "{name}");
        assert_eq!(notes, [note], "{name}");
    }
}

#[test]
fn labels_may_be_called_by_numbers() {
    for (head, names) in [
        ("id,0,1", ["0", "1"]),
        ("writer,0,1", ["0", "1"]),
        ("image_id,1,0", ["1", "0"]),
        (",0,1", ["0", "1"]),
        ("id,inf,nan", ["inf", "nan"]),
        ("id,True,False", ["True", "False"]),
        ("id,a;b;c,d\te", ["a;b;c", "d\te"]),
        (
            "id,\"two\nlines\",\"a,\"\"b\"\"\"",
            ["two\nlines", "a,\"b\""],
        ),
    ] {
        let (table, _) = read(written(head, "{i},{a},{b}")).unwrap();
        assert_eq!(table.label_names(), names);
        assert_eq!(table.len(), 6);
    }
}

#[test]
fn columns_without_names_alone_are_no_table() {
    for text in [
        "Unnamed: 0\n",
        "Unnamed: 0,Unnamed: 1\n,0\n",
        "\"\",a\n",
        "\"\"\n",
        ",,\n",
    ] {
        assert!(read(text).is_err(), "{text:?}");
    }
}

#[test]
fn what_is_ambiguous_is_refused_and_says_what_to_do() {
    let line = "t.csv, row 1: ";
    for (name, text, parts) in [
        (
            "no header",
            written("00009,0,1", "{i},{a},{b}"),
            [line, "`00009`, `0`, `1`", "a row of values"],
        ),
        (
            "no header, equal cells",
            written("00009,0,0", "{i},{a},{b}"),
            [line, "not like a header", "`index,a,b,c`"],
        ),
        (
            "no header, words as ids",
            "anna,0,1\nbob,1,0\n".into(),
            [line, "a row of values", "call its first column `id`"],
        ),
        (
            "no header, file names",
            written("a.png,1,0", "{i}.png,{a},{b}"),
            [line, "a row of values", ""],
        ),
        (
            "header twice",
            written("id,cat,cat", "{i},{a},{b}"),
            [line, "two columns are called `cat`", "rename one"],
        ),
        (
            "no name",
            written("id,cat,", "{i},{a},{b}"),
            [line, "column 3 has no name", ""],
        ),
        (
            "words",
            written("image,what,cat", "{i},word{a},{b}"),
            [
                line,
                "column `what` holds words (`word0`, `word1`), no numbers",
                "if these are tags, say so with --label-columns what",
            ],
        ),
        (
            "spaces",
            "id cat dog\n0 1 0\n".into(),
            [
                line,
                "there is no label column",
                "commas, semicolons or tabs",
            ],
        ),
        (
            "two",
            plain().replacen(",1", ",2", 1),
            [
                "t.csv, row 2 (image `00000`): label `dog` is `2`",
                "labels must be 0 or 1, or -1 for unknown",
                "",
            ],
        ),
        (
            "nan",
            plain().replacen(",1", ",nan", 1),
            [
                "label `dog` is `nan`",
                "--blank zero or --blank unknown",
                "",
            ],
        ),
        (
            "empty cell",
            plain().replacen(",1", ",", 1),
            ["row 2", "label `dog` is empty", "write 0 or 1"],
        ),
        (
            "open quote",
            plain().replacen("00003", "\"00003", 1),
            ["t.csv, row 5: ", "a quote (\") begins", "never ends"],
        ),
        (
            "nul",
            plain().replacen("1\n", "1\0\n", 3),
            ["row 2: ", "3 NUL bytes", ""],
        ),
        (
            "json",
            "{\"id\": 1}".into(),
            ["this is JSON, not CSV", "save the table as CSV", ""],
        ),
        (
            "short",
            plain() + "00006,1\n",
            ["row 8: 2 fields, but the header has 3", "", ""],
        ),
    ] {
        let error = read(text).expect_err(name);
        for part in parts {
            assert!(error.contains(part), "{name}: {error} lacks {part}");
        }
    }
    let error = read(b"id,caf\xe9\n0,1\n").unwrap_err();
    assert!(error.contains("iconv -f WINDOWS-1252"), "{error}");
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let mut text = String::from("id,a,b\n");
    for row in 0..300 {
        let wrong = if row % 2 == 0 { "x" } else { "0" };
        text.push_str(&format!("{row},{wrong},1\n"));
    }
    text.push_str("5,0,0\n ,0,0\n");
    let error = read(text).unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!((lines[0], lines.len()), ("152 problems:", 102));
    assert_eq!(
        lines[1],
        "  t.csv, row 302: image `5` was already named in row 7; keep one of the two rows"
    );
    assert_eq!(
        lines[2],
        "  t.csv, row 303: column `id` is empty; each row needs an id"
    );
    assert_eq!(
        lines[3],
        "  t.csv, row 2 (image `0`): label `a` is `x`; labels must be 0 or 1, or -1 for unknown"
    );
    assert_eq!(lines[101], "  and 52 more");
    let error = read("id,a\n1\n2,0,0\n3,1\n").unwrap_err();
    assert!(
        error.contains("row 2: 1 fields") && error.contains("row 3: 3 fields"),
        "{error}"
    );
}

#[test]
fn groups_meet_by_id_and_none_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.csv");
    let ids: Vec<String> = (0..4).map(|id| format!("{id:05}")).collect();
    let group = |text: &str| {
        fs::write(&path, text).unwrap();
        read_column(&path, None, "patient", &ids).map_err(|error| error.to_string())
    };
    let column = group("id,patient\n00000,p\n00001,p\n00002,q\n00003,q\n").unwrap();
    assert_eq!(column.values, ["p", "p", "q", "q"]);
    assert_eq!(column.notes, [""; 0]);
    let column = group("file;patient\n0.png;p\n1.png;p\n2.png;q\n3.png;q\nzzz;q\n").unwrap();
    assert_eq!(column.values, ["p", "p", "q", "q"]);
    assert_eq!(
        column.notes,
        [
            "ids of the data in g.csv were matched without their extensions, without their leading zeros: `00000` is \
             `0.png`",
            "g.csv: 1 rows are for images that the data has not, such as `zzz`"
        ]
    );
    for blank in ["", "nan", "NaN", "NA", "<NA>", "None", " "] {
        let error =
            group(&format!("id,patient\n0,p\n1,{blank}\n2,q\n3,{blank}\n9,\n")).unwrap_err();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines.len(), 3, "{error}");
        assert!(
            lines[1].contains("g.csv, row 3: `patient` of image `1` is")
                && lines[2].contains("row 5"),
            "{error}"
        );
    }
    let error = group("id,patient\n0,p\n00,q\n1,p\n3,p\n3,q\n").unwrap_err();
    for part in [
        "row 6: image `3` was already named in row 5",
        "row 3: `00` and `0` (row 2) may both mean image `00000`",
        "no row for image `00002`; add its row, with its `patient`",
    ] {
        assert!(error.contains(part), "{error} lacks {part}");
    }
}

#[test]
fn cells_keep_their_place() {
    let text = "\u{feff}id;a;b;\r\n\"7\"; 0 ;\"1\";\r\n";
    let table = Table::parse("t.csv".as_ref(), text.as_bytes()).unwrap();
    let matrix = table
        .matrix(&Columns::default(), Cells::Probabilities)
        .unwrap();
    assert_eq!(
        (&*matrix.ids, &*matrix.values),
        (&["7".to_owned()][..], &[0.0, 1.0][..])
    );
    assert_eq!(&table.text()[table.place(0, matrix.columns[0])], " 0 ");
    assert_eq!(&table.text()[table.place(0, matrix.columns[1])], "\"1\"");
    assert_eq!(table.encoding().bytes_of(table.text()), text.as_bytes());
}
