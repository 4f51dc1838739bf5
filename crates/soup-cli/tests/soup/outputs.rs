//! Where results go: only regular files are replaced, and nothing is written under a name that means something else.
#![cfg(unix)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};

use crate::place::Place;

const PROBABILITIES: &str = "index,a,b\n1,0.2,0.7\n2,0.9,0.1\n";

fn place(test: &str) -> Place {
    let place = Place::new(test);
    place
        .write("p.csv", PROBABILITIES)
        .write("l.csv", "index,a,b\n1,0,1\n2,1,0\n");
    place
}

/// Verbs that write one file, without its name, and how the file begins.
const VERBS: [(&str, &str); 4] = [
    ("ensemble p.csv --out", "index,a,b\n1,0.2,0.7\n"),
    ("submit p.csv --sample l.csv --out", "index,a,b\n1,0,1\n"),
    (
        "folds --data l.csv --k 2 --out",
        "{\"format\":\"soup-folds\"",
    ),
    (
        "subset --labels l.csv --count 1 --out",
        "{\"format\":\"soup-subset\"",
    ),
];

#[test]
fn a_dash_is_stdout_and_holds_the_file_alone() {
    let place = place("dash");
    let before = place.files();
    for (verb, begin) in VERBS {
        for name in ["-", "/dev/stdout", "/dev/fd/1"] {
            let outcome = place.soup(&format!("{verb} {name}"));
            assert_eq!(outcome.code, 0, "{verb} {name}: {}", outcome.stderr);
            assert!(
                outcome.stdout.starts_with(begin),
                "{verb} {name}: {}",
                outcome.stdout
            );
            assert_ne!(outcome.stderr, "", "{verb} {name}");
        }
        let outcome = place.soup(&format!("{verb} - --json"));
        assert!(outcome.stdout.starts_with(begin));
        let last = outcome.stderr.lines().last().unwrap();
        assert!(last.starts_with('{'), "{}", outcome.stderr);
    }
    assert_eq!(place.files(), before, "no file is called -");
}

#[test]
fn a_pipe_is_written_into() {
    let place = place("pipe_out");
    let pipe = place.path("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    for (verb, begin) in VERBS {
        let mut reader = Command::new("cat")
            .arg(&pipe)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let outcome = place.soup(&format!("{verb} pipe"));
        assert_eq!(outcome.code, 0, "{verb}: {}", outcome.stderr);
        let mut got = String::new();
        reader
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut got)
            .unwrap();
        reader.wait().unwrap();
        assert!(got.starts_with(begin), "{verb}: {got}");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo(), "{verb}");
    }
}

/// The disk that is always full.
const FULL: &str = "/dev/full";

#[test]
fn devices_and_links_stay_what_they_are() {
    let place = place("devices");
    for (verb, begin) in VERBS {
        let outcome = place.soup(&format!("{verb} /dev/null"));
        assert_eq!(outcome.code, 0, "{verb}: {}", outcome.stderr);
        assert!(
            fs::metadata("/dev/null")
                .unwrap()
                .file_type()
                .is_char_device()
        );
        let message = place.failure(1, &format!("{verb} {FULL}"));
        let named = format!("error: cannot write {FULL}");
        assert_eq!(message.matches(&named).count(), 1, "{message}");

        let kind = if begin.starts_with('{') {
            "json"
        } else {
            "csv"
        };
        let (real, link) = (format!("there/real.{kind}"), format!("link.{kind}"));
        let _ = fs::remove_file(place.path(&link));
        place.write(&real, begin);
        fs::remove_file(place.path(&real)).unwrap();
        symlink(&real, place.path(&link)).unwrap();
        assert_eq!(place.soup(&format!("{verb} {link}")).code, 0, "{verb}");
        assert!(place.path(&link).is_symlink(), "{verb}");
        assert!(place.read(&real).starts_with(begin), "{verb}");
    }
    place.write("kept.csv", "old");
    let kept = place.path("kept.csv");
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o640)).unwrap();
    place.json("ensemble p.csv --out kept.csv");
    assert_eq!(place.read("kept.csv"), PROBABILITIES);
    assert_eq!(
        fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o640
    );
}

#[test]
fn names_that_mean_something_else_are_refused_before_the_work() {
    let place = place("names");
    place.write("folder/x", "");
    for (verb, name, part) in [
        (VERBS[0].0, "e.xlsx", "end the name in .csv, .csv.gz, .npy"),
        (VERBS[0].0, "e.json", "end the name in"),
        (VERBS[1].0, "s.npy", "end the name in .csv, .csv.gz"),
        (VERBS[2].0, "f.csv", "end the name in .json"),
        (VERBS[3].0, "s.yaml", "end the name in .json"),
        (
            "predict letters --images nowhere --out",
            "p.parquet",
            "end the name in",
        ),
        (VERBS[0].0, "folder", "it is a folder; name a file in it"),
        (VERBS[2].0, "folder", "it is a folder; name a file in it"),
        (VERBS[0].0, "p.csv/e.csv", "its folder is a file"),
    ] {
        let message = place.failure(2, &format!("{verb} {name}"));
        assert!(message.contains(part), "{verb} {name}: {message}");
    }
    for (verb, name) in [
        (VERBS[0].0, "new/e.csv"),
        (VERBS[1].0, "s.CSV.GZ"),
        (VERBS[2].0, "new/folds"),
        (VERBS[3].0, "newer/still/s.json"),
    ] {
        let outcome = place.soup(&format!("{verb} {name}"));
        assert_eq!(outcome.code, 0, "{verb} {name}: {}", outcome.stderr);
        assert!(place.path(name).is_file());
    }
    assert!(
        fs::read(place.path("s.CSV.GZ"))
            .unwrap()
            .starts_with(&[0x1f, 0x8b])
    );
}
