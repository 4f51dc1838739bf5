//! Images and the heat maps of a network over them, small enough to embed in a page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use soup_data::ImageShape;
use soup_model::LabelMaps;

/// HeatMap maps that are shown of an image.
pub const HEATS: usize = 3;
/// Longest side of an image in a page, in pixels.
const LONGEST: usize = 128;

/// An image as a PNG data URI.
#[derive(Clone, Debug, PartialEq)]
pub struct InlineImage {
    /// `data:image/png;base64,...`.
    pub uri: String,
    /// Pixels a row, as it was before it was made small.
    pub width: usize,
    /// Rows, as it was before.
    pub height: usize,
}

/// An image of the data with its true labels, by their columns.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its id.
    pub id: String,
    /// The fold that holds it out.
    pub fold: u32,
    /// The labels that it has.
    pub labels: Vec<usize>,
    /// The image.
    pub image: InlineImage,
}

/// An image and what was predicted of it.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The image.
    pub sample: Sample,
    /// Mean binary cross-entropy over the labels.
    pub loss: f64,
    /// Labels that are true and were not predicted, with their probabilities.
    pub false_negatives: Vec<(usize, f32)>,
    /// Labels that were predicted and are not true.
    pub false_positives: Vec<(usize, f32)>,
    /// HeatMap maps of the worst predictions; none for a network without maps.
    pub heats: Vec<HeatMap>,
}

/// The heat map of a label.
#[derive(Clone, Debug)]
pub struct HeatMap {
    /// The label, by its column.
    pub label: usize,
    /// Largest value of the map, from 0 to 1.
    pub peak: f32,
    /// The map as an image to be laid over: clear where it is lowest, red where it is highest.
    pub overlay: InlineImage,
}

impl InlineImage {
    /// An image of these pixels, made small by means over squares.
    pub fn image(pixels: &[u8], shape: ImageShape) -> Self {
        let factor = shape.height.max(shape.width).div_ceil(LONGEST).max(1);
        let (height, width) = (shape.height.div_ceil(factor), shape.width.div_ceil(factor));
        let channels = shape.channels;
        let mut small = Vec::with_capacity(height * width * channels);
        for row in 0..height {
            let rows = row * factor..((row + 1) * factor).min(shape.height);
            for column in 0..width {
                let columns = column * factor..((column + 1) * factor).min(shape.width);
                let count = (rows.len() * columns.len()) as u32;
                for channel in 0..channels {
                    let cells = rows.clone().flat_map(|row| {
                        let place = move |column| (row * shape.width + column) * channels + channel;
                        columns.clone().map(place)
                    });
                    let sum: u32 = cells.map(|cell| u32::from(pixels[cell])).sum();
                    small.push(((sum + count / 2) / count) as u8);
                }
            }
        }
        let colours = match channels {
            1 => png::ColorType::Grayscale,
            2 => png::ColorType::GrayscaleAlpha,
            3 => png::ColorType::Rgb,
            _ => png::ColorType::Rgba,
        };
        Self {
            uri: data_uri(&small, width, height, colours, None),
            width: shape.width,
            height: shape.height,
        }
    }
}

impl HeatMap {
    /// The map of one label, scaled to its own range. A network that is uncertain everywhere still shows where it is
    /// least so.
    pub fn of(maps: &LabelMaps, label: usize) -> Self {
        let cells = maps.rows * maps.columns;
        let map = &maps.values[label * cells..][..cells];
        let low = map.iter().copied().fold(f32::INFINITY, f32::min);
        let peak = map.iter().copied().fold(0.0, f32::max);
        let scale = 255.0 / (peak - low).max(f32::MIN_POSITIVE);
        let levels: Vec<u8> = map.iter().map(|v| ((v - low) * scale) as u8).collect();
        // Opacity by level. The square keeps the lower half transparent enough to see the image.
        let opacities: Vec<u8> = (0..=255u32)
            .map(|level| (level * level / 300) as u8)
            .collect();
        Self {
            label,
            peak,
            overlay: InlineImage {
                uri: data_uri(
                    &levels,
                    maps.columns,
                    maps.rows,
                    png::ColorType::Indexed,
                    Some(&opacities),
                ),
                width: maps.columns,
                height: maps.rows,
            },
        }
    }
}

