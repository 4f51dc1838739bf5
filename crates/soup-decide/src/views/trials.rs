//! Which views help: measured on images whose labels are known and that no network was trained on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;
use soup_data::transforms::View;

use super::{Merge, ViewLogits, Views};
use crate::metrics::{Difference, MetricError, RowMetric, ScoredPredictions};

/// Views that are tried together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// What to call them.
    pub name: String,
    /// The views beside those that are kept already.
    pub views: Vec<View>,
}

impl Candidate {
    /// What is worth trying on images without a known symmetry. Photographs gain from one flip alone, so that each stands
    /// beside the mirrors, which cost nothing more.
    pub const DEFAULT: &'static str = "hflip,vflip,rotations,mirrors,scale:0.8,scale:1.25,crop:0.9";

    /// Candidates from text: `rotations` (three quarter turns), `mirrors` (four), or views.
    ///
    /// # Errors
    /// What is wrong with the first word that is none of them.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, super::ViewsError> {
        text.split(',')
            .map(|word| {
                let name = word.trim();
                let views = match name {
                    "rotations" => "rot90,rot180,rot270",
                    "mirrors" => "hflip,vflip,transpose,transverse",
                    view => view,
                };
                Ok(Self {
                    name: name.to_owned(),
                    views: views.split(',').map(str::parse).collect::<Result<_, _>>()?,
                })
            })
            .collect()
    }
}

/// A candidate beside the plain view.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ViewTrial {
    /// What was tried.
    pub name: String,
    /// The metric with it.
    pub value: f64,
    /// How much better than the plain view alone (for a loss: how much lower).
    pub gain: Difference,
    /// Whether it is among those kept.
    pub is_kept: bool,
}

/// The results of all trials.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ViewTrials {
    /// The metric of the plain view.
    pub plain: f64,
    /// Each candidate beside the plain view, merged by the mean.
    pub trials: Vec<ViewTrial>,
    /// The views kept, each merge in turn; the first is the mean.
    pub merges: Vec<ViewTrial>,
    /// What is kept.
    pub kept: Views,
    /// What the whole choice gains over the plain view, each image scored by what was chosen
    /// without its part.
    pub gain: Difference,
}

/// Places of views, and the name of their merge.
type Asked = (Vec<usize>, &'static str);

/// The logits at images beside their labels.
struct Known<'a> {
    logits: &'a ViewLogits,
    targets: &'a [f32],
    labels: &'a [String],
    metric: RowMetric,
    /// Places of each candidate's views.
    candidates: Vec<Vec<usize>>,
    /// The metric of each image, for the places and the merge that were asked for once: every part of the
    /// images asks for the same again.
    known: RefCell<BTreeMap<Asked, Rc<Vec<f64>>>>,
}

/// What was chosen, by places: the candidates in the order in which they came in, and the merge.
#[derive(Clone, Debug, PartialEq)]
struct Choice {
    candidates: Vec<usize>,
    merge: Merge,
}

