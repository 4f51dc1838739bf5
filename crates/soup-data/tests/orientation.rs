//! Images stand upright as EXIF says, whatever decoder they take.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use soup_data::dataset::{Channels, decode, image_shape};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/orientations")
}

/// Rows, columns and data of a small `.npy` file, C or Fortran order.
fn npy(name: &str) -> ([usize; 2], Vec<u8>) {
    let bytes = fs::read(fixtures().join(name)).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..start]).unwrap();
    let shape = header.split_once("'shape': (").unwrap().1;
    let sides: Vec<usize> = (shape.split([',', ')']))
        .take(3)
        .filter_map(|side| side.trim().parse().ok())
        .collect();
    let (rows, columns) = (sides[0], sides[1]);
    let data = bytes[start..].to_vec();
    if !header.contains("'fortran_order': True") {
        return ([rows, columns], data);
    }
    let channels = data.len() / rows / columns;
    let mut ordered = vec![0; data.len()];
    for (at, value) in data.into_iter().enumerate() {
        let (row, column, channel) = (at % rows, at / rows % columns, at / rows / columns);
        ordered[(row * columns + column) * channels + channel] = value;
    }
    ([rows, columns], ordered)
}

#[test]
fn every_orientation_is_what_pillow_sees() {
    let mut seen = 0;
    for entry in fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        if !["png", "jpg"]
            .map(|end| path.extension().unwrap() == end)
            .contains(&true)
        {
            continue;
        }
        seen += 1;
        let name = path.file_stem().unwrap().to_str().unwrap();
        let bytes = fs::read(&path).unwrap();
        let (shape, pixels) = decode(&bytes, Channels::AsStored).unwrap();
        assert_eq!(image_shape(&bytes).unwrap(), shape, "{name}");
        let (sides, expected) = npy(&format!("{name}.npy"));
        assert_eq!([shape.height, shape.width], sides, "{name}");
        // JPEG decoders round differently.
        let allowed = if name.starts_with("jpeg") { 3 } else { 0 };
        let worst = pixels
            .iter()
            .zip(&expected)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert_eq!(pixels.len(), expected.len());
        assert!(worst.unwrap() <= allowed, "{name}: {worst:?}");
    }
    assert_eq!(seen, 21);
}

#[test]
fn headers_tell_the_shape_of_every_form() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().unwrap() == "npy" {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let (shape, _) = decode(&bytes, Channels::AsStored).unwrap();
        assert_eq!(image_shape(&bytes).unwrap(), shape, "{}", path.display());
    }
}

#[test]
fn broken_exif_turns_nothing_and_harms_nothing() {
    let bytes = fs::read(fixtures().join("jpeg_6.jpg")).unwrap();
    let at = bytes.windows(6).position(|six| six == b"Exif\0\0").unwrap() + 6;
    let upright = decode(
        &fs::read(fixtures().join("jpeg_1.jpg")).unwrap(),
        Channels::AsStored,
    );
    let upright = upright.unwrap().0;
    for place in 0..26 {
        let mut broken = bytes.clone();
        broken[at + place] ^= 0xff;
        let (shape, _) = decode(&broken, Channels::AsStored).unwrap();
        assert!(shape == upright || shape.height == upright.width, "{place}");
    }
}

#[test]
#[ignore = "needs photographs that are not in this tree"]
fn the_real_photographs_in_every_orientation_are_what_pillow_sees() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/photos/exif");
    let table = fs::read_to_string(fixtures().join("photos.csv")).unwrap();
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(rows.len(), 18);
    for row in rows {
        let cells: Vec<&str> = row.split(',').collect();
        let bytes = fs::read(folder.join(cells[0])).unwrap();
        let (shape, pixels) = decode(&bytes, Channels::Rgb).unwrap();
        let sides = [shape.width, shape.height].map(|side| side.to_string());
        assert_eq!(sides, cells[1..3], "{}", cells[0]);
        // Nine fields, cut as NumPy's array_split cuts.
        let cut = |side: usize, part: usize| part * (side / 3) + part.min(side % 3);
        let mut means = cells[3].split(' ').map(|mean| mean.parse::<f64>().unwrap());
        for row in 0..3 {
            for column in 0..3 {
                let mut sums = [0u64; 3];
                let mut count = 0u64;
                for y in cut(shape.height, row)..cut(shape.height, row + 1) {
                    for x in cut(shape.width, column)..cut(shape.width, column + 1) {
                        let at = (y * shape.width + x) * 3;
                        for (sum, value) in sums.iter_mut().zip(&pixels[at..at + 3]) {
                            *sum += u64::from(*value);
                        }
                        count += 1;
                    }
                }
                for sum in sums {
                    let (mean, expected) = (sum as f64 / count as f64, means.next().unwrap());
                    assert!(
                        (mean - expected).abs() < 1.0,
                        "{}: {mean} {expected}",
                        cells[0]
                    );
                }
            }
        }
    }
}

/// Large images are made small before they are turned: what comes out is what other images get, but for rounding.
#[test]
fn large_images_are_fitted_as_others() {
    use soup_data::dataset::{Fit, FitMode, Reading};
    let (width, height) = (4300, 4000);
    let level = |x: usize, y: usize| ((x / 17 * 5 + y / 13 * 3) % 256) as u8;
    // Stored as it is, and turned a quarter counterclockwise with the tag that turns it back.
    let encode = |width: usize, height: usize, pixels: &[u8], exif: Option<Vec<u8>>| {
        let mut bytes = Vec::new();
        let mut info = png::Info::with_size(width as u32, height as u32);
        info.color_type = png::ColorType::Rgb;
        info.exif_metadata = exif.map(Into::into);
        let mut encoder = png::Encoder::with_info(&mut bytes, info).unwrap();
        encoder.set_compression(png::Compression::Fast);
        encoder
            .write_header()
            .unwrap()
            .write_image_data(pixels)
            .unwrap();
        bytes
    };
    let pixel = |x: usize, y: usize| [level(x, y), level(y, x), 255 - level(x, y)];
    let upright: Vec<u8> = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| pixel(x, y)))
        .collect();
    let stored: Vec<u8> = (0..width)
        .flat_map(|y| (0..height).flat_map(move |x| pixel(width - 1 - y, x)))
        .collect();
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    let upright = encode(width, height, &upright, None);
    let turned = encode(height, width, &stored, Some(exif));
    assert_eq!(image_shape(&turned).unwrap().width, width);
    for mode in FitMode::ALL {
        let fit = Fit {
            height: 60,
            width: 80,
            mode,
        };
        let reading = Reading {
            fit: Some(fit),
            ..Reading::default()
        };
        let (shape, ours) = decode(&turned, reading).unwrap();
        let (expected, theirs) = decode(&upright, reading).unwrap();
        assert_eq!(shape, expected);
        let apart = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b));
        let worst = apart.max().unwrap();
        assert!(worst <= 1, "{mode:?}: {worst} levels apart");
    }
}
