//! Images as people have them: other channels, sizes and turns, damage, and what lies beside them.

use std::fs;
use std::path::Path;

use crate::place::Place;

const TINY: &str =
    "--preset quick model.name=soup_tiny train.batch=4 train.epochs=1 train.threads=1 --fold 0";

fn fixture(name: &str) -> Vec<u8> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../soup-data/tests/fixtures");
    fs::read(data.join(name)).unwrap()
}

/// A PNG of noise.
fn png(side: u32, color: png::ColorType, depth: png::BitDepth, seed: u32, most: u16) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(color);
    encoder.set_depth(depth);
    let samples = side * side * color.samples() as u32;
    let noise = |at: u32| (at + seed * 7919).wrapping_mul(2_654_435_761) >> 16;
    let data: Vec<u8> = match depth {
        png::BitDepth::Sixteen => (0..samples)
            .flat_map(|at| ((noise(at) % (u32::from(most) + 1)) as u16).to_be_bytes())
            .collect(),
        _ => (0..samples).map(|at| noise(at) as u8).collect(),
    };
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&data).unwrap();
    writer.finish().unwrap();
    bytes
}

fn eight(side: u32, color: png::ColorType, seed: u32) -> Vec<u8> {
    png(side, color, png::BitDepth::Eight, seed, 255)
}

fn labels(place: &Place, name: &str, count: u32) {
    let rows: String = (0..count)
        .map(|i| format!("{i},{},{}\n", i % 2, i / 2 % 2))
        .collect();
    place.write(name, format!("id,a,b\n{rows}"));
}

#[test]
fn a_model_reads_images_in_all_channels_and_sizes_alike() {
    use png::ColorType::{Grayscale, GrayscaleAlpha, Rgb, Rgba};
    let place = Place::new("images_channels");
    for seed in 0..12 {
        place.write(&format!("train/{seed}.png"), eight(32, Rgb, seed));
    }
    labels(&place, "labels.csv", 12);
    place.json("pack --images train --labels labels.csv --out pack");
    place.json(&format!("train {TINY} --data pack --out run"));
    for (at, color) in [Rgb, Grayscale, Rgba, GrayscaleAlpha]
        .into_iter()
        .enumerate()
    {
        place.write(&format!("test/{at}.png"), eight(32, color, 50));
    }
    place.write("test/4.png", eight(48, Rgb, 51));
    place.write("test/5.jpg", fixture("orientations/jpeg_1.jpg"));
    place.write("test/6.jpg", fixture("orientations/jpeg_6.jpg"));
    let facts = place.json("predict run --images test --out all.csv");
    assert_eq!(facts["pictures"], 7);
    let row = |table: &str, id: &str| {
        let text = place.read(table);
        let start = format!("{id},");
        text.lines()
            .find(|line| line.starts_with(&start))
            .unwrap()
            .to_owned()
    };
    // Alone, among others, or converted beforehand: the same answer.
    for id in 0..7 {
        let name = if id < 5 {
            format!("{id}.png")
        } else {
            format!("{id}.jpg")
        };
        place.write(
            &format!("one{id}/{name}"),
            fs::read(place.path(&format!("test/{name}"))).unwrap(),
        );
        place.json(&format!("predict run --images one{id} --out one.csv"));
        assert_eq!(
            row("one.csv", &id.to_string()),
            row("all.csv", &id.to_string())
        );
    }
    place.json("pack --images one1 --out grey.pack");
    place.json("predict run --images grey.pack --out one.csv");
    assert_eq!(row("one.csv", "1"), row("all.csv", "1"));
    place.json("pack --images one1 --channels rgb --out rgb.pack");
    place.json("predict run --images rgb.pack --out one.csv");
    assert_eq!(row("one.csv", "1"), row("all.csv", "1"));
    // Mixed channels are packed as one, and that is said.
    place.write("train/3.png", eight(32, Grayscale, 3));
    let said = place.soup("pack --images train --labels labels.csv --out mixed.pack");
    assert!(
        said.stderr
            .contains("stored in different channels; all are packed as RGB"),
        "{}",
        said.stderr
    );
    let shape =
        place.json("pack --images train --labels labels.csv --out mixed.pack")["shape"].clone();
    assert_eq!(shape, serde_json::json!([32, 32, 3]));
    place.json("doctor train");
}

