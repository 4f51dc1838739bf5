//! The pack's array: `uint8`, C order, 3 or 4 axes.

use super::Header;
use crate::ImageShape;

/// The header of `count` images.
pub(crate) fn header(count: usize, shape: ImageShape) -> Vec<u8> {
    super::header("|u1", &axes(count, shape))
}

fn axes(count: usize, shape: ImageShape) -> Vec<usize> {
    let mut axes = vec![count, shape.height, shape.width];
    if shape.channels != 1 {
        axes.push(shape.channels);
    }
    axes
}

/// Checks that `bytes` is exactly an array of `count` images, and says where its data begins.
///
/// # Errors
/// What is wrong, in a few words.
pub(crate) fn data_start(bytes: &[u8], count: usize, shape: ImageShape) -> Result<usize, String> {
    let found = Header::parse(bytes)?;
    if found.kind != "|u1" && found.kind != "u1" {
        return Err(format!("it holds `{}`, not bytes (`|u1`)", found.kind));
    }
    if found.fortran && found.axes.len() > 1 {
        return Err("its axes are in Fortran order".into());
    }
    let axes = axes(count, shape);
    if found.axes != axes {
        return Err(format!(
            "its shape is {:?}, but the manifest says {axes:?}",
            found.axes
        ));
    }
    let size = axes
        .iter()
        .try_fold(1usize, |size, &axis| size.checked_mul(axis))
        .and_then(|size| size.checked_add(found.start))
        .ok_or("its shape is too large for this machine")?;
    if bytes.len() != size {
        return Err(format!(
            "it has {} bytes, but its shape needs {size}; it is cut short or has a tail",
            bytes.len()
        ));
    }
    Ok(found.start)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const SHAPE: ImageShape = ImageShape {
        height: 2,
        width: 3,
        channels: 1,
    };

    fn file() -> Vec<u8> {
        let mut bytes = header(4, SHAPE);
        bytes.extend([7; 24]);
        bytes
    }

    #[test]
    fn header_is_read_back_and_data_aligned() {
        assert_eq!(data_start(&file(), 4, SHAPE).unwrap() % 64, 0);
    }

    #[test]
    fn other_arrays_are_refused() {
        let good = file();
        let changed = |from: &str, to: &str| {
            let text: String = good.iter().map(|&byte| byte as char).collect();
            assert!(text.contains(from));
            text.replacen(from, to, 1)
                .chars()
                .map(|c| c as u8)
                .collect::<Vec<u8>>()
        };
        for (bytes, expected) in [
            (changed("|u1", "<f4"), "holds `<f4`"),
            (changed("False", "True "), "Fortran"),
            (changed("(4, 2, 3)", "(4, 3, 2)"), "manifest says [4, 2, 3]"),
            (changed("(4, 2, 3)", "(4, 2, x)"), "`x` in its shape"),
            (changed("'shape'", "'shade'"), "no `shape`"),
            (changed("NUMPY", "NUMPI"), "not a NumPy array"),
            (good[..good.len() - 1].to_vec(), "cut short"),
            (good[..20].to_vec(), "header is cut short"),
            (vec![], "not a NumPy array"),
        ] {
            let error = data_start(&bytes, 4, SHAPE).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0usize..128, byte: u8, cut in 0usize..160) {
            let mut bytes = file();
            bytes[at] = byte;
            bytes.truncate(cut);
            let _ = data_start(&bytes, 4, SHAPE);
        }
    }
}
