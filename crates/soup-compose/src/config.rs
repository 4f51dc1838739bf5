//! The settings of the composer.

use serde::{Deserialize, Serialize};
use soup_data::{Error, Result};

/// How images are composed. The defaults are the configuration measured on the founding contest's
/// images. Pairs are a least and a greatest value, drawn from uniformly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ComposeConfig {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Number of letters in an image, both ends included.
    pub letters: [u32; 2],
    /// Whether a letter may stand in an image more than once: each before any a second time.
    pub repeat: bool,
    /// Groups that the glyphs of every letter are cut into; an image takes all of its glyphs from one group, number
    /// `index % glyph_groups`. Folds by group then share no glyph, which folds by image always do.
    pub glyph_groups: u32,
    /// The two levels of ink, 1 to 255.
    pub levels: [u8; 2],
    /// Share of the letters at the first level.
    pub first_level_share: f32,
    /// Rotation in degrees, clockwise. Nothing is ever mirrored.
    pub rotation: [f32; 2],
    /// Factor on the width of a glyph, before it is turned: more shapes than there are glyphs, for
    /// training. Images that a run holds out are never stretched, sheared or bent.
    pub stretch: [f32; 2],
    /// Degrees by which a glyph slants to the right, before it is turned.
    pub shear: [f32; 2],
    /// Elastic deformation, before all else: how far the points of a glyph move, the standard deviation
    /// along each axis, as a share of the glyph's longer side.
    pub elastic: f32,
    /// Longer side of a turned letter's upright box in pixels.
    pub side: [f32; 2],
    /// Limits of the width of a stroke in pixels, for letters drawn from strokes.
    pub stroke_width: [f32; 2],
    /// Ink strength (1 to 255) from which a pixel of a scanned letter is inked, drawn for each
    /// letter: the lower, the thicker its strokes.
    pub ink_threshold: [u8; 2],
    /// By how much the strokes of a scanned letter are thickened on every side, as a share of its
    /// longer side.
    pub ink_dilation: [f32; 2],
    /// Share of a letter's ink that may lie on other ink.
    pub overlap: f32,
    /// Share of a letter's width or height that may lie outside of the image.
    pub cut: f32,
    /// Share of the images with a distractor, a Hangul-like word without a label.
    pub distractor_share: f32,
    /// Longer side of the distractor in pixels.
    pub distractor_side: [f32; 2],
    /// Width of the distractor's strokes in pixels.
    pub distractor_stroke_width: f32,
    /// Level of the distractor's ink.
    pub distractor_level: u8,
    /// Noise is uniform from 0 to this.
    pub noise: u16,
}

impl Default for ComposeConfig {
    fn default() -> Self {
        Self {
            width: 256,
            height: 256,
            letters: [10, 14],
            repeat: false,
            glyph_groups: 1,
            levels: [100, 200],
            // "About half each" by letters; by area, 100 has more than 200.
            first_level_share: 0.6,
            rotation: [0.0, 360.0],
            stretch: UNDEFORMED.0,
            shear: UNDEFORMED.1,
            elastic: 0.0,
            side: [14.0, 58.0],
            stroke_width: [3.0, 14.0],
            ink_threshold: [40, 120],
            ink_dilation: [0.0, 0.07],
            overlap: 0.25,
            cut: 0.1,
            distractor_share: 0.5,
            distractor_side: [25.0, 60.0],
            distractor_stroke_width: 3.0,
            distractor_level: 200,
            noise: 255,
        }
    }
}

/// Stretch and shear that leave glyphs as they are.
pub(super) const UNDEFORMED: ([f32; 2], [f32; 2]) = ([1.0; 2], [0.0; 2]);

impl ComposeConfig {
    /// The same configuration with glyphs as they are: for validation.
    pub fn undeformed(&self) -> Self {
        Self {
            stretch: UNDEFORMED.0,
            shear: UNDEFORMED.1,
            elastic: 0.0,
            ..self.clone()
        }
    }

