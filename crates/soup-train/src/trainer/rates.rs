//! Rates of their own for parts of a network: the backbone's, and less with every block further from the head.

use std::collections::HashSet;

use soup_engine::optimizers::RateOf;
use soup_graph::Graph;

use crate::{Error, config::Config};

/// What the rate is multiplied by in each parameter that does not learn at the rate itself.
pub(super) fn of(config: &Config, graph: &Graph) -> Result<Vec<RateOf>, Error> {
    let (backbone_rate, decay) = (config.train.backbone_rate, config.train.layer_decay);
    if backbone_rate == 1.0 && decay == 1.0 {
        return Ok(Vec::new());
    }
    let backbone = config.model.backbone(graph.input());
    let backbone = backbone.map_err(|error| Error::network(&config.model.name, error))?;
    let names: HashSet<&str> = (backbone.parameters().iter())
        .map(|parameter| parameter.name())
        .collect();
    let trained = graph
        .parameters()
        .iter()
        .filter(|parameter| parameter.role().is_trainable() && names.contains(parameter.name()));
    let mut blocks: Vec<&str> = Vec::new();
    let mut places = Vec::new();
    for parameter in trained {
        let block = block(parameter.name());
        if blocks.last() != Some(&block) {
            blocks.push(block);
        }
        places.push((parameter.range(), blocks.len()));
    }
    // The block below the head is one layer away from it, as timm counts.
    let rates = places.into_iter().map(|(range, place)| {
        let layers = (blocks.len() - place + 1) as i32;
        RateOf {
            range,
            factor: (backbone_rate * decay.powi(layers)) as f32,
        }
    });
    Ok(rates.collect())
}

/// The block that a parameter belongs to: its name up to the end of the first numbers in it, `blocks.2.1` of
/// `blocks.2.1.conv_pw.weight`; what has no number before is one block with its neighbours.
fn block(name: &str) -> &str {
    let (mut at, mut end) = (0, 0);
    for part in name.split('.') {
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        if end > 0 && !is_number {
            break;
        }
        if is_number {
            end = at + part.len();
        }
        at += part.len() + 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use soup_data::ImageShape;

    use super::*;

    #[test]
    fn blocks_go_by_the_numbers_in_names() {
        let names = [
            "conv_stem.weight",
            "blocks.2.1.conv_pw.weight",
            "layer2.0.downsample.1.weight",
        ];
        assert_eq!(names.map(block), ["", "blocks.2.1", "layer2.0"]);
    }

    #[test]
    fn the_head_learns_at_the_rate_and_blocks_below_it_at_less() {
        let settings = |text: &[&str]| {
            let text: Vec<String> = text.iter().map(|text| (*text).to_owned()).collect();
            Config::load(Some("quick"), &text).unwrap()
        };
        let shape = ImageShape {
            channels: 3,
            height: 64,
            width: 64,
        };
        let own = [
            "model.name=resnet18",
            "model.head=linear",
            "train.backbone_rate=0.5",
            "train.layer_decay=0.8",
        ];
        let config = settings(&own);
        let graph = config.model.build(shape, 3).unwrap();
        let rates = of(&config, &graph).unwrap();
        let factor = |name: &str| {
            let at = graph.parameter(name).unwrap().range().start;
            let found = rates.iter().find(|rate| rate.range.contains(&at));
            found.map(|rate| rate.factor)
        };
        // resnet18 has a stem and eight blocks.
        assert_eq!(factor("fc.weight"), None);
        assert_eq!(factor("layer4.1.conv1.weight"), Some(0.5 * 0.8));
        assert_eq!(
            factor("layer4.0.conv1.weight"),
            Some((0.5 * 0.8f64.powi(2)) as f32)
        );
        assert_eq!(factor("conv1.weight"), Some((0.5 * 0.8f64.powi(9)) as f32));
        assert!(of(&settings(&own[..2]), &graph).unwrap().is_empty());
    }
}
