//! A trained network at work: everything between images and answers, and nothing of training.
//!
//! A [`Model`] is networks with their transforms, views and decision, in one value and in one file, `model.soup`;
//! [`Model::to_onnx`] writes it for other runtimes. A [`Session`] answers images as they come, a [`Predictor`] whole sets of
//! them, by models and by what training left.

pub mod bundled;
mod error;
mod file;
mod model;
mod network;
mod notes;
mod onnx;
mod predictor;
mod score;
mod session;
mod settings;
mod views;

pub use error::{Error, ErrorKind};
pub use file::{VERSION, is_model, room_for_file};
pub use model::{Member, Model, Origin};
pub use network::{ModelConfig, Precision, Symmetry};
pub use notes::Notes;
pub use onnx::{IMAGES, MAPS, PROBABILITIES};
pub use predictor::{PredictOptions, Predictor, WEIGHTS_FILE, folds, trained_folds};
pub use score::{Scores, score};
pub use session::{LabelMaps, Prediction, Question, Session};
pub use settings::settings_table;
