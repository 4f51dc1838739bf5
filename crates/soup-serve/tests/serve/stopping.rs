//! The end: what was taken in is answered.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use soup_data::ImageShape;

use crate::client::{Response, request};
use crate::models::{Running, SHAPE, model, options, png, toy};

#[test]
fn every_request_that_was_taken_in_is_answered() {
    let shape = ImageShape {
        height: 96,
        width: 96,
        channels: 1,
    };
    let mut server = Running::new(&model(shape, 4, 32, 1), options());
    let file = png(shape, 1);
    let (answered, refused, lost) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let client = server.client.clone();
    let totals = thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                // A client that keeps its connection as long as the server does.
                let mut stream = client.connect();
                loop {
                    let bytes = request("POST", "/predict", &[], &file);
                    if stream.write_all(&bytes).is_err() {
                        lost.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                    let Some(response) = Response::try_read(&mut stream) else {
                        lost.fetch_add(1, Ordering::SeqCst);
                        return;
                    };
                    let count = if response.status == 200 {
                        &answered
                    } else {
                        &refused
                    };
                    count.fetch_add(1, Ordering::SeqCst);
                    if response.status != 200 {
                        assert_eq!(response.status, 503);
                        assert_eq!(response.header("retry-after"), Some("1"));
                    }
                    if response.header("connection") == Some("close") {
                        return;
                    }
                }
            });
        }
        thread::sleep(Duration::from_millis(400));
        server.stop()
    });
    let [answered, refused, lost] = [answered, refused, lost].map(AtomicUsize::into_inner);
    assert_eq!(lost, 0);
    assert!(answered >= 24, "{answered}");
    assert_eq!(totals.requests as usize, answered + refused);
    assert_eq!(totals.images as usize, answered);
    assert!(
        std::net::TcpStream::connect_timeout(&client.address(), Duration::from_secs(1)).is_err()
    );
}

#[test]
fn a_server_that_stops_says_so() {
    let mut server = toy();
    // Connections that were open before.
    let mut ready = server.client.connect();
    let mut late = server.client.connect();
    let mut began = server.client.connect();
    began
        .write_all(b"POST /predict HTTP/1.1\r\nhost: t\r\ncontent-length: 4\r\n\r\nno")
        .unwrap();
    thread::sleep(Duration::from_millis(200));
    server.handle.stop();
    ready
        .write_all(&request("GET", "/v2/health/ready", &[], b""))
        .unwrap();
    let response = Response::read(&mut ready);
    assert_eq!(
        (response.status, response.json()["ready"].as_bool()),
        (503, Some(false))
    );
    late.write_all(&request("POST", "/predict", &[], &png(SHAPE, 1)))
        .unwrap();
    let response = Response::read(&mut late);
    assert_eq!(
        (response.status, response.header("connection")),
        (503, Some("close"))
    );
    // What had begun is taken to its end.
    began.write_all(b"ne").unwrap();
    assert_eq!(Response::read(&mut began).status, 415);
    server.stop();
}

#[test]
fn a_stop_without_a_request_is_quick() {
    let mut server = toy();
    let idle = server.client.connect();
    assert_eq!(server.stop().requests, 0);
    drop(idle);
}
