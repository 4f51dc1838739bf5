//! The composer: images in the manner of the founding contest, as many as one likes.
//!
//! An image holds a few different letters, each turned, scaled and at one of two levels, perhaps
//! a [distractor](glyphs::strokes) that carries no label, and dense noise over all of it.
//! The defaults of [`ComposeConfig`] are the configuration that was measured on the contest's images.
//! An image is a function of `(seed, index)`: the same bytes from any thread on any machine,
//! because only integers and operations that IEEE 754 rounds exactly are used.

mod angle;
mod config;
mod examples;
pub mod glyphs;
mod noise;
mod write;

pub use config::ComposeConfig;
use config::UNDEFORMED;
pub use examples::ComposedSource;
use soup_data::{Annotation, Error, ImageShape, Result};
use soup_random::{Purpose, Stream};
pub use write::{WriteOptions, png, write_dataset};

use crate::glyphs::{Bend, DrawOptions, GlyphId, GlyphPool, Mask, Pose, Shape, strokes::hangul};

/// Positions tried for a shape before the one with the least overlap is taken.
const TRIES: usize = 12;

/// Makes images from a pool of glyphs.
#[derive(Clone, Debug)]
pub struct Composer {
    config: ComposeConfig,
    pool: GlyphPool,
    /// The pool in parts that share no glyph; an image is made from one of them.
    groups: Vec<GlyphPool>,
    /// Labels that the pool has glyphs of.
    usable: Vec<usize>,
}

/// What a composed image holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// One element a label of the pool, in its order: whether the image holds it.
    pub labels: Vec<bool>,
    /// Where the labels are, sorted by label.
    pub boxes: Vec<LabelBox>,
}

impl LabelBox {
    /// What it says to whoever knows no glyphs.
    pub fn annotation(&self) -> Annotation {
        let Self {
            label,
            x0,
            y0,
            x1,
            y1,
            ..
        } = *self;
        Annotation {
            label,
            x0,
            y0,
            x1,
            y1,
        }
    }
}

/// Where one label is in an image, and which glyph it was drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelBox {
    /// Index of the label.
    pub label: usize,
    /// Leftmost inked column within the image.
    pub x0: u32,
    /// Topmost inked row within the image.
    pub y0: u32,
    /// One past the rightmost inked column.
    pub x1: u32,
    /// One past the lowest inked row.
    pub y1: u32,
    /// Level of the ink.
    pub level: u8,
    /// The glyph.
    pub glyph: GlyphId,
}

