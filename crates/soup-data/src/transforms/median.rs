//! The median around every pixel.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::picture::{Form, Picture, Workspace};
use super::{PaddingMode, Step};

/// OpenCV `medianBlur`: every value becomes the median of the square around it, each channel by
/// itself, the border repeated. Takes out specks and keeps edges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Median {
    /// Side of the square in pixels: odd, 3 to 31.
    #[serde(default = "default_size")]
    pub ksize: usize,
}

fn default_size() -> usize {
    3
}

/// Largest side of the square.
const MAXIMUM: usize = 31;

impl Step for Median {
    const KIND: &'static str = "median";
    const RANDOM: bool = false;

    fn check(&self, before: Form) -> Result<Form, String> {
        if !(3..=MAXIMUM).contains(&self.ksize) || self.ksize.is_multiple_of(2) {
            return Err(format!(
                "`ksize` is {}; give an odd number in 3 to {MAXIMUM}",
                self.ksize
            ));
        }
        Ok(before)
    }

    fn apply(&self, picture: &mut Picture, _: &mut Stream, workspace: &mut Workspace) {
        let (height, width, channels) = (picture.height, picture.width, picture.channels);
        let reach = (self.ksize / 2) as isize;
        let edge = |at: usize, by: isize, side: usize| {
            // Of a repeated border every place comes from somewhere.
            let place = PaddingMode::Edge.source(at as isize + by, side);
            place.unwrap_or_default()
        };
        let mut around = [0.0; MAXIMUM * MAXIMUM];
        let around = &mut around[..self.ksize * self.ksize];
        let to = workspace.spare(picture.values.len());
        for (index, to) in to.iter_mut().enumerate() {
            let (pixel, channel) = (index / channels, index % channels);
            let (row, column) = (pixel / width, pixel % width);
            for (down, around) in (-reach..).zip(around.chunks_exact_mut(self.ksize)) {
                let line = edge(row, down, height) * width;
                for (across, value) in (-reach..).zip(around) {
                    let place = line + edge(column, across, width);
                    *value = picture.values[place * channels + channel];
                }
            }
            let middle = around.len() / 2;
            *to = *around.select_nth_unstable_by(middle, f32::total_cmp).1;
        }
        std::mem::swap(&mut picture.values, &mut workspace.spare);
    }
}
