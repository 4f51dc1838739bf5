//! Glyph sources as a line of text, for the command line and configurations.

use std::{path::PathBuf, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use soup_data::{Error, Result, dataset::LeftOut};

use super::{GlyphPool, GlyphSource, csv, folder, font, idx, strokes::Strokes};

/// One or more glyph sources, written with `+` between them:
///
/// | text | source |
/// |---|---|
/// | `strokes`, `strokes:SEED` | carried in the program, endless |
/// | `csv:PATH` | DACON's table |
/// | `idx:IMAGES,LABELS` | IDX files; with `,transpose` for EMNIST's own orientation |
/// | `folder:PATH` | a folder of PNG images a label |
/// | `font:PATH` | a TrueType or OpenType font |
///
/// Each may end with a range of its glyphs, `[0..12000]` or `[12000..]`; the end is not included.
///
/// ```
/// use soup_compose::glyphs::GlyphSpec;
///
/// let spec: GlyphSpec = "strokes+csv:train.csv[..1000]".parse()?;
/// assert_eq!(spec.0.len(), 2);
/// assert_eq!(spec.to_string(), "strokes+csv:train.csv[0..1000]");
/// # Ok::<(), soup_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GlyphSpec(pub Vec<SourceSpec>);

/// One glyph source and the range of its glyphs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSpec {
    /// Where the glyphs come from.
    pub kind: SourceKind,
    /// First glyph.
    pub start: u64,
    /// One past the last glyph; `None` for all.
    pub end: Option<u64>,
}

/// Where glyphs come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Carried in the program.
    Strokes {
        /// Other seeds are other hands.
        style_seed: u64,
    },
    /// DACON's table.
    Csv(PathBuf),
    /// A pair of IDX files.
    Idx {
        /// File of images.
        images: PathBuf,
        /// File of labels.
        labels: PathBuf,
        /// Whether rows and columns are swapped in the file, as in EMNIST's.
        transpose: bool,
    },
    /// A folder of images a label.
    Folder(PathBuf),
    /// A font.
    Font(PathBuf),
}

/// How a source may start.
const KINDS: [&str; 5] = ["strokes", "csv:", "idx:", "folder:", "font:"];

impl Default for GlyphSpec {
    /// `strokes`.
    fn default() -> Self {
        Self(vec![SourceSpec {
            kind: SourceKind::Strokes { style_seed: 0 },
            start: 0,
            end: None,
        }])
    }
}

impl GlyphSpec {
    /// Reads all sources into a pool.
    ///
    /// # Errors
    /// What reading the files reports; [`Error::Setting`] for a range past a source's end.
    pub fn open(&self) -> Result<GlyphPool> {
        let sources = self
            .0
            .iter()
            .map(|spec| {
                let source = spec.kind.open()?;
                let end = spec.end.unwrap_or(source.len());
                if spec.start >= end || end > source.len() {
                    let problem =
                        format!("{spec} has {} glyphs; the range is outside", source.len());
                    return Err(Error::setting("glyphs", problem));
                }
                Ok((source, spec.start..end))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(GlyphPool::joined(sources))
    }

    /// What lies in folders of glyphs and is none, of each folder with such files: its path, how many glyphs it has, and
    /// the files. No image is decoded.
    ///
    /// # Errors
    /// What listing the folders reports.
    pub fn left_out(&self) -> Result<Vec<(PathBuf, usize, LeftOut)>> {
        let mut all = Vec::new();
        for spec in &self.0 {
            if let SourceKind::Folder(path) = &spec.kind
                && let folder::Listed { found, left, .. } = folder::list(path)?
                && !left.is_empty()
            {
                all.push((path.clone(), found.len(), left));
            }
        }
        Ok(all)
    }
}

impl SourceKind {
    /// Reads the source.
    ///
    /// # Errors
    /// What reading the files reports.
    pub fn open(&self) -> Result<Arc<dyn GlyphSource>> {
        Ok(match self {
            Self::Strokes { style_seed } => Arc::new(Strokes::new(*style_seed)),
            Self::Csv(path) => Arc::new(csv::read(path)?),
            Self::Idx {
                images,
                labels,
                transpose,
            } => Arc::new(idx::read(images, labels, *transpose)?),
            Self::Folder(path) => Arc::new(folder::read(path)?),
            Self::Font(path) => Arc::new(font::read(path)?),
        })
    }
}

impl FromStr for GlyphSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // A `+` separates only where a source follows: paths may hold one too.
        let mut pieces: Vec<String> = Vec::new();
        for piece in text.split('+') {
            match pieces.last_mut() {
                Some(last) if !KINDS.iter().any(|kind| piece.starts_with(kind)) => {
                    last.push('+');
                    last.push_str(piece);
                }
                _ => pieces.push(piece.into()),
            }
        }
        let sources = pieces.iter().map(|piece| source(piece));
        sources.collect::<Result<Vec<_>>>().map(Self)
    }
}