impl Prediction {
    /// The prediction for an image whose labels are known; a yes is a probability above .5.
    pub fn of(sample: Sample, loss: f64, probabilities: &[f32]) -> Self {
        let is_true = |label: usize| sample.labels.contains(&label);
        let of = |yes: bool| -> Vec<(usize, f32)> {
            let cells = probabilities.iter().copied().enumerate();
            let wrong = |(label, p): &(usize, f32)| (*p > 0.5) == yes && is_true(*label) != yes;
            cells.filter(wrong).collect()
        };
        let (false_negatives, false_positives) = (of(false), of(true));
        Self {
            loss,
            false_negatives,
            false_positives,
            heats: Vec::new(),
            sample,
        }
    }

    /// Adds the heat maps of the worst predictions, the worst first.
    pub fn add_heats(&mut self, maps: &LabelMaps) {
        let worst = self.worst().into_iter().take(HEATS);
        self.heats = worst.map(|label| HeatMap::of(maps, label)).collect();
    }

    /// The labels that were predicted wrong, by how far the probability is from the truth.
    fn worst(&self) -> Vec<usize> {
        let negatives = self.false_negatives.iter().map(|(at, p)| (*at, 1.0 - p));
        let positives = self.false_positives.iter().map(|(at, p)| (*at, *p));
        let mut worst: Vec<(usize, f32)> = negatives.chain(positives).collect();
        worst.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        worst.into_iter().map(|of| of.0).collect()
    }
}

/// A PNG as a data URI; with `opacities` the bytes are levels of a red, as opaque as they say.
fn data_uri(
    bytes: &[u8],
    width: usize,
    height: usize,
    colours: png::ColorType,
    opacities: Option<&[u8]>,
) -> String {
    const RED: [u8; 3] = [255, 40, 0];
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(colours);
    encoder.set_depth(png::BitDepth::Eight);
    if let Some(opacities) = opacities {
        encoder.set_palette(RED.repeat(opacities.len()));
        encoder.set_trns(opacities.to_vec());
    }
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(bytes)?;
        writer.finish()
    });
    // Memory is written to, and the sizes fit: what is left is an image without pixels.
    match written {
        Ok(()) => format!("data:image/png;base64,{}", STANDARD.encode(&file)),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn decoded(shown: &InlineImage) -> (png::OutputInfo, Vec<u8>) {
        let text = shown.uri.strip_prefix("data:image/png;base64,").unwrap();
        let bytes = STANDARD.decode(text).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        pixels.truncate(info.buffer_size());
        (info, pixels)
    }

    #[test]
    fn large_images_become_means_of_squares() {
        let shape = ImageShape {
            height: 3,
            width: 256,
            channels: 1,
        };
        let pixels: Vec<u8> = (0..3 * 256).map(|at| ((at % 256) / 2 * 2) as u8).collect();
        let shown = InlineImage::image(&pixels, shape);
        assert_eq!((shown.width, shown.height), (256, 3));
        let (info, small) = decoded(&shown);
        assert_eq!((info.width, info.height), (128, 2));
        assert_eq!(small[..4], [0, 2, 4, 6]);
        let colour = ImageShape {
            height: 2,
            width: 1,
            channels: 3,
        };
        let (_, same) = decoded(&InlineImage::image(&[1, 2, 3, 4, 5, 6], colour));
        assert_eq!(same, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_map_is_clear_where_it_is_lowest() {
        let maps = LabelMaps {
            rows: 1,
            columns: 3,
            values: vec![0.9, 0.9, 0.9, 0.2, 0.4, 0.3],
        };
        let heat = HeatMap::of(&maps, 1);
        assert_eq!(heat.peak, 0.4);
        let (_, pixels) = decoded(&heat.overlay);
        let opacity: Vec<u8> = pixels.chunks(4).map(|pixel| pixel[3]).collect();
        assert_eq!((opacity[0], opacity[1]), (0, 216));
        assert!((45..65).contains(&opacity[2]), "{opacity:?}");
        // The same everywhere is nowhere.
        let (_, flat) = decoded(&HeatMap::of(&maps, 0).overlay);
        assert!(flat.chunks(4).all(|pixel| pixel[3] == 0));
    }
}