#[test]
fn what_lies_beside_images_does_not_matter_to_predict_and_is_said() {
    let place = Place::new("images_beside");
    let grey = |seed| eight(64, png::ColorType::Grayscale, seed);
    for seed in 0..4 {
        place.write(&format!("test/{seed:03}.png"), grey(seed));
    }
    place.write("test/more/090.png", grey(90));
    place.write("test/labels.csv", "id,a\n000,1\n");
    place.write("test/metadata.csv", "id,width\n000,64\n");
    place.write("test/old.zip", b"PK");
    place.write("test/5.jxl", b"\xff\x0a of JPEG XL");
    let ids = || -> Vec<String> {
        let text = place.read("test/probs.csv");
        text.lines()
            .skip(1)
            .map(|line| line[..3].to_owned())
            .collect()
    };
    // Twice: the second time its own table lies there too.
    for _ in 0..2 {
        let said = place.soup("predict letters --threads 1 --images test --out test/probs.csv");
        assert_eq!(ids(), ["000", "001", "002", "003", "090"]);
        assert!(said.stderr.contains("5 images found; "), "{}", said.stderr);
        assert!(
            said.stderr.contains("1 x .jxl (not supported)"),
            "{}",
            said.stderr
        );
    }
    let facts = place.json("predict letters --threads 1 --images test --out test/probs.csv");
    let left = facts["left_out"].as_array().unwrap();
    let of = |reason: &str| left.iter().find(|kind| kind["reason"] == reason).unwrap();
    assert_eq!(of("a table (not read)")["count"], 3);
    assert_eq!(of(".jxl (not supported)")["names"][0], "5.jxl");
    let said = place.failure(3, "predict letters --threads 1 --images test --strict");
    assert!(said.contains("5.jxl") && said.contains("old.zip"), "{said}");
    place.write("labelled/images/0.png", grey(0));
    place.write("labelled/images/1.jxl", b"\xff\x0a of JPEG XL");
    place.write("labelled/labels.csv", "id,a\n0,1\n");
    for verb in [
        "train --preset quick --data labelled --out run",
        "evaluate letters --data labelled",
    ] {
        let said = place.failure(3, &format!("{verb} --strict"));
        assert!(
            said.contains("1.jxl") && said.contains("--strict"),
            "{verb}: {said}"
        );
    }
    for verb in [
        "pack --images test --out pack --strict",
        "doctor test/more --strict",
    ] {
        let code = if verb.starts_with("pack") { 3 } else { 0 };
        assert_eq!(place.soup(verb).code, code, "{verb}");
    }
    place.write("parts/train/0.png", grey(0));
    place.write("parts/test/1.png", grey(1));
    let said = place.failure(3, "predict letters --images parts");
    assert!(said.contains("test, train"), "{said}");
}

