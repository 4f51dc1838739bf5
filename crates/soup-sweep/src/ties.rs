//! Which candidates are worse than the best, and which are tied with it.
//!
//! Every candidate is trained with the same seeds, so a score is modelled as candidate + seed + noise.
//! The effect of a seed cancels in differences. The residuals of candidates with several seeds give
//! the size of the noise. The errors of the candidates' means are then resampled: by a parametric
//! bootstrap of the noise (Efron and Tibshirani, "An introduction to the bootstrap", 1993, section 6.5)
//! and, where all candidates were scored on the same images, by a paired bootstrap over these.
//!
//! A candidate is ruled out where it lies further behind the best than the worst of as many equal
//! candidates would by chance (multiple comparisons with the best, Hsu, Annals of Statistics 1984). The
//! worst one is ruled out first and the rest are tested again, as in the model confidence set of Hansen,
//! Lunde and Nason (Econometrica 2011): all of the best stay with the confidence that was asked for.

use soup_random::{Purpose, Stream};

use soup_decide::metrics::Interval;

/// Samples of the bootstrap.
const SAMPLES: usize = 2000;
/// More images than this are joined into as many groups.
const IMAGE_GROUPS: usize = 400;
/// Rounds in which the seeds and the candidates are fitted to each other.
const FIT_ROUNDS: usize = 60;
/// A fit has converged when no score moves by more than this.
const SETTLED: f64 = 1e-9;
/// Below so many degrees of freedom the noise of an earlier rung is pooled in.
const FREEDOM: usize = 4;

/// A measurement at a rung: the score of a candidate with one seed.
#[derive(Clone, Copy, Debug)]
pub struct Measurement<'a> {
    /// Candidate, counted from 0 among those that are compared.
    pub candidate: usize,
    /// Seed, counted from 0.
    pub seed: usize,
    /// Its score; larger is better.
    pub score: f64,
    /// The score of each held-out image; empty where the images differ from seed to seed.
    pub images: &'a [f32],
}

/// Scores as effects of candidates and of seeds, and residuals.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Score of each candidate with the seeds' effects removed; NaN for one without a measurement.
    pub scores: Vec<f64>,
    /// Measurements of each candidate.
    pub counts: Vec<usize>,
    /// Sum of the squares of the residuals.
    pub squares: f64,
    /// Degrees of freedom of `squares`.
    pub freedom: usize,
}

