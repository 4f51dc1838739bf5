//! A training that is real in every part and small enough to be killed many times.

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use std::{path::Path, sync::Arc};

use soup_compose::{
    ComposeConfig, ComposedSource, Composer,
    glyphs::{GlyphPool, strokes::Strokes},
};
use soup_data::{Source, dataset::LabelTable};
use soup_graph::{Activation, Builder, Convolution, Graph, ImageShape};
use soup_train::{
    config::{CheckedConfig, Config},
    trainer::{TrainData, TrainRequest},
};

/// Rows of the stand-in for a pack.
pub const ROWS: u64 = 40;

/// Images of 24 x 24 with two or three letters.
pub fn compose_config() -> ComposeConfig {
    ComposeConfig {
        width: 24,
        height: 24,
        letters: [2, 3],
        side: [8.0, 14.0],
        distractor_share: 0.0,
        distractor_side: [8.0, 14.0],
        noise: 60,
        ..ComposeConfig::default()
    }
}

pub struct Data {
    packed: ComposedSource,
    composed: ComposedSource,
    ids: Vec<String>,
    held_out_rows: Vec<Vec<u64>>,
}

impl Data {
    pub fn new() -> Self {
        let pool = GlyphPool::new(Arc::new(Strokes::new(0)));
        let composer = Arc::new(Composer::new(compose_config(), pool).unwrap());
        let examples = |seed, count| ComposedSource {
            composer: Arc::clone(&composer),
            seed,
            count,
        };
        Self {
            packed: examples(1, ROWS),
            composed: examples(2, u64::MAX),
            ids: (0..ROWS).map(|row| format!("{row:05}")).collect(),
            held_out_rows: (0..2)
                .map(|fold| (0..ROWS).filter(|row| row % 2 == fold).collect())
                .collect(),
        }
    }

    pub fn borrow(&self) -> TrainData<'_> {
        TrainData {
            label_names: self.packed.label_names(),
            rows: Some(&self.packed),
            composed: Some(&self.composed),
            dense: None,
            validation: None,
            ids: &self.ids,
            held_out_rows: &self.held_out_rows,
            fingerprint: "test images",
        }
    }
}

/// Images of rows with the table that belongs to them.
pub fn packed(rows: u64) -> (ComposedSource, LabelTable) {
    let pool = GlyphPool::new(Arc::new(Strokes::new(0)));
    let packed = ComposedSource {
        composer: Arc::new(Composer::new(compose_config(), pool).unwrap()),
        seed: 1,
        count: rows,
    };
    let ids = (0..rows).map(|row| format!("{row:05}")).collect();
    let (mut pixels, mut labels) = (vec![0; packed.shape().len()], vec![0.0; 26]);
    let mut all = Vec::new();
    for row in 0..rows {
        packed.read(row, &mut pixels, &mut labels).unwrap();
        all.extend(labels.iter().map(|label| *label as u8));
    }
    let table = LabelTable::new(ids, packed.label_names().to_vec(), all);
    (packed, table)
}

/// Convolution, batch norm, dropout, linear layer.
pub fn network() -> Graph {
    let mut net = Builder::new(ImageShape {
        channels: 1,
        height: 24,
        width: 24,
    });
    let x = net.input();
    let x = net
        .convolution("stem", x, Convolution::square(8, 3).stride(2))
        .unwrap();
    let x = net.batch_norm("norm", x, 1e-5, 0.1).unwrap();
    let x = net.activation(x, Activation::Silu);
    let x = net.average_pool(x).unwrap();
    let x = net.dropout(x, 0.1);
    let x = net.linear("classifier", x, 26, true).unwrap();
    net.finish(&[x]).unwrap()
}

/// Every part that has a state or draws at random is on.
pub fn config(overrides: &[&str]) -> CheckedConfig {
    let mut all = vec![
        "transforms=[{kind='horizontal_flip', p=0.5}, {kind='rotation', degrees=20}, \
         {kind='normalize', mean=[0.5], std=[0.25]}]",
        "data.compose_share=0.5",
        "average.decay=0.9",
        "optimizer.kind=adamw",
        "schedule.kind=cosine",
        "train.rate=0.01",
        "train.epochs=3",
        "train.batch=2",
        "train.accumulate=2",
        "train.clip_norm=1",
        "train.threads=2",
        "train.checkpoint_steps=2",
        "train.keep_epochs=1",
    ];
    all.extend(overrides);
    let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
    Config::load(None, &all).unwrap().check().unwrap()
}

pub fn request<'a>(run: &'a Path, overrides: &[&str]) -> TrainRequest<'a> {
    TrainRequest {
        config: config(overrides),
        run,
        network: Some(network()),
        folds: None,
        plans_of: None,
    }
}
