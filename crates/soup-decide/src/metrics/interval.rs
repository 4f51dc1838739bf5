//! How far a score may lie from the truth.

use serde::{Deserialize, Serialize};

use super::evaluation::harmonic;

/// Where a score lies for all images of the same kind, with a confidence of 95 %. It always holds the
/// score itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Where one to three cases were seen, as many come with a chance of 5 % where these are expected (Poisson).
const RARE: [f64; 3] = [0.0513, 0.3554, 0.8177];
/// Trials above which these take the place of the ends of Wilson's interval.
const FEW_TRIALS: f64 = 50.0;
/// 97.5 % of a normal distribution lie below.
const NORMAL: f64 = 1.959_963_984_540_054;

impl Interval {
    /// The interval of a mean of shares, one an image (each from 0 to 1).
    pub fn of_shares(values: &[f64]) -> Self {
        Influence::ratio(values, &vec![1.0; values.len()]).share_interval()
    }

    fn holding(self, value: f64) -> Self {
        Self {
            low: self.low.min(value),
            high: self.high.max(value),
        }
    }

    /// Wilson's score interval of a share that was seen in `size` trials (Journal of the American
    /// Statistical Association 1927), for any size.
    fn wilson(share: f64, size: f64, quantile: f64) -> Self {
        let square = quantile * quantile;
        let middle = share + square / (2.0 * size);
        let half = quantile * (share * (1.0 - share) / size + square / (4.0 * size * size)).sqrt();
        let within = |end: f64| (end / (1.0 + square / size)).clamp(0.0, 1.0);
        Self {
            low: within(middle - half),
            high: within(middle + half),
        }
    }

    /// Wilson's interval, with wider ends where one to three cases were seen, or all but so many: there it would hold too
    /// seldom (Brown, Cai and DasGupta, Statistical Science 2001, section 4.1.1).
    fn of_trials(share: f64, size: f64) -> Self {
        let wilson = Self::wilson(share, size, NORMAL);
        let rare = |share: f64| {
            let cases = (share * size).round();
            let is_rare = size > FEW_TRIALS && (1.0..=3.0).contains(&cases);
            is_rare.then(|| RARE[cases as usize - 1] / size)
        };
        Self {
            low: rare(share).map_or(wilson.low, |low| low.min(wilson.low)),
            high: rare(1.0 - share).map_or(wilson.high, |low| wilson.high.max(1.0 - low)),
        }
    }
}

/// How much better one way is than another on the same images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Mean of the differences, one an image.
    pub mean: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Difference {
    /// By how much the mean of `ours` is above the mean of `theirs`, both with one value an image, in the
    /// same order.
    ///
    /// The interval is that of Bonett and Price (Journal of Educational and Behavioral Statistics 2012)
    /// for paired shares, carried over to any values: two images more are counted, one for and one
    /// against, as far apart as images with a difference are (root of the mean square). Where few
    /// images differ, four for and none against say, a bootstrap or plain normal interval is too sure;
    /// this one agrees with the exact sign test. NaN without images.
    pub fn of(ours: &[f64], theirs: &[f64]) -> Self {
        let (mut sum, mut squares, mut apart) = (0.0, 0.0, 0usize);
        for (ours, theirs) in ours.iter().zip(theirs) {
            let difference = ours - theirs;
            sum += difference;
            squares += difference * difference;
            apart += usize::from(difference != 0.0);
        }
        let count = ours.len().min(theirs.len()) as f64;
        let more = 2.0 * squares / apart.max(1) as f64;
        let middle = sum / (count + 2.0);
        let spread = ((squares + more) / (count + 2.0) - middle * middle).max(0.0);
        let half = NORMAL * (spread / (count + 2.0)).sqrt();
        let mean = sum / count;
        Self {
            mean,
            low: mean.min(middle - half),
            high: mean.max(middle + half),
        }
    }

    /// Whether it is a gain: the whole interval lies above 0. All else is a tie or a loss.
    pub fn is_gain(&self) -> bool {
        self.low > 0.0
    }
}

/// A score, and how each image moves it.
#[derive(Clone, Debug)]
pub(super) struct Influence {
    pub(super) value: f64,
    /// By how much the score would grow, to the first order, if the image were there once more; the sum
    /// of the squares is the variance of the score (infinitesimal jackknife, Jaeckel 1972), made unbiased
    /// for few images.
    pub(super) of_images: Vec<f64>,
    /// By how much scores of as many images lie above that of all images in the mean.
    pub(super) bias: f64,
    /// The number of trials that the score stands on, where no image says how far it varies.
    pub(super) size: f64,
}

