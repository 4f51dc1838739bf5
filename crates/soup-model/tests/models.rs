//! `model.soup`: what goes in comes out, and every file that is none is refused by name.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path, sync::atomic::AtomicBool};

use serde_json::{Value, json};
use soup_data::{Error as DataError, ImageShape, Source, dataset::Reading, transforms::Pipeline};
use soup_decide::views::Views;
use soup_devices::DeviceName;
use soup_graph::{Activation, Builder, Convolution, Graph, Weights};
use soup_model::{
    Error, ErrorKind, Member, Model, Origin, Precision, PredictOptions, Predictor, Question,
    Session,
};

static NEVER: AtomicBool = AtomicBool::new(false);
const IMAGE: ImageShape = ImageShape {
    height: 12,
    width: 10,
    channels: 1,
};

/// Three images of this shape, by formula.
struct Images(ImageShape);

impl Source for Images {
    fn len(&self) -> u64 {
        3
    }

    fn shape(&self) -> ImageShape {
        self.0
    }

    fn label_names(&self) -> &[String] {
        &[]
    }

    fn read(
        &self,
        index: u64,
        pixels: &mut [u8],
        _: &mut [f32],
    ) -> Result<Option<Vec<soup_data::Annotation>>, DataError> {
        for (at, pixel) in pixels.iter_mut().enumerate() {
            *pixel = ((at as u64 * (37 + index) + 11 * index) % 256) as u8;
        }
        Ok(None)
    }
}

/// A network of a map a label.
fn network(channels: usize) -> Graph {
    let mut net = Builder::new(ImageShape {
        channels,
        height: 12,
        width: 10,
    });
    let x = net.input();
    let x = net
        .convolution("stem", x, Convolution::square(8, 3).stride(2).with_bias())
        .unwrap();
    let x = net.activation(x, Activation::Relu);
    let x = net
        .convolution("label_map", x, Convolution::square(2, 1).with_bias())
        .unwrap();
    let x = net.log_sum_exp_pool(x, 4.0).unwrap();
    net.finish(&[x]).unwrap()
}

fn member(seed: u64) -> Member {
    let graph = network(1);
    let transforms: Pipeline =
        serde_json::from_value(json!([{"kind": "normalize", "mean": [0.5], "std": [0.25]}]))
            .unwrap();
    Member {
        weights: Weights::initial(&graph, seed),
        precision: Precision::F32,
        maps: soup_zoo::heads::label_map::maps(&graph),
        graph,
        transforms,
        origin: Origin {
            network: "of this test".to_owned(),
            file: "nowhere".to_owned(),
            fold: 1,
            epoch: 3,
            valid_accuracy: Some(0.75),
        },
    }
}

fn model(members: Vec<Member>) -> Model {
    Model {
        label_names: vec!["a".to_owned(), "b".to_owned()],
        image: IMAGE,
        reading: Reading::default(),
        thresholds: vec![0.5, 0.25],
        views: Views::plain(),
        decision: None,
        members,
    }
}

fn predict(path: &Path, image: ImageShape) -> Result<Vec<f32>, Error> {
    let predictor = Predictor::open(&[path.to_owned()], None)?;
    let options = PredictOptions {
        threads: 1,
        batch: 2,
        ..PredictOptions::default()
    };
    predictor.predict(&Images(image), &[0, 1, 2], &options, &mut |_, _| {}, &NEVER)
}

#[test]
fn a_model_comes_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.soup");
    let model = model(vec![member(1), member(2)]);
    model.write(&path).unwrap();
    let read = Model::read(&path).unwrap();
    assert_eq!(read.members[0].weights, model.members[0].weights);
    assert_eq!(read.to_bytes().unwrap(), model.to_bytes().unwrap());
    assert_eq!(read.to_onnx(true).unwrap(), model.to_onnx(true).unwrap());
    // Opened for predictions it is the same model.
    let predictor = Predictor::open(&[path], None).unwrap();
    assert_eq!(predictor.model(None).unwrap(), read);
}

#[test]
fn the_mean_of_members_reaches_the_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.soup");
    let answers = |members| {
        model(members).write(&path).unwrap();
        predict(&path, IMAGE).unwrap()
    };
    let plain = answers(vec![member(1)]);
    let other = answers(vec![member(2)]);
    let both = answers(vec![member(1), member(2)]);
    for ((both, plain), other) in both.iter().zip(&plain).zip(&other) {
        assert!((both - (plain + other) / 2.0).abs() < 1e-6);
    }
    assert!(plain.iter().zip(&other).any(|(a, b)| (a - b).abs() > 0.01));
}

