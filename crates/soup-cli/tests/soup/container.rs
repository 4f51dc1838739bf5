//! The steps of the container, by the very script that is in the image.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::place::Place;

/// Runs `answer` on a folder as the image does: nothing but the program on the path.
fn answer(place: &Place, data: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_soup"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../container/answer.sh");
    let folders = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    Command::new("sh")
        .arg(script)
        .arg(place.path(data))
        .env_clear()
        .env("PATH", folders)
        .env("TMPDIR", place.path("tmp"))
        .output()
        .unwrap()
}

#[test]
fn images_and_a_sample_in_a_submission_out() {
    let place = Place::new("container");
    place.json("compose --count 16 --seed 3 --out set compose.width=64 compose.height=72 compose.side=[8,20]");
    place.json("pack --data set --out pack");
    place.json(
        "train --preset quick folds.k=2 model.name=soup_nano train.batch=8 train.epochs=1 \
        train.threads=1 --data pack --out run",
    );
    fs::create_dir_all(place.path("tmp")).unwrap();
    fs::create_dir_all(place.path("data")).unwrap();

    let missing = answer(&place, "data");
    assert_eq!(missing.status.code(), Some(3));
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(said.contains("data/model.soup is missing; mount"), "{said}");

    place.json("export run --out data/model.soup");
    fs::rename(place.path("set/images"), place.path("data/images")).unwrap();
    // The labels stand in for a sample: the right shape, cells to be replaced.
    fs::copy(
        place.path("set/answer.csv"),
        place.path("data/sample_submission.csv"),
    )
    .unwrap();
    let done = answer(&place, "data");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );

    place.json("predict run --images data/images --out probs.csv");
    place.json("submit probs.csv --sample data/sample_submission.csv --out expected.csv");
    assert_eq!(
        place.read("data/submission.csv"),
        place.read("expected.csv")
    );
    assert_eq!(fs::read_dir(place.path("tmp")).unwrap().count(), 0);

    // A failure of a step is the container's.
    fs::write(place.path("data/images/00003.png"), "no image").unwrap();
    fs::remove_file(place.path("data/submission.csv")).unwrap();
    assert_eq!(answer(&place, "data").status.code(), Some(3));
    assert!(!place.path("data/submission.csv").exists());
}
