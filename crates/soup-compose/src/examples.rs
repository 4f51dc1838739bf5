//! Composed images as an endless set of examples.

use std::sync::Arc;

use soup_data::{Annotation, Error, ImageShape, Result, Source};

use super::{Composer, LabelBox};

/// The first `count` images of a seed, composed when they are asked for. Nothing is stored.
#[derive(Clone, Debug)]
pub struct ComposedSource {
    /// What composes them.
    pub composer: Arc<Composer>,
    /// Seed of the images.
    pub seed: u64,
    /// Number of examples; `u64::MAX` for an endless set.
    pub count: u64,
}

impl Source for ComposedSource {
    fn len(&self) -> u64 {
        self.count
    }

    fn shape(&self) -> ImageShape {
        self.composer.shape()
    }

    fn label_names(&self) -> &[String] {
        self.composer.label_names()
    }

    fn read(
        &self,
        index: u64,
        pixels: &mut [u8],
        labels: &mut [f32],
    ) -> Result<Option<Vec<Annotation>>> {
        if index >= self.count {
            return Err(Error::OutOfRange {
                index,
                len: self.count,
            });
        }
        if labels.len() != self.label_names().len() {
            return Err(Error::Buffer {
                what: "labels",
                found: labels.len(),
                expected: self.label_names().len(),
            });
        }
        let composed = self.composer.compose(self.seed, index, pixels)?;
        for (label, held) in labels.iter_mut().zip(composed.labels) {
            *label = f32::from(u8::from(held));
        }
        Ok(Some(
            composed.boxes.iter().map(LabelBox::annotation).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::{
        ComposeConfig,
        glyphs::{GlyphPool, strokes::Strokes},
    };

    #[test]
    fn examples_are_the_composed_images() {
        let pool = GlyphPool::new(Arc::new(Strokes::new(0)));
        let composer = Arc::new(Composer::new(ComposeConfig::default(), pool).unwrap());
        let examples = ComposedSource {
            composer: Arc::clone(&composer),
            seed: 4,
            count: 10,
        };
        let mut pixels = vec![0; examples.shape().len()];
        let mut labels = vec![9.0; examples.label_names().len()];
        examples.read(7, &mut pixels, &mut labels).unwrap();
        let mut expected = vec![0; pixels.len()];
        let composed = composer.compose(4, 7, &mut expected).unwrap();
        assert_eq!(pixels, expected);
        assert_eq!(labels.iter().sum::<f32>() as usize, composed.boxes.len());
        for found in &composed.boxes {
            assert_eq!(labels[found.label], 1.0);
        }
        let mut load = |index, pixels: usize, count: usize| {
            examples.read(index, &mut expected[..pixels], &mut labels[..count])
        };
        assert!(matches!(
            load(10, 65_536, 26),
            Err(Error::OutOfRange { index: 10, len: 10 })
        ));
        assert!(matches!(
            load(0, 65_535, 26),
            Err(Error::Buffer { what: "pixels", .. })
        ));
        assert!(matches!(
            load(0, 65_536, 25),
            Err(Error::Buffer { what: "labels", .. })
        ));
    }
}
