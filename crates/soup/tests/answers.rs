//! A model that is written answers for images of several shapes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use soup::{Image, Model};
use soup_data::{ImageShape, dataset::Reading};
use soup_decide::views::Views;
use soup_graph::{Builder, Convolution, Weights};
use soup_model::{Member, Model as Networks, Origin, Precision};

/// A network that says `bright` of images brighter than grey, `dark` of the others.
fn brightness() -> Networks {
    let mut net = Builder::new(ImageShape {
        channels: 1,
        height: 4,
        width: 4,
    });
    let x = net.input();
    let x = net
        .convolution("conv", x, Convolution::square(2, 1).with_bias())
        .unwrap();
    let x = net.average_pool(x).unwrap();
    let graph = net.finish(&[x]).unwrap();
    let mut weights = Weights::zeros(&graph);
    let filters = graph.parameter("conv.weight").unwrap();
    weights.of_mut(filters).copy_from_slice(&[8.0, -8.0]);
    let bias = graph.parameter("conv.bias").unwrap();
    weights.of_mut(bias).copy_from_slice(&[-4.0, 4.0]);
    Networks {
        label_names: vec!["bright".to_owned(), "dark".to_owned()],
        image: ImageShape {
            height: 4,
            width: 4,
            channels: 1,
        },
        thresholds: vec![0.5, 0.99],
        reading: Reading::default(),
        views: Views::plain(),
        decision: None,
        members: vec![Member {
            graph,
            weights,
            precision: Precision::default(),
            maps: None,
            transforms: serde_json::from_str(r#"[{"kind": "to_grey"}, {"kind": "to_unit"}]"#)
                .unwrap(),
            origin: Origin {
                network: "brightness".to_owned(),
                file: String::new(),
                fold: 0,
                epoch: 1,
                valid_accuracy: None,
            },
        }],
    }
}

#[test]
fn a_image_is_answered_in_five_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.soup");
    brightness().write(&path).unwrap();
    let model = Model::load(&path).unwrap();
    assert_eq!(model.labels(), ["bright", "dark"]);
    for (height, width, channels, value) in
        [(4, 4, 1, 255), (9, 5, 3, 255), (4, 4, 1, 0), (4, 4, 1, 0)]
    {
        let image = Image::new(
            height,
            width,
            channels,
            vec![value; height * width * channels],
        );
        let answers = model.predict(&image.unwrap()).unwrap();
        let bright = if value > 0 { 4.0f64 } else { -4.0 };
        let expected = 1.0 / (1.0 + (-bright).exp());
        assert!((f64::from(answers[0].probability) - expected).abs() < 1e-3);
        assert!((f64::from(answers[1].probability) - (1.0 - expected)).abs() < 1e-3);
        // 0.982 is above one half and below the other label's own threshold.
        assert_eq!((answers[0].found, answers[1].found), (value > 0, false));
    }
}

/// Sixteen bits of which twelve are used: the model says what is white.
#[test]
fn values_are_scaled_as_the_model_learned_them() {
    // A grey PNG of 4 x 4 pixels, each 4095.
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, 4, 4);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Sixteen);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[0x0f, 0xff].repeat(16)).unwrap();
    writer.finish().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.soup");
    for (max_value, is_bright) in [(None, false), (Some(4095), true)] {
        let network = Networks {
            reading: Reading {
                max_value,
                ..Reading::default()
            },
            ..brightness()
        };
        network.write(&path).unwrap();
        let model = Model::load(&path).unwrap();
        let image = Image::decode(&bytes).unwrap();
        assert_eq!(model.predict(&image).unwrap()[0].found, is_bright);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let error = Image::new(2, 2, 1, vec![0; 5]).unwrap_err().to_string();
    assert!(error.contains("5 bytes for 2 rows of 2 pixels"), "{error}");
    let error = Image::decode(b"\0\0\0\x18ftypheic")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "the image: a file in the format HEIF, which is not read; convert it to one of PNG, JPEG, WebP, GIF, BMP, TIFF, PNM \
         and QOI"
    );
    let error = Image::open("nowhere.png").unwrap_err().to_string();
    assert!(error.starts_with("nowhere.png: "), "{error}");
    assert!(Model::load("nowhere.soup").is_err());
}

#[test]
fn the_letters_are_carried() {
    let model = Model::letters().unwrap();
    assert_eq!(model.labels().len(), 26);
    let image = Image::new(256, 256, 1, vec![0; 256 * 256]).unwrap();
    let found = model.predict(&image).unwrap();
    assert!(found.iter().all(|answer| !answer.found), "{found:?}");
}
