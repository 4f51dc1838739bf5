//! PNG and JPEG files as `soup serve` takes them: the header first, then the pixels in every way in which
//! a model may want them.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use soup_data::dataset::{Channels, decode, picture_size};

/// As many pixels as a server decodes unless told otherwise.
const PIXELS: usize = 1 << 22;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if !bytes.starts_with(b"\x89PNG") && !bytes.starts_with(&[0xff, 0xd8]) {
        return Corpus::Reject;
    }
    let Ok((height, width)) = picture_size(bytes) else {
        return Corpus::Keep;
    };
    if height.saturating_mul(width) > PIXELS {
        return Corpus::Keep;
    }
    for channels in [Channels::AsStored, Channels::Grey, Channels::Rgb] {
        if let Ok((shape, pixels)) = decode(bytes, channels) {
            assert_eq!((shape.height, shape.width), (height, width));
            assert_eq!(pixels.len(), shape.len());
        }
    }
    Corpus::Keep
});
