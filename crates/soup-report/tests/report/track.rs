//! Event files, record by record. That TensorBoard and MLflow read the same figures is tested with the real
//! ones by `interop/trackers.py`.

use std::fs;
use std::path::Path;

use crate::support::{self, Size};
use soup_report::Run;
use soup_report::track::tensorboard;

const SIZE: Size = Size {
    images: 24,
    side: 64,
    folds: 2,
    epochs: 4,
};

/// The lengths of the records of an event file, which must end with the last one.
fn records(path: &Path) -> Vec<usize> {
    let bytes = fs::read(path).unwrap();
    let (mut lengths, mut rest) = (Vec::new(), &bytes[..]);
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        lengths.push(length);
        rest = &rest[8 + 4 + length + 4..];
    }
    lengths
}

#[test]
fn event_files_are_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let pack = support::pack(folder.path(), SIZE);
    let path = folder.path().join("first");
    support::run(&path, &pack, SIZE, 1.0, &[]);
    let board = folder.path().join("board");
    let run = Run::read(&path).unwrap();
    assert_eq!(tensorboard::write(&run, &board).unwrap(), 8);
    let file = board.join("first/fold1/events.out.tfevents.0.soup");
    let before = fs::read(&file).unwrap();
    // The version, and an event an epoch.
    assert_eq!(records(&file).len(), 5);
    assert!(records(&file).iter().all(|length| *length > 0));

    // A run that went on has the new epoch once, and the old ones as they were.
    assert_eq!(tensorboard::write(&run, &board).unwrap(), 8);
    assert_eq!(fs::read(&file).unwrap(), before);
    let more = Size { epochs: 5, ..SIZE };
    support::run(&path, &pack, more, 1.0, &[]);
    assert_eq!(
        tensorboard::write(&Run::read(&path).unwrap(), &board).unwrap(),
        10
    );
    assert_eq!(records(&file).len(), 6);
    let names: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1);
}
