//! More than the server takes: too large, too slow, too much at once.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use soup_data::PictureShape;
use soup_serve::{Limits, Options};

use crate::client::Response;
use crate::models::{Running, SHAPE, model, options, png, toy};

/// Slow enough that others have to wait.
const LARGE: PictureShape = PictureShape {
    height: 128,
    width: 128,
    channels: 1,
};

#[test]
fn a_full_queue_sends_clients_away_for_a_moment() {
    let mut options = options();
    (options.batch, options.queue, options.limits.pictures) = (2, 4, 2);
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
        assert!(response.problem().contains("pictures wait already"));
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

#[test]
fn connections_beyond_the_limit_wait_for_room() {
    let mut options = options();
    options.limits.connections = 2;
    options.limits.head_time = Duration::from_millis(500);
    let server = Running::new(&model(SHAPE, 1, 4, 1), options);
    let _idle = [server.client.connect(), server.client.connect()];
    // Answered once an idle one was let go.
    assert_eq!(server.client.post("/predict", &png(SHAPE, 1)).status, 200);
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
        pictures: 65,
        ..Limits::default()
    };
    let more = Options {
        limits,
        ..options()
    };
    assert!(problem(more).contains("a request of 65 pictures never fits into a queue of 64"));
}
