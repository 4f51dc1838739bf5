//! The page of a run, as browsers ask for it.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

use soup_train::{
    config::Config,
    runs::{EpochRecord, RunDirectory},
    trainer::{TrainRequest, train},
};
use soup_watch::{Handle, Watcher};

#[path = "../../soup-serve/tests/serve/client.rs"]
mod client;

use client::{Client, request};

/// A watcher that runs on a thread of its own.
struct Watching {
    client: Client,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    fn new(path: &Path) -> Self {
        let watcher = Watcher::bind(path, "127.0.0.1", 0).unwrap();
        Self {
            client: Client::new(watcher.address()),
            handle: watcher.handle(),
            thread: Some(std::thread::spawn(move || watcher.run().unwrap())),
        }
    }

    #[track_caller]
    fn page(&self, path: &str) -> String {
        let response = self.client.get(path);
        let text = String::from_utf8(response.body.clone()).unwrap();
        assert_eq!(response.status, 200, "{text}");
        text
    }

    fn stop(&mut self) {
        self.handle.stop();
        self.thread.take().unwrap().join().unwrap();
    }
}

/// The settings of a run that is trained in a second.
fn settings() -> Config {
    let settings = [
        "model.name=soup_nano",
        "data.compose_share=1",
        "data.composed=32",
        "data.composed_valid=16",
        "compose.width=64",
        "compose.height=64",
        "compose.side=[8,20]",
        "train.batch=8",
        "train.epochs=2",
        "train.threads=1",
    ];
    Config::load(Some("quick"), &settings.map(str::to_owned)).unwrap()
}

fn record(epoch: usize) -> EpochRecord {
    EpochRecord {
        fold: 0,
        epoch,
        step: 4 * epoch as u64,
        rate: 0.01,
        train_loss: 0.7 - 0.1 * epoch as f64,
        train_accuracy: 0.5,
        valid_loss: if epoch == 1 { f64::NAN } else { 0.6 },
        valid_accuracy: 0.5 + 0.1 * epoch as f64,
        valid_exact_match: 0.0,
        valid_map: 0.5,
        best: true,
        seconds: 3.0,
        images_per_second: 10.0,
        memory_mib: 100.0,
    }
}

/// A run that has come to this epoch.
fn run_at(path: &Path, epochs: usize) {
    let run = RunDirectory::at(path);
    run.begin(&settings()).unwrap();
    fs::create_dir_all(run.fold(0).root()).unwrap();
    let records: Vec<EpochRecord> = (1..=epochs).map(record).collect();
    run.fold(0).write_metrics(&records).unwrap();
    fs::write(run.fold(0).file("log.txt"), "line <1>\nline 2\n").unwrap();
}

/// A stream of events, read as far as a word.
struct Stream {
    stream: TcpStream,
    text: String,
}

impl Stream {
    fn open(client: &Client, path: &str) -> Self {
        let mut stream = client.connect();
        stream.write_all(&request("GET", path, &[], b"")).unwrap();
        Self {
            stream,
            text: String::new(),
        }
    }

    /// What came up to the end of the event that holds `word`.
    #[track_caller]
    fn until(&mut self, word: &str) -> String {
        let began = Instant::now();
        let mut piece = [0; 1 << 14];
        loop {
            if let Some(at) = self.text.find(word)
                && let Some(end) = self.text[at..].find("\n\n")
            {
                let rest = self.text.split_off(at + end + 2);
                return std::mem::replace(&mut self.text, rest);
            }
            let count = self.stream.read(&mut piece).unwrap();
            let in_time = count > 0 && began.elapsed() < Duration::from_secs(60);
            assert!(in_time, "no {word} in {}", self.text);
            self.text
                .push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    }
}

/// Every file of a folder, its length and when it was written.
fn listing(path: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let (entry, path) = entry
            .map(|entry| (entry.metadata().unwrap(), entry.path()))
            .unwrap();
        if entry.is_dir() {
            found.extend(listing(&path));
        }
        found.push((path, entry.len(), entry.modified().unwrap()));
    }
    found.sort();
    found
}

#[test]
fn the_page_holds_what_the_run_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("first <b>");
    run_at(&path, 1);
    let watching = Watching::new(&path);
    let response = watching.client.get("/");
    for (name, part) in [
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'",
        ),
        ("content-security-policy", "frame-ancestors 'none'"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-cache"),
    ] {
        let value = response.header(name).unwrap();
        assert!(value.contains(part), "{name}: {value}");
    }
    let page = watching.page("/");
    for part in [
        "<html lang=\"en\">",
        "<h1><img src=\"icon.svg\" alt=\"\" width=\"32\" height=\"32\"> first &lt;b&gt;</h1>",
        "Training. Fold 0: 1 of 2 epochs.",
        "Loss by epoch: fold 0, training from 0.6 to 0.6 in epoch 1",
        "Accuracy by epoch",
        "Learning rate by epoch",
        "soup_nano",
        "line &lt;1&gt;\nline 2",
        "href=\"?language=ko\"",
        "http-equiv=\"refresh\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for never in ["NaN", "style=", "http://", "https://", " onclick"] {
        assert!(!page.contains(never), "{never}");
    }
    let korean = watching
        .client
        .send("GET", "/", &[("accept-language", "ko-KR,ko;q=0.9")], b"");
    let korean = String::from_utf8(korean.body).unwrap();
    assert!(
        korean.contains("<html lang=\"ko\">") && korean.contains("폴드 0: 에포크 2개 중 1개 완료.")
    );
    assert!(watching.page("/?language=ko").contains("에포크별 손실"));
    for (asset, word) in [
        ("/page.css", ":root"),
        ("/watch.css", "svg .line"),
        ("/watch.js", "EventSource"),
        ("/icon.svg", "<svg"),
    ] {
        assert!(watching.page(asset).contains(word), "{asset}");
    }
}

