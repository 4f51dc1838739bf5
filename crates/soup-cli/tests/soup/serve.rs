//! `serve`: the program as its operator meets it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::place::Place;

pub fn trained(test: &str) -> Place {
    let place = crate::export::trained(test);
    place.json("export run --out letters.soup");
    place
}

/// Starts a server and reads its log up to the address.
pub fn start(place: &Place, arguments: &str) -> (Child, String, BufReader<impl Read>) {
    let mut child = place
        .command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        assert!(
            log.read_line(&mut line).unwrap() > 0,
            "no address in the log"
        );
    }
    let (_, address) = line.split_once("http://").unwrap();
    let end = address.find(|c: char| !c.is_ascii_digit() && !".:".contains(c));
    let address = address[..end.unwrap_or(address.len())].to_owned();
    (child, address, log)
}

fn ask(address: &str, request: &str, body: &[u8]) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
}

pub fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &pid])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_server_answers_as_predict_does_and_stops_in_peace() {
    let place = trained("serve");
    place.json("predict letters.soup --images set --out of_model.csv");
    let table = place.read("of_model.csv");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|row| row.split(',').collect())
        .collect();
    let (mut child, address, mut log) =
        start(&place, "serve letters.soup run --port 0 --log json --json");

    for model in ["letters", "run"] {
        for row in &rows {
            let number: usize = row[0].parse().unwrap();
            let image = fs::read(place.path(&format!("set/images/{number:05}.png"))).unwrap();
            let answer = ask(&address, &format!("POST /predict?model={model}"), &image);
            let answers = answer["pictures"][0]["answers"].as_array().unwrap();
            assert_eq!(answers.len(), 26);
            for (cell, answer) in row[1..].iter().zip(answers) {
                let expected: f32 = cell.parse().unwrap();
                assert_eq!(answer["probability"].as_f64().unwrap() as f32, expected);
            }
        }
    }
    // A sample of the model's own size, which it can read.
    let facts = ask(&address, "GET /v2/models/letters", b"");
    assert_eq!(facts["parameters"]["samples"], true);

    signal(&child, "-HUP");
    let mut read_again = 0;
    while read_again < 2 {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0);
        let line: Value = serde_json::from_str(&line).unwrap();
        read_again += usize::from(line["message"] == "read again");
    }
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let facts: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(facts["requests"], 33);
    assert_eq!(facts["pictures"], 32);
    assert_eq!(facts["models"], serde_json::json!(["letters", "run"]));
}

#[test]
fn what_cannot_be_served_is_named() {
    let place = trained("serve_bad");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    place
        .write(
            "other/letters.soup",
            fs::read(place.path("letters.soup")).unwrap(),
        )
        .write(
            "my letters.soup",
            fs::read(place.path("letters.soup")).unwrap(),
        )
        .write("half.soup", "x")
        .write("token", "secret");
    let cases = [
        (2, "serve"),
        (3, "serve nowhere.soup --port 0"),
        (3, "serve set --port 0"),
        (3, "serve half.soup --port 0"),
        (2, "serve letters.soup other/letters.soup --port 0"),
        (2, "serve my?letters.soup --port 0"),
        (3, "serve letters.soup --port 0 --token-file token"),
        (3, "serve letters.soup --port 0 --token-file nowhere"),
        (2, "serve letters.soup --port 0 --batch 0"),
        (2, "serve letters.soup --port 0 --max-pixels 0"),
        (2, "serve letters.soup --port 99999"),
        (1, &format!("serve letters.soup --port {port}")),
    ];
    let mut table = String::new();
    for (code, arguments) in cases {
        // A blank parts arguments; `?` stands for one inside.
        let words = arguments.split(' ').map(|word| word.replace('?', " "));
        let output = place.command("").args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        table.push_str(&format!(
            "$ soup {}\n[{code}] {said}\n",
            arguments.replace('?', " ")
        ));
    }
    insta::assert_snapshot!("bad_serving", table.replace(&port.to_string(), "PORT"));
}
