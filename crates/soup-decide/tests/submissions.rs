//! Submissions keep the sample's shape.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use soup_decide::{Predictions, Template, Thresholds};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn predictions(ids: &[&str], labels: &[&str], values: &[f32]) -> Predictions {
    Predictions::new("probs.csv", names(ids), names(labels), values.to_vec()).unwrap()
}

fn template(text: &str) -> Result<Template, String> {
    Template::parse("sample.csv", text).map_err(|error| {
        assert!(error.is_bad_data());
        error.to_string()
    })
}

#[test]
fn everything_but_the_cells_stays() {
    // The order of rows and columns differs, the ids have other zeros.
    let table = predictions(&["00002", "00010"], &["b", "a"], &[0.9, 0.5, 0.2, 0.51]);
    for (sample, expected) in [
        ("index,a,b\n10,0,0\n2,0,0\n", "index,a,b\n10,1,0\n2,0,1\n"),
        (
            "index,a,b\r\n10,0,0\r\n2,0,0\r\n",
            "index,a,b\r\n10,1,0\r\n2,0,1\r\n",
        ),
        ("index,a,b\n10,0,0\n2,0,0", "index,a,b\n10,1,0\n2,0,1"),
        (
            "\u{feff}index,a,b\n10,0,0\n2,0,0",
            "\u{feff}index,a,b\n10,1,0\n2,0,1",
        ),
        ("index,a,b\r\n10,0,0\n2,0,0", "index,a,b\r\n10,1,0\n2,0,1"),
        (
            "\"id\",\"a\",\"b\"\n\"0010\",0.5,\n 2 ,0,0\n\n",
            "\"id\",\"a\",\"b\"\n\"0010\",1,0\n 2 ,0,1\n\n",
        ),
        // As Excel writes it, with rows that say nothing.
        (
            "sep=;\r\nid;b;a\r\n\r\n10;\"0\";0,5;\r\n;;\r\npics/2.png;;x\r\n",
            "sep=;\r\nid;b;a\r\n\r\n10;0;1;\r\n;;\r\npics/2.png;1;0\r\n",
        ),
        ("id\ta\tb\r10\t0\t0\r2\t0\t0", "id\ta\tb\r10\t1\t0\r2\t0\t1"),
        (
            ",id,a,b\n0,10,0,0\n1,2,0,0\n",
            ",id,a,b\n0,10,1,0\n1,2,0,1\n",
        ),
    ] {
        let text = template(sample)
            .unwrap()
            .fill(&table, &Thresholds::default())
            .unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), expected, "{sample}");
    }
}

#[test]
fn thresholds_apply_by_label() {
    let table = predictions(&["1"], &["a", "b"], &[0.3, 0.3]);
    let sample = template("id,a,b\n1,0,0\n").unwrap();
    let fill = |thresholds: &str| sample.fill(&table, &thresholds.parse().unwrap());
    assert_eq!(fill("0.2").unwrap(), b"id,a,b\n1,1,1\n");
    assert_eq!(fill("0.2,b=0.4").unwrap(), b"id,a,b\n1,1,0\n");
    assert!(
        fill("q=0.4")
            .unwrap_err()
            .to_string()
            .contains("no label `q`")
    );
}

#[test]
fn missing_and_extra_images_are_refused() {
    let sample = template("id,a\n1,0\n2,0\n").unwrap();
    let message = |table| {
        sample
            .fill(&table, &Thresholds::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(predictions(&["1"], &["a"], &[0.0])),
        "probs.csv: there is no prediction for these images of sample.csv: `2`; predict all of them"
    );
    assert_eq!(
        message(predictions(&["1", "2", "3", "4"], &["a"], &[0.0; 4])),
        "probs.csv: these images are not in sample.csv: `3`, `4`; is it a file for another set of \
         images?"
    );
    assert_eq!(
        message(predictions(&["1", "2"], &["b"], &[0.0; 2])),
        "probs.csv: its label columns differ from those of sample.csv: missing `a`, not expected `b`"
    );
}

#[test]
fn bad_samples_are_refused_with_their_row() {
    for (text, message) in [
        (
            "",
            "sample.csv holds no rows; a table begins with a header such as `index,a,b,c`",
        ),
        (
            "id,a\n",
            "sample.csv holds no rows; a table has one row an image below its header",
        ),
        (
            "id,a\n1\n",
            "sample.csv, row 2: 1 fields, but the header has 2; the row is cut short or has a comma too many",
        ),
        (
            "id,a\n,0\n",
            "sample.csv, row 2: column `id` is empty; each row needs an id",
        ),
        (
            "7,0\n8,0\n",
            "sample.csv, row 1: this looks like a row of values (`7`, `0`), not like a header; put a \
             header such as `index,a,b,c` before it (if it is one, call its first column `id`)",
        ),
        (
            "id,a\n1,0\n1,0\n",
            "sample.csv, row 3: image `1` was already named in row 2; keep one of the two rows",
        ),
        (
            "id,a,a\n1,0,0\n",
            "sample.csv, row 1: two columns are called `a`; rename one",
        ),
    ] {
        assert_eq!(template(text).unwrap_err(), message);
    }
}

#[test]
fn a_column_of_tags_takes_the_labels_that_are_there() {
    let table = predictions(
        &["1", "2", "3"],
        &["haze", "primary", "road"],
        &[0.9, 0.8, 0.1, 0.2, 0.3, 0.4, 0.6, 0.1, 0.7],
    );
    for (sample, expected) in [
        (
            "image_name,tags\n2,clear primary\n1,primary clear\n3,clear\n",
            "image_name,tags\n2,\n1,haze primary\n3,haze road\n",
        ),
        (
            "id,labels\r\n1,\r\n2,\r\n3,\r\n",
            "id,labels\r\n1,haze primary\r\n2,\r\n3,haze road\r\n",
        ),
        (
            "id,tags\n3,a|b\n1,b\n2,a\n",
            "id,tags\n3,haze|road\n1,haze|primary\n2,\n",
        ),
        (
            "id,tags\n3,\"a,b\"\n1,b\n2,a\n",
            "id,tags\n3,\"haze,road\"\n1,\"haze,primary\"\n2,\n",
        ),
    ] {
        let filled = template(sample)
            .unwrap()
            .fill(&table, &Thresholds::default())
            .unwrap();
        assert_eq!(String::from_utf8(filled).unwrap(), expected, "{sample}");
    }
    // A label with the column's own name is a column of 0 and 1.
    let one = predictions(&["1", "2"], &["tags"], &[0.9, 0.1]);
    let filled = template("id,tags\n1,\n2,\n")
        .unwrap()
        .fill(&one, &Thresholds::default())
        .unwrap();
    assert_eq!(String::from_utf8(filled).unwrap(), "id,tags\n1,1\n2,0\n");
    let spaced = predictions(&["1", "2", "3"], &["a b", "c"], &[0.9; 6]);
    let error = template("id,tags\n1,\n2,\n3,\n")
        .unwrap()
        .fill(&spaced, &Thresholds::default())
        .unwrap_err();
    assert!(
        error.to_string().contains("which the label `a b` holds"),
        "{error}"
    );
}
