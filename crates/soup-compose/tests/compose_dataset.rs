//! Composed data sets on disk.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroUsize,
    ops::ControlFlow,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use soup_compose::{ComposeConfig, Composer, WriteOptions, glyphs::GlyphSpec, write_dataset};
use soup_data::Error;

fn composer() -> Composer {
    let pool = GlyphSpec::default().open().unwrap();
    Composer::new(ComposeConfig::default(), pool).unwrap()
}

fn options(out: &Path, count: u64, threads: usize) -> WriteOptions {
    WriteOptions {
        out: out.into(),
        count,
        seed: 3,
        glyphs: GlyphSpec::default().to_string(),
        threads: NonZeroUsize::new(threads),
    }
}

fn go_on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Every file below a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in [folder.to_path_buf(), folder.join("images")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_layout_is_the_contests_whatever_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let (one, three) = (folder.path().join("one"), folder.path().join("three"));
    let composer = composer();
    write_dataset(&composer, &options(&one, 12, 1), &go_on).unwrap();
    write_dataset(&composer, &options(&three, 12, 3), &go_on).unwrap();
    let written = files(&one);
    assert_eq!(written, files(&three));
    assert_eq!(written.len(), 15, "{:?}", written.keys());

    let text = |name: &str| String::from_utf8(written[name].clone()).unwrap();
    let answer = text("answer.csv");
    assert!(answer.starts_with("index,a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z\n0,"));
    let boxes = text("boxes.csv");
    assert!(boxes.starts_with("index,label,x0,y0,x1,y1,level,glyph\n0,"));
    let mut pixels = vec![0; 256 * 256];
    for (index, row) in answer.lines().skip(1).enumerate() {
        let composed = composer.compose(3, index as u64, &mut pixels).unwrap();
        let expected: Vec<String> = std::iter::once(index.to_string())
            .chain(
                composed
                    .labels
                    .iter()
                    .map(|&held| u8::from(held).to_string()),
            )
            .collect();
        assert_eq!(row, expected.join(","));
        let rows = boxes
            .lines()
            .filter(|row| row.starts_with(&format!("{index},")));
        assert_eq!(rows.count(), composed.boxes.len());

        let bytes = &written[&format!("{index:05}.png")];
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        assert_eq!(reader.info().color_type, png::ColorType::Grayscale);
        let mut decoded = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut decoded).unwrap();
        assert_eq!(decoded, pixels);
    }
    assert_eq!(answer.lines().count(), 13);
}

#[test]
fn images_of_two_groups_share_no_glyph() {
    let folder = tempfile::tempdir().unwrap();
    let config = ComposeConfig {
        glyph_groups: 3,
        ..ComposeConfig::default()
    };
    // Few glyphs, so that images cut at random would share some.
    let pool = || {
        "strokes[0..520]"
            .parse::<GlyphSpec>()
            .unwrap()
            .open()
            .unwrap()
    };
    let composer = Composer::new(config.clone(), pool()).unwrap();
    write_dataset(&composer, &options(folder.path(), 60, 2), &go_on).unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let groups: BTreeMap<String, String> = read("groups.csv")
        .lines()
        .skip(1)
        .map(|row| row.split_once(',').unwrap())
        .map(|(index, group)| (index.to_owned(), group.to_owned()))
        .collect();
    assert_eq!(groups.len(), 60);
    let mut seen: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for row in read("boxes.csv").lines().skip(1) {
        let group = &groups[row.split(',').next().unwrap()];
        let glyph = row.split(',').next_back().unwrap();
        let (first, times) = seen
            .entry(glyph.to_owned())
            .or_insert_with(|| (group.clone(), 0));
        assert_eq!(first, group, "{glyph}");
        *times += 1;
    }
    assert!(seen.values().any(|(_, times)| *times > 1));

    let many = ComposeConfig {
        glyph_groups: 21,
        ..config
    };
    let error = Composer::new(many, pool()).unwrap_err().to_string();
    assert!(error.contains("too few for 21 groups"), "{error}");
}

#[test]
fn an_interrupted_call_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let composer = composer();
    write_dataset(&composer, &options(&whole, 9, 2), &go_on).unwrap();

    let stop_at_4 = |done| {
        if done >= 4 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let error = write_dataset(&composer, &options(&cut, 9, 1), &stop_at_4).unwrap_err();
    assert!(matches!(error, Error::Interrupted));
    assert!(!cut.join("answer.csv").exists());
    let first = cut.join("images/00001.png");
    let before = fs::metadata(&first).unwrap().modified().unwrap();
    let reported = AtomicU64::new(0);
    let count = |_| {
        reported.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    write_dataset(&composer, &options(&cut, 9, 2), &count).unwrap();
    assert_eq!(reported.into_inner(), 9);
    assert_eq!(files(&whole), files(&cut));
    assert_eq!(
        fs::metadata(&first).unwrap().modified().unwrap(),
        before,
        "written again"
    );
}

#[test]
fn a_folder_of_other_images_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("set");
    let composer = composer();
    write_dataset(&composer, &options(&out, 2, 1), &go_on).unwrap();
    for other in [
        WriteOptions {
            seed: 4,
            ..options(&out, 2, 1)
        },
        options(&out, 3, 1),
        WriteOptions {
            glyphs: "csv:x".into(),
            ..options(&out, 2, 1)
        },
    ] {
        let error = write_dataset(&composer, &other, &go_on).unwrap_err();
        assert!(matches!(error, Error::OtherData { .. }), "{error}");
    }
    // A stranger's images are not overwritten.
    fs::remove_file(out.join("compose.json")).unwrap();
    let error = write_dataset(&composer, &options(&out, 2, 1), &go_on).unwrap_err();
    assert!(error.to_string().contains("no compose.json"), "{error}");
}

#[test]
fn too_few_letters_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("glyphs.csv");
    fs::write(&path, "letter,0\nA,255\nB,255\n").unwrap();
    let spec: GlyphSpec = format!("csv:{}", path.display()).parse().unwrap();
    let pool = spec.open().unwrap();
    let error = Composer::new(ComposeConfig::default(), pool.clone()).unwrap_err();
    assert!(error.to_string().contains("glyphs of only 2"), "{error}");
    let config = ComposeConfig {
        letters: [1, 2],
        ..ComposeConfig::default()
    };
    Composer::new(config, pool).unwrap().canvas(0, 0);
}
