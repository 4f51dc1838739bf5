//! More than the server takes: too large, too slow, too much at once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use soup_data::ImageShape;
use soup_serve::{Limits, Options};

use crate::client::{Response, form, request};
use crate::models::{Running, SHAPE, model, options, png, toy};

/// Slow enough that others have to wait.
const LARGE: ImageShape = ImageShape {
    height: 128,
    width: 128,
    channels: 1,
};

#[test]
fn a_full_queue_sends_clients_away_for_a_moment() {
    let mut options = options();
    (options.batch, options.queue, options.limits.images) = (2, 4, 2);
    let server = Running::new(&model(LARGE, 6, 64, 1), options);
    let file = png(LARGE, 1);
    let responses: Vec<Response> = thread::scope(|scope| {
        let asking: Vec<_> = (0..40)
            .map(|_| scope.spawn(|| server.client.post("/predict", &file)))
            .collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let busy = responses.iter().filter(|response| response.status == 429);
    for response in busy.clone() {
        assert_eq!(response.header("retry-after"), Some("1"));
        assert!(response.problem().contains("images wait already"));
    }
    let good = responses.iter().filter(|response| response.status == 200);
    let good: Vec<_> = good.map(Response::good).collect();
    assert_eq!(good.len() + busy.count(), 40);
    assert!(
        (4..40).contains(&good.len()),
        "{} were answered",
        good.len()
    );
    assert!(good.iter().all(|answer| *answer == good[0]));
    // And afterwards there is room again.
    assert_eq!(server.client.post("/predict", &file).status, 200);
    let text = String::from_utf8(server.client.get("/metrics").body).unwrap();
    assert!(
        text.contains(r#"soup_requests_total{route="/predict",status="429"}"#),
        "{text}"
    );
    assert!(text.contains("\nsoup_waiting_pictures 0\n"), "{text}");
    assert!(text.contains("\nsoup_running_requests 1\n"), "{text}");
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let mut options = options();
    (options.limits.body, options.limits.bodies) = (1 << 16, 1 << 16);
    let server = Running::new(&model(SHAPE, 1, 4, 1), options);
    let mut stream = server.client.connect();
    stream
        .write_all(b"POST /predict HTTP/1.1\r\nhost: t\r\ncontent-length: 70000\r\n\r\n")
        .unwrap();
    let response = Response::read(&mut stream);
    assert_eq!(response.status, 413);
    assert!(response.problem().contains("a body may have 65536 bytes"));
    // Without a length it is noticed on the way.
    let mut stream = server.client.connect();
    stream
        .write_all(
            b"POST /predict HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n10000\r\n",
        )
        .unwrap();
    stream.write_all(&[0; 1 << 16]).unwrap();
    stream.write_all(b"\r\n1\r\nx").unwrap();
    assert_eq!(Response::read(&mut stream).status, 413);
    // All bodies together have room for one. Which of two gets it is theirs to race for, so each
    // round sends another half: one that came too late was refused itself.
    let mut halves = Vec::new();
    let mut found = 200;
    let began = Instant::now();
    while found != 429 && began.elapsed() < Duration::from_secs(20) {
        let mut half = server.client.connect();
        half.write_all(b"POST /predict HTTP/1.1\r\nhost: t\r\ncontent-length: 65536\r\n\r\n")
            .unwrap();
        // Refused on the way where the halves before it hold all there is.
        let _ = half.write_all(&[0; 1 << 15]);
        halves.push(half);
        found = server.client.post("/predict", &[0; 1 << 16]).status;
    }
    assert_eq!(found, 429);
    drop(halves);
    let began = Instant::now();
    while found != 200 && began.elapsed() < Duration::from_secs(20) {
        found = server.client.post("/predict", &png(SHAPE, 1)).status;
    }
    assert_eq!(found, 200);
}

#[test]
fn clients_that_dawdle_are_let_go() {
    let mut options = options();
    options.limits.head_time = Duration::from_millis(300);
    options.limits.body_time = Duration::from_millis(300);
    let server = Running::new(&model(SHAPE, 1, 4, 1), options);
    let mut silent = server.client.connect();
    let mut head = server.client.connect();
    head.write_all(b"POST /predict HTTP/1.1\r\nhost").unwrap();
    let mut body = server.client.connect();
    body.write_all(b"POST /predict HTTP/1.1\r\nhost: t\r\ncontent-length: 9\r\n\r\n123")
        .unwrap();
    assert_eq!(Response::read(&mut body).status, 408);
    // The others never finished a request: a 408, or just the end.
    for stream in [&mut silent, &mut head] {
        let status = Response::try_read(stream).map_or(408, |response| response.status);
        assert_eq!(status, 408);
    }
}

/// Asks for an answer with maps that does not fit into the system's buffers, and reads nothing.
fn lazy(server: &Running, body: &(String, Vec<u8>)) -> TcpStream {
    let mut stream = server.client.connect();
    let kind = [("content-type", body.0.as_str())];
    let bytes = request("POST", "/predict?maps=true", &kind, &body.1);
    stream.write_all(&bytes).unwrap();
    stream
}

/// A form whose answer with maps has megabytes.
fn large_question() -> (String, Vec<u8>) {
    let file = png(LARGE, 1);
    let images: Vec<(&str, Vec<u8>)> = (0..32).map(|_| ("a.png", file.clone())).collect();
    form("image", &images)
}

#[track_caller]
fn assert_healthy(server: &Running) {
    let began = Instant::now();
    assert_eq!(server.client.get("/v2/health/live").status, 200);
    let time = began.elapsed();
    assert!(time < Duration::from_secs(1), "health took {time:?}");
}

/// Waits for a line of the metrics.
#[track_caller]
fn wait_for(server: &Running, what: impl Fn(&str) -> bool) {
    let began = Instant::now();
    let mut text = String::new();
    while began.elapsed() < Duration::from_secs(30) {
        text = String::from_utf8(server.client.get("/metrics").body).unwrap();
        if text.lines().any(&what) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{text}");
}

fn counts(line: &str, reason: &str, least: u64) -> bool {
    let start = format!("soup_connections_closed_total{{reason=\"{reason}\"}} ");
    let count = line.strip_prefix(&start);
    count.is_some_and(|count| count.parse::<u64>().unwrap() >= least)
}

fn holds_answers(line: &str) -> bool {
    let bytes = line.strip_prefix("soup_answer_bytes ");
    bytes.is_some_and(|bytes| bytes.parse::<u64>().unwrap() > 0)
}

#[test]
fn clients_that_read_nothing_keep_nobody_out() {
    let mut options = options();
    options.limits.connections = 2;
    let server = Running::new(&model(LARGE, 1, 4, 1), options);
    let question = large_question();
    let mut lazies = Vec::new();
    for _ in 0..2 {
        lazies.push(lazy(&server, &question));
        wait_for(&server, holds_answers);
    }
    assert_healthy(&server);
    // The one that waits for its client longest makes room for who asks.
    let answer = server.client.post("/predict", &png(LARGE, 1));
    assert_eq!(answer.status, 200);
    wait_for(&server, |line| counts(line, "displaced", 1));
    assert_healthy(&server);
}

#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let mut options = options();
    options.limits.write_time = Duration::from_millis(500);
    let server = Running::new(&model(LARGE, 1, 4, 1), options);
    let _lazy = lazy(&server, &large_question());
    wait_for(&server, holds_answers);
    wait_for(&server, |line| counts(line, "unread", 1));
    wait_for(&server, |line| line == "soup_answer_bytes 0");
}

#[test]
fn a_slow_reader_that_goes_on_gets_all_of_its_answer() {
    let mut options = options();
    options.limits.write_time = Duration::from_millis(1500);
    let head_time = Duration::from_millis(500);
    options.limits.head_time = head_time;
    let server = Running::new(&model(LARGE, 1, 4, 1), options);
    let mut slow = lazy(&server, &large_question());
    let (mut taken, mut piece) = (Vec::new(), vec![0; 1 << 17]);
    let began = Instant::now();
    let whole = loop {
        thread::sleep(Duration::from_millis(20));
        let count = slow.read(&mut piece).unwrap();
        taken.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&taken[..taken.len().min(1000)]);
        let length = text.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
        if count == 0 || length.is_some_and(|length| taken.len() > length) {
            break length.unwrap();
        }
    };
    assert!(taken.len() > whole && whole > 1 << 21, "{whole}");
    // Longer than a head may take: the next one is not waited for while an answer is taken.
    assert!(began.elapsed() > head_time, "{:?}", began.elapsed());
}

#[test]
fn answers_that_wait_have_a_limit_together() {
    let mut options = options();
    options.limits.answers = 40 << 20;
    let server = Running::new(&model(LARGE, 1, 4, 1), options.clone());
    let question = large_question();
    let mut lazies = Vec::new();
    for number in 1..=4 {
        lazies.push(lazy(&server, &question));
        // One after the other, as the queue does not take the images of all.
        let taken = format!("soup_pictures_total{{model=\"toy\"}} {}", 32 * number);
        wait_for(&server, |line| line == taken);
    }
    // None is held for ever: those that read nothing are displaced once others want the room.
    wait_for(&server, |line| counts(line, "displaced", 1));
    let text = String::from_utf8(server.client.get("/metrics").body).unwrap();
    let bytes = text
        .lines()
        .find_map(|line| line.strip_prefix("soup_answer_bytes "));
    assert!(
        bytes.unwrap().parse::<usize>().unwrap() <= 40 << 20,
        "{text}"
    );
    assert_healthy(&server);
    // What could never fit is refused before it is calculated.
    options.limits.answers = 1 << 20;
    let server = Running::new(&model(LARGE, 1, 4, 1), options);
    let kind = [("content-type", question.0.as_str())];
    let refused = server
        .client
        .send("POST", "/predict?maps=true", &kind, &question.1);
    assert_eq!(refused.status, 413);
    assert!(
        refused.problem().contains("ask for fewer at once"),
        "{}",
        refused.problem()
    );
}

#[test]
fn connections_that_ask_nothing_take_no_place() {
    let mut options = options();
    options.limits.connections = 2;
    let server = Running::new(&model(SHAPE, 1, 4, 1), options);
    // More than the places and what is spare: the ones that wait longest make room.
    let _idle: Vec<TcpStream> = (0..200).map(|_| server.client.connect()).collect();
    assert_healthy(&server);
    assert_eq!(server.client.post("/predict", &png(SHAPE, 1)).status, 200);
    wait_for(&server, |line| counts(line, "displaced", 100));
}

#[test]
fn bodies_that_never_end_make_room() {
    let mut options = options();
    options.limits.connections = 2;
    let server = Running::new(&model(SHAPE, 1, 4, 1), options);
    let _halves: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut half = server.client.connect();
            half.write_all(b"POST /predict HTTP/1.1\r\nhost: t\r\ncontent-length: 9\r\n\r\n123")
                .unwrap();
            half
        })
        .collect();
    wait_for(&server, |line| line == "soup_running_requests 3");
    assert_healthy(&server);
    assert_eq!(server.client.post("/predict", &png(SHAPE, 1)).status, 200);
    wait_for(&server, |line| counts(line, "displaced", 1));
}

