//! The formats of images: what is read, by which first bytes a file is known, and what is only
//! recognised. The one table of them; listing, messages and the server's page follow it.

use super::{general, gif, jpeg, png, tiff};

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Jpeg,
    WebP,
    Gif,
    Bmp,
    Tiff,
    Pnm,
    Qoi,
}

/// A row of the table.
struct Row {
    format: Format,
    name: &'static str,
    /// Endings of file names, in lower case.
    extensions: &'static [&'static str],
    /// By the first bytes of a file, of which 132 are enough; its name says nothing.
    is: fn(&[u8]) -> bool,
}

const TABLE: [Row; 8] = [
    Row {
        format: Format::Png,
        name: "PNG",
        extensions: &["png"],
        is: |start| start.starts_with(png::SIGNATURE),
    },
    Row {
        format: Format::Jpeg,
        name: "JPEG",
        extensions: &["jfif", "jpe", "jpeg", "jpg"],
        is: |start| start.starts_with(jpeg::SIGNATURE),
    },
    Row {
        format: Format::WebP,
        name: "WebP",
        extensions: &["webp"],
        is: |start| start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP"),
    },
    Row {
        format: Format::Gif,
        name: "GIF",
        extensions: &["gif"],
        is: gif::is,
    },
    Row {
        format: Format::Bmp,
        name: "BMP",
        extensions: &["bmp", "dib"],
        is: general::is_bmp,
    },
    Row {
        format: Format::Tiff,
        name: "TIFF",
        extensions: &["tif", "tiff"],
        is: |start| tiff::is(start) && !tiff::is_raw(start),
    },
    Row {
        format: Format::Pnm,
        name: "PNM",
        extensions: &["pam", "pbm", "pgm", "pnm", "ppm"],
        is: general::is_pnm,
    },
    Row {
        format: Format::Qoi,
        name: "QOI",
        extensions: &["qoi"],
        is: |start| start.starts_with(b"qoif") && matches!(start.get(12), Some(3 | 4)),
    },
];

impl Format {
    /// By the first bytes of a file.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        let row = TABLE.iter().find(|row| (row.is)(start));
        row.map(|row| row.format)
    }

    pub(super) fn name(self) -> &'static str {
        let row = TABLE.iter().find(|row| row.format == self);
        row.map_or("", |row| row.name)
    }
}

/// Whether a file that begins with these bytes (132 are enough) is an image that is read, by its
/// format.
pub fn is_image(start: &[u8]) -> bool {
    Format::of(start).is_some()
}

/// File name extensions, in lower case, of the images that are read.
pub fn extensions() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|row| row.extensions).copied()
}

/// The formats that are read, for a sentence: `PNG, JPEG, ..., PNM and QOI`.
pub fn formats() -> String {
    let names: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
    match names.split_last() {
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Why a file is no image that is read, by its first bytes.
pub fn no_image(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "the file is empty".into();
    }
    match foreign_format(bytes) {
        Some(format) => format!(
            "a file in the format {format}, which is not read; convert it to one of {}",
            formats()
        ),
        None => format!("no image in a format that is read ({})", formats()),
    }
}

/// The image format that a file has which is not read, by its first bytes (132 are enough).
pub(crate) fn foreign_format(start: &[u8]) -> Option<&'static str> {
    let at = |from: usize, mark: &[u8]| start.get(from..from + mark.len()) == Some(mark);
    let begins = |mark: &[u8]| at(0, mark);
    if at(4, b"ftyp") {
        let brand = |mark: &[u8]| {
            start
                .get(8..)
                .is_some_and(|from| from.windows(4).any(|four| four == mark))
        };
        if brand(b"avif") || brand(b"avis") {
            Some("AVIF")
        } else if brand(b"crx ") {
            Some("of a camera's raw data")
        } else {
            let heif = [b"heic", b"heix", b"hevc", b"mif1", b"msf1"];
            heif.iter().any(|mark| brand(*mark)).then_some("HEIF")
        }
    } else if tiff::is_raw(start) {
        Some("of a camera's raw data")
    } else if begins(&[0xff, 0x0a]) || begins(b"\0\0\0\x0cJXL ") {
        Some("JPEG XL")
    } else if begins(b"\0\0\0\x0cjP  ") || begins(&[0xff, 0x4f, 0xff, 0x51]) {
        Some("JPEG 2000")
    } else if at(128, b"DICM") {
        Some("DICOM")
    } else if begins(b"8BPS") {
        Some("Photoshop")
    } else if begins(b"\0\0\x01\0") && start.get(5) == Some(&0) {
        Some("icon")
    } else if begins(b"v/1\x01") {
        Some("OpenEXR")
    } else if begins(b"PF\n") || begins(b"Pf\n") {
        Some("PFM")
    } else {
        None
    }
}
