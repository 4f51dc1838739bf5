//! Images of every format as `soup serve` takes them: the header first, then the pixels in every way in which
//! a model may want them.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use soup_data::dataset::{Channels, Fit, FitMode, Reading, decode, image_shape, is_deep, is_image};

/// As many pixels as a server decodes unless told otherwise.
const PIXELS: usize = 1 << 22;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if !is_image(bytes) {
        return Corpus::Reject;
    }
    let _ = is_deep(bytes);
    let Ok(claimed) = image_shape(bytes) else {
        return Corpus::Keep;
    };
    if claimed.height.saturating_mul(claimed.width) > PIXELS {
        return Corpus::Keep;
    }
    for channels in [Channels::AsStored, Channels::Grey, Channels::Rgb] {
        if let Ok((shape, pixels)) = decode(bytes, channels) {
            assert_eq!((shape.height, shape.width), (claimed.height, claimed.width));
            assert_eq!(pixels.len(), shape.len());
        }
    }
    let scaled = Reading {
        channels: Channels::AsStored,
        max_value: Some(4095),
        fit: None,
    };
    if let Ok((shape, _)) = decode(bytes, scaled) {
        assert_eq!(shape, claimed);
    }
    for mode in FitMode::ALL {
        let fit = Fit {
            height: 7,
            width: 12,
            mode,
        };
        let fitted = Reading {
            fit: Some(fit),
            ..scaled
        };
        if let Ok((shape, pixels)) = decode(bytes, fitted) {
            assert_eq!(shape, fit.of_shape(claimed));
            assert_eq!(pixels.len(), shape.len());
        }
    }
    Corpus::Keep
});
