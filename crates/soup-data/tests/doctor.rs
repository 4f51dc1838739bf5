//! The doctor: what it must find, and what it must not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::sync::{Arc, atomic::AtomicBool};

use soup_compose::{
    ComposeConfig, ComposedSource, Composer,
    glyphs::{GlyphPool, strokes::Strokes},
};
use soup_data::{
    Error, ImageShape, Source,
    dataset::LabelTable,
    doctor::{Finding, Fingerprints, Inputs, Likeness, Verdict, examine, groups, read_sources},
    folds::{FoldKind, Folds},
};
use soup_random::{Purpose, Stream};

/// Images in memory.
struct Images {
    shape: ImageShape,
    pixels: Vec<Vec<u8>>,
}

impl Source for Images {
    fn len(&self) -> u64 {
        self.pixels.len() as u64
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn label_names(&self) -> &[String] {
        &[]
    }

    fn read(
        &self,
        index: u64,
        pixels: &mut [u8],
        _: &mut [f32],
    ) -> Result<Option<Vec<soup_data::Annotation>>, Error> {
        pixels.copy_from_slice(&self.pixels[index as usize]);
        Ok(None)
    }
}

static NEVER: AtomicBool = AtomicBool::new(false);

/// Composed images as the founding task has them: dense noise, letters and distractors.
fn composed(count: u64) -> Images {
    let pool = GlyphPool::new(Arc::new(Strokes::new(0)));
    let examples = ComposedSource {
        composer: Arc::new(Composer::new(ComposeConfig::default(), pool).unwrap()),
        seed: 5,
        count,
    };
    let shape = examples.shape();
    let mut labels = vec![0.0; examples.label_names().len()];
    let pixels = (0..count).map(|index| {
        let mut pixels = vec![0; shape.len()];
        examples.read(index, &mut pixels, &mut labels).unwrap();
        pixels
    });
    Images {
        pixels: pixels.collect(),
        shape,
    }
}

fn likeness(images: &Images) -> Likeness {
    Likeness::of(&Fingerprints::take(images, &|_| {}, &NEVER).unwrap())
}

#[test]
fn copies_are_found_and_other_images_of_the_kind_are_not() {
    let mut images = composed(300);
    assert_eq!(likeness(&images), Likeness::default());

    // Equal; brighter; as a lossy file would have it; one pixel to the side; half as noisy again.
    let (shape, first) = (images.shape, images.pixels[7].clone());
    let mut draws = Stream::new(1, Purpose::Noise, 0, 0);
    let changed = |change: &mut dyn FnMut(usize, u8) -> f32| -> Vec<u8> {
        let values = first.iter().enumerate();
        values
            .map(|(at, value)| change(at, *value).round().clamp(0.0, 255.0) as u8)
            .collect()
    };
    let brighter = changed(&mut |_, value| f32::from(value) * 0.7 + 60.0);
    let lossy = changed(&mut |_, value| f32::from(value) + draws.range(-12.0, 12.0));
    let shifted = changed(&mut |at, _| {
        let column = at % shape.width;
        f32::from(first[at - column + (column + 1).min(shape.width - 1)])
    });
    images
        .pixels
        .extend([first.clone(), brighter, lossy, shifted]);
    let found = likeness(&images);
    assert_eq!(found.equal, [(7, 300)]);
    for copy in 301..304 {
        assert!(found.similar.contains(&(7, copy)), "{copy}: {found:?}");
    }
    // Nothing but the copies, among themselves.
    let copies = [7, 301, 302, 303];
    assert!(
        (found.similar.iter()).all(|(a, b)| copies.contains(a) && copies.contains(b)),
        "{found:?}"
    );
    let groups = groups(&found, 304);
    assert!(
        groups
            .iter()
            .enumerate()
            .all(|(place, group)| { *group == if place >= 300 { 7 } else { place } })
    );
}

/// Small, flat and coloured images are survived.
#[test]
fn odd_images_have_fingerprints() {
    for (height, width, channels) in [(1, 1, 1), (3, 40, 3), (5, 2, 4)] {
        let shape = ImageShape {
            height,
            width,
            channels,
        };
        let flat = Images {
            shape,
            pixels: vec![
                vec![7; shape.len()],
                vec![9; shape.len()],
                vec![7; shape.len()],
            ],
        };
        let found = likeness(&flat);
        assert_eq!(
            (found.equal, found.similar),
            (vec![(0, 2)], vec![]),
            "{shape}"
        );
    }
    let stopped = AtomicBool::new(true);
    let outcome = Fingerprints::take(&composed(2), &|_| {}, &stopped);
    assert!(matches!(outcome, Err(Error::Interrupted)));
}

const IMAGES: usize = 600;

/// A table of three labels drawn at random.
fn table(ids: impl Fn(usize) -> String, label: impl Fn(usize, usize) -> Option<u8>) -> LabelTable {
    let mut draws = Stream::new(3, Purpose::Compose, 1, 0);
    let labels = (0..IMAGES * 3).map(|cell| {
        let drawn = u8::from(draws.chance(0.4));
        label(cell / 3, cell % 3).unwrap_or(drawn)
    });
    let labels = labels.collect();
    let names = ["cat", "dog", "owl"].map(str::to_owned).to_vec();
    LabelTable::new((0..IMAGES).map(ids).collect(), names, labels)
}

fn found<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    (findings.iter().find(|finding| finding.check == check)).unwrap_or_else(|| panic!("{check}"))
}

