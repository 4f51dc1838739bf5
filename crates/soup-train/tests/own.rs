//! A loss, a head and transforms of a program's own in a run: trained, gone on with, and named where they are missing.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{path::Path, sync::Arc, sync::atomic::AtomicBool};

use soup_data::transforms::{Image, OwnStep, Pipeline, Step, Transform};
use soup_graph::{Builder, GraphError, NodeId};
use soup_model::{Member, Notes};
use soup_random::Stream;
use soup_train::{
    Error,
    losses::{Bce, Criterion, Loss, Own},
    runs::RunDirectory,
    trainer::{TrainSummary, train_on},
};
use soup_zoo::{Head, ModelConfig, heads::Layers};
use support::{Data, request};

struct Twice;

impl Criterion for Twice {
    fn evaluate(&self, logits: &[f32], targets: &[f32], labels: usize, out: &mut [f32]) -> f64 {
        let loss = Loss::Bce(Bce::default()).evaluate(logits, targets, labels, out);
        out.iter_mut().for_each(|gradient| *gradient *= 2.0);
        2.0 * loss
    }
}

struct Mean;

impl Layers for Mean {
    fn add(&self, net: &mut Builder, map: NodeId, to: &ModelConfig) -> Result<NodeId, GraphError> {
        let mean = net.average_pool(map)?;
        net.linear("mean", mean, to.labels, true)
    }
}

struct Dim;

impl Step for Dim {
    fn apply(&self, image: &mut Image, draws: &mut Stream) {
        let share = draws.uniform();
        image.values.iter_mut().for_each(|value| *value *= share);
    }
}

fn train(run: &Path, loss: &str, steps: Vec<Transform>) -> Result<TrainSummary, Error> {
    let mut request = request(
        run,
        &[
            "model.name=soup_nano",
            "train.epochs=1",
            "train.epoch_images=8",
        ],
    );
    request.network = None;
    let mut config = request.config.into_inner();
    config.loss = Loss::Own(Own::new(loss, Arc::new(Twice)));
    config.model.head = Head::Own(Own::new("mean", Arc::new(Mean)));
    let given = config.transforms.transforms();
    config.transforms = steps.into_iter().chain(given.to_vec()).collect();
    request.config = config.check()?;
    train_on(
        &request,
        &Data::new().borrow(),
        &mut (),
        &AtomicBool::new(false),
    )
}

#[test]
fn a_run_keeps_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let dim = || Transform::OwnRandom(OwnStep::new("dim", Arc::new(Dim)));
    let first = train(run, "twice", vec![dim()]).unwrap();
    assert_eq!(train(run, "twice", vec![dim()]).unwrap(), first);
    let error = train(run, "thrice", vec![dim()]).unwrap_err().to_string();
    assert!(
        error.contains("loss.name") && error.contains("thrice"),
        "{error}"
    );
    let error = train(run, "twice", Vec::new()).unwrap_err().to_string();
    assert!(error.contains("transforms[0]"), "{error}");

    // Whoever reads the run knows what they were called.
    let config = RunDirectory::at(run).config().unwrap();
    assert_eq!(config.loss, Loss::Own(Own::new("twice", Arc::new(Twice))));
    let weights = run.join("fold0/model.safetensors");
    let mut notes = Notes::read(&weights).unwrap();
    let image = notes.image.unwrap();
    let export = |notes: &Notes| Member::trained(&weights, notes, image).map(|_| ());
    let error = export(&notes).unwrap_err().to_string();
    assert!(error.contains("the head 'mean' is not built in"), "{error}");
    // With its code the model answers: the random transform is of training only.
    notes.model.head = Head::Own(Own::new("mean", Arc::new(Mean)));
    export(&notes).unwrap();
    let still = Transform::Own(OwnStep::new("still", Arc::new(Dim)));
    let text = serde_json::to_string(&Pipeline::new(vec![still])).unwrap();
    notes.transforms = serde_json::from_str(&text).unwrap();
    let error = export(&notes).unwrap_err().to_string();
    assert!(error.contains("'still' is not built in"), "{error}");
}
