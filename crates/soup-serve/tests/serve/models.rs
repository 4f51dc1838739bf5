//! Small models, and servers of them.

use std::{path::PathBuf, thread::JoinHandle};

use soup_data::{ImageShape, dataset::Reading};
use soup_decide::views::Views;
use soup_graph::{Builder, Convolution, Weights};
use soup_model::{Member, Model, Origin, Precision};
use soup_serve::{Handle, Options, Server, Totals};
use tempfile::TempDir;

use crate::client::Client;

/// Images of the models here.
pub const SHAPE: ImageShape = ImageShape {
    height: 24,
    width: 16,
    channels: 1,
};

/// A network with a map of three labels, of weights drawn by `seed`: `layers` convolutions of
/// `width` channels before it make it as slow as one likes.
pub fn model(shape: ImageShape, layers: usize, width: usize, seed: u32) -> Model {
    let mut net = Builder::new(ImageShape {
        channels: 1,
        height: shape.height,
        width: shape.width,
    });
    let mut x = net.input();
    for layer in 0..layers {
        let spec = Convolution::square(width, 3).with_bias();
        x = net.convolution(&format!("layer{layer}"), x, spec).unwrap();
    }
    let spec = Convolution::square(3, 1).with_bias();
    let maps = net.convolution("maps", x, spec).unwrap();
    let peaks = net.log_sum_exp_pool(maps, 2.0).unwrap();
    let graph = net.finish(&[peaks]).unwrap();
    let weights = Weights::initial(&graph, seed.into());
    Model {
        label_names: ["cat", "dog", "owl"].map(str::to_owned).to_vec(),
        image: shape,
        reading: Reading::default(),
        thresholds: vec![0.5, 0.25, 0.75],
        views: Views::plain(),
        decision: None,
        members: vec![Member {
            maps: Some(maps),
            graph,
            weights,
            precision: Precision::default(),
            transforms: serde_json::from_str(r#"[{"kind": "to_grey"}, {"kind": "to_unit"}]"#)
                .unwrap(),
            origin: Origin {
                network: "toy".to_owned(),
                file: String::new(),
                fold: 0,
                epoch: 1,
                valid_accuracy: None,
            },
        }],
    }
}

/// A server that runs on a thread of its own.
pub struct Running {
    pub client: Client,
    pub handle: Handle,
    pub folder: TempDir,
    thread: Option<JoinHandle<Totals>>,
}

impl Running {
    /// Serves a model as `toy`.
    pub fn new(model: &Model, options: Options) -> Self {
        Self::several(&[("toy", model)], options)
    }

    /// Serves models under names.
    pub fn several(models: &[(&str, &Model)], options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = models
            .iter()
            .map(|(name, model)| {
                let path = folder.path().join(format!("{name}.soup"));
                model.write(&path).unwrap();
                path
            })
            .collect();
        let server = Server::bind(&paths, "127.0.0.1", 0, options).unwrap();
        Self {
            client: Client::new(server.address()),
            handle: server.handle(),
            folder,
            thread: Some(std::thread::spawn(move || server.run().unwrap())),
        }
    }

    /// Tells it to stop and waits until it has.
    pub fn stop(&mut self) -> Totals {
        self.handle.stop();
        self.thread.take().unwrap().join().unwrap()
    }
}

/// The smallest model with the usual options.
pub fn toy() -> Running {
    Running::new(&model(SHAPE, 1, 4, 1), options())
}

/// Two threads, so that tests side by side do not fight for the machine.
pub fn options() -> Options {
    Options {
        threads: 2,
        ..Options::default()
    }
}

/// Pixels of image `number`.
pub fn pixels(shape: ImageShape, number: usize) -> Vec<u8> {
    (0..shape.len())
        .map(|at| (at * (7 + number) % 251) as u8)
        .collect()
}

/// The same as a PNG file.
pub fn png(shape: ImageShape, number: usize) -> Vec<u8> {
    soup_compose::png(shape, &pixels(shape, number)).unwrap()
}
