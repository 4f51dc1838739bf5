//! A contact sheet of what the composer makes: glyphs from strokes, canvases and images.
//!
//! `cargo run --release -p soup-data --example contact_sheet -- OUT_FOLDER [GLYPHS]`

use std::{fs::File, path::Path};

use soup_compose::{
    ComposeConfig, Composer,
    glyphs::{DrawOptions, GlyphSource, GlyphSpec, strokes::Strokes},
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("name a folder to write to")?;
    let out = Path::new(&out);
    std::fs::create_dir_all(out)?;

    let strokes = Strokes::new(0);
    let options = DrawOptions {
        stroke_width: [2.0, 14.0],
        ink_threshold: 60,
        ink_dilation: 0.0,
    };
    let mut letters = Sheet::new(40 * 40, 26 * 40);
    for label in 0..26u64 {
        for variation in 0..40 {
            let mask =
                strokes
                    .shape(variation * 26 + label)
                    .draw([1.0, 0.0].into(), 32.0, &options);
            for (y, row) in mask.rows().enumerate() {
                for (x, &inked) in row.iter().enumerate() {
                    let value = if inked { 255 } else { 0 };
                    letters.set(
                        variation as usize * 40 + x + 2,
                        label as usize * 40 + y + 2,
                        value,
                    );
                }
            }
        }
    }
    letters.write(&out.join("letters.png"))?;

    let spec: GlyphSpec = arguments.next().as_deref().unwrap_or("strokes").parse()?;
    let pool = spec.open()?;
    let composer = Composer::new(ComposeConfig::default(), pool)?;
    let mut canvases = Sheet::new(4 * 258, 2 * 258);
    let mut images = Sheet::new(4 * 258, 2 * 258);
    let mut pixels = vec![0; composer.shape().len()];
    for index in 0..8 {
        let (canvas, _) = composer.canvas(1, index);
        composer.compose(1, index, &mut pixels)?;
        let (left, top) = (index as usize % 4 * 258, index as usize / 4 * 258);
        for at in 0..pixels.len() {
            let (x, y) = (left + at % 256, top + at / 256);
            canvases.set(x, y, canvas[at].min(255) as u8);
            images.set(x, y, pixels[at]);
        }
    }
    canvases.write(&out.join("canvases.png"))?;
    images.write(&out.join("images.png"))
}

/// A grey image.
struct Sheet {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Sheet {
    fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixels: vec![0; width * height],
        }
    }

    fn set(&mut self, x: usize, y: usize, value: u8) {
        if x < self.width && y < self.height {
            self.pixels[y * self.width + x] = value;
        }
    }

    fn write(&self, path: &Path) -> Result<(), Failure> {
        let mut encoder =
            png::Encoder::new(File::create(path)?, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&self.pixels)?;
        Ok(())
    }
}
