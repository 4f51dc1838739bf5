//! Boxes as people drew them, and where they lie in the image that a network sees.

use crate::{Annotation, ImageShape, dataset::Fit};

/// The boxes of one image, in the frame in which they were drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Marks {
    /// Width and height of the frame; 1 and 1 for shares of the sides, none for pixels of the image.
    pub(crate) frame: Option<[f64; 2]>,
    pub(crate) boxes: Vec<Mark>,
}

/// A box of one label: left, top, right and bottom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mark {
    pub(crate) label: usize,
    pub(crate) sides: [f64; 4],
}

/// How far aspects may be apart that are one, as a share: sides are rounded.
const SAME_ASPECT: f64 = 0.02;

impl Marks {
    /// Shares of the sides, from 0 to 1.
    pub(crate) const SHARES: Option<[f64; 2]> = Some([1.0, 1.0]);

    /// A frame in pixels, where its sides are known.
    pub(crate) fn frame_of(width: f64, height: f64) -> Option<[f64; 2]> {
        (width >= 1.0 && height >= 1.0 && width.is_finite() && height.is_finite())
            .then_some([width, height])
    }

    /// The boxes in pixels of the image that `fit` makes of one that is `stored` upright; those that it cuts off are
    /// left out. None where the frame has another aspect than the image, so that nobody knows where its boxes are.
    pub(crate) fn placed(&self, stored: ImageShape, fit: Option<Fit>) -> Option<Vec<Annotation>> {
        let own = [stored.width as f64, stored.height as f64];
        let frame = self.frame.unwrap_or(own);
        if self.frame.is_some() && self.frame != Self::SHARES {
            let ratio = (frame[0] * own[1]) / (frame[1] * own[0]);
            if !(1.0 - SAME_ASPECT..=1.0 + SAME_ASPECT).contains(&ratio) {
                return None;
            }
        }
        let area = match fit {
            Some(fit) if fit.of_shape(stored) != stored => fit.area(stored),
            _ => [0.0, 0.0, 1.0, 1.0],
        };
        let seen = fit.map_or(stored, |fit| fit.of_shape(stored));
        let size = [seen.width, seen.height];
        let placed = |mark: &Mark| {
            // To whole pixels; what a box covers by less than half stays outside.
            let at = |side: usize| {
                let axis = side % 2;
                let share = (mark.sides[side] / frame[axis] - area[axis]) / area[axis + 2];
                (share * size[axis] as f64).clamp(0.0, size[axis] as f64)
            };
            let span = |low: usize| {
                let (from, to) = (at(low), at(low + 2));
                let most = size[low] as u32;
                // A box that is there is at least one pixel.
                let first = (from.round() as u32).min(most.saturating_sub(1));
                let last = (to.round() as u32).max(first + 1).min(most);
                (to > from).then_some((first, last))
            };
            let ((x0, x1), (y0, y1)) = (span(0)?, span(1)?);
            Some(Annotation {
                label: mark.label,
                x0,
                y0,
                x1,
                y1,
            })
        };
        Some(self.boxes.iter().filter_map(placed).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shape(height: usize, width: usize) -> ImageShape {
        ImageShape {
            height,
            width,
            channels: 3,
        }
    }

    fn placed(frame: Option<[f64; 2]>, sides: [f64; 4], fit: &str) -> Option<Vec<[u32; 4]>> {
        let marks = Marks {
            frame,
            boxes: vec![Mark { label: 0, sides }],
        };
        let fit = (!fit.is_empty()).then(|| fit.parse().unwrap());
        let boxes = marks.placed(shape(100, 200), fit)?;
        let sides = |found: Annotation| [found.x0, found.y0, found.x1, found.y1];
        Some(boxes.into_iter().map(sides).collect())
    }

    #[test]
    fn boxes_go_where_their_pixels_go() {
        let whole = Some([200.0, 100.0]);
        let sides = [20.0, 10.0, 100.0, 50.0];
        assert_eq!(placed(whole, sides, ""), Some(vec![[20, 10, 100, 50]]));
        assert_eq!(placed(None, sides, ""), Some(vec![[20, 10, 100, 50]]));
        assert_eq!(
            placed(whole, sides, "50x50-squash"),
            Some(vec![[5, 5, 25, 25]])
        );
        // The middle 100 columns remain, then half the size.
        assert_eq!(
            placed(whole, sides, "50x50-crop"),
            Some(vec![[0, 5, 25, 25]])
        );
        // A quarter of the size, with 12.5 rows above.
        assert_eq!(
            placed(whole, sides, "50x50-pad"),
            Some(vec![[5, 15, 25, 25]])
        );
        // Drawn at half the size, and as shares.
        assert_eq!(
            placed(Some([100.0, 50.0]), [10.0, 5.0, 50.0, 25.0], ""),
            Some(vec![[20, 10, 100, 50]])
        );
        assert_eq!(
            placed(Marks::SHARES, [0.1, 0.1, 0.5, 0.5], ""),
            Some(vec![[20, 10, 100, 50]])
        );
    }

    #[test]
    fn what_lies_outside_is_cut_and_what_was_turned_is_not_guessed() {
        assert_eq!(
            placed(None, [-9.0, 90.0, 5.0, 200.0], ""),
            Some(vec![[0, 90, 5, 100]])
        );
        assert_eq!(
            placed(None, [0.0, 0.0, 40.0, 50.0], "50x50-crop"),
            Some(vec![])
        );
        assert_eq!(
            placed(None, [3.1, 3.1, 3.2, 3.2], ""),
            Some(vec![[3, 3, 4, 4]])
        );
        assert_eq!(
            placed(None, [199.9, 99.9, 200.0, 100.0], ""),
            Some(vec![[199, 99, 200, 100]])
        );
        assert_eq!(placed(Some([100.0, 200.0]), [0.0, 0.0, 5.0, 5.0], ""), None);
    }
}
