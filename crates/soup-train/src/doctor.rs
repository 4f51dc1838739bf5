//! Whether the validation of a run will hold.

use std::path::Path;

use soup_data::{
    doctor::{Finding, Verdict},
    folds::{FoldKind, Folds},
};
use soup_decide::metrics::{RowMetric, ScoredPredictions};

use crate::{
    Error,
    runs::{EpochRecord, RunDirectory},
    trainer::OutOfFold,
};

/// Training accuracy this far above that of the held-out images is overfitting.
const WIDEST_GAP: f64 = 0.05;
/// Folds further apart than that many standard errors are not alike.
const FURTHEST: f64 = 4.0;

/// Checks of a run by its own files. `has_twins` says whether its folds separate equal or similar
/// images.
///
/// # Errors
/// [`Error::Format`] where the folder holds no run, [`Error::File`].
pub fn examine(
    run: &Path,
    found: Option<&OutOfFold>,
    has_twins: bool,
) -> Result<Vec<Finding>, Error> {
    let directory = RunDirectory::at(run);
    let config = directory.config()?;
    let mut best = Vec::new();
    for fold in directory.folds()? {
        let records = directory.fold(fold).metrics()?;
        best.extend(records.into_iter().rev().find(|record| record.best));
    }
    let mut findings = Vec::new();
    if !config.data.only_composed() {
        let folds = Folds::read(&directory.file("folds.json"))?;
        findings.push(kind(folds.kind(), has_twins));
        findings.push(trained(best.len(), folds.k() as usize));
    }
    findings.push(gap(&best));
    findings.push(alike(found)?);
    Ok(findings)
}

fn kind(kind: FoldKind, has_twins: bool) -> Finding {
    const CHECK: &str = "kind of folds";
    match (kind, has_twins) {
        (FoldKind::Group, false) => Finding::fine(CHECK, "groups were kept together"),
        (FoldKind::Group, true) => Finding::bad(
            CHECK,
            Verdict::Problem,
            "folds were cut by group, but similar images are in different folds: the groups are not \
             the sources"
                .into(),
            "cut folds by what the images share (soup doctor --groups) and train again",
            [],
        ),
        (_, true) => Finding::bad(
            CHECK,
            Verdict::Problem,
            "folds were cut image by image, but images have copies: the score out of fold \
             is too high"
                .into(),
            "cut folds by group (soup doctor --groups, soup folds --kind group) and train again",
            [],
        ),
        (_, false) => Finding::bad(
            CHECK,
            Verdict::Warning,
            "folds were cut image by image: the score out of fold holds only for new images \
             of the same sources"
                .into(),
            "where test images come from others (writers, patients, places, glyphs), cut folds \
             by them (soup folds --kind group); on the founding task image folds score 5 to 7 \
             points too high",
            [],
        ),
    }
}

fn trained(trained: usize, folds: usize) -> Finding {
    const CHECK: &str = "trained folds";
    if trained == folds {
        return Finding::fine(CHECK, format!("all {folds}: every image is scored"));
    }
    Finding::bad(
        CHECK,
        Verdict::Warning,
        format!("{trained} of {folds}: only their held-out images are scored"),
        "soup train with --fold all trains the others",
        [],
    )
}

/// How far training accuracy is above that of held-out images, at the best epochs.
fn gap(best: &[EpochRecord]) -> Finding {
    const CHECK: &str = "gap between training and validation";
    if best.is_empty() {
        return Finding::skipped(CHECK, "no fold has a best epoch yet");
    }
    let gap = |record: &EpochRecord| record.train_accuracy - record.valid_accuracy;
    let wide: Vec<&EpochRecord> = best
        .iter()
        .filter(|record| gap(record) > WIDEST_GAP)
        .collect();
    let mean = best.iter().map(gap).sum::<f64>() / best.len() as f64;
    if wide.is_empty() {
        return Finding::fine(
            CHECK,
            format!("training accuracy less that of held-out images is {mean:+.3}"),
        );
    }
    Finding::bad(
        CHECK,
        Verdict::Warning,
        format!(
            "training accuracy is {mean:+.3} above that of held-out images, augmented as the \
             training images are: it overfits"
        ),
        "more augmentation, dropout or images; and expect the test to fall below the validation \
         where it shares less with training than the held-out images do",
        (wide.iter()).map(|record| {
            format!(
                "fold {}, epoch {}: {:.3} in training, {:.3} held out",
                record.fold, record.epoch, record.train_accuracy, record.valid_accuracy
            )
        }),
    )
}

/// Whether the folds' images are equally hard, as images cut at random are.
fn alike(found: Option<&OutOfFold>) -> Result<Finding, Error> {
    const CHECK: &str = "folds compared";
    let Some(found) = found else {
        return Ok(Finding::skipped(CHECK, "no fold is trained yet"));
    };
    let labels = found.label_names.len();
    let rows = found.held_out();
    let cells = |values: &[f32]| -> Vec<f32> {
        (rows.iter())
            .flat_map(|row| &values[row * labels..][..labels])
            .copied()
            .collect()
    };
    let (probabilities, targets) = (cells(&found.probabilities), cells(&found.targets));
    let values = ScoredPredictions::new(&probabilities, &targets, &found.label_names, &[0.5])
        .map_err(|error| Error::format(&found.path, error.to_string()))?
        .row_values(RowMetric::Accuracy);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let all = mean(&values);
    let spread = mean(
        &values
            .iter()
            .map(|value| (value - all).powi(2))
            .collect::<Vec<_>>(),
    )
    .sqrt();
    let most =
        (found.folds.iter().filter(|fold| **fold != u32::MAX).max()).map_or(0, |fold| fold + 1);
    let (mut off, mut folds) = (Vec::new(), 0);
    for fold in 0..most {
        let own: Vec<f64> = (rows.iter().zip(&values))
            .filter(|(row, _)| found.folds[**row] == fold)
            .map(|(_, value)| *value)
            .collect();
        if own.is_empty() {
            continue;
        }
        folds += 1;
        let share = own.len() as f64 / values.len() as f64;
        let error = spread * ((1.0 - share) / own.len() as f64).sqrt();
        if error > 0.0 && ((mean(&own) - all) / error).abs() > FURTHEST {
            off.push(format!(
                "fold {fold}: accuracy {:.4}, all {all:.4}",
                mean(&own)
            ));
        }
    }
    if folds < 2 {
        return Ok(Finding::skipped(CHECK, "it takes two trained folds"));
    }
    if off.is_empty() {
        return Ok(Finding::fine(
            CHECK,
            format!("accuracies of the {folds} folds differ no more than chance allows"),
        ));
    }
    Ok(Finding::bad(
        CHECK,
        Verdict::Warning,
        format!(
            "{} of {folds} folds are off by more than chance allows",
            off.len()
        ),
        "their images differ (groups, order), or one of the trainings went astray: see soup \
         evaluate and the folds' log.txt; the interval of the score is too narrow then",
        off,
    ))
}