#[test]
fn a_session_takes_the_views_of_the_predictor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.soup");
    let mut model = model(vec![member(1), member(2)]);
    for views in ["plain", "plain,rot90,scale:1.5", "rot180,hflip"] {
        model.views = views.parse().unwrap();
        model.write(&path).unwrap();
        let predictor = Predictor::open(std::slice::from_ref(&path), None).unwrap();
        assert_eq!(predictor.views(), &model.views);
        let options = PredictOptions {
            threads: 1,
            batch: 3,
            views: model.views.clone(),
            ..PredictOptions::default()
        };
        let expected = predictor
            .predict(&Images(IMAGE), &[0, 1, 2], &options, &mut |_, _| {}, &NEVER)
            .unwrap();
        let images = [0, 1, 2].map(|index| {
            let mut pixels = vec![0; IMAGE.len()];
            let loaded = Images(IMAGE).read(index, &mut pixels, &mut []);
            loaded.unwrap();
            pixels
        });
        let questions = images
            .each_ref()
            .map(|pixels| Question { pixels, maps: true });
        let mut session =
            Session::with_batch(&model, IMAGE, 2, &DeviceName::Auto.with_threads(2)).unwrap();
        let mut replies = vec![None; 3];
        session
            .run_all(&model, &questions, &mut |place, reply| {
                replies[place] = Some(reply);
            })
            .unwrap();
        for (reply, expected) in replies.into_iter().zip(expected.chunks_exact(2)) {
            let reply = reply.unwrap();
            // The predictor rounds what a network says before the mean over networks.
            for (got, expected) in reply.probabilities.iter().zip(expected) {
                assert!((got - expected).abs() < 1e-6, "{views}: {got}, {expected}");
            }
            // Maps are those of the image as it is.
            assert_eq!(reply.maps.is_some(), views.contains("plain"));
        }
    }
    assert!(
        model
            .to_onnx(false)
            .unwrap_err()
            .to_string()
            .contains("views")
    );
}

#[test]
fn images_of_another_size_are_answered_where_the_network_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.soup");
    model(vec![member(1)]).write(&path).unwrap();
    let larger = ImageShape {
        height: 30,
        width: 40,
        channels: 1,
    };
    assert_eq!(predict(&path, larger).unwrap().len(), 6);
    let colour = ImageShape {
        channels: 3,
        ..IMAGE
    };
    // Colour is converted to what the model was trained on.
    assert_eq!(predict(&path, colour).unwrap().len(), 6);
}

/// The file with its header changed.
fn changed(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let text = header["__metadata__"]["soup.model"].as_str().unwrap();
    let mut inner: Value = serde_json::from_str(text).unwrap();
    change(&mut inner);
    header["__metadata__"]["soup.model"] = inner.to_string().into();
    let mut text = header.to_string();
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    let mut changed = (text.len() as u64).to_le_bytes().to_vec();
    changed.extend(text.as_bytes());
    changed.extend(&bytes[8 + length..]);
    changed
}