fn without_images<'a>(table: &'a LabelTable, folds: Option<&'a Folds>) -> Vec<Finding> {
    examine(&Inputs {
        table,
        file_names: None,
        fingerprints: None,
        folds,
        samples: None,
        sources: None,
    })
}

#[test]
fn a_healthy_table_has_nothing() {
    let table = table(|row| format!("{row:05}"), |_, _| None);
    for kind in [FoldKind::Kfold, FoldKind::Stratified] {
        let folds = Folds::make(kind, 5, 42, &table, None).unwrap();
        let findings = without_images(&table, Some(&folds));
        assert_eq!(findings.len(), 10);
        for finding in findings {
            assert!(finding.verdict <= Verdict::Skipped, "{finding:?}");
        }
    }
}

#[test]
fn names_and_order_that_give_labels_away_are_found() {
    let indoors = |row: usize| (row * 7) % 10 < 3;
    let named = table(
        |row| {
            format!(
                "{}_{row:05}.png",
                if indoors(row) { "Kitchen" } else { "garden" }
            )
        },
        |row, label| (label == 0).then(|| u8::from(indoors(row))),
    );
    let findings = without_images(&named, None);
    let words = found(&findings, "labels in file names");
    assert_eq!(words.verdict, Verdict::Warning);
    assert!(
        words.examples[0].starts_with("`cat` is in 0 % of 420 images with `garden`"),
        "{words:?}"
    );
    assert!(
        words.examples[1].contains("100 % of 180 images with `kitchen`"),
        "{words:?}"
    );
    assert_eq!(words.examples.len(), 2);

    let sorted = table(
        |row| format!("img{row}"),
        |row, label| (label == 2).then(|| u8::from(row / 50 % 2 == 0)),
    );
    let findings = without_images(&sorted, None);
    let order = found(&findings, "labels in the order");
    assert_eq!(order.verdict, Verdict::Warning);
    assert_eq!(
        order.examples,
        ["`owl` changes 11 times, by chance it would 300"]
    );
    assert_eq!(
        found(&findings, "labels in file names").verdict,
        Verdict::Fine
    );
}

#[test]
fn labels_and_folds_that_cannot_be_validated_are_named() {
    let odd = table(
        |row| format!("{row}"),
        |row, label| match label {
            0 => Some(1),
            1 => Some(u8::from(row == 3)),
            // The first fifth has it twice as often.
            _ => (row < IMAGES / 5).then_some(1),
        },
    );
    let groups: Vec<String> = (0..IMAGES)
        .map(|row| (row / (IMAGES / 5)).to_string())
        .collect();
    let folds = Folds::make(FoldKind::Group, 5, 1, &odd, Some(&groups)).unwrap();
    let findings = without_images(&odd, Some(&folds));
    assert_eq!(
        found(&findings, "constant labels").examples,
        ["`cat` is always 1"]
    );
    assert_eq!(
        found(&findings, "rare labels").examples,
        ["`dog` is 1 in 1 of 600 images"]
    );
    let balance = found(&findings, "label balance over folds");
    assert!(
        balance.examples[0].starts_with("`owl` is in 100.0 % of fold"),
        "{balance:?}"
    );
}

