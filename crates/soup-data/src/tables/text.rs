//! From the bytes of a table to its text: gzip, Unicode in its forms, and names for what is neither.

use std::path::Path;

use encoding_rs::{EUC_KR, WINDOWS_1252};

use crate::{Error, Result};

/// How text was written as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without the mark that Windows programs put before it.
    Utf8 {
        /// Whether the mark is there.
        mark: bool,
    },
    /// UTF-16, the low byte first (Excel's "Unicode text"), or the high one.
    Utf16 {
        /// Whether the high byte comes first.
        big_endian: bool,
        /// Whether the mark is there.
        mark: bool,
    },
}

impl Encoding {
    /// The bytes of a text, as the file that was read wrote its own.
    pub fn bytes_of(self, text: &str) -> Vec<u8> {
        let mark = |is_there: bool| if is_there { "\u{feff}" } else { "" };
        match self {
            Self::Utf8 { mark: is_there } => [mark(is_there), text].concat().into_bytes(),
            Self::Utf16 {
                big_endian,
                mark: is_there,
            } => {
                let units = mark(is_there).encode_utf16().chain(text.encode_utf16());
                let order = if big_endian {
                    u16::to_be_bytes
                } else {
                    u16::to_le_bytes
                };
                units.flat_map(order).collect()
            }
        }
    }
}

/// The text without its mark.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<(String, Encoding)> {
    const OTHERS: [(&[u8], &str); 6] = [
        (b"PK\x03\x04", "an Excel workbook or a zip archive"),
        (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
        (b"PAR1", "a Parquet file"),
        (b"%PDF", "a PDF"),
        (b"{", "JSON"),
        (b"<", "a web page or XML"),
    ];
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        let hint = "save the table as CSV (UTF-8)";
        return Err(Error::format(
            path,
            format!("this is {what}, not CSV"),
            hint,
        ));
    }
    let (text, encoding) = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(path, rest, false, true)?,
        [0xfe, 0xff, rest @ ..] => utf16(path, rest, true, true)?,
        [a, 0, b, 0, ..] if *a != 0 && *b != 0 => utf16(path, bytes, false, false)?,
        [0, a, 0, b, ..] if *a != 0 && *b != 0 => utf16(path, bytes, true, false)?,
        _ => {
            let rest = bytes.strip_prefix(b"\xef\xbb\xbf");
            let text = std::str::from_utf8(rest.unwrap_or(bytes))
                .map_err(|error| not_unicode(path, rest.unwrap_or(bytes), error.valid_up_to()))?;
            let mark = rest.is_some();
            (text.to_owned(), Encoding::Utf8 { mark })
        }
    };
    match text.find('\0') {
        None => Ok((text, encoding)),
        Some(at) => Err(Error::table(
            path,
            line_of(&text.as_bytes()[..at]),
            format!(
                "there are {} NUL bytes in the text, the first in this row; the file is damaged, or no table: write \
                 it again",
                text.matches('\0').count()
            ),
        )),
    }
}

fn utf16(path: &Path, bytes: &[u8], big_endian: bool, mark: bool) -> Result<(String, Encoding)> {
    let (units, odd) = bytes.as_chunks::<2>();
    let from = if big_endian {
        u16::from_be_bytes
    } else {
        u16::from_le_bytes
    };
    let units: Vec<u16> = units.iter().map(|unit| from(*unit)).collect();
    match String::from_utf16(&units) {
        Ok(text) if odd.is_empty() => Ok((text, Encoding::Utf16 { big_endian, mark })),
        _ => Err(Error::format(
            path,
            "it begins as UTF-16 text, but not all of it is; it may be cut short",
            "save it again, as CSV (UTF-8)",
        )),
    }
}

/// Names the code page that the text is likely in, with what it would read there and how to convert it.
fn not_unicode(path: &Path, bytes: &[u8], valid: usize) -> Error {
    // Korean Windows writes pairs of bytes that Western text has only by accident.
    let korean = EUC_KR.decode_without_bom_handling_and_without_replacement(bytes);
    let (page, text) = match &korean {
        Some(text) => ("CP949", text.as_ref().to_owned()),
        None => ("WINDOWS-1252", WINDOWS_1252.decode(bytes).0.into_owned()),
    };
    let row = line_of(&bytes[..valid]);
    let line = text.lines().nth(row as usize - 1).unwrap_or_default();
    let line: String = line.chars().take(60).collect();
    let name = path.display();
    Error::table(
        path,
        row,
        format!(
            "the text is not UTF-8; as {page} this row reads `{line}`. If that is right, convert the file: iconv -f \
             {page} -t UTF-8 {name} > utf8.csv"
        ),
    )
}

/// The line, from 1, that stands behind these bytes.
fn line_of(before: &[u8]) -> u64 {
    1 + super::scan::line_ends(before)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn read(bytes: &[u8]) -> Result<(String, Encoding), String> {
        decode(Path::new("t.csv"), bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn unicode_is_read_in_every_form_and_written_back() {
        let text = "id,고양이,개\n1,0,1\n";
        for mark in [true, false] {
            let mut encodings = vec![Encoding::Utf8 { mark }];
            for big_endian in [true, false] {
                encodings.push(Encoding::Utf16 { big_endian, mark });
            }
            for encoding in encodings {
                let bytes = encoding.bytes_of(text);
                let (read, found) = read(&bytes).unwrap();
                assert_eq!((&*read, found), (text, encoding));
                assert_eq!(found.bytes_of(&read), bytes);
            }
        }
        let error = read(b"\xff\xfe1\0,").unwrap_err();
        assert!(
            error.contains("UTF-16") && error.contains("cut short"),
            "{error}"
        );
    }

    #[test]
    fn other_code_pages_are_named_with_the_way_out() {
        let korean = EUC_KR.encode("id,a\n1,0\n고양이,1\n").0.into_owned();
        assert_eq!(
            read(&korean).unwrap_err(),
            "t.csv, row 3: the text is not UTF-8; as CP949 this row reads `고양이,1`. If that is right, convert the \
             file: iconv -f CP949 -t UTF-8 t.csv > utf8.csv"
        );
        let error = read(b"id,caf\xe9,dog\n1,0,0\n").unwrap_err();
        assert!(
            error.contains("row 1: ") && error.contains("WINDOWS-1252"),
            "{error}"
        );
        assert!(error.contains("`id,café,dog`"), "{error}");
    }

    #[test]
    fn what_is_no_table_is_called_by_its_name() {
        for (bytes, part) in [
            (&b"PK\x03\x04rest"[..], "Excel workbook"),
            (b"PAR1....", "Parquet"),
            (b"id,a\n1,0\0\n", "row 2: there are 1 NUL bytes"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
