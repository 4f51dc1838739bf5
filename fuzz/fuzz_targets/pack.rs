//! A pack's manifest and array.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use soup_data::pack::Pack;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((manifest, array)) = soup_fuzz::two(input) else {
        return Corpus::Reject;
    };
    let path = soup_fuzz::file("pack/manifest.json", manifest);
    soup_fuzz::file("pack/pictures.npy", array);
    let folder = path.parent().expect("the folder of a file");
    if let Ok(pack) = Pack::open(folder) {
        for row in 0..pack.len() {
            assert_eq!(pack.image(row).len(), pack.shape().len());
            assert!(pack.labels(row).is_some());
        }
        let _ = pack.verify();
    }
    Corpus::Keep
});
