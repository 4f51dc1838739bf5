//! What a pen leaves: short straight pieces with a width.

use super::super::bend::Bend;
use super::super::mask::{DrawOptions, Extent, Mask, Pose};

/// A straight piece of a stroke; its width may change from end to end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Both ends, in any unit, y down.
    pub ends: [[f32; 2]; 2],
    /// Width at both ends relative to [`Pen::width`].
    pub pressure: [f32; 2],
}

/// Movements of a pen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pen {
    /// The pieces of all strokes.
    pub segments: Vec<Segment>,
    /// Width of a stroke as a share of the longer side of the drawn glyph.
    pub width: f32,
}

impl Pen {
    /// The movements with all ends of pieces shifted.
    pub(crate) fn bent(&self, bend: &Bend) -> Self {
        let extent = Extent::around(self.segments.iter().flat_map(|segment| segment.ends));
        let segments = self.segments.iter().map(|segment| Segment {
            ends: segment.ends.map(|end| extent.bent(bend, end)),
            ..*segment
        });
        Self {
            segments: segments.collect(),
            width: self.width,
        }
    }

    pub(crate) fn draw(&self, pose: Pose, side: f32, options: &DrawOptions) -> Mask {
        let turned: Vec<[[f32; 2]; 2]> = self
            .segments
            .iter()
            .map(|segment| segment.ends.map(|end| pose.lay(end)))
            .collect();
        let extent = Extent::around(turned.iter().flatten().copied());
        if self.segments.is_empty() || extent.longer() < 0.0 {
            return Mask::new(0, 0);
        }
        let [least, most] = options.stroke_width;
        let stroke = (self.width * side).max(least).min(most).min(side);
        let radius = |pressure: f32| (stroke * pressure).max(least).min(most.max(least)) * 0.5;
        // The ink reaches over the pen's path by up to a radius on every side; how far, only the
        // path at about the right scale can tell.
        let path = extent.longer().max(1e-6);
        let guess = ((side - stroke) / path).max(0.0);
        let inked = Extent::around(turned.iter().zip(&self.segments).flat_map(
            |(ends, segment)| {
                [0, 1].into_iter().flat_map(move |at| {
                    let [x, y] = ends[at].map(|value| value * guess);
                    let reach = radius(segment.pressure[at]);
                    [[x - reach, y - reach], [x + reach, y + reach]]
                })
            },
        ));
        let scale = ((side - (inked.longer() - path * guess)) / path).max(0.0);
        let [left, top] = extent.origin();
        let margin = most.max(least) * 0.5 + 1.0;
        let [width, height] = extent
            .size()
            .map(|size| (size * scale + 2.0 * margin) as usize + 1);
        let mut mask = Mask::new(width, height);
        for (ends, segment) in turned.iter().zip(&self.segments) {
            let ends = ends.map(|[x, y]| [(x - left) * scale + margin, (y - top) * scale + margin]);
            sweep(&mut mask, ends, segment.pressure.map(radius));
        }
        mask.trimmed()
    }
}

/// Inks every pixel whose centre a disc touches that moves along a line while its radius changes
/// from the first to the second.
fn sweep(mask: &mut Mask, [from, to]: [[f32; 2]; 2], [first, second]: [f32; 2]) {
    let reach = first.max(second);
    let columns = pixels(
        from[0].min(to[0]) - reach,
        from[0].max(to[0]) + reach,
        mask.width,
    );
    let rows = pixels(
        from[1].min(to[1]) - reach,
        from[1].max(to[1]) + reach,
        mask.height,
    );
    let along = [to[0] - from[0], to[1] - from[1]];
    let length = along[0] * along[0] + along[1] * along[1];
    let inverse = if length > 0.0 { 1.0 / length } else { 0.0 };
    for y in rows {
        let row = &mut mask.inked[y * mask.width..(y + 1) * mask.width];
        let dy = y as f32 + 0.5 - from[1];
        for x in columns.clone() {
            let dx = x as f32 + 0.5 - from[0];
            let share = ((dx * along[0] + dy * along[1]) * inverse).clamp(0.0, 1.0);
            let (ex, ey) = (dx - share * along[0], dy - share * along[1]);
            let radius = first + (second - first) * share;
            row[x] |= ex * ex + ey * ey <= radius * radius;
        }
    }
}

/// The pixels between two coordinates, within `0..limit`. The casts saturate.
fn pixels(low: f32, high: f32, limit: usize) -> std::ops::Range<usize> {
    (low as usize).min(limit)..(high as usize + 1).min(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(width: f32) -> Pen {
        Pen {
            segments: vec![Segment {
                ends: [[0.0, 0.0], [0.0, 100.0]],
                pressure: [1.0, 1.0],
            }],
            width,
        }
    }

    fn options(least: f32, most: f32) -> DrawOptions {
        DrawOptions {
            stroke_width: [least, most],
            ink_threshold: 128,
            ink_dilation: 0.0,
        }
    }

    #[test]
    fn a_bar_has_the_length_and_width_asked_for() {
        for (side, width) in [(14.0, 3.0), (36.0, 7.2), (58.0, 11.6)] {
            let mask = bar(0.2).draw([1.0, 0.0].into(), side, &options(3.0, 14.0));
            assert!((mask.height as f32 - side).abs() <= 1.0, "{}", mask.height);
            assert!((mask.width as f32 - width).abs() <= 1.0, "{}", mask.width);
        }
        // Width is held within the limits.
        let held = |width| {
            bar(width)
                .draw([1.0, 0.0].into(), 40.0, &options(3.0, 14.0))
                .width
        };
        assert!((3..=4).contains(&held(0.01)));
        assert!((14..=15).contains(&held(0.9)));
    }

    #[test]
    fn a_pen_that_never_touched_the_paper_leaves_nothing() {
        assert_eq!(
            Pen::default()
                .draw([1.0, 0.0].into(), 30.0, &options(3.0, 14.0))
                .area(),
            0
        );
    }
}
