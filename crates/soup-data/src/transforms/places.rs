//! Boxes around things, on their way through transforms that move what is in an image.

use crate::{Annotation, ImageShape};

/// What a transform does to the places of what is in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Places {
    /// What is at a share of height and width stays there, whatever becomes of its pixels.
    Keeps,
    /// Things move, and boxes move with them.
    Moves,
    /// Things move and nobody follows them: what comes out has no boxes.
    Loses,
}

/// A box stays while at least this share of its area is in the image.
const MINIMUM_SEEN: f64 = 0.25;

/// Where the boxes of an image are, as shares of its width and height.
#[derive(Debug, Default)]
pub(super) struct Boxes(Vec<Tracked>);

#[derive(Debug)]
struct Tracked {
    label: usize,
    /// Lowest x and y, highest x and y.
    corners: [f64; 4],
    /// The share of its area that is still in the image.
    seen: f64,
}

impl Boxes {
    /// Takes the boxes of an image in place of those that there were.
    pub fn load(&mut self, boxes: &[Annotation], image: ImageShape) {
        let (width, height) = (image.width as f64, image.height as f64);
        self.0.clear();
        self.0.extend(boxes.iter().map(|found| {
            let x = [found.x0, found.x1].map(|x| f64::from(x) / width);
            let y = [found.y0, found.y1].map(|y| f64::from(y) / height);
            Tracked {
                label: found.label,
                corners: [x[0], y[0], x[1], y[1]],
                seen: 1.0,
            }
        }));
    }

    /// Moves them: `to` says where a point `[x, y]` of an image of `[height, width]` pixels before is in one of
    /// `[height, width]` pixels after, both from the upper left corner. A turned box becomes the upright one around it,
    /// and what lies outside is cut off.
    pub fn moved(
        &mut self,
        before: [usize; 2],
        after: [usize; 2],
        to: impl Fn([f64; 2]) -> [f64; 2],
    ) {
        let [height, width] = before.map(|side| side as f64);
        let [new_height, new_width] = after.map(|side| side as f64);
        for tracked in &mut self.0 {
            let [x0, y0, x1, y1] = tracked.corners;
            let corners = [[x0, y0], [x1, y0], [x0, y1], [x1, y1]].map(|[x, y]| {
                let [x, y] = to([x * width, y * height]);
                [x / new_width, y / new_height]
            });
            let least = |axis: usize| corners.iter().map(|c| c[axis]).fold(f64::MAX, f64::min);
            let most = |axis: usize| corners.iter().map(|c| c[axis]).fold(f64::MIN, f64::max);
            let whole = [least(0), least(1), most(0), most(1)];
            let part = whole.map(|place| place.clamp(0.0, 1.0));
            let area = |c: [f64; 4]| (c[2] - c[0]) * (c[3] - c[1]);
            tracked.seen *= if area(whole) > 0.0 {
                area(part) / area(whole)
            } else {
                0.0
            };
            tracked.corners = part;
        }
    }

    /// The boxes that are still to be seen, in pixels of an image of this shape: a quarter of the area at least, and a
    /// pixel both ways.
    pub fn seen(&self, image: ImageShape) -> Vec<Annotation> {
        let (width, height) = (image.width as f64, image.height as f64);
        let kept = self.0.iter().filter(|tracked| tracked.seen >= MINIMUM_SEEN);
        kept.map(|tracked| {
            let [x0, y0, x1, y1] = tracked.corners;
            Annotation {
                label: tracked.label,
                x0: (x0 * width).round() as u32,
                y0: (y0 * height).round() as u32,
                x1: (x1 * width).round() as u32,
                y1: (y1 * height).round() as u32,
            }
        })
        .filter(|found| found.x0 < found.x1 && found.y0 < found.y1)
        .collect()
    }
}