impl ViewTrials {
    /// Tries every candidate. `logits` holds the plain view first, then every view of the candidates;
    /// `parts` says, a number an image, which images are scored together by a choice made on the
    /// others.
    ///
    /// Greedy: of the candidates whose gain over what is kept so far lies above 0 with its whole
    /// 95 % interval (paired, [`Difference`]) the best comes in, until there is none. Ties
    /// are ties and stay out. Then another merge takes the place of the mean under the same rule.
    ///
    /// # Errors
    /// Targets that are not labels, or not as many as there are logits.
    pub fn run(
        logits: &ViewLogits,
        candidates: &[Candidate],
        (targets, labels): (&[f32], &[String]),
        parts: &[u32],
        metric: RowMetric,
    ) -> Result<Self, MetricError> {
        let place = |view: &View| logits.views.iter().position(|known| known == view);
        let known = Known {
            logits,
            targets,
            labels,
            metric,
            known: RefCell::default(),
            candidates: (candidates.iter())
                .map(|candidate| candidate.views.iter().filter_map(place).collect())
                .collect(),
        };
        let rows: Vec<usize> = (0..parts.len()).collect();
        let choice = known.choose(&rows)?;
        let plain = known.values(&[], Merge::Mean)?;

        // Every part of the images is scored by a choice that the others made.
        let mut chosen = plain.to_vec();
        let mut names = parts.to_vec();
        names.sort_unstable();
        names.dedup();
        if names.len() > 1 {
            for part in names {
                let (own, others): (Vec<usize>, Vec<usize>) =
                    rows.iter().copied().partition(|row| parts[*row] == part);
                let choice = known.choose(&others)?;
                let values = known.values(&choice.candidates, choice.merge)?;
                for row in own {
                    chosen[row] = values[row];
                }
            }
        } else {
            chosen = known.values(&choice.candidates, choice.merge)?.to_vec();
        }

        let trial = |name: &str, values: &[f64], is_kept| ViewTrial {
            name: name.to_owned(),
            value: known.shown(mean(values)),
            gain: Difference::of(values, &plain),
            is_kept,
        };
        let mut trials = Vec::new();
        for (place, candidate) in candidates.iter().enumerate() {
            let values = known.values(&[place], Merge::Mean)?;
            trials.push(trial(
                &candidate.name,
                &values,
                choice.candidates.contains(&place),
            ));
        }
        let mut merges = Vec::new();
        if !choice.candidates.is_empty() {
            for merge in Merge::ALL {
                let values = known.values(&choice.candidates, merge)?;
                merges.push(trial(merge.name(), &values, merge == choice.merge));
            }
        }
        let views = known.places(&choice.candidates);
        let kept = Views {
            views: views
                .iter()
                .map(|view| logits.views[*view].clone())
                .collect(),
            merge: choice.merge,
        };
        Ok(Self {
            plain: known.shown(mean(&plain)),
            trials,
            merges,
            kept,
            gain: Difference::of(&chosen, &plain),
        })
    }
}

impl Known<'_> {
    /// Places of the plain view and those of the candidates, each once, in their order.
    fn places(&self, candidates: &[usize]) -> Vec<usize> {
        let mut places = vec![0];
        for candidate in candidates {
            places.extend(&self.candidates[*candidate]);
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The metric of each image, larger for better.
    fn values(&self, candidates: &[usize], merge: Merge) -> Result<Rc<Vec<f64>>, MetricError> {
        let asked = (self.places(candidates), merge.name());
        if let Some(known) = self.known.borrow().get(&asked) {
            return Ok(Rc::clone(known));
        }
        let probabilities = self.logits.merged(&asked.0, merge);
        let table = ScoredPredictions::new(&probabilities, self.targets, self.labels, &[0.5])?;
        let mut values = table.row_values(self.metric);
        if self.metric == RowMetric::Loss {
            values.iter_mut().for_each(|value| *value = -*value);
        }
        let values = Rc::new(values);
        self.known.borrow_mut().insert(asked, Rc::clone(&values));
        Ok(values)
    }

    /// A mean of values as the metric is written.
    fn shown(&self, mean: f64) -> f64 {
        match self.metric {
            RowMetric::Loss => -mean,
            _ => mean,
        }
    }

    /// Chooses by the images in these rows.
    fn choose(&self, rows: &[usize]) -> Result<Choice, MetricError> {
        let at =
            |values: Rc<Vec<f64>>| -> Vec<f64> { rows.iter().map(|row| values[*row]).collect() };
        let mut choice = Choice {
            candidates: Vec::new(),
            merge: Merge::Mean,
        };
        let mut current = at(self.values(&[], Merge::Mean)?);
        loop {
            let mut best: Option<(f64, usize, Vec<f64>)> = None;
            for candidate in 0..self.candidates.len() {
                if choice.candidates.contains(&candidate) {
                    continue;
                }
                let with = [&choice.candidates[..], &[candidate]].concat();
                let values = at(self.values(&with, Merge::Mean)?);
                let gain = Difference::of(&values, &current);
                if gain.is_gain() && best.as_ref().is_none_or(|best| gain.mean > best.0) {
                    best = Some((gain.mean, candidate, values));
                }
            }
            let Some((_, candidate, values)) = best else {
                break;
            };
            choice.candidates.push(candidate);
            current = values;
        }
        if !choice.candidates.is_empty() {
            for merge in Merge::ALL {
                let values = at(self.values(&choice.candidates, merge)?);
                if Difference::of(&values, &current).is_gain() {
                    choice.merge = merge;
                    current = values;
                }
            }
        }
        Ok(choice)
    }
}

impl Merge {
    /// The word of a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::GeometricMean => "geometric-mean",
            Self::LogitMean => "logit-mean",
            Self::Max => "max",
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
