//! Which labels are in an image, by a `model.soup` that `soup export` wrote. No Python, no network,
//! no second file:
//!
//! ```no_run
//! use soup::{Image, Model};
//!
//! let model = Model::load("model.soup")?;
//! let answers = model.predict(&Image::open("image.png")?)?;
//! for answer in answers.iter().filter(|answer| answer.found) {
//!     println!("{} {:.3}", answer.label, answer.probability);
//! }
//! # Ok::<(), soup::Error>(())
//! ```

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use soup_data::{
    ImageShape,
    dataset::{Channels, decode, is_deep},
};
use soup_decide::Decision;
use soup_devices::DeviceName;
use soup_engine::Device;
use soup_model::{Model as Networks, Session};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An image cannot be read.
    #[error("{name}: {problem}")]
    Image {
        /// The file, or what the image is called.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A model cannot be read, or cannot answer for images of this shape.
    #[error(transparent)]
    Model(#[from] soup_model::Error),
    /// The decision in a model makes no sense.
    #[error(transparent)]
    Decision(#[from] soup_decide::DecideError),
}

/// A decoded image of 8 bits a channel, upright as its EXIF data say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    shape: ImageShape,
    pixels: Vec<u8>,
    /// The file, where it has more than 8 bits a channel: a model may want other 8 of them.
    deep: Option<Vec<u8>>,
}

impl Image {
    /// Decodes an image's file, of any format that is read; its content says which it has.
    ///
    /// # Errors
    /// [`Error::Image`] where the file cannot be read or decoded.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let wrong = |problem: String| Error::Image {
            name: path.display().to_string(),
            problem,
        };
        let bytes = soup_data::files::read(path).map_err(|error| wrong(error.to_string()))?;
        Self::of_file(bytes).map_err(wrong)
    }

    /// Decodes the bytes of an image's file, of any format that is read.
    ///
    /// # Errors
    /// [`Error::Image`] where they cannot be decoded.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Self::of_file(bytes.to_vec()).map_err(|problem| Error::Image {
            name: "the image".to_owned(),
            problem,
        })
    }

    fn of_file(bytes: Vec<u8>) -> Result<Self, String> {
        let (shape, pixels) = decode(&bytes, Channels::AsStored)?;
        Ok(Self {
            shape,
            pixels,
            deep: is_deep(&bytes).then_some(bytes),
        })
    }

    /// An image of raw bytes: row by row, the channels of a pixel (1 grey, 3 RGB, 4 RGB and alpha)
    /// beside each other.
    ///
    /// # Errors
    /// [`Error::Image`] where there are not `height * width * channels` bytes.
    pub fn new(
        height: usize,
        width: usize,
        channels: usize,
        pixels: Vec<u8>,
    ) -> Result<Self, Error> {
        let needed = height
            .checked_mul(width)
            .and_then(|n| n.checked_mul(channels));
        if needed != Some(pixels.len()) {
            return Err(Error::Image {
                name: "the image".to_owned(),
                problem: format!(
                    "{} bytes for {height} rows of {width} pixels with {channels} channels",
                    pixels.len()
                ),
            });
        }
        let shape = ImageShape {
            height,
            width,
            channels,
        };
        Ok(Self {
            shape,
            pixels,
            deep: None,
        })
    }
}

/// What a model says of one label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer<'a> {
    /// The label's name.
    pub label: &'a str,
    /// The probability that it is in the image.
    pub probability: f32,
    /// Whether the probability is above the label's threshold.
    pub found: bool,
}

/// A model in memory, on every core. May be shared between threads; it answers one at a time.
#[derive(Debug)]
pub struct Model {
    networks: Networks,
    decision: Option<Decision>,
    device: Device,
    /// Made for the images of the last shape.
    session: Mutex<Option<Session>>,
}

impl Model {
    /// Reads a `model.soup`.
    ///
    /// # Errors
    /// [`Error::Model`] where the file is none.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::of(Networks::read(path.as_ref())?, path.as_ref())
    }

    /// The model bundled with the program: which of the 26 letters are in a noisy grey image of 256 x 256 pixels.
    ///
    /// # Errors
    /// [`Error::Model`] where the program was built with a damaged file.
    pub fn letters() -> Result<Self, Error> {
        Self::of(Networks::letters()?, Path::new("letters"))
    }

    fn of(networks: Networks, path: &Path) -> Result<Self, Error> {
        let decision = networks.decision.clone();
        let decision = decision.map(|decision| Decision::from_json(decision, path));
        Ok(Self {
            networks,
            decision: decision.transpose()?,
            device: DeviceName::Auto.with_threads(0),
            session: Mutex::new(None),
        })
    }

    /// Names of the labels, in the order of the answers.
    pub fn labels(&self) -> &[String] {
        &self.networks.label_names
    }

    /// One answer a label. An image in other channels than the model learned from is converted to
    /// those; alpha is dropped. The first image of a shape takes longer: the networks are planned
    /// for it.
    ///
    /// # Errors
    /// [`Error::Model`] where the model cannot read images of this shape.
    pub fn predict(&self, image: &Image) -> Result<Vec<Answer<'_>>, Error> {
        // A session left by a panic is one that every run overwrites.
        let mut kept = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = match (&image.deep, self.networks.reading.max_value) {
            (Some(file), Some(_)) => self.networks.pixels(file),
            _ => (self.networks).prepared(image.shape, image.pixels.clone()),
        };
        let (shape, pixels) = prepared.map_err(|problem| Error::Image {
            name: "the image".to_owned(),
            problem,
        })?;
        let session = match kept.take() {
            Some(session) if session.image() == shape => session,
            _ => Session::new(&self.networks, shape, &self.device)?,
        };
        let session = kept.insert(session);
        let mut probabilities = session.run(&self.networks, &pixels)?;
        if let Some(decision) = &self.decision {
            decision.decide(&mut probabilities)?;
        }
        let labels = self
            .networks
            .label_names
            .iter()
            .zip(&self.networks.thresholds);
        let answers = labels.zip(probabilities);
        Ok(answers
            .map(|((label, &threshold), probability)| Answer {
                label,
                probability,
                found: probability > threshold,
            })
            .collect())
    }
}