impl Composer {
    /// Checks the configuration against the pool.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value that makes no sense, or where the pool has fewer labels than
    /// an image is to hold.
    pub fn new(config: ComposeConfig, pool: GlyphPool) -> Result<Self> {
        config.check()?;
        let usable: Vec<usize> = (0..pool.label_names().len())
            .filter(|&label| pool.count(label) > 0)
            .collect();
        let enough = usable.len() >= config.letters[1] as usize;
        if usable.is_empty() || !(enough || config.repeat) {
            let problem = format!(
                "an image is to hold up to {} different letters, but there are glyphs of only {}",
                config.letters[1],
                usable.len()
            );
            return Err(Error::setting("compose.letters", problem));
        }
        let groups = groups(&pool, &usable, config.glyph_groups)?;
        Ok(Self {
            config,
            pool,
            groups,
            usable,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &ComposeConfig {
        &self.config
    }

    /// The glyphs.
    pub fn pool(&self) -> &GlyphPool {
        &self.pool
    }

    /// The group of glyphs that image `index` is made from.
    pub fn group(&self, index: u64) -> u64 {
        index % self.groups.len() as u64
    }

    /// Names of the labels, sorted.
    pub fn label_names(&self) -> &[String] {
        self.pool.label_names()
    }

    /// Shape of the images: one channel.
    pub fn shape(&self) -> ImageShape {
        ImageShape {
            height: self.config.height as usize,
            width: self.config.width as usize,
            channels: 1,
        }
    }

    /// Writes image `index` of a seed into `pixels` (`height * width` bytes, row by row) and says
    /// what it holds.
    ///
    /// # Errors
    /// [`Error::Buffer`] for a slice of another length.
    pub fn compose(&self, seed: u64, index: u64, pixels: &mut [u8]) -> Result<Composed> {
        if pixels.len() != self.shape().len() {
            return Err(Error::Buffer {
                what: "pixels",
                found: pixels.len(),
                expected: self.shape().len(),
            });
        }
        let (canvas, composed) = self.canvas(seed, index);
        noise::add(&canvas, self.config.noise, seed, index, pixels);
        Ok(composed)
    }

    /// Image `index` before noise and clipping: 0, the levels, and their sums where shapes
    /// overlap; `height * width` values, row by row.
    pub fn canvas(&self, seed: u64, index: u64) -> (Vec<u16>, Composed) {
        let config = &self.config;
        let stream = &mut Stream::new(seed, Purpose::Compose, 0, index);
        let mut canvas = Canvas {
            width: config.width as usize,
            height: config.height as usize,
            values: vec![0; self.shape().len()],
        };
        let mut composed = Composed {
            labels: vec![false; self.label_names().len()],
            boxes: Vec::new(),
        };
        let pool = &self.groups[self.group(index) as usize];
        let mut labels = self.usable.clone();
        stream.shuffle(&mut labels);
        let [fewest, most] = config.letters;
        let wanted = (fewest + stream.below(most - fewest + 1)) as usize;
        while labels.len() < wanted {
            let mut again = self.usable.clone();
            stream.shuffle(&mut again);
            labels.append(&mut again);
        }
        labels.truncate(wanted);

        if stream.chance(config.distractor_share) {
            let word = hangul::word(seed, index);
            let options = DrawOptions {
                stroke_width: [config.distractor_stroke_width; 2],
                ink_threshold: 1,
                ink_dilation: 0.0,
            };
            let side = between(config.distractor_side, stream);
            let mask = word.draw(self.rotation(stream).into(), side, &options);
            self.place(&mask, config.distractor_level, &mut canvas, stream);
        }
        for label in labels {
            let Some(glyph) = pool.draw(label, stream) else {
                continue;
            };
            let level = config.levels[usize::from(!stream.chance(config.first_level_share))];
            let options = DrawOptions {
                stroke_width: config.stroke_width,
                ink_threshold: between(config.ink_threshold.map(f32::from), stream) as u8,
                ink_dilation: between(config.ink_dilation, stream),
            };
            let side = between(config.side, stream);
            let shape = self.bent(glyph.shape, stream);
            let mask = shape.draw(self.pose(stream), side, &options);
            let Some([x0, y0, x1, y1]) = self.place(&mask, level, &mut canvas, stream) else {
                continue;
            };
            composed.labels[label] = true;
            composed.boxes.push(LabelBox {
                label,
                x0,
                y0,
                x1,
                y1,
                level,
                glyph: glyph.id,
            });
        }
        composed.boxes.sort_unstable_by_key(|found| found.label);
        (canvas.values, composed)
    }

    /// Cosine and sine of a random rotation.
    fn rotation(&self, stream: &mut Stream) -> [f32; 2] {
        angle::rotation(between(self.config.rotation, stream))
    }

    /// A letter's glyph, bent at random.
    fn bent(&self, shape: Shape, stream: &mut Stream) -> Shape {
        if self.config.elastic == 0.0 {
            return shape;
        }
        shape.bent(&Bend::new(self.config.elastic, stream))
    }

    /// A random pose of a letter.
    fn pose(&self, stream: &mut Stream) -> Pose {
        let config = &self.config;
        let rotation = self.rotation(stream);
        if (config.stretch, config.shear) == UNDEFORMED {
            return rotation.into();
        }
        let [cosine, sine] = angle::rotation(between(config.shear, stream));
        Pose::new(rotation, between(config.stretch, stream), sine / cosine)
    }

    /// Adds a shape to the canvas at a random position; the box of what is visible.
    fn place(
        &self,
        mask: &Mask,
        level: u8,
        canvas: &mut Canvas,
        stream: &mut Stream,
    ) -> Option<[u32; 4]> {
        let allowed = (self.config.overlap * mask.area() as f32) as usize;
        let mut best: Option<(usize, [i32; 2])> = None;
        for _ in 0..TRIES {
            let position =
                [(mask.width, canvas.width), (mask.height, canvas.height)].map(|(length, room)| {
                    let outside = self.config.cut * length as f32;
                    let low = -outside;
                    let high = (room as f32 - length as f32 + outside).max(low);
                    between([low, high], stream).floor() as i32
                });
            let overlap = canvas.overlap(mask, position);
            if best.is_none_or(|(least, _)| overlap < least) {
                best = Some((overlap, position));
            }
            if overlap <= allowed {
                break;
            }
        }
        best.and_then(|(_, position)| canvas.add(mask, position, level))
    }
}

/// Cuts a pool into groups of about equal size.
fn groups(pool: &GlyphPool, usable: &[usize], count: u32) -> Result<Vec<GlyphPool>> {
    if count == 1 {
        return Ok(vec![pool.clone()]);
    }
    let shares = vec![1.0 / f64::from(count); count as usize];
    let groups = pool.split(&shares, 0)?;
    for &label in usable {
        if groups.iter().any(|group| group.count(label) == 0) {
            let problem = format!(
                "of `{}` there are {} glyphs, too few for {count} groups",
                pool.label_names()[label],
                pool.count(label)
            );
            return Err(Error::setting("compose.glyph_groups", problem));
        }
    }
    Ok(groups)
}

/// The sum of everything that was drawn.
struct Canvas {
    width: usize,
    height: usize,
    values: Vec<u16>,
}

impl Canvas {
    /// What lies on the canvas of a mask at `[left, top]`: for each row the column and the row of the canvas where it
    /// starts, and its cells.
    fn visible<'m>(
        &self,
        mask: &'m Mask,
        [left, top]: [i32; 2],
    ) -> impl Iterator<Item = ([usize; 2], &'m [bool])> + use<'m> {
        let within = |start: i32, length: usize, room: usize| {
            let length = length as i32;
            let first = start.saturating_neg().clamp(0, length);
            first..(room as i32 - start).clamp(first, length)
        };
        let columns = within(left, mask.width, self.width);
        let mut rows = within(top, mask.height, self.height);
        if columns.is_empty() {
            rows.end = rows.start;
        }
        rows.map(move |y| {
            let start = [left + columns.start, top + y].map(|at| at as usize);
            let cells = &mask.row(y as usize)[columns.start as usize..columns.end as usize];
            (start, cells)
        })
    }

    /// Inked cells of the mask where the canvas is already inked.
    fn overlap(&self, mask: &Mask, position: [i32; 2]) -> usize {
        let mut count = 0;
        for ([x, y], cells) in self.visible(mask, position) {
            let values = &self.values[y * self.width + x..];
            let met = cells.iter().zip(values);
            count += met
                .map(|(&inked, &value)| u32::from(inked & (value > 0)))
                .sum::<u32>() as usize;
        }
        count
    }

    /// Adds the mask's ink and says where it is visible.
    fn add(&mut self, mask: &Mask, position: [i32; 2], level: u8) -> Option<[u32; 4]> {
        let mut found: Option<[u32; 4]> = None;
        for ([x, y], cells) in self.visible(mask, position) {
            let ends = cells.iter().position(|&inked| inked);
            let Some((first, last)) = ends.zip(cells.iter().rposition(|&inked| inked)) else {
                continue;
            };
            let values = &mut self.values[y * self.width + x..];
            for (&inked, value) in cells.iter().zip(values) {
                *value = value.saturating_add(u16::from(inked) * u16::from(level));
            }
            let [left, right, y] = [x + first, x + last + 1, y].map(|at| at as u32);
            let [x0, y0, x1, _] = found.unwrap_or([left, y, right, y]);
            found = Some([x0.min(left), y0, x1.max(right), y + 1]);
        }
        found
    }
}

/// Uniform between two bounds.
fn between([low, high]: [f32; 2], stream: &mut Stream) -> f32 {
    stream.range(low, high)
}