impl Influence {
    /// The sum of `parts` over the sum of `wholes`, both one an image; 0 where nothing is divided by.
    pub(super) fn ratio(parts: &[f64], wholes: &[f64]) -> Self {
        let whole: f64 = wholes.iter().sum();
        let value = if whole > 0.0 {
            parts.iter().sum::<f64>() / whole
        } else {
            0.0
        };
        let size = wholes.iter().filter(|whole| **whole > 0.0).count() as f64;
        let scale = unbiased(size) / whole.max(f64::MIN_POSITIVE);
        let moves = (parts.iter().zip(wholes)).map(|(part, own)| part - value * own);
        let bias: f64 = (moves.clone().zip(wholes)).map(|(by, own)| by * own).sum();
        Self {
            value,
            bias: if whole > 0.0 {
                -bias / (whole * whole)
            } else {
                0.0
            },
            of_images: moves.map(|by| by * scale).collect(),
            size: size.max(1.0),
        }
    }

    /// The average precision of one label; `cells` are probability and presence, an image each. None
    /// without a positive.
    ///
    /// Each image is left out in turn (jackknife; Quenouille 1956 for the bias, Tukey 1958 for the
    /// variance), all in one pass from the lowest probability up: without an image the ranks of all
    /// positives below it fall by one, and those above stay.
    pub(super) fn average_precision(cells: &[(f32, bool)]) -> Option<Self> {
        let positives = cells.iter().filter(|cell| cell.1).count() as f64;
        if positives == 0.0 {
            return None;
        }
        let mut order: Vec<usize> = (0..cells.len()).collect();
        order.sort_unstable_by(|a, b| cells[*b].0.total_cmp(&cells[*a].0).then(a.cmp(b)));
        // Images of the same probability enter together: the positives among them, and how many
        // positives and images there are with them.
        let (mut seen, mut found, mut sum) = (0.0, 0.0, 0.0);
        let ties: Vec<(&[usize], f64, f64, f64)> = order
            .chunk_by(|a, b| cells[*a].0 == cells[*b].0)
            .map(|rows| {
                let gained = rows.iter().filter(|row| cells[**row].1).count() as f64;
                (seen, found) = (seen + rows.len() as f64, found + gained);
                sum += gained * found / seen;
                (rows, gained, found, seen)
            })
            .collect();
        let value = sum / positives;
        let mut without = vec![0.0; cells.len()];
        // Sums over the positives from here down: as they are, with a negative less, with a positive less.
        let (mut here, mut negative_less, mut positive_less) = (0.0, 0.0, 0.0);
        for (rows, gained, found, seen) in ties.into_iter().rev() {
            let rest = f64::max(seen - 1.0, 1.0);
            here += gained * found / seen;
            negative_less += gained * found / rest;
            positive_less += gained * (found - 1.0) / rest;
            for row in rows {
                without[*row] = match (cells[*row].1, positives > 1.0) {
                    (false, _) => (sum - here + negative_less) / positives,
                    (true, true) => {
                        let own = (found - 1.0) / rest;
                        (sum - here + positive_less - own) / (positives - 1.0)
                    }
                    (true, false) => value,
                };
            }
        }
        let count = cells.len() as f64;
        let middle = without.iter().sum::<f64>() / count;
        let scale = ((count - 1.0) / count).sqrt() / unbiased(positives);
        Some(Self {
            value,
            bias: (count - 1.0) * (middle - value),
            of_images: without
                .iter()
                .map(|value| (middle - value) * scale)
                .collect(),
            size: positives,
        })
    }

    /// The mean of the scores of several labels; none without a label.
    pub(super) fn mean_of(labels: impl Iterator<Item = Self>) -> Option<Self> {
        let (mut all, mut count, mut parts): (Option<Self>, f64, f64) = (None, 0.0, 0.0);
        for label in labels {
            count += 1.0;
            parts += 1.0 / label.size;
            match &mut all {
                None => all = Some(label),
                Some(all) => {
                    all.value += label.value;
                    all.bias += label.bias;
                    (all.of_images.iter_mut().zip(label.of_images))
                        .for_each(|(all, own)| *all += own);
                }
            }
        }
        let mut all = all?;
        all.value /= count;
        all.bias /= count;
        all.of_images.iter_mut().for_each(|by| *by /= count);
        all.size = count * count / parts;
        Some(all)
    }