#[test]
fn every_header_that_cannot_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.soup");
    let whole = model(vec![member(1)]).to_bytes().unwrap();
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 21] = [
        (
            |m| m["version"] = json!(2),
            "it has layout 2, and this program reads layout 1",
        ),
        (
            |m| m["version"] = json!("one"),
            "its `soup.model` cannot be read: invalid type",
        ),
        (|m| *m = json!([]), "its `soup.model` cannot be read"),
        (|m| m["more"] = json!(1), "unknown field `more`"),
        (
            |m| m["labels"] = json!([]),
            "its labels must be at least one",
        ),
        (
            |m| m["labels"] = json!(["a", "a"]),
            "its labels must be at least one, each named once",
        ),
        (
            |m| m["labels"] = json!(["a", "b", "c"]),
            "it needs 3 thresholds",
        ),
        (
            |m| m["thresholds"] = json!([0.5, 1.5]),
            "it needs 2 thresholds, each in 0 to 1",
        ),
        (|m| m["members"] = json!([]), "it holds no network"),
        (
            |m| m["picture"]["channels"] = json!(3),
            "has shape [8, 1, 3, 3] where the network needs [8, 3, 3, 3]",
        ),
        (
            |m| m["picture"]["height"] = json!(0),
            "its network 0: the image to transform",
        ),
        (
            |m| m["members"][0]["transforms"] = json!([{"kind": "sharpen"}]),
            "unknown variant `sharpen`",
        ),
        (
            |m| m["members"][0]["graph"]["layers"][0]["from"] = json!([5]),
            "layer 1: it reads layer 5",
        ),
        (
            |m| m["members"][0]["graph"]["layers"][0]["op"] = json!("attention"),
            "attention",
        ),
        (
            |m| m["members"][0]["graph"]["outputs"] = json!([1]),
            "it must give one logit for each of 2",
        ),
        (
            |m| m["members"][0]["graph"]["layers"][2]["channels"] = json!(3),
            "it must give one logit",
        ),
        (
            |m| m["members"][0]["graph"]["layers"][0]["channels"] = json!(9),
            "has shape [8, 1, 3, 3] where the network needs [9, 1, 3, 3]",
        ),
        (
            |m| m["members"][0]["graph"]["layers"][0]["name"] = json!("root"),
            "it misses 'members.0.root.bias'",
        ),
        (
            |m| m["members"][0]["maps"] = json!(2),
            "its node 2 holds no map",
        ),
        (
            |m| m["members"][0]["maps"] = json!(99),
            "its node 99 holds no map",
        ),
        (
            |m| m["members"][0]["calibration"] = json!({"scale": [1.0, 1.0], "bias": [0.0, 0.0]}),
            "expected unit",
        ),
    ];
    for (change, message) in cases {
        fs::write(&path, changed(&whole, change)).unwrap();
        let error = Model::read(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        let text = error.to_string();
        assert!(
            text.contains(message) && text.contains("model.soup"),
            "{message}: {text}"
        );
    }
    // Missing thresholds take their defaults.
    let bytes = changed(&whole, |m| {
        m.as_object_mut().unwrap().remove("thresholds");
    });
    fs::write(&path, bytes).unwrap();
    assert_eq!(Model::read(&path).unwrap().thresholds, [0.5, 0.5]);
}

/// Every truncation and many flipped bits: an error or the same model, never a panic.
#[test]
fn damage_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.soup");
    let whole = model(vec![member(1)]).to_bytes().unwrap();
    for length in (0..whole.len()).step_by(7) {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(
            Model::read(&path).unwrap_err().kind(),
            ErrorKind::Data,
            "{length}"
        );
    }
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x11;
        fs::write(&path, bytes).unwrap();
        if let Err(error) = Model::read(&path) {
            assert_eq!(error.kind(), ErrorKind::Data, "{place}: {error}");
        }
    }
}

#[test]
fn a_model_that_contradicts_itself_is_not_written() {
    let mut wrong = model(vec![member(1)]);
    wrong.thresholds = vec![0.5];
    let error = wrong.to_bytes().unwrap_err().to_string();
    assert_eq!(error, "the model: it needs 2 thresholds, each in 0 to 1");
    let mut mapless = model(vec![member(1)]);
    mapless.members[0].maps = None;
    let error = mapless.to_onnx(true).unwrap_err().to_string();
    assert!(error.contains("has no label maps"), "{error}");
}

/// Two networks that see colour images in different ways.
fn in_colour() -> Model {
    let with = |seed: u64, transforms: Value, channels: usize| {
        let graph = network(channels);
        Member {
            weights: Weights::initial(&graph, seed),
            graph,
            transforms: serde_json::from_value(transforms).unwrap(),
            ..member(seed)
        }
    };
    let first = json!([
        {"kind": "to_grey"},
        {"kind": "resize", "size": [20, 7]},
        {"kind": "center_crop", "size": [8, 9]},
        {"kind": "pad", "padding": [1, 2, 0, 2], "padding_mode": "reflect"},
        {"kind": "normalize", "mean": [0.5], "std": [0.25]}
    ]);
    let second = json!([
        {"kind": "resize", "size": [10, 9], "interpolation": "nearest"},
        {"kind": "pad", "padding": [1, 0, 0, 2], "fill": [10, 200, 30]},
        {"kind": "to_grey"},
        {"kind": "quantize", "edges": [0, 100, 200, 255]}
    ]);
    Model {
        image: ImageShape {
            height: 15,
            width: 12,
            channels: 3,
        },
        ..model(vec![with(1, first, 1), with(2, second, 4)])
    }
}

