//! Tables as people bring them: labels, predictions, answers, a sample submission, a table of glyphs. The
//! first byte says which; the rest is the file.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use soup_data::dataset::{Columns, read_label_table};
use soup_compose::glyphs::SourceKind;
use soup_decide::{Predictions, Template, Thresholds};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((kind, bytes)) = input.split_first() else {
        return Corpus::Reject;
    };
    let path = soup_fuzz::file("table.csv", bytes);
    match kind {
        b'l' => {
            if let Ok((table, _)) = read_label_table(&path, &Columns::default()) {
                assert!(!table.is_empty());
            }
        }
        b'p' => {
            if let Ok(table) = Predictions::read(&path) {
                assert!(table.values().iter().all(|value| (0.0..=1.0).contains(value)));
            }
        }
        b'a' => drop(Predictions::read_answers(&path)),
        b's' => {
            if let Ok(sample) = Template::read(&path) {
                // A table of the same images and labels fits, and the sample takes its answers.
                let values = vec![0.75; sample.ids().len() * sample.labels().len()];
                let (ids, labels) = (sample.ids().to_vec(), sample.labels().to_vec());
                let table = Predictions::new(&path, ids, labels, values).expect("a sample's own names");
                let filled = sample.fill(&table, &Thresholds::default()).expect("a table that fits");
                let again = Template::parse(&path, filled);
                // Other cells may make another separator the likelier one, where a file has several.
                let separators = b",;\t|".iter().filter(|separator| bytes.contains(separator));
                if separators.count() <= 1 {
                    again.expect("a submission in the shape of the sample");
                }
            }
        }
        b'g' => drop(SourceKind::Csv(path).open()),
        _ => return Corpus::Reject,
    }
    Corpus::Keep
});