    /// The harmonic mean of two scores of the same images; 0 of two zeros.
    pub(super) fn harmonic(&self, other: &Self) -> Self {
        let (a, b) = (self.value, other.value);
        let sum = f64::max(a + b, f64::MIN_POSITIVE);
        let [by_a, by_b] = [b, a].map(|value| 2.0 * (value / sum).powi(2));
        let pairs = || self.of_images.iter().zip(&other.of_images);
        // Half the second derivative along each image's move: -2 (b u - a v)^2 / (a + b)^3.
        let curved: f64 = pairs()
            .map(|(u, v)| (b / sum * u - a / sum * v).powi(2))
            .sum();
        Self {
            value: harmonic(a, b),
            of_images: pairs().map(|(u, v)| by_a * u + by_b * v).collect(),
            bias: by_a * self.bias + by_b * other.bias - 2.0 * curved / sum,
            size: self.size.min(other.size),
        }
    }

    fn variance(&self) -> f64 {
        self.of_images.iter().map(|by| by * by).sum()
    }

    /// The score without its bias, where that leaves a share.
    fn middle(&self) -> f64 {
        let middle = self.value - self.bias;
        if middle > 0.0 && middle < 1.0 {
            middle
        } else {
            self.value
        }
    }

    /// The interval of a score from 0 to 1: Wilson's, for as many trials as would make the score vary as
    /// it does (Korn and Graubard, Survey Methodology 1998).
    pub(super) fn share_interval(&self) -> Interval {
        let middle = self.middle();
        Interval::of_trials(middle, self.trials(middle)).holding(self.value)
    }

    /// The interval of an average precision; none of a perfect one, where nothing shows how far it varies.
    ///
    /// A few positives among the negatives carry all that is known of how far it varies: Student's quantile.
    /// It stands for no more trials than positives, the lower the score, and for the more the nearer it is to
    /// 1: a positive that ranks below a few of the negatives still has a precision near 1.
    pub(super) fn precision_interval(&self) -> Option<Interval> {
        if self.value >= 1.0 {
            return None;
        }
        let middle = self.middle();
        let size = self.trials(middle).min(self.size / (1.0 - middle));
        Some(Interval::wilson(middle, size, self.student()).holding(self.value))
    }

    /// The number of trials that would make a share vary as much.
    fn trials(&self, middle: f64) -> f64 {
        let variance = self.variance();
        match variance > 0.0 && middle > 0.0 && middle < 1.0 {
            true => middle * (1.0 - middle) / variance,
            false => self.size,
        }
    }

    /// The interval of a mean of positive values, by its logarithm, as it is the higher the further it may
    /// be off.
    pub(super) fn positive_interval(&self) -> Interval {
        let factor = if self.value > 0.0 {
            (self.student() * self.variance().sqrt() / self.value).exp()
        } else {
            1.0
        };
        Interval {
            low: self.value / factor,
            high: self.value * factor,
        }
    }

    /// Student's 97.5 % quantile, for as many degrees of freedom as the variance has: the fewer, the
    /// fewer images it is made by (Satterthwaite 1946). By the series of Cornish and Fisher.
    fn student(&self) -> f64 {
        let squares = self.variance();
        let fourth: f64 = self.of_images.iter().map(|by| by.powi(4)).sum();
        let rest = fourth / (squares * squares) - 1.0 / self.of_images.len() as f64;
        // Without variance nothing is known of it.
        let freedom = if rest > 0.0 {
            2.0 / rest
        } else {
            f64::INFINITY
        };
        let freedom = if squares > 0.0 { freedom.max(2.0) } else { 2.0 };
        let z = NORMAL;
        let [third, fifth, seventh] = [3, 5, 7].map(|power| z.powi(power));
        z + (third + z) / (4.0 * freedom)
            + (5.0 * fifth + 16.0 * third + 3.0 * z) / (96.0 * freedom.powi(2))
            + (3.0 * seventh + 19.0 * fifth + 17.0 * third - 15.0 * z) / (384.0 * freedom.powi(3))
    }
}

/// What makes a standard deviation of so many values one of the values that they were drawn from.
fn unbiased(count: f64) -> f64 {
    if count > 1.0 {
        (count / (count - 1.0)).sqrt()
    } else {
        1.0
    }
}
