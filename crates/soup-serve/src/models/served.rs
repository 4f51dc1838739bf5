//! One model, planned and ready.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use soup_compose::{ComposeConfig, Composer, glyphs::GlyphSpec};
use soup_data::ImageShape;
use soup_decide::{DecideError, Decision};
use soup_engine::Device;
use soup_model::{Error, Member, Model, Predictor, Session};

use crate::ServeError;

/// Plans for other images than the model's own that are kept; the oldest goes first.
const OTHER_SHAPES: usize = 2;
/// A network reads at most this many times the values that it was made for: memory grows with them.
const LARGEST: usize = 4;

/// A model in memory.
#[derive(Debug)]
pub struct Served {
    /// Its name.
    pub name: String,
    /// Networks, labels and thresholds.
    pub model: Model,
    /// What is made of the networks' probabilities, where the model says.
    pub decision: Option<Decision>,
    /// Rows and columns of the label maps of an image of the model's own shape, where it has them.
    pub map_size: Option<(usize, usize)>,
    /// Makes images whose labels the model knows, where that can be had.
    pub composer: Option<Composer>,
    sessions: Mutex<Sessions>,
}

/// Plans for images of several shapes.
#[derive(Debug)]
pub struct Sessions {
    own: Session,
    others: VecDeque<Session>,
    device: Device,
}

impl Served {
    /// Reads and plans a model.
    ///
    /// # Errors
    /// [`ServeError::Model`].
    pub fn load(
        name: &str,
        path: &Path,
        batch: usize,
        device: &Device,
    ) -> Result<Self, ServeError> {
        let paths: [PathBuf; 1] = [path.to_path_buf()];
        let model = Predictor::open(&paths, None)?.model(None)?;
        let decision = model.decision.clone();
        let decision = decision.map(|decision| Decision::from_json(decision, path));
        let own = Session::with_batch(&model, model.image, batch, device)?;
        Ok(Self {
            name: name.to_owned(),
            decision: decision.transpose()?,
            map_size: own.map_size(),
            composer: composer_for(&model),
            sessions: Mutex::new(Sessions {
                own,
                others: VecDeque::new(),
                device: device.clone(),
            }),
            model,
        })
    }

    /// The plans; only the engine asks for them.
    pub fn sessions(&self) -> MutexGuard<'_, Sessions> {
        // What a panic left in a session is overwritten by the next run.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes of the networks' probabilities for an image what the model's decision says, where it has one.
    ///
    /// # Errors
    /// Other labels than the decision's.
    pub fn decide(&self, probabilities: &mut [f32]) -> Result<(), DecideError> {
        match &self.decision {
            Some(decision) => decision.decide(probabilities),
            None => Ok(()),
        }
    }

    /// Whether the networks can take such images as they are.
    ///
    /// # Errors
    /// What speaks against it.
    pub fn check(&self, image: ImageShape) -> Result<(), Error> {
        if image == self.model.image {
            return Ok(());
        }
        for member in &self.model.members {
            check_member(member, image)?;
        }
        Ok(())
    }
}

fn check_member(member: &Member, image: ImageShape) -> Result<(), Error> {
    let shape = member.transforms.output_shape(image);
    let shape = shape.map_err(soup_data::Error::from)?;
    let made_for = member.graph.input().len();
    if shape.len() > LARGEST.saturating_mul(made_for) {
        return Err(Error::Model {
            model: member.origin.network.clone(),
            problem: format!(
                "an image of {image} is too large for it; scale it down to about {} by {} pixels",
                member.graph.input().width,
                member.graph.input().height
            ),
        });
    }
    member.graph_reading(shape).map(|_| ())
}

impl Sessions {
    /// The plan for images of this shape.
    ///
    /// # Errors
    /// Where the networks cannot take them.
    pub fn for_shape(&mut self, model: &Model, image: ImageShape) -> Result<&mut Session, Error> {
        if self.own.image() == image {
            return Ok(&mut self.own);
        }
        let known = self.others.iter().position(|s| s.image() == image);
        let session = match known.and_then(|place| self.others.remove(place)) {
            Some(session) => session,
            None => Session::new(model, image, &self.device)?,
        };
        self.others.truncate(OTHER_SHAPES - 1);
        self.others.push_front(session);
        Ok(&mut self.others[0])
    }
}

/// A composer of images as the model reads them, where all that is in them has a label of the
/// model's.
fn composer_for(model: &Model) -> Option<Composer> {
    let ImageShape { height, width, .. } = model.image;
    let shorter = height.min(width) as f32;
    let defaults = ComposeConfig::default();
    let scaled = |value: f32| (value * shorter / 256.0).max(1.0);
    let config = ComposeConfig {
        height: u32::try_from(height).ok()?,
        width: u32::try_from(width).ok()?,
        side: defaults.side.map(scaled),
        stroke_width: defaults.stroke_width.map(scaled),
        distractor_side: defaults.distractor_side.map(scaled),
        distractor_stroke_width: scaled(defaults.distractor_stroke_width),
        ..defaults
    };
    let pool = GlyphSpec::default().open().ok()?;
    let composer = Composer::new(config, pool).ok()?;
    let labels = composer.label_names();
    let known = labels.iter().all(|label| model.label_names.contains(label));
    known.then_some(composer)
}