    /// Names the first setting that makes no sense.
    pub(super) fn check(&self) -> Result<()> {
        let wrong =
            |name: &str, problem: String| Err(Error::setting(format!("compose.{name}"), problem));
        for (name, value) in [("width", self.width), ("height", self.height)] {
            if !(8..=4096).contains(&value) {
                return wrong(name, format!("{value} is not between 8 and 4096 pixels"));
            }
        }
        let [fewest, most] = self.letters;
        if fewest > most {
            return wrong(
                "letters",
                format!("the least ({fewest}) is above the greatest ({most})"),
            );
        }
        if self.glyph_groups == 0 {
            return wrong("glyph_groups", "must be at least 1".into());
        }
        let longest = self.width.max(self.height) as f32;
        let pairs = [
            ("rotation", self.rotation, -3600.0, 3600.0),
            ("stretch", self.stretch, 0.25, 4.0),
            ("shear", self.shear, -60.0, 60.0),
            ("side", self.side, 1.0, longest),
            ("stroke_width", self.stroke_width, 0.5, longest),
            (
                "ink_threshold",
                self.ink_threshold.map(f32::from),
                1.0,
                255.0,
            ),
            ("ink_dilation", self.ink_dilation, 0.0, 0.25),
            ("distractor_side", self.distractor_side, 1.0, longest),
        ];
        for (name, [low, high], least, greatest) in pairs {
            if !(least <= low && low <= high && high <= greatest) {
                return wrong(
                    name,
                    format!(
                        "[{low}, {high}] must be a least and a greatest value between {least} and \
                         {greatest}"
                    ),
                );
            }
        }
        let shares = [
            ("first_level_share", self.first_level_share, 1.0),
            ("elastic", self.elastic, 0.2),
            ("overlap", self.overlap, 1.0),
            ("cut", self.cut, 0.9),
            ("distractor_share", self.distractor_share, 1.0),
        ];
        for (name, value, greatest) in shares {
            if !(0.0..=greatest).contains(&value) {
                return wrong(name, format!("{value} is not between 0 and {greatest}"));
            }
        }
        if !(0.5..=longest).contains(&self.distractor_stroke_width) {
            let value = self.distractor_stroke_width;
            return wrong(
                "distractor_stroke_width",
                format!("{value} is not between 0.5 and {longest} pixels"),
            );
        }
        if self.levels.contains(&0) {
            return wrong(
                "levels",
                "a level of 0 cannot be seen; levels are 1 to 255".into(),
            );
        }
        if self.noise > 255 {
            return wrong("noise", format!("{} is above 255", self.noise));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn every_key_has_a_default_and_unknown_keys_are_refused() {
        let config: ComposeConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(config, ComposeConfig::default());
        config.check().unwrap();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(
            serde_json::from_str::<ComposeConfig>(&text).unwrap(),
            config
        );
        let error = serde_json::from_str::<ComposeConfig>(r#"{"sides": [1, 2]}"#).unwrap_err();
        assert!(error.to_string().contains("sides"));
    }

    #[test]
    fn nonsense_is_named() {
        for (text, name) in [
            (r#"{"width": 0}"#, "compose.width"),
            (r#"{"letters": [5, 4]}"#, "compose.letters"),
            (r#"{"side": [58, 14]}"#, "compose.side"),
            (r#"{"side": [14, 5800]}"#, "compose.side"),
            (r#"{"stretch": [0, 1]}"#, "compose.stretch"),
            (r#"{"shear": [-90, 0]}"#, "compose.shear"),
            (r#"{"elastic": 0.5}"#, "compose.elastic"),
            (r#"{"cut": 1.0}"#, "compose.cut"),
            (r#"{"levels": [0, 100]}"#, "compose.levels"),
            (r#"{"noise": 300}"#, "compose.noise"),
            (r#"{"glyph_groups": 0}"#, "compose.glyph_groups"),
            (r#"{"ink_threshold": [0, 100]}"#, "compose.ink_threshold"),
            (
                r#"{"distractor_stroke_width": 0}"#,
                "compose.distractor_stroke_width",
            ),
        ] {
            let config: ComposeConfig = serde_json::from_str(text).unwrap();
            let error = config.check().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{name}`")), "{error}");
        }
    }
}
