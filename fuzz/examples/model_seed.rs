//! Writes the seed of the target `model`: `cargo run --example model_seed -- seeds/model/toy.soup`.

use serde_json::json;
use soup_data::ImageShape;
use soup_graph::{Builder, Convolution, ImageShape, Weights};
use soup_model::{Calibration, Member, Model, Origin, Precision};

const LABELS: [&str; 2] = ["cat", "dog"];

fn main() {
    let path = std::env::args().nth(1).expect("the file to write");
    let image = ImageShape {
        height: 8,
        width: 6,
        channels: 1,
    };
    let mut net = Builder::new(ImageShape {
        channels: 1,
        height: 8,
        width: 6,
    });
    let input = net.input();
    let spec = Convolution::square(4, 3).with_bias();
    let inner = net.convolution("inner", input, spec).expect("a layer");
    let spec = Convolution::square(2, 1).with_bias();
    let maps = net.convolution("maps", inner, spec).expect("a layer");
    let peaks = net.log_sum_exp_pool(maps, 2.0).expect("a layer");
    let graph = net.finish(&[peaks]).unwrap();
    let member = Member {
        maps: Some(maps),
        weights: Weights::initial(&graph, 1),
        graph,
        precision: Precision::default(),
        transforms: serde_json::from_str(r#"[{"kind": "to_grey"}, {"kind": "to_unit"}]"#)
            .expect("transforms"),
        calibration: Some(Calibration {
            scale: vec![1.5, 0.5],
            bias: vec![0.0, 0.25],
        }),
        origin: Origin {
            network: "toy".to_owned(),
            file: "toy".to_owned(),
            fold: 0,
            epoch: 1,
            valid_accuracy: Some(0.75),
        },
    };
    let views = json!({"views": ["plain", "hflip"], "merge": "mean"});
    let decision = json!({
        "format": "soup-decision",
        "version": 1,
        "labels": LABELS,
        "pictures": 8,
        "views": views,
        "decoding": "count",
        "calibration": {"kind": "platt", "slopes": [1.5, 0.5], "intercepts": [0.0, 0.25]},
        "thresholds": [0.5, 0.5],
        "prior": {"with_count": [0, 6, 2], "with_label": [4, 6], "pseudo_pictures": 1.0},
    });
    let model = Model {
        label_names: LABELS.map(str::to_owned).to_vec(),
        image,
        thresholds: vec![0.5, 0.25],
        views: serde_json::from_value(views).expect("views"),
        decision: Some(decision),
        members: vec![member],
    };
    model.write(path.as_ref()).expect("a file");
}
