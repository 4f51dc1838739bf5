//! `train --preset photo`: what it does where something is missing.

use std::fs;

use crate::place::Place;

/// Small enough for a test; all else is the preset's.
const SMALL: &str = "train.minutes=0 train.epochs=1 model.name=soup_nano transforms.0.size=32";

/// Photographs in colour: a folder a label, one label on a single side.
fn photos(place: &Place) {
    place.json(
        "compose --count 12 --seed 1 --out made compose.width=64 compose.height=64 compose.letters=[1,2] compose.side=[20,30]",
    );
    let files = fs::read_dir(place.path("made/images")).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut table = "file,cat,dog,unicorn\n".to_owned();
    fs::create_dir(place.path("photos")).unwrap();
    for (at, path) in files.iter().enumerate() {
        let name = path.file_name().unwrap().to_str().unwrap();
        fs::copy(path, place.path(&format!("photos/{name}"))).unwrap();
        table += &format!("{name},{},{},0\n", at % 2, u8::from(at % 3 == 0));
    }
    fs::write(place.path("photos/labels.csv"), table).unwrap();
}

#[test]
fn few_photographs_without_weights_are_trained_on_and_what_is_missing_is_said() {
    let place = Place::new("photos");
    photos(&place);
    let outcome = place.soup(&format!(
        "train --preset photo --data photos --out run {SMALL}"
    ));
    for said in [
        "no weights are given",
        "photo-scratch",
        "labels on no image: unicorn",
        "12 images are few",
    ] {
        assert!(outcome.stderr.contains(said), "{said}: {}", outcome.stderr);
    }
    assert!(
        outcome.stdout.contains("1 of 5 folds are trained in run"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stdout.contains("mAP"), "{}", outcome.stdout);
    let config = fs::read_to_string(place.path("run/config.toml")).unwrap();
    assert!(config.contains("metric = \"mAP\""), "{config}");

    // It goes on and says none of it again.
    let again = place.soup("train --out run --fold 1");
    assert!(!again.stderr.contains("are few"), "{}", again.stderr);
    assert!(
        again.stdout.contains("2 of 5 folds are trained in run"),
        "{}",
        again.stdout
    );
    place.json("predict run --images photos --out probs.csv");
}

#[test]
fn a_batch_that_was_asked_for_is_taken() {
    let place = Place::new("photos_batch");
    photos(&place);
    let outcome = place.soup(&format!(
        "train --preset photo-scratch --data photos --out run {SMALL} train.batch=4"
    ));
    assert!(!outcome.stderr.contains("are few"), "{}", outcome.stderr);
    let config = fs::read_to_string(place.path("run/config.toml")).unwrap();
    assert!(config.contains("\nbatch = 4\n"), "{config}");
}