#[test]
fn all_damaged_images_are_named_at_once_or_left_out_where_wanted() {
    let place = Place::new("images_damaged");
    for seed in 0..130 {
        let bytes = eight(64, png::ColorType::Grayscale, seed);
        let cut = if seed % 13 == 0 {
            bytes.len() - 50
        } else {
            bytes.len()
        };
        place.write(&format!("cut/{seed:03}.png"), &bytes[..cut]);
    }
    place.write("cut/050.png", "text");
    labels(&place, "labels.csv", 130);
    for command in [
        "pack --images cut --labels labels.csv --out p1",
        "pack --images cut --out p2",
        "predict letters --threads 1 --images cut",
        "doctor cut",
    ] {
        let said = place.failure(3, command);
        assert!(said.contains("11 problems:"), "{command}: {said}");
        for id in ["000", "013", "050", "117"] {
            assert!(said.contains(&format!("cut/{id}.png")), "{command}: {said}");
        }
    }
    // Wrong cells and damaged images in one round; what no row names is not read.
    let table = place.read("labels.csv");
    let table = table
        .replace("\n5,1,0\n", "\n5,2,0\n")
        .replace("\n129,1,0", "");
    place.write("wrong.csv", table.replace("\n7,1,1\n", "\n7,1,\n"));
    let said = place.failure(3, "pack --images cut --labels wrong.csv --out p1");
    assert!(said.contains("13 problems:"), "{said}");
    for part in [
        "row 7 (image `5`)",
        "row 9 (image `7`)",
        "cut/050.png",
        "cut/117.png",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = place.failure(
        3,
        "pack --images cut --labels wrong.csv --out p1 --skip-damaged",
    );
    assert!(said.contains("2 problems:"), "{said}");
    assert!(!place.path("p1").exists());
    let facts = place.json("pack --images cut --labels labels.csv --skip-damaged --out p1");
    assert_eq!(facts["pictures"], 119);
    let said = place.soup("predict letters --threads 1 --images cut --skip-damaged --out p.csv");
    assert!(
        said.stderr
            .contains("119 images found; 11 left out: 11 damaged"),
        "{}",
        said.stderr
    );
    assert_eq!(place.read("p.csv").lines().count(), 120);
}

#[test]
fn twelve_bits_in_sixteen_are_said_and_scaled_alike_from_pack_to_answer() {
    use png::{BitDepth::Sixteen, ColorType::Grayscale};
    let place = Place::new("images_depth");
    for seed in 0..12 {
        place.write(
            &format!("xray/{seed}.png"),
            png(32, Grayscale, Sixteen, seed, 4095),
        );
    }
    labels(&place, "xray/labels.csv", 12);
    let said = place.soup("pack --data xray --out dark");
    assert!(said.stderr.contains("--max-value 4095"), "{}", said.stderr);
    let said = place.soup("doctor dark").stdout;
    assert!(said.contains("16 bits a channel"), "{said}");
    let facts = place.json("pack --data xray --max-value 4095 --out pack");
    assert_eq!(facts["max_value"], 4095);
    let said = place.soup("doctor pack").stdout;
    assert!(said.contains("fine     16 bits a channel"), "{said}");
    place.json(&format!("train {TINY} --data pack --out run"));
    // A run and a model file scale what they are asked about as the pack did.
    let answers = |command: &str| {
        place.json(&format!("predict {command} --out p.csv"));
        let text = place.read("p.csv");
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = answers("run --images pack");
    assert_eq!(answers("run --images xray"), expected);
    assert_ne!(answers("run --images dark"), expected);
    place.json("export run --out model.soup");
    assert_eq!(answers("model.soup --images xray"), expected);
    // Who runs an ONNX file has to bring images to bytes in the same way, and hears of it.
    let said = place.soup("export run --out model.onnx");
    assert!(
        said.stdout.contains("min(value, 4095) * 255 / 4095"),
        "{}",
        said.stdout
    );
    assert_eq!(place.json("export run --out model.onnx")["max_value"], 4095);
    let bytes = fs::read(place.path("model.onnx")).unwrap();
    let has = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    assert!(has(b"\x0a\x09max_value\x12\x044095"));
    // Trained from the folder itself.
    place.json(&format!(
        "train {TINY} --data xray --out other data.max_value=4095"
    ));
    assert_eq!(answers("other --images xray"), expected);
}

#[test]
fn images_of_several_sizes_walk_from_folder_to_answer_as_they_were_fitted() {
    use png::{BitDepth::Eight, ColorType::Rgb};
    let place = Place::new("images_sizes");
    for seed in 0..12_u32 {
        let side = 20 + 4 * (seed % 5);
        place.write(
            &format!("photos/{seed}.png"),
            png(side, Rgb, Eight, seed, 255),
        );
    }
    labels(&place, "photos/labels.csv", 12);
    let said = place.soup("pack --data photos --out default");
    let warning = "the images have several sizes; all become 256x256, whatever their aspect (--size and --fit choose)";
    assert!(said.stderr.contains(warning), "{}", said.stderr);
    let facts = place.json("pack --data photos --size 24x16 --fit crop --out pack/");
    assert_eq!(facts["shape"], serde_json::json!([24, 16, 3]));
    assert_eq!(facts["fit"], "24x16-crop");
    place.json(&format!("train {TINY} --data pack --out run"));
    let answers = |command: &str| {
        place.json(&format!("predict {command} --out p.csv"));
        let text = place.read("p.csv");
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = answers("run --images pack");
    assert_eq!(answers("run --images photos"), expected);
    place.json("export run --out model.soup");
    assert_eq!(answers("model.soup --images photos"), expected);
    let said = place.soup("export run --out model.onnx");
    assert!(said.stdout.contains("24x16-crop"), "{}", said.stdout);
    // Trained from the folder itself; doctor reads it, too.
    let said = place.soup(&format!(
        "train {TINY} --data photos --out other data.fit=24x16-crop"
    ));
    assert!(!said.stderr.contains("several sizes"), "{}", said.stderr);
    assert_eq!(answers("other --images photos"), expected);
    let said = place.soup(&format!(
        "train {TINY} --data photos --out third folds.k=2 train.batch=2"
    ));
    assert!(said.stderr.contains("data.fit chooses"), "{}", said.stderr);
    assert_eq!(place.json("doctor photos")["pictures"], 12);
    // A pack that was made otherwise is answered, and that is said.
    let said = place.soup("predict run --images default --out p.csv");
    assert!(said.stderr.contains("256x256-squash"), "{}", said.stderr);
}

#[test]
fn what_is_no_glyph_in_a_folder_of_glyphs_is_said() {
    let place = Place::new("images_glyphs");
    for (name, seed) in [
        ("a/1", 1),
        ("b/1", 2),
        ("c/1", 5),
        ("loose", 3),
        ("a/old/2", 4),
    ] {
        place.write(
            &format!("glyphs/{name}.png"),
            eight(16, png::ColorType::Grayscale, seed),
        );
    }
    place.write("glyphs/a/3.jxl", b"\xff\x0a of JPEG XL");
    let compose = "compose --glyphs folder:glyphs --count 2 compose.letters=[1,2]";
    let said = place.soup(&format!("{compose} --out set"));
    assert_eq!(said.code, 0, "{}", said.stderr);
    for part in [
        "glyphs in glyphs: 3 images found; 3 left out: 1 x .jxl (not supported), 2 in no folder of a label",
        "a/old/2.png, loose.png",
    ] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    let train = "train --preset quick data.compose_share=1 data.glyphs=\"folder:glyphs\" --out run";
    for command in [&format!("{compose} --out other"), train] {
        let said = place.failure(3, &format!("{command} --strict"));
        assert!(said.contains("loose.png"), "{command}: {said}");
    }
}
