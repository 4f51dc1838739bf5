//! A run's out-of-fold predictions as tables.

use soup_learn::trainer::OutOfFold;

use super::Predictions;
use crate::Result;

impl Predictions {
    /// The predictions of the pictures that a run's folds held out, and the true labels of all of
    /// its pictures.
    ///
    /// # Errors
    /// As [`Predictions::new`].
    pub fn out_of_fold(found: &OutOfFold) -> Result<(Self, Self)> {
        let columns = found.label_names.len();
        let (mut ids, mut values) = (Vec::new(), Vec::new());
        for row in found.held_out() {
            ids.push(found.ids[row].clone());
            values.extend_from_slice(&found.probabilities[row * columns..][..columns]);
        }
        let labels = found.label_names.clone();
        let truth = Self::new(
            &found.labels_of,
            found.ids.clone(),
            labels.clone(),
            found.targets.clone(),
        )?;
        Ok((Self::new(&found.path, ids, labels, values)?, truth))
    }
}
