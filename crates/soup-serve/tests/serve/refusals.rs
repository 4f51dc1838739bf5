//! Requests that get no answer, and why.

use std::io::Write;

use soup_serve::Token;

use crate::client::{Response, form, request};
use crate::models::{Running, SHAPE, model, options, png, toy};

/// A PNG header that claims an image of a billion pixels, with nothing behind it.
fn bomb(side: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(side.to_be_bytes());
    bytes.extend(side.to_be_bytes());
    bytes.extend(b"\x08\x00\x00\x00\x00");
    bytes
}

#[test]
fn what_is_wrong_with_a_image_is_named() {
    let server = toy();
    let good = png(SHAPE, 1);
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    let mut jpeg = vec![0xff, 0xd8, 0xff, 0xe0];
    jpeg.extend([0; 20]);
    let cases: [(u16, &str, Vec<u8>, &str); 14] = [
        (
            415,
            "/predict",
            vec![],
            "there is no image; send a file in one of the formats PNG, JPEG, ",
        ),
        (
            415,
            "/predict",
            b"\xff\x0ax".to_vec(),
            "a file in the format JPEG XL, which is not read; convert it",
        ),
        (
            400,
            "/predict",
            good[..20].to_vec(),
            "damaged PNG: the file is cut short",
        ),
        (
            400,
            "/predict",
            good[..good.len() - 9].to_vec(),
            "damaged PNG: the file is cut short",
        ),
        (
            400,
            "/predict",
            flipped,
            "damaged PNG: the checksum of chunk IDAT does not match",
        ),
        (400, "/predict", jpeg, "damaged JPEG"),
        (
            413,
            "/predict",
            bomb(30_000),
            "the image has 30000 x 30000 pixels, and this server decodes at most 4194304",
        ),
        (413, "/predict", bomb(u32::MAX), "scale it down"),
        (400, "/predict", bomb(0), "damaged PNG"),
        (
            400,
            "/predict?threshold=2",
            good.clone(),
            "threshold=2 is not in 0 to 1",
        ),
        (
            400,
            "/predict?threshold=NaN",
            good.clone(),
            "threshold=NaN is not in 0 to 1",
        ),
        (
            400,
            "/predict?treshold=0.5",
            good.clone(),
            "unknown field `treshold`",
        ),
        (400, "/predict?maps=perhaps", good.clone(), "maps"),
        (
            404,
            "/predict?model=other",
            good,
            "no model has this name; served are: toy",
        ),
    ];
    for (status, path, body, problem) in cases {
        let response = server.client.post(path, &body);
        let found = response.problem();
        assert_eq!(response.status, status, "{found}");
        assert!(found.contains(problem), "{problem}: {found}");
    }
    // The server is as well as before.
    assert_eq!(server.client.post("/predict", &png(SHAPE, 1)).status, 200);
}

#[test]
fn what_is_wrong_with_a_form_is_named() {
    let server = toy();
    let good = || png(SHAPE, 1);
    let problem = |images: &[(&str, Vec<u8>)]| server.client.form("/predict", images).problem();
    assert_eq!(
        problem(&[("a.png", good()), ("b.png", b"text".to_vec())]),
        "b.png: no image in a format that is read (PNG, JPEG, WebP, GIF, BMP, TIFF, PNM and QOI)"
    );
    let cut = good()[..good().len() - 5].to_vec();
    assert_eq!(
        problem(&[("a.png", good()), ("b.png", cut)]),
        "b.png: damaged PNG: the file is cut short"
    );
    assert!(problem(&[]).starts_with("the form has no image"));
    let many: Vec<(&str, Vec<u8>)> = (0..33).map(|_| ("a.png", good())).collect();
    let response = server.client.form("/predict", &many);
    assert_eq!(response.status, 413);
    assert!(response.problem().contains("a request may hold 32 images"));

    let (kind, body) = form("file", &[("a.png", good())]);
    let send = |kind: &str, body: &[u8]| {
        let headers = [("content-type", kind)];
        server.client.send("POST", "/predict", &headers, body)
    };
    assert!(
        send(&kind, &body)
            .problem()
            .contains("images are taken from `image`")
    );
    for (kind, body) in [
        ("multipart/form-data", &body[..]),
        (&kind, &body[..body.len() / 2]),
        (&kind, b"nothing of the kind"),
        ("multipart/form-data; boundary=other", &body),
    ] {
        let response = send(kind, body);
        assert_eq!(response.status, 400, "{kind}");
        assert!(
            response.problem().starts_with("the form"),
            "{}",
            response.problem()
        );
    }
}

