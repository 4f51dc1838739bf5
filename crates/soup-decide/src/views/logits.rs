//! What a network said of images in several views.

use soup_data::transforms::View;

use super::{Merge, Views};

/// Logits of images in several views.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ViewLogits {
    /// The views.
    pub views: Vec<View>,
    /// For each view images x labels.
    pub logits: Vec<Vec<f32>>,
}

impl ViewLogits {
    /// One probability an image and label, of some of the views, by their places here.
    pub fn merged(&self, views: &[usize], merge: Merge) -> Vec<f32> {
        let cells = self.logits.first().map_or(0, Vec::len);
        (0..cells)
            .map(|cell| {
                let logits = views.iter().map(|view| self.logits[*view][cell]);
                merge.probability(logits) as f32
            })
            .collect()
    }

    /// Those of all views.
    pub fn merged_all(&self, views: &Views) -> Vec<f32> {
        let places: Vec<usize> = (0..self.views.len()).collect();
        self.merged(&places, views.merge())
    }
}
