//! Where the fields of a table stand in its text, and what parts them.
//!
//! Our own scanner, as submissions are written into the sample's own bytes: the crate `csv` gives
//! values, not places. Quotes follow its rules, which the tests hold this one to.

use std::borrow::Cow;
use std::ops::Range;

/// What may part fields, the likeliest first.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];
/// Rows that are read to find out which it is.
const SAMPLE_ROWS: usize = 20;

/// Walks over the records of a text. Empty lines are none.
#[derive(Clone)]
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    separator: u8,
    at: usize,
    line: u64,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Its first line, from 1.
    pub(super) line: u64,
    /// Whether every quote that begins in it also ends.
    pub(super) is_closed: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str, separator: u8) -> Self {
        Self {
            text: text.as_bytes(),
            separator,
            at: 0,
            line: 1,
        }
    }

    /// The next record: adds its fields to `fields`, quotes included.
    pub(super) fn next(&mut self, fields: &mut Vec<Range<usize>>) -> Option<Place> {
        let start = self.at;
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        self.at += self.text[start..]
            .iter()
            .take_while(|byte| is_end(byte))
            .count();
        self.line += line_ends(&self.text[start..self.at]);
        if self.at == self.text.len() {
            return None;
        }
        let mut place = Place {
            line: self.line,
            is_closed: true,
        };
        let begun = self.at;
        loop {
            let start = self.at;
            let spaces = self.text[start..]
                .iter()
                .take_while(|byte| **byte == b' ')
                .count();
            if self.text.get(start + spaces) == Some(&b'"') {
                self.at += spaces;
                place.is_closed &= self.skip_quoted();
            }
            let rest = &self.text[self.at..];
            let ends = |byte: &u8| is_end(byte) || *byte == self.separator;
            self.at += rest.iter().position(ends).unwrap_or(rest.len());
            fields.push(start..self.at);
            if self.text.get(self.at) != Some(&self.separator) {
                break;
            }
            self.at += 1;
        }
        self.line += line_ends(&self.text[begun..self.at]);
        Some(place)
    }

    /// Goes behind the quote that ends a field; false where none does.
    fn skip_quoted(&mut self) -> bool {
        self.at += 1;
        while let Some(quote) = self.text[self.at..].iter().position(|byte| *byte == b'"') {
            self.at += quote + 1;
            if self.text.get(self.at) != Some(&b'"') {
                return true;
            }
            self.at += 1;
        }
        self.at = self.text.len();
        false
    }
}

/// The value of a field: without the quotes around it, if it begins with one behind any spaces.
pub(super) fn value(field: &str) -> Cow<'_, str> {
    let Some(inner) = field.trim_start_matches(' ').strip_prefix('"') else {
        return field.into();
    };
    match inner.find('"') {
        Some(end) if end + 1 == inner.len() => inner[..end].into(),
        None => inner.into(),
        _ => {
            let (mut value, mut rest) = (String::new(), inner);
            loop {
                let Some((part, behind)) = rest.split_once('"') else {
                    value.push_str(rest);
                    break;
                };
                value.push_str(part);
                match behind.strip_prefix('"') {
                    Some(more) => {
                        value.push('"');
                        rest = more;
                    }
                    // Closed: what follows is taken as it is.
                    None => {
                        value.push_str(behind);
                        break;
                    }
                }
            }
            value.into()
        }
    }
}

/// Number of line ends: `\n`, `\r\n` or `\r`.
pub(super) fn line_ends(text: &[u8]) -> u64 {
    let at = |place: usize| text.get(place).copied();
    let ends = (0..text.len()).filter(|&place| {
        at(place) == Some(b'\n') || (at(place) == Some(b'\r') && at(place + 1) != Some(b'\n'))
    });
    ends.count() as u64
}

/// What parts the fields: what gives most rows as many fields as the header, and more than one.
pub(super) fn separator(text: &str, is_comment: impl Fn(&str, usize, Option<usize>) -> bool) -> u8 {
    let agreement = |separator: u8| {
        let mut scanner = Scanner::new(text, separator);
        let (mut fields, mut width, mut rows) = (Vec::new(), None, 0);
        while rows < SAMPLE_ROWS {
            fields.clear();
            if scanner.next(&mut fields).is_none() {
                break;
            }
            if is_comment(&text[fields[0].clone()], fields.len(), width) {
                continue;
            }
            // A row may end in separators with nothing behind them.
            let empty = |field: &&Range<usize>| text[(*field).clone()].trim().is_empty();
            let ending = fields.iter().rev().take_while(empty).count();
            match width {
                None => width = Some(fields.len()),
                Some(width) => {
                    rows += usize::from((fields.len() - ending..=fields.len()).contains(&width))
                }
            }
        }
        let width = width.unwrap_or(0);
        if width < 2 { (0, 0) } else { (rows, width) }
    };
    let best = |best: (u8, (usize, usize)), separator: u8| {
        let found = agreement(separator);
        // Without rows that agree, only the header can tell.
        let is_better = found.0 > best.1.0 || (best.1.0 == 0 && found.1 > best.1.1);
        if is_better { (separator, found) } else { best }
    };
    SEPARATORS.into_iter().fold((b',', (0, 0)), best).0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use proptest::prelude::*;

    use super::*;

    fn scanned(text: &str, separator: u8) -> Vec<Vec<String>> {
        let mut scanner = Scanner::new(text, separator);
        let mut records = Vec::new();
        let mut fields = Vec::new();
        while scanner.next(&mut fields).is_some() {
            let values = fields
                .drain(..)
                .map(|field| value(&text[field]).into_owned());
            records.push(values.collect());
        }
        records
    }

    proptest! {
        #[test]
        fn fields_are_those_of_the_crate_csv(text in "[ab,;\"\n\r\té]{0,40}") {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let theirs: Vec<Vec<String>> = reader
                .records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect())
                .collect();
            prop_assert_eq!(scanned(&text, b','), theirs);
        }
    }

    #[test]
    fn quotes_may_stand_behind_spaces() {
        assert_eq!(
            scanned("a, \"b, \"\"c\"\"\", \"d\" ,e \"f\"", b','),
            [["a", "b, \"c\"", "d ", "e \"f\""].map(String::from)]
        );
    }

    #[test]
    fn records_know_their_line() {
        for (text, expected) in [
            ("a\nb\n\nc", vec![1, 2, 4]),
            ("a\r\nb\r\n\r\nc", vec![1, 2, 4]),
            ("a\rb\r\rc", vec![1, 2, 4]),
            ("\"a\nx\",1\nb\nc\n", vec![1, 3, 4]),
            ("\n\na\n", vec![3]),
        ] {
            let mut scanner = Scanner::new(text, b',');
            let lines = std::iter::from_fn(|| scanner.next(&mut Vec::new()));
            assert_eq!(
                lines.map(|place| place.line).collect::<Vec<_>>(),
                expected,
                "{text:?}"
            );
        }
        let mut scanner = Scanner::new("a,\"b\n1,2\n", b',');
        assert!(!scanner.next(&mut Vec::new()).unwrap().is_closed);
    }
}