#[test]
fn addresses_and_methods_that_there_are_not() {
    let server = toy();
    let client = &server.client;
    for (status, method, path) in [
        (404, "GET", "/nothing"),
        (404, "GET", "/v2/models/other"),
        (404, "GET", "/v2/models/other/ready"),
        (404, "POST", "/v2/models/other/infer"),
        (404, "GET", "/v2/models/toy/versions/2"),
        (404, "POST", "/v2/models/toy/versions/2/infer"),
        (404, "POST", "/v2/repository/models/other/load"),
        (404, "POST", "/v2/repository/models/toy/unload"),
        (404, "GET", "/../../etc/passwd"),
        (404, "GET", "/sample/1"),
        (400, "GET", "/sample/-1"),
        (400, "GET", "/v2/models/%ff"),
        (405, "GET", "/predict"),
        (405, "DELETE", "/v2"),
    ] {
        let response = client.send(method, path, &[], b"");
        assert_eq!(response.status, status, "{method} {path}");
        assert!(!response.problem().is_empty(), "{method} {path}");
    }
    let load = client.post(
        "/v2/repository/models/toy/load",
        br#"{"parameters": {"config": "{}"}}"#,
    );
    assert_eq!(load.status, 400);
    assert!(load.problem().contains("`config`"));
}

#[test]
fn several_models_want_a_name() {
    let (one, two) = (model(SHAPE, 1, 4, 1), model(SHAPE, 1, 4, 2));
    let server = Running::several(&[("one", &one), ("two", &two)], options());
    let problem = server.client.post("/predict", &png(SHAPE, 1)).problem();
    assert!(
        problem.contains("name one of them with ?model=: one, two"),
        "{problem}"
    );
    let answer = |model: &str| {
        let path = format!("/predict?model={model}");
        server.client.post(&path, &png(SHAPE, 1)).good()["pictures"].clone()
    };
    assert_ne!(answer("one"), answer("two"));
}

#[test]
fn only_the_token_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    for (text, problem) in [
        ("short", "at least 16"),
        ("two words in one line", "one word"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Token::read(&path).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    std::fs::write(&path, "  0123456789abcdef\n").unwrap();
    let mut options = options();
    options.token = Some(Token::read(&path).unwrap());
    let server = Running::new(&model(SHAPE, 1, 4, 1), options);
    let ask = |value: &str| {
        let headers = [("authorization", value)];
        let body = png(SHAPE, 1);
        server.client.send("POST", "/predict", &headers, &body)
    };
    for wrong in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer 0123456789abcdee",
        "Bearer 0123456789abcdef0",
        "Basic 0123456789abcdef",
    ] {
        let response = ask(wrong);
        assert_eq!(response.status, 401, "{wrong}");
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(ask("Bearer 0123456789abcdef").status, 200);
    assert_eq!(ask("bearer 0123456789abcdef").status, 200);
    for (path, status) in [
        ("/", 200),
        ("/v2/health/ready", 200),
        ("/metrics", 401),
        ("/v2/models/toy", 401),
    ] {
        assert_eq!(server.client.get(path).status, status, "{path}");
    }
}

#[test]
fn bytes_that_are_no_request() {
    let server = toy();
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000));
    let many: String = (0..500).map(|n| format!("x-{n}: y\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\n{many}\r\n");
    let large = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(100_000));
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..],
        b"hello\r\n\r\n",
        b"POST /predict HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        long.as_bytes(),
        many.as_bytes(),
        large.as_bytes(),
    ] {
        let mut stream = server.client.connect();
        // A server that has seen enough may close while we write.
        let _ = stream.write_all(bytes);
        if let Some(response) = Response::try_read(&mut stream) {
            assert!((400..500).contains(&response.status), "{}", response.head);
        }
    }
    let compressed = [("content-encoding", "gzip")];
    let response = server
        .client
        .send("POST", "/predict", &compressed, &png(SHAPE, 1));
    assert_eq!(response.status, 415);
    // Two requests on one connection.
    let mut stream = server.client.connect();
    for _ in 0..2 {
        let bytes = request("POST", "/predict", &[], &png(SHAPE, 1));
        stream.write_all(&bytes).unwrap();
        assert_eq!(Response::read(&mut stream).status, 200);
    }
}
