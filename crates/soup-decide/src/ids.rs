//! Finding a picture by its id where two files write the id differently.

use std::collections::HashMap;

/// Rows by id.
///
/// Files name the same picture `00007` (the picture's file), `7` (a table that a spreadsheet has
/// seen) or `00007.png` (another team). An id that stands in the table as it is always wins; else
/// numbers are compared without leading zeros and names without a picture's extension, as long as
/// that leaves no doubt.
pub(crate) struct IdIndex<'a> {
    exact: HashMap<&'a str, usize>,
    plain: HashMap<&'a str, Option<usize>>,
}

impl<'a> IdIndex<'a> {
    /// Indexes the rows of a table whose ids are all different.
    pub(crate) fn new(ids: &'a [String]) -> Self {
        let mut plain = HashMap::with_capacity(ids.len());
        for (row, id) in ids.iter().enumerate() {
            plain
                .entry(plain_id(id))
                .and_modify(|known| *known = None)
                .or_insert(Some(row));
        }
        let exact = ids.iter().enumerate().map(|(row, id)| (id.as_str(), row));
        Self {
            exact: exact.collect(),
            plain,
        }
    }

    /// The row of a picture.
    pub(crate) fn row(&self, id: &str) -> Option<usize> {
        self.exact
            .get(id)
            .copied()
            .or_else(|| self.plain.get(plain_id(id)).copied().flatten())
    }
}

/// The id without a picture's extension and, where it is a whole number, without leading zeros.
fn plain_id(id: &str) -> &str {
    let stem = match id.rsplit_once('.') {
        Some((stem, extension))
            if !stem.is_empty()
                && ["png", "jpg", "jpeg", "bmp", "tif", "tiff"]
                    .iter()
                    .any(|known| extension.eq_ignore_ascii_case(known)) =>
        {
            stem
        }
        _ => id,
    };
    if stem.is_empty() || !stem.bytes().all(|byte| byte.is_ascii_digit()) {
        return stem;
    }
    let digits = stem.trim_start_matches('0');
    if digits.is_empty() { "0" } else { digits }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn numbers_match_whatever_their_zeros_and_extension() {
        let table = ids(&["00000", "00012", "cat.png", "x.y"]);
        let index = IdIndex::new(&table);
        assert_eq!(index.row("0"), Some(0));
        assert_eq!(index.row("12"), Some(1));
        assert_eq!(index.row("12.png"), Some(1));
        assert_eq!(index.row("cat"), Some(2));
        assert_eq!(index.row("cat.JPG"), Some(2));
        assert_eq!(index.row("x"), None);
        assert_eq!(index.row("1"), None);
    }

    #[test]
    fn an_exact_id_wins_and_a_doubtful_one_is_not_guessed() {
        let table = ids(&["01", "1"]);
        let index = IdIndex::new(&table);
        assert_eq!(index.row("1"), Some(1));
        assert_eq!(index.row("01"), Some(0));
        assert_eq!(index.row("001"), None);
    }
}
