//! Names of files as people see them, whatever system wrote them.

use encoding_rs::EUC_KR;

/// The text of a name: UTF-8 where it is that, else code page 949 where that gives Hangul (Korean
/// Windows writes it into archives without a word), else code page 437, the archives' first one.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    match EUC_KR.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) if has_common_syllable(bytes) => text.into_owned(),
        _ => bytes.iter().map(|&byte| of_byte(byte)).collect(),
    }
}

/// Whether one of the 2,350 syllables of KS X 1001 is among the letters of two bytes. In code page 437
/// its first byte is a piece of a frame, which no name has; the rarer syllables of 949 begin with what
/// are letters there.
fn has_common_syllable(mut bytes: &[u8]) -> bool {
    while let [first, rest @ ..] = bytes {
        bytes = match (first, rest) {
            (0xb0..=0xc8, [0xa1..=0xfe, ..]) => return true,
            (0x81.., [_, rest @ ..]) => rest,
            _ => rest,
        };
    }
    false
}

/// A letter of code page 437.
fn of_byte(byte: u8) -> char {
    const UPPER: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
    match byte.checked_sub(0x80) {
        None => char::from(byte),
        Some(place) => UPPER.chars().nth(place.into()).unwrap_or('?'),
    }
}

/// A name in an archive as a path below its top: `/` between folders, without drive, root, `.` and
/// `..`, so that it leads nowhere else.
pub(super) fn in_archive(name: &str) -> String {
    let name = name.replace('\\', "/");
    let is_drive = |part: &str| part.len() == 2 && part.ends_with(':');
    let parts = (name.split('/').enumerate()).filter(|(place, part)| {
        !matches!(*part, "" | "." | "..") && (*place > 0 || !is_drive(part))
    });
    parts.map(|(_, part)| part).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_systems_are_read() {
        assert_eq!(of_bytes("사진0.png".as_bytes()), "사진0.png");
        assert_eq!(of_bytes(b"\xbb\xe7\xc1\xf80.png"), "사진0.png");
        assert_eq!(of_bytes(b"Gr\x94\xe1e.png"), "Größe.png");
        let all: Vec<u8> = (0x80..=0xff).collect();
        assert_eq!(of_bytes(&all).chars().count(), 128);
    }

    #[test]
    fn names_in_archives_stay_inside() {
        for (written, seen) in [
            ("a/b.png", "a/b.png"),
            ("./pics/x.png", "pics/x.png"),
            ("set\\images\\x.png", "set/images/x.png"),
            ("../../x.png", "x.png"),
            ("/etc/x.png", "etc/x.png"),
            ("C:\\x\\..\\y.png", "x/y.png"),
            ("a//b..png", "a/b..png"),
        ] {
            assert_eq!(in_archive(written), seen);
        }
    }
}
