#![allow(clippy::unwrap_used, clippy::expect_used)]

use soup_data::folds::FoldKind;

use super::*;

fn text(overrides: &[&str]) -> Vec<String> {
    overrides.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn the_founding_recipe_is_the_founding_recipe() {
    let config = Config::load(Some("dacon12"), &[]).unwrap().check().unwrap();
    assert_eq!(config.transforms, Pipeline::dacon12());
    assert_eq!(config.loss, Loss::default());
    assert_eq!(config.optimizer, Optimizer::default());
    assert_eq!(
        config.schedule,
        Schedule::Step(crate::schedules::Step {
            step_size: 5,
            gamma: 0.75
        })
    );
    let (train, folds) = (&config.train, &config.folds);
    assert_eq!((train.rate, train.batch, train.epochs), (1e-3, 8, 25));
    assert_eq!((folds.kind, folds.k, folds.seed), (FoldKind::Kfold, 5, 42));
    assert_eq!(train.seed, 42);
    let shape = soup_data::ImageShape {
        height: 256,
        width: 256,
        channels: 1,
    };
    let input = config.transforms.output_shape(shape).unwrap();
    let graph = config.model.build(input, 26).unwrap();
    assert_eq!(graph.input().len(), 331 * 331 * 3);
    assert_eq!(
        graph.parameter("classifier.weight").unwrap().shape()[0],
        1000
    );
}

#[test]
fn every_preset_is_complete_and_comes_back_from_its_own_text() {
    for name in presets::names() {
        let config = Config::load(Some(name), &[]).unwrap();
        let text = config.to_toml();
        assert_eq!(Config::from_toml(&text, name).unwrap(), config, "{name}");
        config.check().unwrap();
    }
    assert_eq!(
        Config::load(Some("dacon13"), &[]).unwrap_err().to_string(),
        "there is no preset and no file 'dacon13'; presets: best, dacon12, hour, linear, photo, photo-scratch, quick"
    );
}

#[test]
fn a_file_may_build_on_a_preset() {
    let hour = Config::load(Some("hour"), &[]).unwrap();
    let text = "preset = 'hour'\ntrain.rate = 1e-3\nloss.kind = 'focal'";
    let built = Config::from_toml(text, "mine.toml").unwrap();
    assert!(matches!(built.loss, Loss::Focal(_)));
    let mut same = built.clone();
    same.train.rate = hour.train.rate;
    same.loss = hour.loss.clone();
    assert_eq!((built.train.rate, same), (1e-3, hour));
    for (text, message) in [
        (
            "preset = 'hours'",
            "preset: \"hours\" is none of best, dacon12, hour, linear, photo, photo-scratch, quick",
        ),
        (
            "preset = 3",
            "preset: 3 is none of best, dacon12, hour, linear, photo, photo-scratch, quick",
        ),
    ] {
        let error = Config::from_toml(text, "mine.toml").unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn effective_settings_read_as_a_person_wrote_them() {
    let text = Config::load(
        None,
        &text(&[
            "compose.cut=0.1",
            "model.dropout=0.2",
            "average.decay=0.999",
        ]),
    )
    .unwrap()
    .to_toml();
    for line in [
        "cut = 0.1",
        "dropout = 0.2",
        "rate = 0.001",
        "decay = 0.999",
        "composed = 10000",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
}

#[test]
fn overrides_are_laid_over_the_preset() {
    let config = Config::load(
        Some("dacon12"),
        &text(&[
            "train.batch=16",
            "optimizer.kind=sgd",
            "optimizer.momentum=0.9",
            "transforms.0.size=128",
            "loss.kind=focal",
        ]),
    )
    .unwrap();
    assert_eq!((config.train.batch, config.train.epochs), (16, 25));
    assert!(matches!(&config.optimizer, Optimizer::Sgd(sgd) if sgd.momentum == 0.9));
    assert!(matches!(config.loss, Loss::Focal(_)));
    assert_eq!(config.transforms.transforms().len(), 6);
}

#[test]
fn mistakes_are_named_with_their_key() {
    for (overrides, message) in [
        (
            "train.epoch=3",
            "unknown key train.epoch; did you mean train.epochs?",
        ),
        ("trian.epochs=3", "unknown key trian; did you mean train?"),
        (
            "optimizer.rate=1",
            "unknown key optimizer.rate; known there: betas, eps, weight_decay, weight_decay_all",
        ),
        (
            "optimizer.kind=adamm",
            "\"adamm\" is none of adam, adamw, muon, sgd",
        ),
        (
            "train.epochs=many",
            "train.epochs: invalid type: string \"many\"",
        ),
        ("transforms.1.q=0.5", "unknown key transforms[1].q"),
        (
            "average.dekay=0.9",
            "unknown key average.dekay; did you mean average.decay?",
        ),
        ("transforms.17.p=0.5", "the list has 6 entries"),
    ] {
        let error = Config::load(Some("dacon12"), &text(&[overrides]))
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{overrides}: {error}");
    }
    for (overrides, key) in [
        ("train.batch=0", "train.batch"),
        ("train.rate=-1", "train.rate"),
        ("train.rate_batch=0", "train.rate_batch"),
        ("mix={kind='mixup', alpha=0}", "mix.alpha"),
        ("mix={kind='cutmix', share=2}", "mix.share"),
        ("train.epochs=0", "train.epochs"),
        ("data.compose_share=1.5", "data.compose_share"),
        ("folds.k=1", "folds.k"),
        ("folds.kind=group", "folds.kind"),
        ("loss.label_smoothing=2", "loss.label_smoothing"),
        ("schedule.step_size=0", "schedule.step_size"),
        ("model.dropout=1", "model.dropout"),
        ("transforms=[]", "transforms"),
    ] {
        let error = Config::load(Some("dacon12"), &text(&[overrides]))
            .unwrap()
            .check()
            .unwrap_err();
        assert!(
            matches!(&error, ConfigError::Value { path, .. } if path == key),
            "{overrides}: {error}"
        );
    }
}

#[test]
fn dense_images_trained_by_boxes_only_need_boxes() {
    let load = |setting: &str| {
        let config = Config::load(Some("hour"), &text(&["boxes.weight=0", setting])).unwrap();
        config
            .check()
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let error = load("train.batch=8").unwrap_err();
    assert!(
        error.contains("boxes.weight") && error.contains("by boxes only"),
        "{error}"
    );
    load("data.dense_labels=true").unwrap();
    load("data.dense_share=0").unwrap();
}

#[test]
fn mixing_is_refused_where_it_cannot_be() {
    let boxes = "boxes.weight=1 model.head=label_map data.compose_share=1 \
        transforms=[{kind='normalize',mean=[0.5],std=[0.25]}]";
    for (settings, problem) in [
        (
            "mix.kind=mixup loss.kind=two_way",
            Some("two_way knows only"),
        ),
        (
            "mix.kind=cutmix train.batch=1",
            Some("set train.batch to 2"),
        ),
        (
            &format!("mix.kind=mixup {boxes}"),
            Some("boxes would train nothing"),
        ),
        (&format!("mix.kind=mixup mix.share=0.5 {boxes}"), None),
        (
            &format!(
                "mix.kind=mixup mix.share=0.5 {boxes} data.dense_share=0.5 data.dense_labels=false"
            ),
            Some("mixed dense images would train nothing"),
        ),
        ("mix.kind=mixup mix.alpha=0.4", None),
    ] {
        let settings: Vec<&str> = settings.split_whitespace().collect();
        let checked = Config::load(Some("dacon12"), &text(&settings))
            .unwrap()
            .check();
        match (checked, problem) {
            (Ok(config), None) => assert!(config.mix.is_some()),
            (Err(error), Some(problem)) => {
                let error = error.to_string();
                assert!(error.contains(problem), "{settings:?}: {error}");
            }
            (checked, _) => panic!("{settings:?}: {checked:?}"),
        }
    }
}
