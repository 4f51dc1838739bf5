//! Counter-based random numbers.
//!
//! Every draw that alphabet-soup makes (an initial weight, a shuffle, an augmentation, a dropped
//! path, a composed image, a noise pixel) is a function of `(seed, purpose, step, index)`. There
//! is no generator state to keep in a checkpoint and nothing that depends on who drew first, so
//! resuming a run and cutting work among threads cannot change a result.
//!
//! The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
//! SC 2011), tested against the known answers of the authors' Random123 library.

use std::f64::consts::TAU;

/// What a draw is for. Draws for different purposes are independent even where seed, step and
/// index are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Cutting a data set into folds.
    Split = 1,
    /// Initial weights.
    Init = 2,
    /// The order of the images in an epoch.
    Shuffle = 3,
    /// Augmentation of an image.
    Augment = 4,
    /// Layout of a composed image.
    Compose = 5,
    /// Noise pixels of a composed image.
    Noise = 6,
    /// Shape of a glyph drawn from strokes.
    Glyph = 7,
    /// Dropped activations and paths.
    Drop = 8,
    /// Bootstrap samples.
    Bootstrap = 9,
    /// Candidates of a sweep.
    Sweep = 10,
    /// Which images of a batch are mixed, and how.
    Mix = 11,
}

/// One Philox4x32-10 block: four 32-bit words from a 128-bit counter and a 64-bit key.
#[inline]
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    const M0: u64 = 0xD251_1F53;
    const M1: u64 = 0xCD9E_8D57;
    for _ in 0..10 {
        let p0 = M0 * u64::from(counter[0]);
        let p1 = M1 * u64::from(counter[2]);
        counter = [
            (p1 >> 32) as u32 ^ counter[1] ^ key[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ counter[3] ^ key[1],
            p0 as u32,
        ];
        key[0] = key[0].wrapping_add(0x9E37_79B9);
        key[1] = key[1].wrapping_add(0xBB67_AE85);
    }
    counter
}

