//! The map loss: the heat map of a label should be high where its boxes are.
//!
//! Of the cells of a label's map, those whose centre lies in the middle part of one of the label's boxes
//! are positive (at least the cell that holds the box's centre), all others negative. The loss is the binary
//! cross-entropy of all cells, positives weighted, divided by the number of positive cells, as
//! dense detectors normalise theirs (Lin et al., "Focal loss for dense object detection", ICCV
//! 2017, section 4.1). A second term is the cross-entropy of the softmax over the labels of a positive
//! cell. It asks only which of the labels is there, so it has a gradient from the first step on, when the many empty
//! cells still dominate the rest.

use serde::{Deserialize, Serialize};
use soup_data::Annotations;
use soup_engine::{
    Pool,
    setting::{InvalidSetting, require},
};

/// The section `[boxes]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Boxes {
    /// Weight of the map loss beside the loss of the images' labels; 0 is off.
    pub weight: f32,
    /// Weight of a positive cell.
    pub positive_weight: f32,
    /// Weight of the softmax over the labels of a positive cell; 0 is off.
    pub choice: f32,
    /// Share of a box's sides within which cells are positive.
    pub core: f32,
    /// Probability that every cell starts with.
    pub prior: f32,
}

impl Default for Boxes {
    fn default() -> Self {
        Self {
            weight: 0.0,
            positive_weight: 1.0,
            choice: 0.0,
            core: 0.5,
            prior: 0.01,
        }
    }
}