#[test]
fn where_all_are_busy_the_next_one_is_refused() {
    let mut options = options();
    (options.limits.connections, options.batch) = (1, 1);
    options.limits.room_time = Duration::from_millis(50);
    let server = Running::new(&model(LARGE, 24, 64, 1), options);
    let mut busy = server.client.connect();
    let (kind, body) = large_question();
    let bytes = request("POST", "/predict", &[("content-type", &kind)], &body);
    busy.write_all(&bytes).unwrap();
    wait_for(&server, |line| line == "soup_running_requests 2");
    let refused = server.client.post("/predict", &png(LARGE, 1));
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("connection"), Some("close"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(
        refused.problem().contains("all 1 connections"),
        "{}",
        refused.problem()
    );
    assert_healthy(&server);
    assert_eq!(Response::read(&mut busy).status, 200);
}

#[test]
fn a_lone_request_does_not_wait_for_company() {
    let server = Running::new(
        &model(SHAPE, 1, 4, 1),
        Options {
            window: Duration::from_secs(5),
            ..options()
        },
    );
    let began = Instant::now();
    for number in 0..3 {
        assert_eq!(
            server.client.post("/predict", &png(SHAPE, number)).status,
            200
        );
    }
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn settings_that_make_no_sense() {
    let server = toy();
    let path = server.folder.path().join("toy.soup");
    let problem = |options: Options| {
        let bound = soup_serve::Server::bind(std::slice::from_ref(&path), "127.0.0.1", 0, options);
        bound.unwrap_err().to_string()
    };
    let none = Options {
        batch: 0,
        ..options()
    };
    assert_eq!(problem(none), "the limit `batch` must be at least 1");
    let limits = Limits {
        images: 65,
        ..Limits::default()
    };
    let more = Options {
        limits,
        ..options()
    };
    assert!(problem(more).contains("a request of 65 images never fits into a queue of 64"));
}
