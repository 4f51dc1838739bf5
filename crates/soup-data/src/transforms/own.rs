//! A transform of a program's own.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use soup_graph::Own;
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places};

/// What a transform of a program's own does.
pub trait Step: Send + Sync {
    /// Shape and scale of what comes out for what goes in: the same, where it says nothing else.
    ///
    /// # Errors
    /// What is wrong and what is allowed, where it cannot work on such images.
    fn check(&self, before: Form) -> Result<Form, String> {
        Ok(before)
    }

    /// Transforms an image whose form has passed [`check`](Self::check), and leaves it in the form that this gave. The
    /// same draws give the same image.
    fn apply(&self, image: &mut Image, draws: &mut Stream);
}

/// A [`Step`] in a [`Pipeline`](super::Pipeline), under its name. A `RANDOM` one augments and is left out in evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OwnStep<const RANDOM: bool>(pub(super) Own<dyn Step>);

impl<const RANDOM: bool> OwnStep<RANDOM> {
    /// This step under this name, as [`Own::new`].
    pub fn new(name: &str, step: Arc<dyn Step>) -> Self {
        Self(Own::new(name, step))
    }
}

impl<const RANDOM: bool> Apply for OwnStep<RANDOM> {
    const KIND: &'static str = if RANDOM { "own_random" } else { "own" };
    const RANDOM: bool = RANDOM;

    fn places(&self) -> Places {
        Places::Loses
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        let step = self.0.code().map_err(|error| error.to_string())?;
        let after = step.check(before);
        after.map_err(|problem| format!("'{}': {problem}", self.0.name()))
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, _: &mut Workspace) {
        // A pipeline without its code has not passed the check.
        if let Ok(step) = self.0.code() {
            let promised = step.check(image.form());
            step.apply(image, draws);
            assert!(
                promised == Ok(image.form()) && image.values.len() == image.shape().len(),
                "the transform '{}' left the image in another form than it said",
                self.0.name()
            );
        }
    }
}
