//! Images from a function: a `Source` of one's own, trained by the trainer as it is. The other toys train on it too.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::{error::Error, sync::atomic::AtomicBool};

use soup_data::{Annotation, ImageShape, Source};
use soup_random::{Purpose, Stream};
use soup_train::{
    config::{Config, ConfigError},
    trainer::{TrainData, TrainRequest, TrainSummary, train_on},
};

/// Noise with lines across, down, both or neither.
struct Lines([String; 2]);

impl Source for Lines {
    fn len(&self) -> u64 {
        160
    }

    fn shape(&self) -> ImageShape {
        ImageShape {
            height: 32,
            width: 32,
            channels: 1,
        }
    }

    fn label_names(&self) -> &[String] {
        &self.0
    }

    fn read(
        &self,
        index: u64,
        pixels: &mut [u8],
        labels: &mut [f32],
    ) -> Result<Option<Vec<Annotation>>, soup_data::Error> {
        let mut draws = Stream::new(1, Purpose::Noise, 0, index);
        let [across, down] = [index % 2 == 1, index / 2 % 2 == 1];
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let is_ink = (across && at / 32 % 8 == 3) || (down && at % 32 % 8 == 3);
            *pixel = (draws.uniform() * 128.0) as u8 + if is_ink { 127 } else { 0 };
        }
        labels.copy_from_slice(&[across, down].map(|label| f32::from(u8::from(label))));
        Ok(None)
    }
}

/// Settings that suit them.
pub fn settings() -> Result<Config, ConfigError> {
    let settings = [
        "model.name=soup_nano",
        "train.epochs=8",
        "train.rate=0.01",
        "optimizer.kind=adamw",
        "transforms=[{kind='normalize', mean=[0.5], std=[0.25]}]",
    ];
    Config::load(None, &settings.map(String::from))
}

/// Trains on them, in a folder that is gone afterwards.
pub fn train(config: Config) -> Result<TrainSummary, Box<dyn Error>> {
    let images = Lines(["across", "down"].map(String::from));
    let ids: Vec<String> = (0..images.len()).map(|row| row.to_string()).collect();
    let folds = [(0..32).collect(), (32..64).collect::<Vec<u64>>()];
    let folder = std::env::temp_dir().join(format!("toy-{}", std::process::id()));
    let request = TrainRequest {
        config: config.check()?,
        run: &folder,
        network: None,
        folds: None,
        plans_of: None,
    };
    let data = TrainData {
        label_names: images.label_names(),
        rows: Some(&images),
        composed: None,
        dense: None,
        validation: None,
        ids: &ids,
        held_out_rows: &folds,
        fingerprint: "lines",
    };
    let summary = train_on(&request, &data, &mut (), &AtomicBool::new(false))?;
    std::fs::remove_dir_all(&folder)?;
    Ok(summary)
}

fn main() -> Result<(), Box<dyn Error>> {
    let summary = train(settings()?)?;
    println!("accuracy {:.3}", summary.out_of_fold.accuracy);
    assert!(
        summary.out_of_fold.accuracy > 0.9,
        "lines are easy to learn"
    );
    Ok(())
}