#[test]
fn pages_hear_of_what_changes_and_nothing_breaks_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    // Not there yet, then empty, then a run.
    let mut watching = Watching::new(&path);
    let missing = "There is no run here.";
    assert!(watching.page("/").contains(missing));
    let mut events = Stream::open(&watching.client, "/events");
    let first = events.until("event: log");
    assert!(
        first.contains("200 OK") && first.contains("text/event-stream"),
        "{first}"
    );
    assert!(first.contains(missing));
    let mut korean = Stream::open(&watching.client, "/events?language=ko");
    korean.until("여기에는 실행이 없습니다");
    fs::create_dir(&path).unwrap();
    assert!(watching.page("/").contains(missing));
    assert!(
        watching
            .page("/images")
            .contains("There are no weights yet")
    );

    run_at(&path, 1);
    let begun = events.until("Loss by epoch: fold 0, training");
    assert!(begun.contains("event: curves"), "{begun}");
    events.until("event: log");
    run_at(&path, 2);
    let more = events.until("in epoch 2");
    assert!(more.contains("Ended: every fold is trained."), "{more}");
    korean.until("끝났습니다");

    let metrics = path.join("fold0/metrics.jsonl");
    let whole = fs::read(&metrics).unwrap();
    fs::write(&metrics, "{\"fold\":0\nnot JSON").unwrap();
    let damaged = events.until("metrics.jsonl");
    assert!(damaged.contains("line 1"), "{damaged}");
    // The settings were as before.
    assert!(!damaged.contains("event: settings"), "{damaged}");
    assert!(watching.page("/").contains("cannot be read"));
    fs::write(&metrics, whole).unwrap();
    events.until("Ended: every fold is trained.");
    fs::write(path.join("fold0/last.ckpt"), "SOUPCKPT").unwrap();
    events.until("last.ckpt");
    fs::write(path.join("config.toml"), "[[[").unwrap();
    events.until("config.toml");

    fs::remove_dir_all(&path).unwrap();
    events.until(missing);
    run_at(&path, 1);
    events.until("Fold 0: 1 of 2 epochs.");

    // Streams that are open do not keep it from ending.
    let began = Instant::now();
    watching.stop();
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn images_are_seen_by_the_newest_weights_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let request = TrainRequest {
        config: settings().check().unwrap(),
        run: &path,
        network: None,
        folds: None,
        plans_of: None,
    };
    train(&request, &mut (), &AtomicBool::new(false)).unwrap();
    let before = listing(&path);
    let watching = Watching::new(&path);
    assert!(watching.page("/").contains("Ended: every fold is trained."));
    let images = watching.page("/images");
    let of = |word: &str| images.matches(word).count();
    assert_eq!(of("aria-label=\"image "), 4, "{images}");
    assert!(of("data:image/png;base64,") >= 8 && of("aria-label=\"heat map of") >= 4);
    assert!(images.contains("Held-out images of fold 0, by the weights of epoch "));
    assert_eq!(images, watching.page("/images?set=0"));
    assert_ne!(images, watching.page("/images?set=4294967295"));
    assert!(
        watching
            .page("/images?language=ko")
            .contains("폴드 0의 검증 이미지")
    );
    // Without JavaScript the page holds them.
    let whole = watching.page("/?set=0");
    assert!(whole.contains("data:image/png;base64,") && !whole.contains("http-equiv"));
    assert!(whole.contains("set=1#images-title"));
    assert_eq!(before, listing(&path));

    // Weights that are none are named, and the page stays.
    fs::write(path.join("fold0/model.safetensors"), "x").unwrap();
    assert!(watching.page("/images").contains("model.safetensors"));
    assert!(watching.page("/").contains("Loss by epoch"));
}

#[test]
fn what_a_watcher_does_not_do() {
    let folder = tempfile::tempdir().unwrap();
    let watching = Watching::new(folder.path());
    for (status, method, path) in [
        (404, "GET", "/nowhere"),
        (405, "POST", "/"),
        (405, "DELETE", "/images"),
        (400, "GET", "/?language=fr"),
        (400, "GET", "/events?set=-1"),
        (400, "GET", "/images?set=4294967296"),
        (400, "GET", "/?sett=1"),
    ] {
        let response = watching.client.send(method, path, &[], b"");
        assert_eq!(response.status, status, "{method} {path}");
        assert!(!response.problem().is_empty());
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    }
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = Watcher::bind(&file, "127.0.0.1", 0).unwrap_err();
    assert!(error.to_string().contains("a run is a folder"), "{error}");
}