/// A stream of draws: a cursor over the blocks of one `(seed, purpose, step, index)`.
///
/// A stream holds 2^24 blocks of 16 bytes; steps count to 2^32 and indices to 2^64.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream of draws for one `(seed, purpose, step, index)`.
    pub fn new(seed: u64, purpose: Purpose, step: u32, index: u64) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            counter: [
                (purpose as u32) << 24,
                step,
                index as u32,
                (index >> 32) as u32,
            ],
            block: [0; 4],
            used: 4,
        }
    }

    /// The next 32 random bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox4x32(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        let word = self.block[self.used];
        self.used += 1;
        word
    }

    /// The next words, as many calls of [`next_u32`](Self::next_u32) would give them, but block by block.
    #[inline]
    pub fn fill(&mut self, words: &mut [u32]) {
        let begun = words.len().min(self.block.len() - self.used);
        let (begun, rest) = words.split_at_mut(begun);
        let (blocks, end) = rest.as_chunks_mut::<4>();
        begun.fill_with(|| self.next_u32());
        for block in blocks {
            *block = philox4x32(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
        }
        end.fill_with(|| self.next_u32());
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | u64::from(self.next_u32()) << 32
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24.
    #[inline]
    pub fn uniform(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in `[low, high)`.
    #[inline]
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// True with the given probability.
    #[inline]
    pub fn chance(&mut self, probability: f32) -> bool {
        self.uniform() < probability
    }

    /// Uniform in `0..bound` without bias (Lemire's method). Returns 0 for a bound of 0 or 1.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        let mut product = u64::from(self.next_u32()) * u64::from(bound);
        if (product as u32) < bound {
            let floor = bound.wrapping_neg() % bound.max(1);
            while (product as u32) < floor {
                product = u64::from(self.next_u32()) * u64::from(bound);
            }
        }
        (product >> 32) as u32
    }

    /// A draw from the standard normal distribution (Box-Muller).
    #[inline]
    pub fn normal(&mut self) -> f32 {
        let radius = f64::from(1.0 - self.uniform()).ln() * -2.0;
        (radius.sqrt() * (TAU * f64::from(self.uniform())).cos()) as f32
    }

    /// A draw from the distribution Beta(a, b), both above 0: of two draws from Gamma distributions
    /// (Marsaglia and Tsang, 2000), the share of the first.
    pub fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (first, second) = (self.ln_gamma(a), self.ln_gamma(b));
        1.0 / (1.0 + (second - first).exp())
    }

    /// The logarithm of a draw from Gamma(shape, 1): for small shapes the draw itself is too small.
    fn ln_gamma(&mut self, shape: f64) -> f64 {
        // Of shape + 1, which Marsaglia and Tsang's method takes; a power of a uniform draw takes off the 1.
        let d = shape + 2.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = f64::from(self.normal());
            let v = (1.0 + c * x).powi(3);
            let u = 1.0 - f64::from(self.uniform());
            if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                let u = 1.0 - f64::from(self.uniform());
                return (d * v).ln() + u.ln() / shape;
            }
        }
    }

    /// Puts a slice in random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kat_vectors` of Random123 1.14, philox4x32 10.
    #[test]
    fn philox_gives_the_authors_known_answers() {
        assert_eq!(
            philox4x32([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn streams_of_other_purpose_step_index_or_seed_differ() {
        let first = |seed, purpose, step, index| {
            let mut stream = Stream::new(seed, purpose, step, index);
            [stream.next_u32(), stream.next_u32()]
        };
        let base = first(1, Purpose::Init, 1, 1);
        assert_eq!(base, first(1, Purpose::Init, 1, 1));
        assert_ne!(base, first(2, Purpose::Init, 1, 1));
        assert_ne!(base, first(1, Purpose::Shuffle, 1, 1));
        assert_ne!(base, first(1, Purpose::Init, 2, 1));
        assert_ne!(base, first(1, Purpose::Init, 1, 2));
    }

    #[test]
    fn many_words_are_those_that_come_one_by_one() {
        let mut single = Stream::new(5, Purpose::Noise, 2, 3);
        let mut many = single.clone();
        for count in [0, 1, 2, 5, 1, 8, 3, 4, 11] {
            let mut words = vec![0; count];
            many.fill(&mut words);
            assert!(words.into_iter().all(|word| word == single.next_u32()));
        }
        assert_eq!(many.next_u64(), single.next_u64());
    }

    #[test]
    fn uniform_below_and_normal_have_their_moments() {
        let mut stream = Stream::new(7, Purpose::Bootstrap, 0, 0);
        let n = 200_000;
        let mean = (0..n).map(|_| f64::from(stream.uniform())).sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.003, "{mean}");
        let mut counts = [0u32; 7];
        for _ in 0..n {
            counts[stream.below(7) as usize] += 1;
        }
        for count in counts {
            assert!((f64::from(count) * 7.0 / f64::from(n) - 1.0).abs() < 0.03);
        }
        let (mut sum, mut square) = (0.0, 0.0);
        for _ in 0..n {
            let x = f64::from(stream.normal());
            sum += x;
            square += x * x;
        }
        assert!((sum / f64::from(n)).abs() < 0.01);
        assert!((square / f64::from(n) - 1.0).abs() < 0.02);
    }

    /// Values of `scipy.stats.beta.cdf` at .01, .1, .5 and .9.
    #[test]
    fn beta_draws_are_distributed_as_scipys() {
        for (a, b, expected) in [
            (0.2, 0.2, [0.209_778, 0.336_69, 0.5, 0.663_31]),
            (1.0, 1.0, [0.01, 0.1, 0.5, 0.9]),
            (3.0, 3.0, [1e-5, 0.008_56, 0.5, 0.991_44]),
            (2.0, 0.5, [3.8e-5, 0.003_883, 0.116_117, 0.541_47]),
        ] {
            let mut stream = Stream::new(9, Purpose::Mix, 0, 0);
            let n = 100_000;
            let draws: Vec<f64> = (0..n).map(|_| stream.beta(a, b)).collect();
            for (at, expected) in [0.01, 0.1, 0.5, 0.9].into_iter().zip(expected) {
                let share = draws.iter().filter(|draw| **draw <= at).count() as f64 / f64::from(n);
                assert!((share - expected).abs() < 0.006, "{a} {b} {at}: {share}");
            }
        }
        let mut stream = Stream::new(9, Purpose::Mix, 0, 0);
        assert!((0..1000).all(|_| (0.0..=1.0).contains(&stream.beta(1e-3, 1e-3))));
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Stream::new(3, Purpose::Shuffle, 0, 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