/// What ONNX Runtime makes of `in_colour.onnx`.
#[derive(serde::Deserialize)]
struct Expected {
    /// Images x 2.
    probabilities: Vec<f64>,
    /// Images x 2 x rows x columns.
    maps: Vec<f64>,
}

/// After a wanted change of what is written: run with `SOUP_WRITE_FIXTURES=1`, then
/// `fixtures/make_onnx.py`, then again without the variable.
#[test]
fn onnx_runtime_agrees_on_transforms_mean_and_maps() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let model = in_colour();
    let bytes = model.to_onnx(true).unwrap();
    let onnx = fixtures.join("in_colour.onnx");
    if std::env::var_os("SOUP_WRITE_FIXTURES").is_some() {
        fs::write(&onnx, &bytes).unwrap();
        return;
    }
    assert!(
        fs::read(&onnx).unwrap() == bytes,
        "what is written is no longer what ONNX Runtime was given"
    );
    let expected = fs::read(fixtures.join("in_colour.json")).unwrap();
    let expected: Expected = serde_json::from_slice(&expected).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.soup");
    model.write(&path).unwrap();
    let got = predict(&path, model.image).unwrap();
    assert_eq!(got.len(), expected.probabilities.len());
    for (got, expected) in got.iter().zip(&expected.probabilities) {
        assert!(
            (f64::from(*got) - expected).abs() < 1e-5,
            "{got}, ONNX Runtime {expected}"
        );
    }

    let mut maps = vec![0.0f64; expected.maps.len()];
    for member in &model.members {
        let graph = member.graph.clone();
        let graph = graph.with_outputs(member.maps).unwrap();
        let device = DeviceName::Auto.with_threads(1);
        let precision = soup_engine::Precision::F32;
        let mut inference = device.engine.inference(&graph, 1, precision).unwrap();
        inference.load(member.weights.clone());
        let shape = member.map_shape().unwrap();
        let (cells, labels) = (shape.height * shape.width, shape.channels);
        for (image, maps) in maps.chunks_exact_mut(cells * labels).enumerate() {
            let mut pixels = vec![0; model.image.len()];
            Images(model.image)
                .read(image as u64, &mut pixels, &mut [])
                .unwrap();
            let mut draws = soup_random::Stream::new(0, soup_random::Purpose::Augment, 0, 0);
            let mut scratch = soup_data::transforms::Scratch::new();
            let input = inference.input_mut();
            member
                .transforms
                .apply(&pixels, model.image, &mut draws, &mut scratch, input)
                .unwrap();
            inference.run();
            for (at, logit) in inference.output(1).iter().enumerate() {
                let heat = 1.0 / (1.0 + (-f64::from(*logit)).exp());
                maps[at % labels * cells + at / labels] += heat / model.members.len() as f64;
            }
        }
    }
    for (got, expected) in maps.iter().zip(&expected.maps) {
        assert!(
            (got - expected).abs() < 1e-5,
            "{got}, ONNX Runtime {expected}"
        );
    }
}

/// Bright images overflow this network, dark ones do not: those that have an answer get it, whatever stands beside them.
#[test]
fn what_is_no_number_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.soup");
    let mut member = member(1);
    let graph = member.graph.clone();
    for parameter in graph.parameters() {
        let value = match parameter.name() {
            "stem.weight" => 1e37,
            "label_map.weight" => 1.0,
            _ => 0.0,
        };
        member.weights.of_mut(parameter).fill(value);
    }
    let model = model(vec![member]);
    model.write(&path).unwrap();
    let error = predict(&path, IMAGE).unwrap_err();
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("of this test: what it says of image 2 "),
        "{error}"
    );

    let (dark, bright) = (vec![0; IMAGE.len()], vec![255; IMAGE.len()]);
    let images = [&dark, &bright, &dark, &dark, &bright];
    let questions = images.map(|pixels| Question { pixels, maps: true });
    let mut session =
        Session::with_batch(&model, IMAGE, 2, &DeviceName::Auto.with_threads(2)).unwrap();
    let mut answered = Vec::new();
    let mut note = |place, _| answered.push(place);
    let error = session.run_all(&model, &questions, &mut note).unwrap_err();
    assert!(matches!(error, Error::NoAnswer { image: 2, .. }), "{error}");
    assert_eq!(answered, [0, 2, 3]);
    assert!(session.run(&model, &bright).is_err());
    assert!(session.run(&model, &dark).is_ok());
}
