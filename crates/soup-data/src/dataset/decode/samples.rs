//! Samples of more than 8 bits become bytes by one rule for all formats: the upper 8 bits of 16, or
//! what lies between 0 and `max_value`. Alpha is never scaled by `max_value`.

use super::SampleRange;

/// What a sample becomes.
fn eight_bits(sample: u16, max_value: Option<u16>) -> u8 {
    match max_value {
        Some(most) => {
            let most = u32::from(most.max(1));
            ((u32::from(sample).min(most) * 255 + most / 2) / most) as u8
        }
        None => (sample >> 8) as u8,
    }
}

/// The samples met so far, as pixels of this many channels, the last of them alpha where the number is even.
struct Meter {
    channels: usize,
    max_value: Option<u16>,
    at: usize,
    range: SampleRange,
}

impl Meter {
    fn new(channels: usize, max_value: Option<u16>) -> Self {
        let (least, greatest) = (u16::MAX, 0);
        Self {
            channels,
            max_value,
            at: 0,
            range: SampleRange { least, greatest },
        }
    }

    fn next(&mut self, sample: u16) -> u8 {
        self.at += 1;
        let is_alpha = self.channels.is_multiple_of(2) && self.at.is_multiple_of(self.channels);
        if is_alpha {
            return eight_bits(sample, None);
        }
        self.range.least = self.range.least.min(sample);
        self.range.greatest = self.range.greatest.max(sample);
        eight_bits(sample, self.max_value)
    }
}

/// Samples of 16 bits, which `read` takes from two bytes, become bytes in place.
pub(super) fn in_place(
    channels: usize,
    max_value: Option<u16>,
    pixels: &mut Vec<u8>,
    read: impl Fn([u8; 2]) -> u16,
) -> SampleRange {
    let mut meter = Meter::new(channels, max_value);
    let size = pixels.len() / 2;
    for at in 0..size {
        pixels[at] = meter.next(read([pixels[2 * at], pixels[2 * at + 1]]));
    }
    pixels.truncate(size);
    meter.range
}

/// Samples of 16 bits become bytes at the end of `pixels`.
pub(super) fn of_sixteen(
    samples: impl Iterator<Item = u16>,
    channels: usize,
    max_value: Option<u16>,
    pixels: &mut Vec<u8>,
) -> SampleRange {
    let mut meter = Meter::new(channels, max_value);
    pixels.extend(samples.map(|sample| meter.next(sample)));
    meter.range
}

/// Samples that may have any value: without `max_value` those between 0 and 1 are taken. What is no
/// number is black.
///
/// # Errors
/// Samples outside of 0 to 1 where there is no `max_value`.
pub(super) fn of_any(
    samples: impl Iterator<Item = f64> + Clone,
    max_value: Option<u16>,
    pixels: &mut Vec<u8>,
) -> Result<Option<SampleRange>, String> {
    let (least, greatest) = samples
        .clone()
        .filter(|sample| sample.is_finite())
        .fold((f64::MAX, f64::MIN), |(least, greatest), sample| {
            (least.min(sample), greatest.max(sample))
        });
    if max_value.is_none() && (least < 0.0 || greatest > 1.0) {
        return Err(format!(
            "its samples go from {least} to {greatest}, and without a largest value only 0 to 1 is \
             taken; say which value is white (--max-value of soup pack), or convert the image to 8 bits"
        ));
    }
    let most = max_value.map_or(1.0, |most| f64::from(most.max(1)));
    pixels.extend(samples.map(|sample| (sample * 255.0 / most + 0.5).clamp(0.0, 255.0) as u8));
    Ok(max_value.map(|_| SampleRange {
        least: least.clamp(0.0, 65535.0) as u16,
        greatest: greatest.clamp(0.0, 65535.0).ceil() as u16,
    }))
}

/// Ink becomes light, as Pillow does it: the share of each colour that cyan, magenta or yellow and
/// black leave. Four bytes a pixel become three, in place.
pub(super) fn cmyk_to_rgb(pixels: &mut Vec<u8>) {
    let count = pixels.len() / 4;
    for at in 0..count {
        let [cyan, magenta, yellow, black] =
            [0, 1, 2, 3].map(|ink| u32::from(pixels[4 * at + ink]));
        let left = 255 - black;
        for (to, ink) in [cyan, magenta, yellow].into_iter().enumerate() {
            // Pillow's MULDIV255: the product over 255, rounded.
            let product = ink * left + 128;
            let taken = ((product >> 8) + product) >> 8;
            pixels[3 * at + to] = left.saturating_sub(taken) as u8;
        }
    }
    pixels.truncate(3 * count);
}

/// Luma and the two differences of colour of ITU-R BT.601 at full range, as JFIF has them, become RGB
/// in place.
pub(super) fn ycbcr_to_rgb(pixels: &mut [u8]) {
    for pixel in pixels.as_chunks_mut::<3>().0 {
        let [luma, blue, red] = pixel.map(f32::from);
        let (blue, red) = (blue - 128.0, red - 128.0);
        *pixel = [
            luma + 1.402 * red,
            luma - 0.344_136 * blue - 0.714_136 * red,
            luma + 1.772 * blue,
        ]
        .map(|value| (value + 0.5).clamp(0.0, 255.0) as u8);
    }
}