#[test]
fn copies_over_folds_and_contradictions_are_problems() {
    let images = {
        let mut images = composed(40);
        for copy in 0..10 {
            images.pixels[20 + copy] = images.pixels[copy].clone();
        }
        images
    };
    let labels: Vec<u8> = (0..40)
        .map(|row| u8::from(row % 20 % 2 == 0 || row == 21))
        .collect();
    let table = LabelTable::new(
        (0..40).map(|row| row.to_string()).collect(),
        vec!["a".into()],
        labels,
    );
    let fingerprints = Fingerprints::take(&images, &|_| {}, &NEVER).unwrap();
    let examined = |folds: Option<&Folds>| {
        examine(&Inputs {
            table: &table,
            file_names: None,
            fingerprints: Some(&fingerprints),
            folds,
            samples: None,
            sources: None,
        })
    };
    let findings = examined(None);
    assert_eq!(found(&findings, "equal images").verdict, Verdict::Warning);
    let wrong = found(&findings, "contradicting images");
    assert_eq!(wrong.verdict, Verdict::Problem);
    assert_eq!(wrong.examples, ["`1` and `21`: a"]);

    let folds = Folds::make(FoldKind::Kfold, 5, 0, &table, None).unwrap();
    assert_eq!(
        found(&examined(Some(&folds)), "equal images").verdict,
        Verdict::Problem
    );
    // The groups that the doctor proposes mend it.
    let ids: Vec<String> = groups(&Likeness::of(&fingerprints), 40)
        .into_iter()
        .map(|first| first.to_string())
        .collect();
    let folds = Folds::make(FoldKind::Group, 5, 0, &table, Some(&ids)).unwrap();
    assert_eq!(
        found(&examined(Some(&folds)), "equal images").verdict,
        Verdict::Fine
    );
}

#[test]
fn sources_on_both_sides_are_a_problem() {
    let table = table(|row| row.to_string(), |_, _| None);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("boxes.csv");
    let rows: String = (0..IMAGES)
        .map(|row| format!("{row},{}\n", row % 50))
        .collect();
    std::fs::write(&path, format!("index,glyph\n{rows}")).unwrap();
    let sources = read_sources(&path, "glyph", table.ids()).unwrap();
    let examined = |folds: &Folds| {
        let findings = examine(&Inputs {
            table: &table,
            file_names: None,
            fingerprints: None,
            folds: Some(folds),
            samples: None,
            sources: Some(&sources),
        });
        found(&findings, "shared sources").clone()
    };
    let by_image = Folds::make(FoldKind::Kfold, 5, 0, &table, None).unwrap();
    let shared = examined(&by_image);
    assert_eq!(shared.verdict, Verdict::Problem);
    assert!(shared.message.contains("600 of 600 images"), "{shared:?}");
    let names: Vec<String> = (0..IMAGES).map(|row| (row % 50).to_string()).collect();
    let by_source = Folds::make(FoldKind::Group, 5, 0, &table, Some(&names)).unwrap();
    assert_eq!(examined(&by_source).verdict, Verdict::Fine);
    assert!(read_sources(&path, "writer", table.ids()).is_err());
}

#[test]
fn levels_that_are_noise_within_bins_differ_from_a_scale() {
    let examined = |images: &Images| {
        let rows = images.pixels.len();
        let ids = (0..rows).map(|row| row.to_string()).collect();
        let table = LabelTable::new(ids, vec!["a".into()], vec![1; rows]);
        let fingerprints = Fingerprints::take(images, &|_| {}, &NEVER).unwrap();
        let findings = examine(&Inputs {
            table: &table,
            file_names: None,
            fingerprints: Some(&fingerprints),
            folds: None,
            samples: None,
            sources: None,
        });
        found(&findings, "grey levels").clone()
    };
    // The distribution of the founding task: grey 0, 100 or 200, a uniform draw up to 255, cut off at 255.
    let bins = examined(&composed(400));
    assert_eq!(bins.verdict, Verdict::Fine);
    let advice = bins.advice.unwrap();
    assert!(advice.contains("edges=[0, 100, 200, 255]"), "{advice}");
    assert!(
        bins.message.ends_with("0-99, 100-199, 200-254 and 255"),
        "{}",
        bins.message
    );

    let shape = ImageShape {
        height: 64,
        width: 64,
        channels: 1,
    };
    let made = |level: &dyn Fn(usize, usize, &mut Stream) -> u8| Images {
        shape,
        pixels: (0..40)
            .map(|index| {
                let mut draws = Stream::new(3, Purpose::Noise, 0, index);
                (0..shape.len())
                    .map(|at| level(at / 64, at % 64, &mut draws))
                    .collect()
            })
            .collect(),
    };
    let scale = examined(&made(&|y, x, draws| {
        (2 * y + x) as u8 + draws.below(8) as u8
    }));
    assert!(scale.message.contains("they are a scale"), "{scale:?}");
    assert_eq!(scale.advice, None);
    let noise = examined(&made(&|_, _, draws| draws.below(256) as u8));
    assert!(noise.message.contains("next to nothing"), "{noise:?}");
}
