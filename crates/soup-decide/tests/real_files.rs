//! The founding contest's own files, read from where they lie: ignored unless asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use serde_json::Value;
use soup_decide::decoding::{CountDecoder, CountPrior};
use soup_decide::ensemble::{Method, Tie, combine};
use soup_decide::{Predictions, Template, Thresholds};

fn contest_data() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    assert!(
        folder.is_dir(),
        "the contest's files are not at {}",
        folder.display()
    );
    folder
}

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/submissions.json")).unwrap()
}

fn seven(data: &Path) -> Vec<Predictions> {
    let names = fixture()["files"].clone();
    let names = names.as_array().unwrap().iter();
    names
        .map(|name| {
            let path = data
                .join("dirty_mnist_2nd_submissions")
                .join(name.as_str().unwrap());
            Predictions::read(&path).unwrap()
        })
        .collect()
}

fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> String {
    let hash = bytes
        .into_iter()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        });
    format!("{hash:016x}")
}

fn answers(table: &Predictions) -> impl Iterator<Item = u8> {
    table.values().iter().map(|value| b'0' + *value as u8)
}

fn vote(tie: Tie) -> Method {
    Method::Vote {
        thresholds: Thresholds::default(),
        tie,
    }
}

#[test]
#[ignore = "needs the contest's files"]
fn the_majority_of_seven_real_teams_is_numpys_cell_by_cell() {
    let data = contest_data();
    let tables = seven(&data);
    let majority = combine(&tables, &vote(Tie::No), None).unwrap();
    assert_eq!((majority.len(), majority.labels().len()), (5000, 26));
    let by_label: Vec<u64> = (0..26)
        .map(|label| (0..5000).map(|row| majority.row(row)[label] as u64).sum())
        .collect();
    let fixture = fixture();
    assert_eq!(
        serde_json::json!(by_label),
        fixture["majority_of_seven_by_label"]
    );
    assert_eq!(fnv1a(answers(&majority)), fixture["majority_of_seven"]);

    let six = |tie| fnv1a(answers(&combine(&tables[..6], &vote(tie), None).unwrap()));
    assert_eq!(six(Tie::No), fixture["majority_of_six_tie_no"]);
    assert_eq!(six(Tie::Yes), fixture["majority_of_six_tie_yes"]);

    let mean = combine(&tables, &Method::Mean, None).unwrap();
    let bytes = mean.values().iter().flat_map(|value| value.to_le_bytes());
    assert_eq!(fnv1a(bytes), fixture["mean_of_seven"]);
}

#[test]
#[ignore = "needs the contest's files"]
fn the_real_sample_keeps_every_byte_but_the_cells() {
    let data = contest_data();
    let path = data.join("dirty_mnist_2nd_labels/sample_submission.csv.gz");
    let template = Template::read(&path).unwrap();
    assert_eq!((template.ids().len(), template.labels().len()), (5000, 26));
    let majority = combine(&seven(&data), &vote(Tie::No), None).unwrap();
    let text = template.fill(&majority, &Thresholds::default()).unwrap();
    let text = String::from_utf8(text).unwrap();

    assert_eq!(text.matches("\r\n").count(), 5001);
    assert_eq!(text.matches('\n').count(), 5001);
    assert!(text.ends_with("\r\n"));
    // Zeros are what the sample holds, so a submission of zeros must be the sample itself.
    let zeros = vec![0.0; majority.values().len()];
    let (ids, labels) = (majority.ids().to_vec(), majority.labels().to_vec());
    let zeros = Predictions::new("zeros", ids, labels, zeros).unwrap();
    let sample = template.fill(&zeros, &Thresholds::default()).unwrap();
    let sample = String::from_utf8(sample).unwrap();
    assert_eq!(text.len(), sample.len());
    // FNV-1a of the unpacked sample_submission.csv.
    assert_eq!(fnv1a(sample.bytes()), "1cd563550abc5d95");
    let cells = |text: &str| -> Vec<u8> {
        let rows = text.lines().skip(1);
        rows.flat_map(|row| {
            row.split(',')
                .skip(1)
                .map(|cell| cell.as_bytes()[0])
                .collect::<Vec<_>>()
        })
        .collect()
    };
    assert_eq!(fnv1a(cells(&text)), fixture()["majority_of_seven"]);
}

#[test]
#[ignore = "needs the contest's files"]
fn the_real_answers_read_as_predictions() {
    let data = contest_data();
    let path = data.join("dirty_mnist_2nd_labels/dirty_mnist_2nd_answer.csv.gz");
    let answers = Predictions::read_answers(&path).unwrap();
    assert_eq!(answers.len(), 50_000);
    let asked = ["00001", "00000"].map(String::from);
    let two = answers
        .selected(&asked, answers.labels(), "pictures".as_ref())
        .unwrap();
    assert_eq!(two.row(0)[..4], [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(two.row(1)[..4], [1.0, 1.0, 0.0, 1.0]);
}

/// The rule of the founding task, from its 50,000 rows, mends the answers of seven teams that break it
/// and leaves the others alone.
#[test]
#[ignore = "needs the contest's files"]
fn the_real_labels_teach_ten_to_fourteen() {
    let data = contest_data();
    let path = data.join("dirty_mnist_2nd_labels/dirty_mnist_2nd_answer.csv.gz");
    let truth = Predictions::read_answers(&path).unwrap();
    let labels = truth.labels().len();
    // Unsmoothed: answers of 0 and 1 are surer than one pseudo-image in 50,000.
    let prior = CountPrior::learn(truth.values(), labels, 0.0).unwrap();
    assert_eq!((prior.images(), prior.range()), (50_000, (10, 14)));
    let mut decoder = CountDecoder::new(&prior, labels).unwrap();
    for table in seven(&data) {
        let mut kept = 0;
        for row in 0..200 {
            let set = decoder.most_probable_set(table.row(row));
            let count = set.iter().filter(|answer| **answer).count();
            assert!((10..=14).contains(&count), "{count}");
            let given: Vec<bool> = table.row(row).iter().map(|value| *value > 0.5).collect();
            let keeps_the_rule =
                (10..=14).contains(&given.iter().filter(|answer| **answer).count());
            // Answers that keep the rule are left alone: nothing in them is less sure.
            if keeps_the_rule {
                kept += 1;
                assert_eq!(set, given);
            }
        }
        assert!(kept > 0);
    }
}
