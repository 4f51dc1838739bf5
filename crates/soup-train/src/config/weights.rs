//! The input that public weights expect: `preset = "weights"` of a `normalize`.

use std::path::Path;

use soup_data::transforms::{Normalize, NormalizePreset, Pipeline, Transform};
use soup_zoo::public::{PublicWeights, candidates};

use super::{Config, ConfigError};

/// What is to be said about the input of public weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputOfWeights {
    /// What was taken from them.
    Followed(String),
    /// What is set otherwise, and how to follow them.
    Differs(String),
}

/// Puts numbers in place of `preset = "weights"`.
pub(super) fn settle(config: &mut Config) -> Result<(), ConfigError> {
    let mut transforms = config.transforms.transforms().to_vec();
    let mut changed = false;
    for (place, transform) in transforms.iter_mut().enumerate() {
        if let Transform::Normalize(step) = transform
            && step.preset == Some(NormalizePreset::Weights)
        {
            *step = expected(config).map_err(|problem| ConfigError::Value {
                path: format!("transforms.{place}.preset"),
                problem,
            })?;
            changed = true;
        }
    }
    if changed {
        config.transforms = Pipeline::new(transforms);
    }
    Ok(())
}

pub(super) fn say(config: &Config) -> Option<InputOfWeights> {
    let model = &config.model;
    if model.weights.is_empty() {
        return None;
    }
    let steps = config.transforms.transforms().iter().enumerate();
    let (place, step) = steps
        .filter_map(|(place, transform)| match transform {
            Transform::Normalize(step) => Some((place, step)),
            _ => None,
        })
        .next()?;
    if step.preset == Some(NormalizePreset::Weights) {
        let found = expected(config).ok()?;
        let (mean, std) = found.constants()?;
        return Some(InputOfWeights::Followed(format!(
            "the input follows the public weights of {}: mean {}, std {}",
            model.name,
            list(mean),
            list(std)
        )));
    }
    // A run of this program says in its own weights what they were trained with.
    let notes = soup_graph::safetensors::read_metadata(Path::new(&model.weights));
    if notes.is_ok_and(|notes| notes.contains_key("soup")) {
        return None;
    }
    let (mean, std) = step.constants()?;
    let found = candidates(&model.name, Path::new(&model.weights));
    let first = found.first()?;
    let fits = |row: &&PublicWeights| equal(mean, &row.mean) && equal(std, &row.std);
    (!found.iter().any(fits)).then(|| {
        InputOfWeights::Differs(format!(
            "the public weights of {} expect mean {}, std {}, and transforms.{place} has mean {}, std {}; \
             transforms.{place}={{kind=\"normalize\",preset=\"weights\"}} follows them",
            model.name,
            list(&first.mean),
            list(&first.std),
            list(mean),
            list(std)
        ))
    })
}

/// What the weights of these settings expect, or why that is not known.
fn expected(config: &Config) -> Result<Normalize, String> {
    let model = &config.model;
    if model.weights.is_empty() {
        return Ok(Normalize::preset(NormalizePreset::Imagenet));
    }
    let found = candidates(&model.name, Path::new(&model.weights));
    let Some(first) = found.first() else {
        return Err(format!(
            "no public weights of {} are known; give `mean` and `std`",
            model.name
        ));
    };
    let same = |row: &PublicWeights| row.mean == first.mean && row.std == first.std;
    if found.iter().all(|row| same(row)) {
        return Ok(Normalize::new(short(&first.mean), short(&first.std)));
    }
    let each = found
        .iter()
        .map(|row| format!("{}.{}: {}", row.backbone, row.tag, list(&row.mean)));
    Err(format!(
        "the public weights of {} were trained with other means ({}); give `mean` and `std`, or the file its public \
         name, such as {}.{}.safetensors",
        model.name,
        each.collect::<Vec<_>>().join(", "),
        model.name,
        first.tag
    ))
}

/// One value where it is the same for all channels, so that it holds for any number of them.
fn short(values: &[f64; 3]) -> Vec<f64> {
    match values.iter().all(|value| *value == values[0]) {
        true => vec![values[0]],
        false => values.to_vec(),
    }
}

fn equal(set: &[f64], wanted: &[f64; 3]) -> bool {
    let of = |channel: usize| {
        set.get(channel)
            .or(set.first())
            .copied()
            .unwrap_or(f64::NAN)
    };
    (0..3).all(|channel| (of(channel) - wanted[channel]).abs() < 1e-6)
}

fn list(values: &[f64]) -> String {
    let same = values.iter().all(|value| *value == values[0]);
    let shown = if same { &values[..1] } else { values };
    let shown = shown.iter().map(f64::to_string);
    shown.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn config(settings: &[&str]) -> Config {
        let text = "[[transforms]]\nkind = \"to_rgb\"\n[[transforms]]\nkind = \"normalize\"\npreset = \"weights\"";
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        Config::from_toml(text, "test")
            .unwrap()
            .with(&settings)
            .unwrap()
    }

    fn normalisation(settings: &[&str]) -> Result<(Vec<f64>, Vec<f64>), String> {
        let checked = config(settings)
            .check()
            .map_err(|error| error.to_string())?;
        match &checked.transforms.transforms()[1] {
            Transform::Normalize(step) => {
                let (mean, std) = step.constants().unwrap();
                Ok((mean.to_vec(), std.to_vec()))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_input_follows_the_weights_where_it_is_asked_to() {
        let imagenet = (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]);
        assert_eq!(normalisation(&[]), Ok(imagenet.clone()));
        let lite = ["model.name=tf_efficientnet_lite0", "model.weights=x.pth"];
        assert_eq!(normalisation(&lite), Ok((vec![0.5], vec![0.5])));
        let resnet = ["model.name=resnet18", "model.weights=x.pth"];
        assert_eq!(normalisation(&resnet), Ok(imagenet.clone()));
        let error = normalisation(&["model.name=tf_efficientnet_b0", "model.weights=x.bin"]);
        let error = error.unwrap_err();
        assert!(
            error.starts_with("transforms.1.preset")
                && error.contains("tf_efficientnet_b0.ap_in1k: 0.5"),
            "{error}"
        );
        let named = [
            "model.name=tf_efficientnet_b0",
            "model.weights=tf_efficientnet_b0.aa_in1k.bin",
        ];
        assert_eq!(normalisation(&named), Ok(imagenet));
        let error = normalisation(&["model.name=soup_tiny", "model.weights=x"]).unwrap_err();
        assert!(error.contains("no public weights of soup_tiny"), "{error}");
    }

    #[test]
    fn what_is_taken_and_what_differs_is_said() {
        let lite = ["model.name=tf_efficientnet_lite0", "model.weights=x.pth"];
        assert_eq!(
            config(&lite).input_of_weights(),
            Some(InputOfWeights::Followed(
                "the input follows the public weights of tf_efficientnet_lite0: mean 0.5, std 0.5"
                    .to_owned()
            ))
        );
        let by_hand = |preset: &str| {
            let set = format!("transforms.1={{kind=\"normalize\", {preset}}}");
            config(&[lite[0], lite[1], &set]).input_of_weights()
        };
        assert_eq!(by_hand("mean=[0.5], std=[0.5]"), None);
        let Some(InputOfWeights::Differs(said)) = by_hand("preset=\"imagenet\"") else {
            panic!("ImageNet's means are not those of lite0");
        };
        assert!(
            said.contains("expect mean 0.5, std 0.5, and transforms.1 has mean 0.485 0.456 0.406"),
            "{said}"
        );
        assert_eq!(config(&[]).input_of_weights(), None);
    }
}
