//! NumPy arrays as data sets: images in one file, N x H x W or N x H x W x C of bytes or of 16 bits, and labels in
//! another, N x L of 0 and 1. An image of an array is handed on as a file of the format PAM, so that it is decoded,
//! fitted and scaled by what decodes all others.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use super::{
    images::{ImageFile, Source},
    labels::{Labels, LabelsFormat},
};
use crate::{Error, ImageShape, Result, npy, problems::Problems};

/// Bytes of a file in which its header must end.
const MOST_HEADER: u64 = 1 << 17;

/// Whether a file holds an array, by its first bytes.
pub(super) fn is_array(bytes: &[u8]) -> bool {
    bytes.starts_with(npy::MAGIC)
}

/// An open array of images.
pub(super) struct Stack {
    file: File,
    /// Where the first image begins.
    start: u64,
    count: u64,
    shape: ImageShape,
    /// Bytes of a sample, 1 or 2, and whether its least comes first.
    width: usize,
    is_little: bool,
}

impl Stack {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let mut head = Vec::new();
        (&mut file)
            .take(MOST_HEADER)
            .read_to_end(&mut head)
            .map_err(Error::io("read", path))?;
        let wrong = |problem: String| {
            let hint = "save images as N x height x width (x channels) of uint8 with numpy.save";
            Error::format(path, problem, hint)
        };
        let header = npy::Header::parse(&head).map_err(wrong)?;
        let (width, is_little) = match header.kind {
            "|u1" | "u1" => (1, true),
            "<u2" => (2, true),
            ">u2" => (2, false),
            other => {
                return Err(wrong(format!(
                    "its elements are `{other}`, not bytes (`|u1`)"
                )));
            }
        };
        if header.fortran {
            return Err(wrong("its axes are in Fortran order".into()));
        }
        let (count, shape) = match header.axes[..] {
            [count, height, width] => (count, [height, width, 1]),
            [count, height, width, channels] => (count, [height, width, channels]),
            _ => {
                let problem = format!(
                    "its shape is {:?}, and images have 3 or 4 axes",
                    header.axes
                );
                return Err(wrong(problem));
            }
        };
        let [height, wide, channels] = shape;
        if !(1..=4).contains(&channels) {
            let problem = match height {
                1 | 3 => "its channels come before its rows; move them with numpy.moveaxis(images, 1, -1)".into(),
                _ => format!("its images have {channels} channels"),
            };
            return Err(wrong(problem));
        }
        let shape = ImageShape {
            height,
            width: wide,
            channels,
        };
        let needed = [count, height, wide, channels, width]
            .iter()
            .try_fold(1u64, |size, &axis| size.checked_mul(axis as u64))
            .and_then(|size| size.checked_add(header.start as u64));
        if needed != Some(length) {
            return Err(wrong(format!(
                "its shape {:?} and its {length} bytes do not belong together; it is cut short or has a tail",
                header.axes
            )));
        }
        Ok(Self {
            start: header.start as u64,
            file,
            count: count as u64,
            shape,
            width,
            is_little,
        })
    }

    /// The images, by their numbers from 0.
    pub(super) fn files(&self) -> Vec<ImageFile> {
        let files = (0..self.count).map(|row| ImageFile {
            name: row.to_string(),
            source: Source::Row(row),
        });
        files.collect()
    }

    /// An image as a file of the format PAM.
    pub(super) fn read(&mut self, row: u64, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        let ImageShape {
            height,
            width,
            channels,
        } = self.shape;
        let tuples = ["GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA"][channels - 1];
        let white = if self.width == 1 { 255 } else { 65535 };
        let head = format!(
            "P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {white}\nTUPLTYPE {tuples}\nENDHDR\n"
        );
        bytes.clear();
        bytes.extend(head.as_bytes());
        let size = self.shape.len() * self.width;
        self.file
            .seek(SeekFrom::Start(self.start + row * size as u64))?;
        (&mut self.file).take(size as u64).read_to_end(bytes)?;
        if bytes.len() != head.len() + size {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if self.width == 2 && self.is_little {
            let samples = &mut bytes[head.len()..];
            for sample in samples.as_chunks_mut::<2>().0 {
                sample.swap(0, 1);
            }
        }
        Ok(())
    }
}

/// Labels of the images by their numbers, and what is wrong with them. `names` are those of the labels; `label0`
/// and so on where nothing is given.
pub(super) fn labels(
    path: &Path,
    bytes: &[u8],
    names: Option<&[String]>,
) -> Result<(Labels, Problems)> {
    let wrong = |problem: String| {
        let hint = "save labels as images x labels of 0 and 1 with numpy.save";
        Error::format(path, problem, hint)
    };
    let (rows, columns, values) = npy::parse_numbers(bytes).map_err(wrong)?;
    let names = match names {
        None => (0..columns)
            .map(|column| format!("label{column}"))
            .collect(),
        Some(names) if names.len() == columns => names.to_vec(),
        Some(names) => {
            return Err(wrong(format!(
                "it has {columns} columns, but {} names of labels are given",
                names.len()
            )));
        }
    };
    let mut problems = Problems::default();
    for (at, value) in values.iter().enumerate() {
        if *value != 0.0 && *value != 1.0 {
            problems.push(Error::table(
                path,
                (at / columns) as u64,
                format!(
                    "`{}` of this row (from 0) is {value}, not 0 or 1",
                    names[at % columns]
                ),
            ));
        }
    }
    let labels = Labels {
        format: LabelsFormat::Table,
        marks: None,
        ids: (0..rows).map(|row| row.to_string()).collect(),
        rows: (0..rows as u64).collect(),
        names,
        labels: values.into_iter().map(|value| value as u8).collect(),
        notes: vec![format!(
            "labels: an array of {rows} images x {columns} labels, by the number of the image from 0"
        )],
    };
    Ok((labels, problems))
}
