//! `watch`: the page of a run, from the command line.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::Value;

use crate::{
    place::Place,
    serve::{signal, start, trained},
};

pub fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_run_is_watched_until_a_signal() {
    let place = trained("watch");
    let (mut child, address, _log) = start(&place, "watch run --port 0 --json");
    let page = get(&address, "/");
    for part in [
        "Ended: every fold is trained.",
        "Loss by epoch: fold 0",
        "soup_nano",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let images = get(&address, "/images");
    assert!(images.contains("data:image/png;base64,"), "{images}");
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut said).unwrap();
    let facts: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(facts["address"], address);
}

#[test]
fn what_cannot_be_watched_is_named() {
    let place = Place::new("watch_bad");
    place.write("file", "x");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut table = String::new();
    for (code, arguments) in [
        (2, "watch".to_owned()),
        (2, "watch file --port 0".to_owned()),
        (1, format!("watch nowhere --port {port}")),
    ] {
        let said = place.failure(code, &arguments);
        table.push_str(&format!("$ soup {arguments}\n[{code}] {said}\n"));
    }
    insta::assert_snapshot!("bad_watching", table.replace(&port.to_string(), "PORT"));
}
