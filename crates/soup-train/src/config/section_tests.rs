#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde::Deserialize;
use soup_engine::optimizers::Optimizer;

use super::ConfigError;
use crate::{average::Average, config::decode::decode, losses::Loss, schedules::Schedule};

/// The sections as they stand in a configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sections {
    loss: Loss,
    optimizer: Optimizer,
    schedule: Schedule,
    average: Average,
}

fn read(text: &str) -> Result<Sections, String> {
    decode(text.parse().unwrap()).map_err(|error: ConfigError| error.to_string())
}

#[test]
fn sections_are_read_from_toml_with_whole_numbers_and_defaults() {
    let sections = read(
        "loss = { kind = 'focal', gamma = 3 }\n[optimizer]\nkind = 'adamw'\nweight_decay = 1\n\
         [schedule]\nkind = 'cosine'\nwarmup_epochs = 2\n[average]\ndecay = 0.99",
    )
    .unwrap();
    assert!(matches!(&sections.loss, Loss::Focal(l) if l.gamma == 3.0 && l.alpha == 0.25));
    assert!(matches!(&sections.optimizer, Optimizer::AdamW(o) if o.weight_decay == 1.0));
    assert!(matches!(&sections.schedule, Schedule::Cosine(s) if s.warmup_epochs == 2.0));
    assert_eq!(sections.average.decay, 0.99);
    assert!(matches!(read("").unwrap().optimizer, Optimizer::Adam(_)));
}

#[test]
fn mistakes_are_named_by_their_path() {
    assert_eq!(
        read("[optimizer]\nkind = 'sgd'\nmomentun = 0.9").unwrap_err(),
        "unknown key optimizer.momentun; did you mean optimizer.momentum?"
    );
    let error = read("[loss]\nkind = 'bcee'").unwrap_err();
    assert!(
        error.starts_with("loss") && error.contains("did you mean \"bce\"?"),
        "{error}"
    );
    let sections = read("[loss]\nkind = 'focal'\ngamma = -1").unwrap();
    assert_eq!(
        ConfigError::from(sections.loss.check().unwrap_err()).to_string(),
        "loss.gamma: -1 is refused: must be a number of at least 0"
    );
}
