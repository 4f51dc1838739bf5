//! The noise: uniform, dense, independent for every pixel.

use soup_random::{Purpose, Stream};

/// Random words drawn at once.
const WORDS: usize = 64;

/// `pixel = round(clip(canvas + U, 0, 255))` with U uniform in `[0, amplitude)`.
///
/// U has 16 bits, two draws to a 32-bit word. The canvas is whole, so rounding U is enough.
pub(super) fn add(canvas: &[u16], amplitude: u16, seed: u64, index: u64, pixels: &mut [u8]) {
    let mut stream = Stream::new(seed, Purpose::Noise, 0, index);
    let amplitude = u32::from(amplitude);
    let round = |draw: u32| (draw * amplitude + (1 << 15)) >> 16;
    let (mut words, mut draws) = ([0; WORDS], [[0; 2]; WORDS]);
    let parts = canvas.chunks(2 * WORDS).zip(pixels.chunks_mut(2 * WORDS));
    for (values, pixels) in parts {
        stream.fill(&mut words);
        for (draws, &word) in draws.iter_mut().zip(&words) {
            *draws = [word & 0xffff, word >> 16];
        }
        let draws = draws.as_flattened();
        for ((&value, pixel), &draw) in values.iter().zip(pixels).zip(draws) {
            *pixel = (u32::from(value) + round(draw)).min(255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_uniform_and_clipped() {
        let size = 1 << 20;
        let mut pixels = vec![0; size];
        let mut counts = |level: u16| {
            add(&vec![level; size], 255, 3, u64::from(level), &mut pixels);
            let mut counts = [0usize; 256];
            for &pixel in &pixels {
                counts[usize::from(pixel)] += 1;
            }
            counts
        };
        let expected = size as f64 / 255.0;
        let near =
            |count: usize, times: f64| (count as f64 / (expected * times) - 1.0).abs() < 0.08;
        // The first and the last value have half a bin.
        let plain = counts(0);
        assert!(near(plain[0], 0.5) && near(plain[255], 0.5));
        assert!(plain[1..255].iter().all(|&count| near(count, 1.0)));
        // 78 % of a stroke at level 200 is clipped, 39 % at level 100.
        let high = counts(200);
        assert!(high[..200].iter().all(|&count| count == 0));
        assert!((high[255] as f64 / size as f64 - 200.5 / 255.0).abs() < 0.002);
        let low = counts(100);
        assert!(low[..100].iter().all(|&count| count == 0));
        assert!((low[255] as f64 / size as f64 - 100.5 / 255.0).abs() < 0.002);
    }
}
