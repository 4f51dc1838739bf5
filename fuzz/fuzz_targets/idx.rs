//! A pair of IDX files, upright and transposed, packed with gzip or not.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use soup_compose::glyphs::SourceKind;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((images, letters)) = soup_fuzz::two(input) else {
        return Corpus::Reject;
    };
    let images = soup_fuzz::file("images.idx", images);
    let labels = soup_fuzz::file("labels.idx", letters);
    for transpose in [false, true] {
        let (images, labels) = (images.clone(), labels.clone());
        let kind = SourceKind::Idx {
            images,
            labels,
            transpose,
        };
        if let Ok(source) = kind.open() {
            assert!(source.len() > 0);
        }
    }
    Corpus::Keep
});