impl Boxes {
    /// Checks the parameters.
    ///
    /// # Errors
    /// The first parameter that is out of its range, by its key.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let rules = [
            (
                "boxes.weight",
                self.weight,
                self.weight >= 0.0,
                "at least 0",
            ),
            (
                "boxes.positive_weight",
                self.positive_weight,
                self.positive_weight > 0.0,
                "above 0",
            ),
            (
                "boxes.choice",
                self.choice,
                self.choice >= 0.0,
                "at least 0",
            ),
            (
                "boxes.core",
                self.core,
                self.core > 0.0 && self.core <= 1.0,
                "above 0 and at most 1",
            ),
            (
                "boxes.prior",
                self.prior,
                self.prior > 0.0 && self.prior < 1.0,
                "above 0 and below 1",
            ),
        ];
        for (key, value, holds, rule) in rules {
            require(holds && value.is_finite(), key, value, rule)?;
        }
        Ok(())
    }

    /// Whether boxes train at all.
    pub fn is_on(&self) -> bool {
        self.weight > 0.0
    }

    /// The weighted loss of a batch of maps and its gradient with respect to the logits.
    ///
    /// `logits` and `gradient` are images x rows x columns x labels; `boxes` holds one list an image,
    /// or `None` where the boxes are not known: such an image has no map loss.
    ///
    /// # Panics
    /// Where the lengths do not fit.
    pub fn evaluate(
        &self,
        logits: &[f32],
        [rows, columns, labels]: [usize; 3],
        boxes: &[Option<Annotations>],
        gradient: &mut [f32],
        pool: &Pool,
    ) -> f64 {
        let image_len = rows * columns * labels;
        assert_eq!(logits.len(), boxes.len() * image_len, "maps of the batch");
        assert_eq!(logits.len(), gradient.len(), "gradient of the maps");
        // The gradient's memory holds the targets first.
        gradient.fill(0.0);
        let mut positives = 0;
        for (targets, boxes) in gradient.chunks_exact_mut(image_len).zip(boxes) {
            let Some(Annotations { image, boxes }) = boxes else {
                continue;
            };
            for found in boxes {
                let ys = self.cells(found.y0, found.y1, image.height, rows);
                for y in ys {
                    for x in self.cells(found.x0, found.x1, image.width, columns) {
                        let cell = &mut targets[(y * columns + x) * labels + found.label];
                        positives += usize::from(*cell == 0.0);
                        *cell = 1.0;
                    }
                }
            }
        }
        let share = self.weight / positives.max(1) as f32;
        // Maps have many cells: images are worked on in parallel and added up in their order.
        let mut sums = vec![0.0; boxes.len()];
        let images = gradient
            .chunks_exact_mut(image_len)
            .zip(logits.chunks_exact(image_len))
            .zip(&mut sums)
            .zip(boxes)
            .filter(|(_, boxes)| boxes.is_some());
        pool.each(images, |(((cells, logits), sum), _)| {
            let pairs = logits.chunks_exact(labels);
            for (logits, targets) in pairs.zip(cells.chunks_exact_mut(labels)) {
                *sum += self.cell(logits, targets, share);
            }
        });
        f64::from(share) * sums.into_iter().sum::<f64>()
    }

    /// The loss of one cell before its share; `targets` holds the targets of its labels and takes the gradient.
    fn cell(&self, logits: &[f32], targets: &mut [f32], share: f32) -> f64 {
        let positives: f32 = targets.iter().sum();
        let choice = (self.choice > 0.0 && positives > 0.0).then(|| {
            let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = logits.iter().map(|logit| (logit - top).exp()).sum();
            top + sum.ln()
        });
        let mut loss = 0.0;
        // The logarithms of a cell's negatives are added up as one, of a product: each factor is at most 2.
        let mut negatives = 1.0;
        for (target, &logit) in targets.iter_mut().zip(logits) {
            let positive = *target > 0.0;
            // How far the logit is on the wrong side, and the exponential of a negative number only.
            let wrong = if positive { -logit } else { logit };
            let small = (-wrong.abs()).exp();
            let derivative = if wrong >= 0.0 { 1.0 } else { small } / (1.0 + small);
            let weight = if positive { self.positive_weight } else { 1.0 };
            loss += f64::from(weight * wrong.max(0.0));
            if positive {
                loss += f64::from(weight * small.ln_1p());
            } else {
                negatives *= 1.0 + f64::from(small);
                // Of more labels than a product of doubles can hold.
                if negatives > 1e300 {
                    loss += negatives.ln();
                    negatives = 1.0;
                }
            }
            let mut gradient = weight * if positive { -derivative } else { derivative };
            // Where boxes of several labels meet, each of them is as right as the others.
            if let Some(log_sum) = choice {
                let wanted = *target / positives;
                loss += f64::from(self.choice * wanted * (log_sum - logit));
                gradient += self.choice * ((logit - log_sum).exp() - wanted);
            }
            *target = share * gradient;
        }
        loss + negatives.ln()
    }

    /// Cells along one side that are positive for a box from `low` to `high` (pixels).
    fn cells(&self, low: u32, high: u32, side: usize, cells: usize) -> std::ops::Range<usize> {
        let scale = cells as f32 / side as f32;
        let centre = (low + high) as f32 * 0.5 * scale;
        let half = (high - low) as f32 * 0.5 * self.core * scale;
        // Cell i has its centre at i + 1/2.
        let first = (centre - half - 0.5).ceil().max(0.0) as usize;
        let last = (centre + half + 0.5).floor().max(0.0) as usize;
        let last = last.min(cells);
        if first < last {
            first..last
        } else {
            let middle = (centre as usize).min(cells - 1);
            middle..middle + 1
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use soup_data::{Annotation, ImageShape};

    use super::*;

    fn label_box(label: usize, x0: u32, y0: u32, x1: u32, y1: u32) -> Annotation {
        Annotation {
            label,
            x0,
            y0,
            x1,
            y1,
        }
    }

    const SHAPE: ImageShape = ImageShape {
        height: 64,
        width: 64,
        channels: 1,
    };

    fn annotated(boxes: Vec<Annotation>) -> Option<Annotations> {
        Some(Annotations {
            image: SHAPE,
            boxes,
        })
    }

    #[test]
    fn cells_are_the_middle_of_a_box_and_never_none() {
        let boxes = Boxes::default();
        // A box over the pixels 16..48 of 64: its middle half is 24..40, cells 3 and 4 of 8.
        assert_eq!(boxes.cells(16, 48, 64, 8), 3..5);
        // A small box has the cell of its centre.
        assert_eq!(boxes.cells(1, 3, 64, 8), 0..1);
        assert_eq!(boxes.cells(62, 64, 64, 8), 7..8);
        assert_eq!(Boxes { core: 1.0, ..boxes }.cells(0, 64, 64, 8), 0..8);
    }

    #[derive(Deserialize)]
    struct Fixture {
        size: [usize; 3],
        #[serde(rename = "picture")]
        image: [u32; 2],
        boxes: Vec<Option<Vec<[u32; 5]>>>,
        logits: Vec<f32>,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        config: Boxes,
        loss: f64,
        gradient: Vec<f64>,
    }

    /// PyTorch in f64 on the same maps.
    #[test]
    fn loss_and_gradient_agree_with_pytorch() {
        let text = include_str!("../../tests/fixtures/boxes.json");
        let fixture: Fixture = serde_json::from_str(text).unwrap();
        let [height, width] = fixture.image;
        let shape = ImageShape {
            height: height as usize,
            width: width as usize,
            channels: 1,
        };
        let listed =
            |[label, x0, y0, x1, y1]: &[u32; 5]| label_box(*label as usize, *x0, *y0, *x1, *y1);
        let boxes: Vec<Option<Annotations>> = (fixture.boxes.iter())
            .map(|list| {
                Some(Annotations {
                    image: shape,
                    boxes: list.as_ref()?.iter().map(listed).collect(),
                })
            })
            .collect();
        assert_eq!(fixture.cases.len(), 4);
        for case in &fixture.cases {
            let mut gradient = vec![f32::NAN; fixture.logits.len()];
            let pool = Pool::new(2);
            let loss =
                case.config
                    .evaluate(&fixture.logits, fixture.size, &boxes, &mut gradient, &pool);
            assert!(
                (loss - case.loss).abs() < 1e-6 * case.loss,
                "{:?}: {loss} {}",
                case.config,
                case.loss
            );
            for (cell, (&ours, &theirs)) in gradient.iter().zip(&case.gradient).enumerate() {
                let difference = (f64::from(ours) - theirs).abs();
                assert!(
                    difference < 1e-6 * theirs.abs() + 1e-8,
                    "{:?} {cell}",
                    case.config
                );
            }
        }
    }

    #[test]
    fn gradient_agrees_with_finite_differences() {
        let boxes = Boxes {
            weight: 0.7,
            positive_weight: 3.0,
            choice: 1.5,
            core: 0.6,
            ..Boxes::default()
        };
        let lists = [
            annotated(vec![
                label_box(0, 3, 5, 40, 30),
                label_box(2, 50, 50, 64, 60),
            ]),
            None,
            annotated(vec![label_box(1, 20, 0, 30, 64)]),
        ];
        let size = [4, 5, 3];
        let mut logits: Vec<f32> = (0..180)
            .map(|i| ((i * 37) % 29) as f32 / 7.0 - 2.0)
            .collect();
        let mut gradient = vec![0.0; logits.len()];
        let mut unused = gradient.clone();
        let pool = Pool::new(2);
        boxes.evaluate(&logits, size, &lists, &mut gradient, &pool);
        for index in 0..logits.len() {
            let value = logits[index];
            let mut at = |x: f32| {
                logits[index] = x;
                boxes.evaluate(&logits, size, &lists, &mut unused, &pool)
            };
            let derivative = (at(value + 1e-2) - at(value - 1e-2)) / 2e-2;
            logits[index] = value;
            assert!(
                (derivative - f64::from(gradient[index])).abs() < 1e-4,
                "{index}"
            );
        }
    }

    #[test]
    fn without_a_box_all_cells_are_cold() {
        let mut gradient = vec![0.0; 8];
        let boxes = Boxes {
            weight: 1.0,
            ..Boxes::default()
        };
        let lists = [annotated(Vec::new())];
        let loss = boxes.evaluate(&[0.0; 8], [2, 2, 2], &lists, &mut gradient, &Pool::new(2));
        assert!((loss - 8.0 * 2.0f64.ln()).abs() < 1e-5);
        assert!(gradient.iter().all(|&derivative| derivative == 0.5));
    }
}
