//! Images of several sizes brought to one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path};

use serde::Deserialize;
use soup_data::{
    Error, ImageShape, Source,
    dataset::{Channels, Columns, Dataset, Fit, FitMode, Reading},
    pack::{Pack, PackOptions, write_pack},
};

#[derive(Deserialize)]
struct Case {
    stored: [usize; 3],
    fit: Fit,
    pixels: Vec<u8>,
}

/// The formula of `fixtures/make_fits.py`.
fn image([height, width, channels]: [usize; 3]) -> Vec<u8> {
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    let values = places.flat_map(|(y, x)| {
        (0..channels).map(move |c| ((y * 37 + x * x * 11 + y * x * 5 + c * 83) % 256) as u8)
    });
    values.collect()
}

#[test]
fn fits_agree_with_pillow() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fits.json");
    let cases: Vec<Case> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 45);
    for Case {
        stored,
        fit,
        pixels,
    } in cases
    {
        let [height, width, channels] = stored;
        let shape = ImageShape {
            height,
            width,
            channels,
        };
        let mut made = image(stored);
        let came = fit.apply(shape, &mut made).unwrap();
        assert_eq!(came, fit.of_shape(shape));
        assert_eq!(made.len(), pixels.len(), "{stored:?} {fit}");
        for (at, (made, expected)) in made
            .chunks(channels)
            .zip(pixels.chunks(channels))
            .enumerate()
        {
            // Colours are multiplied by their alpha and divided again: in bytes, the less there is of it, the coarser they are.
            let (alpha, most) = match channels {
                2 | 4 => (f64::from(expected[channels - 1]) / 255.0, 2.5),
                _ => (1.0, 1.0),
            };
            for (value, wanted) in made.iter().zip(expected) {
                let difference = f64::from(value.abs_diff(*wanted)) * alpha;
                assert!(
                    difference <= most,
                    "{stored:?} {fit}: pixel {at} is {made:?}, in Pillow {expected:?}"
                );
            }
        }
    }
}

#[test]
fn fits_are_read_as_they_are_written() {
    for (text, whole) in [
        ("256", "256x256-squash"),
        ("96x128", "96x128-squash"),
        ("320-crop", "320x320-crop"),
        ("8192x1-pad", "8192x1-pad"),
    ] {
        let fit: Fit = text.parse().unwrap();
        assert_eq!(fit.to_string(), whole);
        assert_eq!(whole.parse::<Fit>().unwrap(), fit);
        assert_eq!(serde_json::to_string(&fit).unwrap(), format!("\"{whole}\""));
    }
    for text in [
        "",
        "0",
        "8193",
        "256x",
        "x256",
        "256-fill",
        "-crop",
        "1e3",
        "256x256x3",
    ] {
        assert!(text.parse::<Fit>().is_err(), "{text}");
    }
    assert_eq!(Fit::DEFAULT.mode, FitMode::default());
}

/// A folder of grey PNG files of these sizes, with a table.
fn folder(sizes: &[(u32, u32)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut table = "id,a\n".to_owned();
    for (number, &(height, width)) in sizes.iter().enumerate() {
        let file = fs::File::create(folder.path().join(format!("{number}.png"))).unwrap();
        let mut encoder = png::Encoder::new(file, width, height);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().unwrap();
        let pixels = image([height as usize, width as usize, 1]);
        writer.write_image_data(&pixels).unwrap();
        table.push_str(&format!("{number},{}\n", number % 2));
    }
    fs::write(folder.path().join("labels.csv"), table).unwrap();
    folder
}

fn reading(fit: Option<Fit>) -> Reading {
    Reading {
        fit,
        ..Reading::default()
    }
}

#[test]
fn a_pack_of_several_sizes_has_one_and_says_how() {
    let folder = folder(&[(16, 16), (20, 30), (16, 16), (300, 7)]);
    let dataset = Dataset::open(folder.path(), &Columns::default()).unwrap();
    // Without an answer that is an error, as before, and all of them are named.
    let strict = write_pack(
        &dataset,
        &folder.path().join("no.pack"),
        &PackOptions::default(),
    );
    let error = strict.unwrap_err();
    assert!(matches!(error, Error::Several(_)), "{error}");

    let out = folder.path().join("x.pack");
    let fit: Fit = "12x10-crop".parse().unwrap();
    let options = PackOptions {
        otherwise: Some(fit),
        ..PackOptions::default()
    };
    let report = write_pack(&dataset, &out, &options).unwrap();
    assert_eq!((report.images, report.fitted), (4, Some(fit)));
    let pack = Pack::open(&out).unwrap();
    assert_eq!((pack.shape().height, pack.shape().width), (12, 10));
    assert_eq!(pack.reading().fit, Some(fit));
    for (index, stored) in [(1, [20, 30, 1]), (3, [300, 7, 1])] {
        let mut pixels = image(stored);
        let [height, width, channels] = stored;
        let shape = ImageShape {
            height,
            width,
            channels,
        };
        fit.apply(shape, &mut pixels).unwrap();
        assert_eq!(pack.image(index), pixels);
    }
    // The same call finds it whole; the images read live are the same.
    assert_eq!(write_pack(&dataset, &out, &options).unwrap().kept, 4);
    let live = dataset.examples(Channels::AsStored, Some(fit)).unwrap();
    assert_eq!(live.reading().fit, Some(fit));
    let (mut pixels, mut labels) = (vec![0; 120], vec![0.0]);
    for index in 0..4 {
        live.read(index, &mut pixels, &mut labels).unwrap();
        assert_eq!(pixels, pack.image(index as usize));
    }
}

#[test]
fn a_size_that_is_asked_for_is_for_all_images() {
    let folder = folder(&[(16, 16), (16, 16)]);
    let dataset = Dataset::open(folder.path(), &Columns::default()).unwrap();
    let fit: Fit = "8".parse().unwrap();
    let out = folder.path().join("x.pack");
    let options = |fit| PackOptions {
        reading: reading(fit),
        otherwise: Some(Fit::DEFAULT),
        ..PackOptions::default()
    };
    let report = write_pack(&dataset, &out, &options(Some(fit))).unwrap();
    assert_eq!(report.fitted, None);
    assert_eq!(Pack::open(&out).unwrap().reading().fit, Some(fit));
    // Another size is other data.
    let other = write_pack(&dataset, &out, &options(None)).unwrap_err();
    assert!(matches!(other, Error::OtherData { .. }), "{other}");
    // Images of one size stay as they are, where nothing is asked for.
    let plain = folder.path().join("plain.pack");
    write_pack(&dataset, &plain, &options(None)).unwrap();
    let plain = Pack::open(&plain).unwrap();
    assert_eq!((plain.shape().height, plain.reading().fit), (16, None));
}
