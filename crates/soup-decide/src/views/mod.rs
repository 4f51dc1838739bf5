//! Test-time augmentation as data: the views of an image, and how the answers become
//! one.

mod logits;
mod merge;
mod trials;

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use soup_data::transforms::{View, ViewError};

pub use logits::ViewLogits;
pub use merge::Merge;
pub use trials::{Candidate, ViewTrial, ViewTrials};

/// A list of views and how their answers are merged. Serialised as it is:
/// `{"views": ["plain", "rot90"], "merge": "mean"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Unchecked")]
pub struct Views {
    views: Vec<View>,
    merge: Merge,
}

/// As it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    views: Vec<View>,
    #[serde(default)]
    merge: Merge,
}

/// Views that have a name together.
const SETS: [(&str, &[&str]); 3] = [
    ("rotations", &["plain", "rot90", "rot180", "rot270"]),
    ("flips", &["plain", "hflip", "vflip", "rot180"]),
    (
        "dihedral",
        &[
            "plain",
            "rot90",
            "rot180",
            "rot270",
            "hflip",
            "vflip",
            "transpose",
            "transverse",
        ],
    ),
];

impl Views {
    /// Once, as it is.
    pub fn plain() -> Self {
        Self {
            views: vec![View::plain()],
            merge: Merge::default(),
        }
    }

    /// These views, each once.
    ///
    /// # Errors
    /// No view at all, or one twice.
    pub fn new(views: Vec<View>, merge: Merge) -> Result<Self, ViewsError> {
        if views.is_empty() {
            return Err(ViewsError::Empty);
        }
        for (place, view) in views.iter().enumerate() {
            if views[..place].contains(view) {
                return Err(ViewsError::Twice(view.to_string()));
            }
        }
        Ok(Self { views, merge })
    }

    /// The same views merged otherwise.
    pub fn merged_by(self, merge: Merge) -> Self {
        Self { merge, ..self }
    }

    /// The views, at least one.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// How their answers become one.
    pub fn merge(&self) -> Merge {
        self.merge
    }

    /// Whether there is only the plain view.
    pub fn is_plain(&self) -> bool {
        matches!(&self.views[..], [view] if view.is_plain())
    }
}

impl Default for Views {
    fn default() -> Self {
        Self::plain()
    }
}

/// A list of views that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewsError {
    /// No view.
    #[error("there is no view; `plain` is the image as it is")]
    Empty,
    /// A view twice.
    #[error("the view `{0}` is there twice")]
    Twice(String),
    /// A word that is no view.
    #[error("{0}; sets of views are rotations, flips and dihedral, and a comma parts several")]
    View(#[from] ViewError),
}

impl FromStr for Views {
    type Err = ViewsError;

    /// `rotations`, `plain,hflip`, `rotations,scale:1.25`: views and sets of them with commas
    /// between. A view that is in several sets counts once.
    fn from_str(text: &str) -> Result<Self, ViewsError> {
        let mut views: Vec<View> = Vec::new();
        for word in text.split(',').map(str::trim) {
            match SETS.iter().find(|set| set.0 == word) {
                Some((_, set)) => {
                    for view in *set {
                        let view = view.parse()?;
                        if !views.contains(&view) {
                            views.push(view);
                        }
                    }
                }
                None => views.push(word.parse()?),
            }
        }
        Self::new(views, Merge::default())
    }
}

impl TryFrom<Unchecked> for Views {
    type Error = ViewsError;

    fn try_from(unchecked: Unchecked) -> Result<Self, ViewsError> {
        Self::new(unchecked.views, unchecked.merge)
    }
}

impl std::fmt::Display for Views {
    /// The views with commas between them.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, view) in self.views.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(formatter, "{comma}{view}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