/// Fits these effects by least squares.
pub fn fit(measurements: &[Measurement<'_>], candidates: usize) -> Fit {
    let seeds = measurements
        .iter()
        .map(|measurement| measurement.seed + 1)
        .max()
        .unwrap_or(0);
    let count = |of: &dyn Fn(&Measurement<'_>) -> usize, length: usize| {
        let mut counts = vec![0usize; length];
        measurements
            .iter()
            .for_each(|measurement| counts[of(measurement)] += 1);
        counts
    };
    let counts = count(&|measurement| measurement.candidate, candidates);
    let by_seed = count(&|measurement| measurement.seed, seeds);
    let values: Vec<f64> = measurements
        .iter()
        .map(|measurement| measurement.score)
        .collect();
    let (scores, offsets) = fit_values(measurements, &values, &counts, &by_seed);
    let squares = measurements
        .iter()
        .map(|measurement| {
            (measurement.score - scores[measurement.candidate] - offsets[measurement.seed]).powi(2)
        })
        .sum();
    let used = |counts: &[usize]| counts.iter().filter(|count| **count > 0).count();
    Fit {
        freedom: (measurements.len() + 1).saturating_sub(used(&counts) + used(&by_seed)),
        scores,
        counts,
        squares,
    }
}

/// The effects of candidates and of seeds in `values`, one a measurement. Those of seeds have a mean of 0.
fn fit_values(
    measurements: &[Measurement<'_>],
    values: &[f64],
    counts: &[usize],
    by_seed: &[usize],
) -> (Vec<f64>, Vec<f64>) {
    let mean = |sums: &mut [f64], counts: &[usize]| {
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum /= *count as f64;
        }
    };
    let mut offsets = vec![0.0; by_seed.len()];
    let mut scores = vec![0.0; counts.len()];
    for round in 0..FIT_ROUNDS {
        scores.fill(0.0);
        for (measurement, value) in measurements.iter().zip(values) {
            scores[measurement.candidate] += value - offsets[measurement.seed];
        }
        mean(&mut scores, counts);
        if round + 1 == FIT_ROUNDS || by_seed.len() < 2 {
            break;
        }
        let before = std::mem::replace(&mut offsets, vec![0.0; by_seed.len()]);
        for (measurement, value) in measurements.iter().zip(values) {
            offsets[measurement.seed] += value - scores[measurement.candidate];
        }
        mean(&mut offsets, by_seed);
        let middle = offsets.iter().sum::<f64>() / offsets.len() as f64;
        offsets.iter_mut().for_each(|offset| *offset -= middle);
        let moved = offsets
            .iter()
            .zip(&before)
            .map(|(now, before)| (now - before).abs());
        if moved.fold(0.0, f64::max) < SETTLED {
            break;
        }
    }
    (scores, offsets)
}

/// What measurements of candidates show.
#[derive(Clone, Debug)]
pub struct Evidence {
    fit: Fit,
    noise: Option<f64>,
    /// Resampled errors of the candidates' scores: samples x candidates. Empty where their size is
    /// unknown.
    errors: Vec<Vec<f64>>,
    /// Estimated noise of each sample, as a share of the true one.
    scales: Vec<f64>,
}

/// The standard deviation of noise and its degrees of freedom, pooled with an earlier fit where this
/// one has too few.
pub fn noise(fit: &Fit, earlier: Option<&Fit>) -> Option<(f64, usize)> {
    let (mut squares, mut freedom) = (fit.squares, fit.freedom);
    if let Some(earlier) = earlier.filter(|_| freedom < FREEDOM) {
        squares += earlier.squares;
        freedom += earlier.freedom;
    }
    (freedom > 0).then(|| ((squares / freedom as f64).sqrt(), freedom))
}

impl Evidence {
    /// The evidence of measurements of `candidates` candidates, each of which was measured. The noise of
    /// `earlier` is pooled in where these have few degrees of freedom.
    pub fn new(
        measurements: &[Measurement<'_>],
        candidates: usize,
        earlier: Option<&Fit>,
        seed: u64,
    ) -> Self {
        let fit = fit(measurements, candidates);
        let noise = noise(&fit, earlier);
        let images = image_scores(measurements, candidates);
        let mut evidence = Self {
            noise: noise.map(|(noise, _)| noise),
            errors: Vec::new(),
            scales: Vec::new(),
            fit,
        };
        let Some((deviation, freedom)) = noise.or(images.as_ref().map(|_| (0.0, 0))) else {
            return evidence;
        };
        let seeds = measurements
            .iter()
            .map(|measurement| measurement.seed + 1)
            .max()
            .unwrap_or(0);
        let mut by_seed = vec![0; seeds];
        measurements
            .iter()
            .for_each(|measurement| by_seed[measurement.seed] += 1);
        for sample in 0..SAMPLES {
            let mut stream = Stream::new(seed, Purpose::Bootstrap, 1, sample as u64);
            let noise: Vec<f64> = measurements
                .iter()
                .map(|_| deviation * f64::from(stream.normal()))
                .collect();
            let (mut errors, _) = fit_values(measurements, &noise, &evidence.fit.counts, &by_seed);
            let squares: f64 = (0..freedom)
                .map(|_| f64::from(stream.normal()).powi(2))
                .sum();
            if let Some(images) = &images {
                let groups = images[0].len() as u32;
                let drawn: Vec<usize> =
                    (0..groups).map(|_| stream.below(groups) as usize).collect();
                for (error, images) in errors.iter_mut().zip(images) {
                    *error +=
                        drawn.iter().map(|group| images[*group]).sum::<f64>() / f64::from(groups);
                }
            }
            evidence.errors.push(errors);
            evidence.scales.push(match freedom {
                0 => 1.0,
                freedom => (squares / freedom as f64).sqrt(),
            });
        }
        evidence
    }

    /// The fitted scores.
    pub fn fit(&self) -> &Fit {
        &self.fit
    }

    /// Standard deviation of the noise of one measurement, where it is known.
    pub fn noise(&self) -> Option<f64> {
        self.noise
    }

    /// The candidate with the highest score.
    pub fn best(&self) -> usize {
        best(
            &self.fit.scores,
            (0..self.fit.scores.len()).collect::<Vec<_>>().as_slice(),
        )
    }

    /// Which candidates are worse than the best: none of the truly best ones is among them with a
    /// chance of 1 - `error`.
    pub fn ruled_out(&self, error: f64) -> Vec<bool> {
        let scores = &self.fit.scores;
        let mut alive: Vec<usize> = (0..scores.len()).collect();
        let spread = self.spreads();
        let far = |gap: f64, a: usize, b: usize| if gap > 0.0 { gap / spread[a][b] } else { 0.0 };
        while alive.len() > 1 && !self.errors.is_empty() {
            let top = best(scores, &alive);
            let distance = |of: usize| far(scores[top] - scores[of], top, of);
            let worst = alive.iter().copied().fold(top, |worst, of| {
                if distance(of) > distance(worst) {
                    of
                } else {
                    worst
                }
            });
            let as_far = self
                .errors
                .iter()
                .zip(&self.scales)
                .filter(|(errors, scale)| {
                    let top = best(errors, &alive);
                    let widest = alive
                        .iter()
                        .map(|of| far(errors[top] - errors[*of], top, *of))
                        .fold(0.0, f64::max);
                    widest / **scale >= distance(worst)
                });
            if as_far.count() as f64 >= error * SAMPLES as f64 {
                break;
            }
            alive.retain(|of| *of != worst);
        }
        let mut out = vec![true; scores.len()];
        alive.into_iter().for_each(|of| out[of] = false);
        out
    }

    /// 95 % of the errors of the difference `a` - `b` (or of `a` alone) lie between these two around it.
    pub fn interval(&self, a: usize, b: Option<usize>) -> Option<Interval> {
        let error = |errors: &Vec<f64>| errors[a] - b.map_or(0.0, |b| errors[b]);
        let value = self.fit.scores[a] - b.map_or(0.0, |b| self.fit.scores[b]);
        let scaled = self
            .errors
            .iter()
            .zip(&self.scales)
            .map(|(errors, scale)| error(errors) / scale);
        let mut scaled: Vec<f64> = scaled.collect();
        scaled.sort_unstable_by(f64::total_cmp);
        let at =
            |share: f64| scaled.get((share * (scaled.len().max(1) - 1) as f64).round() as usize);
        Some(Interval {
            low: value - at(0.975)?,
            high: value - at(0.025)?,
        })
    }

    /// Standard deviation of the error of each difference.
    fn spreads(&self) -> Vec<Vec<f64>> {
        let candidates = self.fit.scores.len();
        let spread = |a: usize, b: usize| {
            let squares: f64 = self
                .errors
                .iter()
                .map(|errors| (errors[a] - errors[b]).powi(2))
                .sum();
            (squares / SAMPLES as f64).sqrt()
        };
        (0..candidates)
            .map(|a| (0..candidates).map(|b| spread(a, b)).collect())
            .collect()
    }
}

fn best(scores: &[f64], among: &[usize]) -> usize {
    let first = among.first().copied().unwrap_or(0);
    among.iter().copied().fold(
        first,
        |best, of| if scores[of] > scores[best] { of } else { best },
    )
}

/// Deviation of each group of images from each candidate's mean, where all were scored on the same
/// images.
fn image_scores(measurements: &[Measurement<'_>], candidates: usize) -> Option<Vec<Vec<f64>>> {
    let images = measurements.first()?.images.len();
    if images == 0
        || measurements
            .iter()
            .any(|measurement| measurement.images.len() != images)
    {
        return None;
    }
    let groups = images.min(IMAGE_GROUPS);
    let mut sums = vec![vec![0.0; groups]; candidates];
    let mut counts = vec![vec![0.0; groups]; candidates];
    for measurement in measurements {
        for (index, score) in measurement.images.iter().enumerate() {
            sums[measurement.candidate][index % groups] += f64::from(*score);
            counts[measurement.candidate][index % groups] += 1.0;
        }
    }
    for (sums, counts) in sums.iter_mut().zip(&counts) {
        sums.iter_mut()
            .zip(counts)
            .for_each(|(sum, count)| *sum /= count);
        let mean = sums.iter().sum::<f64>() / groups as f64;
        sums.iter_mut().for_each(|value| *value -= mean);
    }
    Some(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(candidate: usize, seed: usize, score: f64) -> Measurement<'static> {
        Measurement {
            candidate,
            seed,
            score,
            images: &[],
        }
    }

    #[test]
    fn seeds_drop_out_of_differences() {
        // The third candidate has the lucky seed alone.
        let measurements = [
            measurement(0, 0, 0.70),
            measurement(0, 1, 0.74),
            measurement(1, 0, 0.72),
            measurement(1, 1, 0.76),
            measurement(2, 1, 0.75),
        ];
        let fit = fit(&measurements, 3);
        for (score, expected) in fit.scores.iter().zip([0.72, 0.74, 0.73]) {
            assert!((score - expected).abs() < 1e-6, "{fit:?}");
        }
        assert!(fit.squares < 1e-9);
        assert_eq!((fit.freedom, fit.counts.as_slice()), (1, &[2, 2, 1][..]));
    }

    #[test]
    fn only_clear_differences_rule_out() {
        let noise = [0.3, -0.4, 0.1, -0.2, 0.4, -0.3, 0.2, 0.1];
        let measurements: Vec<_> = (0..8)
            .map(|at| {
                measurement(
                    at / 2,
                    at % 2,
                    [0.9, 0.8999, 0.88, 0.9][at / 2] + 0.001 * noise[at],
                )
            })
            .collect();
        let evidence = Evidence::new(&measurements, 4, None, 1);
        assert_eq!(evidence.ruled_out(0.05), [false, false, true, false]);
        let interval = evidence.interval(2, Some(0)).map(|i| (i.low, i.high));
        assert!(interval.is_some_and(|(low, high)| low < -0.02 && high > -0.02 && high < -0.01));
        // One seed shows no noise, so nothing is ruled out.
        let single: Vec<_> = measurements
            .iter()
            .copied()
            .filter(|measurement| measurement.seed == 0)
            .collect();
        assert_eq!(
            Evidence::new(&single, 4, None, 1).ruled_out(0.05),
            [false; 4]
        );
    }

    #[test]
    fn images_in_common_are_evidence_too() {
        // The second misses one more cell of every fourth image; the third of one alone.
        let image = |candidate: usize, at: usize| match (candidate, at % 4, at) {
            (1, 0, _) | (2, _, 3) => 0.8,
            _ if at.is_multiple_of(3) => 0.85,
            _ => 0.9,
        };
        let images: Vec<Vec<f32>> = (0..3)
            .map(|c| (0..200).map(|at| image(c, at)).collect())
            .collect();
        let measurements: Vec<_> = images
            .iter()
            .enumerate()
            .map(|(candidate, images)| Measurement {
                candidate,
                seed: 0,
                score: images.iter().map(|score| f64::from(*score)).sum::<f64>() / 200.0,
                images,
            })
            .collect();
        assert_eq!(
            Evidence::new(&measurements, 3, None, 1).ruled_out(0.05),
            [false, true, false]
        );
    }

    /// How often all of several equally good candidates stay, and a worse one goes.
    #[test]
    fn the_best_stay_together_as_often_as_promised() {
        let (mut together, mut found) = (0, 0);
        for world in 0..200 {
            let mut stream = Stream::new(world, Purpose::Sweep, 9, 0);
            let measurements: Vec<_> = (0..18)
                .map(|at| {
                    let worse = if at / 3 == 5 { 0.006 } else { 0.0 };
                    measurement(
                        at / 3,
                        at % 3,
                        0.8 - worse + 0.0012 * f64::from(stream.normal()),
                    )
                })
                .collect();
            let out = Evidence::new(&measurements, 6, None, world).ruled_out(0.05);
            together += u32::from(!out[..5].contains(&true));
            found += u32::from(out[5]);
        }
        assert!(
            (183..=198).contains(&together) && found > 190,
            "{together} {found}"
        );
    }

    /// Two equal candidates on the same images, of which few differ between them, as with rare labels: each is
    /// ruled out in 2.5 of 100 sweeps at most.
    #[test]
    fn equal_candidates_are_hardly_ever_ruled_out_by_few_images() {
        for apart in [0.01, 0.03, 0.1] {
            let sweeps = 300;
            let (mut better, mut out) = (0, 0);
            for sweep in 0..sweeps {
                let mut draws = Stream::new(sweep, Purpose::Bootstrap, 2, 0);
                let images: Vec<[f32; 2]> = (0..300)
                    .map(|_| match (draws.chance(apart), draws.chance(0.5)) {
                        (false, _) => [1.0; 2],
                        (true, first) => [f32::from(u8::from(first)), f32::from(u8::from(!first))],
                    })
                    .collect();
                let of: Vec<Vec<f32>> = (0..2)
                    .map(|candidate| images.iter().map(|of| of[candidate]).collect())
                    .collect();
                let measurements: Vec<_> = (of.iter().enumerate())
                    .map(|(candidate, images)| Measurement {
                        candidate,
                        seed: 0,
                        score: images.iter().map(|p| f64::from(*p)).sum::<f64>() / 300.0,
                        images,
                    })
                    .collect();
                let evidence = Evidence::new(&measurements, 2, None, sweep);
                let interval = evidence.interval(0, Some(1));
                better += usize::from(interval.is_some_and(|interval| interval.low > 0.0));
                out += usize::from(evidence.ruled_out(0.05)[1]);
            }
            // Of 300, two and a half standard errors above 7.5.
            assert!(better <= 14, "{apart}: {better} of {sweeps}");
            assert!(out <= 14, "{apart}: {out} of {sweeps}");
        }
    }
}
