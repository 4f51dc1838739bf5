//! Every format that is read, against the pixels that Pillow sees (`fixtures/make_formats.py`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use soup_data::dataset::{
    Channels, Dataset, Reading, decode, extensions, formats, image_shape, is_deep, is_image,
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Axes and data of an array file.
fn npy(path: &Path) -> (Vec<usize>, Vec<u8>) {
    let bytes = fs::read(path).unwrap();
    let header = soup_data::npy::Header::parse(&bytes).unwrap();
    assert_eq!((header.kind, header.fortran), ("|u1", false));
    (header.axes, bytes[header.start..].to_vec())
}

/// Names of the fixtures, without those of the arrays.
fn names() -> Vec<String> {
    let entries = fs::read_dir(fixtures().join("formats")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.ends_with(".npy")).collect();
    names.sort();
    assert!(names.len() > 50);
    names
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(fixtures().join("formats").join(name)).unwrap()
}

#[test]
fn every_format_decodes_as_in_pillow() {
    let mut wrong = Vec::new();
    for name in names() {
        let bytes = fixture(&name);
        let (axes, expected) = npy(&fixtures().join(format!("formats/{name}.npy")));
        let decoded = decode(&bytes, Channels::AsStored);
        let (shape, pixels) = match decoded {
            Ok(decoded) => decoded,
            Err(problem) => {
                wrong.push(format!("{name}: {problem}"));
                continue;
            }
        };
        assert_eq!(image_shape(&bytes), Ok(shape), "{name}");
        let channels = axes.get(2).copied().unwrap_or(1);
        if [shape.height, shape.width, shape.channels] != [axes[0], axes[1], channels] {
            wrong.push(format!("{name}: {shape:?} and not {axes:?}"));
            continue;
        }
        // Decoders round the inverse transform and the colours differently, by a little.
        let most = match name.as_str() {
            "lossy.webp" | "lossy_alpha.webp" | "sixteen.bmp" => 1,
            "cmyk.jpg" | "jpeg.tif" => 4,
            _ => 0,
        };
        let differences = pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b));
        let worst = differences.max().unwrap();
        if worst > most {
            wrong.push(format!("{name}: {worst} levels apart"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_that_is_cut_short_is_no_image() {
    for name in names() {
        let good = fixture(&name);
        for length in [0, 1, 4, 20, good.len() / 3, good.len() / 2] {
            let cut = &good[..length];
            // Of an animation the first frame may be whole.
            let is_whole = name.starts_with("animated") && length == good.len() / 2;
            // A TIFF whose data comes last in the file may be whole until its data begins.
            let problem = match decode(cut, Channels::AsStored) {
                Ok(_) if is_whole => continue,
                Ok(_) => panic!("{name} of {length} bytes is an image"),
                Err(problem) => problem,
            };
            assert!(
                !problem.contains('\n') && problem.len() < 200,
                "{name}: {problem}"
            );
            let _ = image_shape(cut);
        }
    }
}

#[test]
fn flipped_bits_make_no_panic() {
    for name in names() {
        let good = fixture(&name);
        for at in 0..good.len().min(400) {
            for bit in [0, 3, 7] {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                let claimed = image_shape(&bytes);
                let Ok(claimed) = claimed else { continue };
                if claimed.height.saturating_mul(claimed.width) > 1 << 22 {
                    continue;
                }
                if let Ok((shape, pixels)) = decode(&bytes, Channels::AsStored) {
                    assert_eq!(
                        (shape, shape.len()),
                        (claimed, pixels.len()),
                        "{name} at {at}"
                    );
                }
            }
        }
    }
}

#[test]
fn samples_follow_the_largest_value() {
    let with = |name: &str, max_value| {
        let reading = Reading {
            max_value: Some(max_value),
            ..Reading::default()
        };
        decode(&fixture(name), reading).unwrap().1
    };
    let deep = |name: &str| -> Vec<u16> {
        let bytes = fixture(name);
        let pairs = bytes[bytes.len() - 2 * 11 * 18..].as_chunks::<2>().0.iter();
        pairs.map(|pair| u16::from_be_bytes(*pair)).collect()
    };
    let expected: Vec<u8> = deep("deep.pgm")
        .into_iter()
        .map(|sample| (f64::from(sample.min(4095)) * 255.0 / 4095.0).round() as u8)
        .collect();
    for name in ["deep.pgm", "deep.tif"] {
        assert_eq!(with(name, 4095), expected, "{name}");
        assert!(is_deep(&fixture(name)));
    }
    // Its samples are 0 to 1; 2 is white.
    let halved = with("real.tif", 2);
    let whole = decode(&fixture("real.tif"), Channels::AsStored).unwrap().1;
    assert!(
        halved
            .iter()
            .zip(&whole)
            .all(|(half, whole)| half.abs_diff(whole / 2) <= 1)
    );
    assert!(!is_deep(&fixture("grey.tif")) && !is_deep(&fixture("rgb.qoi")));
    // Real numbers of which nobody says what is white.
    let mut bytes = fixture("real.tif");
    let at = bytes
        .windows(4)
        .position(|four| (0.5..1.0).contains(&f32::from_le_bytes(four.try_into().unwrap())));
    bytes[at.unwrap()..][..4].copy_from_slice(&1000f32.to_le_bytes());
    let problem = decode(&bytes, Channels::AsStored).unwrap_err();
    assert!(
        problem.contains("1000") && problem.contains("--max-value"),
        "{problem}"
    );
}

#[test]
fn the_table_of_formats_is_the_one_of_the_fixtures() {
    for name in names() {
        let extension = name.rsplit('.').next().unwrap();
        assert!(extensions().any(|known| known == extension), "{name}");
        assert!(
            is_image(&fixture(&name)[..132.min(fixture(&name).len())]),
            "{name}"
        );
    }
    let covered = |extension: &str| names().iter().any(|name| name.ends_with(extension));
    for format in [
        "webp", "gif", "bmp", "tif", "pgm", "ppm", "pbm", "pam", "qoi", "jpg",
    ] {
        assert!(covered(format), "{format}");
    }
    assert_eq!(formats(), "PNG, JPEG, WebP, GIF, BMP, TIFF, PNM and QOI");
    // Prose and other files are no images.
    for other in [
        &b"P1 is the first of them"[..],
        b"BM is a mark",
        b"P5,1,0\n",
        b"id,a\n1,0\n",
        b"GIF88a",
        b"RIFF\0\0\0\0WAVE",
    ] {
        assert!(!is_image(other), "{}", other.escape_ascii());
    }
}

#[test]
fn raw_data_of_cameras_is_no_preview_of_it() {
    // A TIFF whose first image is a smaller copy.
    let mut raw = b"II*\0\x08\0\0\0\x01\0".to_vec();
    raw.extend(b"\xfe\0\x04\0\x01\0\0\0\x01\0\0\0");
    raw.extend([0; 200]);
    assert!(!is_image(&raw));
    let problem = decode(&raw, Channels::AsStored).unwrap_err();
    assert!(
        problem.contains("camera's raw data") && problem.contains("convert"),
        "{problem}"
    );
    let folder = tempfile::TempDir::new().unwrap();
    fs::write(folder.path().join("a.nef"), &raw).unwrap();
    fs::write(folder.path().join("b.png"), fixture("rgb.qoi")).unwrap();
    let found = Dataset::open_images(folder.path()).unwrap();
    assert_eq!(found.len(), 1);
    assert!(
        found.left_out().to_string().contains("1 x .nef"),
        "{}",
        found.left_out()
    );
}

#[test]
#[ignore = "needs the photographs beside the project"]
fn real_odd_photographs() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/photos");
    assert!(
        place.is_dir(),
        "the photographs are not at {}",
        place.display()
    );
    let told = include_str!("fixtures/odd.json");
    let told: serde_json::Map<String, serde_json::Value> = serde_json::from_str(told).unwrap();
    assert_eq!(told.len(), 36 + 18);
    let (mut decoded, mut wrong) = (0, Vec::new());
    for (name, told) in &told {
        let bytes = fs::read(place.join(name)).unwrap();
        let found = decode(&bytes, Channels::Rgb);
        // Pillow reads these with libraries that are not in every build of ours.
        let is_foreign = name.ends_with(".avif") || name.ends_with(".heif");
        let (shape, pixels) = match (found, told.get("refused")) {
            (Err(problem), Some(theirs)) => {
                eprintln!("{name}: {problem}; Pillow: {theirs}");
                continue;
            }
            (Err(problem), None) if is_foreign && problem.contains("convert") => {
                eprintln!("{name}: {problem}");
                continue;
            }
            (Err(problem), None) => {
                wrong.push(format!("{name}: {problem}"));
                continue;
            }
            (Ok(_), Some(theirs)) => {
                wrong.push(format!("{name}: decoded, but Pillow says: {theirs}"));
                continue;
            }
            (Ok(found), None) => found,
        };
        assert_eq!(image_shape(&bytes).unwrap().height, shape.height, "{name}");
        let size: Vec<usize> = serde_json::from_value(told["size"].clone()).unwrap();
        assert_eq!([shape.height, shape.width], size[..], "{name}");
        let theirs: Vec<[u8; 3]> = serde_json::from_value(told["pixels"].clone()).unwrap();
        let count = shape.height * shape.width;
        let ours = (0..theirs.len()).map(|k| &pixels[3 * ((k * 7919) % count)..][..3]);
        let apart = ours.zip(&theirs).map(|(ours, theirs)| {
            let channels = ours.iter().zip(theirs);
            channels.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
        });
        let worst = apart.max().unwrap();
        let means: Vec<f64> = serde_json::from_value(told["means"].clone()).unwrap();
        let mut off = 0f64;
        for (channel, mean) in means.iter().enumerate() {
            let sum: u64 = pixels[channel..]
                .iter()
                .step_by(3)
                .map(|level| u64::from(*level))
                .sum();
            off = off.max((sum as f64 / count as f64 - mean).abs());
        }
        eprintln!("{name}: worst of 48 pixels {worst} levels apart, means {off:.3}");
        if worst > 4 || off > 0.5 {
            wrong.push(format!("{name}: {worst} levels apart, means {off:.3}"));
        }
        decoded += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(decoded >= 36 + 18 - 6, "{decoded}");
}