/// Parses one source.
fn source(text: &str) -> Result<SourceSpec> {
    let wrong = |problem: &str| {
        Error::setting(
            "glyphs",
            format!(
                "`{text}` {problem}; write `strokes`, `csv:PATH`, `idx:IMAGES,LABELS`, \
                 `idx:IMAGES,LABELS,transpose`, `folder:PATH` or `font:PATH`, several joined with \
                 `+`, each with a range of glyphs such as `[0..1000]` if not all are meant"
            ),
        )
    };
    let (body, range) = match text
        .strip_suffix(']')
        .and_then(|text| text.rsplit_once('['))
    {
        Some((body, range)) => (body, Some(range)),
        None => (text, None),
    };
    let (start, end) = match range {
        None => (0, None),
        Some(range) => {
            let number = |text: &str, default: Option<u64>| match text.trim() {
                "" => Ok(default),
                text => text.parse().map(Some),
            };
            let ends = range.split_once("..").and_then(|(start, end)| {
                Some((number(start, Some(0)).ok()??, number(end, None).ok()?))
            });
            ends.ok_or_else(|| wrong("has a range that is not `[START..END]`"))?
        }
    };
    if end.is_some_and(|end| end <= start) {
        return Err(wrong("has an empty range"));
    }
    let (kind, path) = body.split_once(':').unwrap_or((body, ""));
    let need_path = || match path {
        "" => Err(wrong("names no file")),
        path => Ok(PathBuf::from(path)),
    };
    let kind = match kind {
        "strokes" if body == "strokes" => SourceKind::Strokes { style_seed: 0 },
        "strokes" => SourceKind::Strokes {
            style_seed: path
                .parse()
                .map_err(|_| wrong("has a seed that is no whole number"))?,
        },
        "csv" => SourceKind::Csv(need_path()?),
        "folder" => SourceKind::Folder(need_path()?),
        "font" => SourceKind::Font(need_path()?),
        "idx" => {
            let (files, transpose) = match path.strip_suffix(",transpose") {
                Some(files) => (files, true),
                None => (path, false),
            };
            match files.split(',').collect::<Vec<_>>()[..] {
                [images, labels] if !images.is_empty() && !labels.is_empty() => SourceKind::Idx {
                    images: images.into(),
                    labels: labels.into(),
                    transpose,
                },
                _ => {
                    return Err(wrong("does not name a file of images and a file of labels"));
                }
            }
        }
        _ => return Err(wrong("is no glyph source")),
    };
    Ok(SourceSpec { kind, start, end })
}

impl std::fmt::Display for GlyphSpec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, source) in self.0.iter().enumerate() {
            if at > 0 {
                formatter.write_str("+")?;
            }
            source.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::fmt::Display for SourceSpec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            SourceKind::Strokes { style_seed: 0 } => formatter.write_str("strokes")?,
            SourceKind::Strokes { style_seed } => write!(formatter, "strokes:{style_seed}")?,
            SourceKind::Csv(path) => write!(formatter, "csv:{}", path.display())?,
            SourceKind::Idx {
                images,
                labels,
                transpose,
            } => {
                let transpose = if *transpose { ",transpose" } else { "" };
                let (images, labels) = (images.display(), labels.display());
                write!(formatter, "idx:{images},{labels}{transpose}")?;
            }
            SourceKind::Folder(path) => write!(formatter, "folder:{}", path.display())?,
            SourceKind::Font(path) => write!(formatter, "font:{}", path.display())?,
        }
        match (self.start, self.end) {
            (0, None) => Ok(()),
            (start, None) => write!(formatter, "[{start}..]"),
            (start, Some(end)) => write!(formatter, "[{start}..{end}]"),
        }
    }
}

impl TryFrom<String> for GlyphSpec {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<GlyphSpec> for String {
    fn from(spec: GlyphSpec) -> Self {
        spec.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in [
            "strokes",
            "strokes:7[0..2600]",
            "csv:a/b+c.csv",
            "idx:images.gz,labels.gz,transpose[12000..]",
            "idx:i,l+folder:my [1] glyphs+font:x.ttf[0..26]+strokes",
        ] {
            let spec: GlyphSpec = text.parse().unwrap();
            assert_eq!(spec.to_string(), text);
            let stored = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<GlyphSpec>(&stored).unwrap(), spec);
        }
        assert_eq!(
            "strokes".parse::<GlyphSpec>().unwrap(),
            GlyphSpec::default()
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("", "is no glyph source"),
            ("stroke", "`stroke` is no glyph source"),
            ("csv:", "names no file"),
            ("csv", "names no file"),
            ("strokes:x", "no whole number"),
            ("strokes:", "no whole number"),
            ("idx:images", "file of labels"),
            ("idx:a,b,c,d", "file of labels"),
            ("strokes[5]", "not `[START..END]`"),
            ("strokes[a..b]", "not `[START..END]`"),
            ("strokes[5..5]", "empty range"),
            ("strokes+csv:+font:x", "`csv:` names no file"),
        ] {
            let error = text.parse::<GlyphSpec>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn ranges_past_the_end_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("glyphs.csv");
        std::fs::write(&path, "letter,0\nA,255\nB,255\nA,255\n").unwrap();
        let open = |range: &str| {
            let spec: GlyphSpec = format!("csv:{}{range}", path.display()).parse().unwrap();
            spec.open().map(|pool| pool.len())
        };
        assert_eq!(open("").unwrap(), 3);
        assert_eq!(open("[1..]").unwrap(), 2);
        assert_eq!(open("[..3]").unwrap(), 3);
        for range in ["[3..]", "[0..4]"] {
            let error = open(range).unwrap_err().to_string();
            assert!(error.contains("has 3 glyphs"), "{error}");
        }
    }
}
