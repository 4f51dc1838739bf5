//! One rule for ids: which row of one table, or which file, is the image that another table names.
//!
//! An id that stands on the other side as it is always wins. Else these differences are overlooked, as
//! people and programs bring them in without meaning anything by them:
//!
//! * folders before the name (`pics/00000.png`, `./00000.png`, `C:\pics\00000.png`), where the folders
//!   that both sides write agree: `a/1.png` is never `b/1.png`;
//! * the extension of an image, in any case, even another one than the file's (`00000.jpg` for
//!   `00000.png`);
//! * leading zeros and a float's `.0` of whole numbers (`0`, `00000`, `0.0`);
//! * the two Unicode forms of one letter (NFC, NFD), and spaces around the id.
//!
//! Names of labels have no folders or numbers: of them only the Unicode form is overlooked ([`is_same_name`]).
//!
//! Of several candidates the one that differs in fewer ways wins; where none does, nothing is guessed:
//! the id is [`Fault::Several`]. Two ids that lead to one row are [`Fault::Twice`]. What was overlooked is
//! for people to know: [`Meeting::note`] says it in a line.
//!
//! ```
//! use soup_data::ids::{Fault, Index};
//!
//! let files = Index::of_files(["a/00000.png", "a/00001.png", "b/00001.png"]);
//! let met = files.meet(&["00000", "a/00001.jpg", "1", "00009"]);
//! assert_eq!(met.rows[..2], [Some(0), Some(1)]);
//! assert_eq!(met.faults[0], Fault::Several { asked: 2, rows: [1, 2] });
//! assert_eq!(met.faults[1], Fault::Missing { asked: 3 });
//! ```

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use crate::dataset::extensions;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Endings that are taken for those of images beside those of the formats that are read.
const FOREIGN: [&str; 6] = ["avif", "dcm", "heic", "heif", "jp2", "jxl"];

/// Rows of a table, or files, to be found by id.
pub struct Index<'a> {
    ids: Vec<Id<'a>>,
    exact: HashMap<&'a str, usize>,
    /// Rows by the plainest form of their ids; made when an id is not found as it is.
    plain: OnceCell<HashMap<String, Vec<usize>>>,
    /// Whether an id that leaves out folders or extension of a row is the custom, not worth a word.
    are_files: bool,
}

/// Where the ids of one side stand on the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meeting {
    /// For each id asked for, its row; none where a fault says why.
    pub rows: Vec<Option<usize>>,
    /// What is wrong, in the order of the ids asked for.
    pub faults: Vec<Fault>,
    /// What was overlooked, with the first id asked for and its row in which it was.
    overlooked: Difference,
    example: Option<(String, String)>,
}

/// Why an id has no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No row has the id.
    Missing {
        /// Place of the id among those asked for.
        asked: usize,
    },
    /// Several rows may be meant, none more than the other.
    Several {
        /// Place of the id among those asked for.
        asked: usize,
        /// Two of the rows.
        rows: [usize; 2],
    },
    /// An earlier id leads to the same row.
    Twice {
        /// Places of the earlier and the later id among those asked for.
        asked: [usize; 2],
        /// The row of both.
        row: usize,
    },
}

impl<'a> Index<'a> {
    /// The rows of a table; of equal ids the first counts.
    pub fn new(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let ids: Vec<Id<'a>> = ids.into_iter().map(Id).collect();
        let mut exact = HashMap::with_capacity(ids.len());
        for (row, id) in ids.iter().enumerate() {
            exact.entry(id.0).or_insert(row);
        }
        Self {
            ids,
            exact,
            plain: OnceCell::new(),
            are_files: false,
        }
    }

    /// Files by their names below one folder (`/` between folders).
    pub fn of_files(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            are_files: true,
            ..Self::new(names)
        }
    }

    /// Finds the row of every id asked for.
    pub fn meet<S: AsRef<str>>(&self, asked: &[S]) -> Meeting {
        let mut meeting = Meeting::default();
        let mut first_use: Vec<Option<usize>> = vec![None; self.ids.len()];
        for (place, id) in asked.iter().enumerate() {
            let row = match self.find(id.as_ref(), place) {
                Ok((row, difference)) => match first_use[row] {
                    None => {
                        first_use[row] = Some(place);
                        meeting.overlook(difference, id.as_ref(), self.ids[row].0);
                        Ok(row)
                    }
                    Some(earlier) => Err(Fault::Twice {
                        asked: [earlier, place],
                        row,
                    }),
                },
                Err(fault) => Err(fault),
            };
            meeting.faults.extend(row.err());
            meeting.rows.push(row.ok());
        }
        meeting
    }

    fn find(&self, id: &str, asked: usize) -> Result<(usize, Difference), Fault> {
        if let Some(row) = self.exact.get(id) {
            return Ok((*row, Difference::default()));
        }
        let plain = self.plain.get_or_init(|| {
            let mut rows: HashMap<String, Vec<usize>> = HashMap::new();
            for (row, id) in self.ids.iter().enumerate() {
                rows.entry(id.plain()).or_default().push(row);
            }
            rows
        });
        let id = Id(id);
        let candidates = plain.get(&id.plain()).map_or(&[][..], |rows| rows);
        let differing: Vec<(usize, Difference)> = (candidates.iter())
            .filter_map(|row| Some((*row, id.difference(self.ids[*row])?)))
            .collect();
        let nearest = differing.iter().find(|(row, difference)| {
            (differing.iter()).all(|(other, its)| other == row || difference.is_less(its))
        });
        match (nearest, &differing[..]) {
            (Some((row, difference)), _) => {
                let mut difference = *difference;
                if self.are_files {
                    difference.left_out = Parts::default();
                }
                Ok((*row, difference))
            }
            (None, [(one, _), (other, _), ..]) => Err(Fault::Several {
                asked,
                rows: [*one, *other],
            }),
            (None, _) => Err(Fault::Missing { asked }),
        }
    }
}

impl Meeting {
    /// Rows that no id asked for leads to, of a table with so many.
    pub fn unmet(&self, rows: usize) -> Vec<usize> {
        let mut is_met = vec![false; rows];
        self.rows
            .iter()
            .flatten()
            .for_each(|row| is_met[*row] = true);
        (0..rows).filter(|row| !is_met[*row]).collect()
    }

    /// What was overlooked to make ids meet, such as ``ids of t.csv were matched without their leading
    /// zeros: `0` is `00000` ``; nothing where each was found as it is. `whose` is the name of the side that asked.
    pub fn note(&self, whose: &str) -> Option<String> {
        let (asked, row) = self.example.as_ref()?;
        let what = self.overlooked.in_words().join(", ");
        Some(format!(
            "ids of {whose} were matched {what}: `{asked}` is `{row}`"
        ))
    }

    fn overlook(&mut self, difference: Difference, asked: &str, row: &str) {
        if difference != Difference::default() {
            self.overlooked.add(difference);
            self.example
                .get_or_insert_with(|| (asked.to_owned(), row.to_owned()));
        }
    }
}

/// How an id asked for differs from that of a row which it may mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Difference {
    /// What the row has more.
    left_out: Parts,
    /// What the id has more.
    added: Parts,
    /// Both have an extension, another one.
    extension: bool,
    /// Zeros before a number, or `.0` behind it.
    zeros: bool,
    /// Unicode forms, spaces.
    form: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parts {
    /// Number of folders.
    folders: usize,
    extension: bool,
}

impl Difference {
    /// Each way to differ, as a number.
    fn ways(&self) -> [usize; 7] {
        [
            self.left_out.folders,
            self.left_out.extension.into(),
            self.added.folders,
            self.added.extension.into(),
            self.extension.into(),
            self.zeros.into(),
            self.form.into(),
        ]
    }

    /// Whether it is less in some way and more in none.
    fn is_less(&self, other: &Self) -> bool {
        let mut ways = self.ways().into_iter().zip(other.ways());
        self != other && ways.all(|(own, its)| own <= its)
    }

    fn add(&mut self, other: Self) {
        for (own, its) in [
            (&mut self.left_out, other.left_out),
            (&mut self.added, other.added),
        ] {
            own.folders = own.folders.max(its.folders);
            own.extension |= its.extension;
        }
        self.extension |= other.extension;
        self.zeros |= other.zeros;
        self.form |= other.form;
    }

    fn in_words(&self) -> Vec<&'static str> {
        let folders = self.left_out.folders + self.added.folders > 0;
        let extension = self.left_out.extension || self.added.extension;
        let words = [
            (folders, "without their folders"),
            (extension, "without their extensions"),
            (self.extension, "with another extension"),
            (self.zeros, "without their leading zeros"),
            (self.form, "in another Unicode form"),
        ];
        let said = words.into_iter().filter(|(is_so, _)| *is_so);
        said.map(|(_, word)| word).collect()
    }
}

/// An id as somebody wrote it.
#[derive(Clone, Copy)]
struct Id<'a>(&'a str);

impl<'a> Id<'a> {
    /// Folders, innermost first, and the name behind them. `.` is no folder, nor is a drive.
    fn split(self) -> (impl Iterator<Item = &'a str>, &'a str) {
        let mut parts = self.0.trim().rsplit(['/', '\\']);
        let name = parts.next().unwrap_or_default();
        (
            parts.filter(|part| !part.is_empty() && *part != "." && !part.ends_with(':')),
            name,
        )
    }

    /// The name without an image's extension, and that.
    fn stem(name: &'a str) -> (&'a str, Option<&'a str>) {
        match name.rsplit_once('.') {
            Some((stem, extension))
                if !stem.is_empty()
                    && extensions()
                        .chain(FOREIGN)
                        .any(|one| one.eq_ignore_ascii_case(extension)) =>
            {
                (stem, Some(extension))
            }
            _ => (name, None),
        }
    }

    /// Without folders, extension and zeros, in one Unicode form: equal where ids may mean the same.
    fn plain(self) -> String {
        let (stem, _) = Self::stem(self.split().1);
        composed(number(stem)).into_owned()
    }

    /// How it differs from a row's id of the same plain form; none where their folders contradict.
    fn difference(self, row: Id<'_>) -> Option<Difference> {
        let ((mut folders, name), (mut row_folders, row_name)) = (self.split(), row.split());
        let (mut left_out, mut added) = (Parts::default(), Parts::default());
        let mut form = self.0.trim().len() != self.0.len() || row.0.trim().len() != row.0.len();
        loop {
            match (folders.next(), row_folders.next()) {
                (Some(own), Some(its)) if composed(own) == composed(its) => form |= own != its,
                (Some(_), Some(_)) => return None,
                (Some(_), None) => added.folders += 1,
                (None, Some(_)) => left_out.folders += 1,
                (None, None) => break,
            }
        }
        let (stem, extension) = Self::stem(name);
        let (row_stem, row_extension) = Id::stem(row_name);
        added.extension = extension.is_some() && row_extension.is_none();
        left_out.extension = extension.is_none() && row_extension.is_some();
        let zeros = composed(stem) != composed(row_stem);
        Some(Difference {
            left_out,
            added,
            extension: matches!((extension, row_extension), (Some(own), Some(its)) if own != its),
            zeros,
            form: form || (!zeros && stem != row_stem),
        })
    }
}

/// Whether two names of labels are one: their Unicode forms (NFC, NFD) are overlooked, nothing else.
pub fn is_same_name(one: &str, other: &str) -> bool {
    one == other || composed(one) == composed(other)
}

/// Whether these are the same names of labels in the same order.
pub fn are_same_names(ours: &[String], theirs: &[String]) -> bool {
    let mut pairs = ours.iter().zip(theirs);
    ours.len() == theirs.len() && pairs.all(|(one, other)| is_same_name(one, other))
}

/// Where a name of a label stands among others: as it is, or in the other Unicode form.
pub fn place_of_name(names: &[String], name: &str) -> Option<usize> {
    let is = |same: &dyn Fn(&str) -> bool| names.iter().position(|other| same(other));
    is(&|other| other == name).or_else(|| is(&|other| is_same_name(other, name)))
}

/// Whether a text is the name of an image's file.
pub(crate) fn is_image(text: &str) -> bool {
    Id::stem(text).1.is_some()
}

/// A whole number without leading zeros and `.0`; anything else as it is.
fn number(stem: &str) -> &str {
    let whole = match stem.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => {
            whole
        }
        _ => stem,
    };
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return stem;
    }
    let digits = whole.trim_start_matches('0');
    if digits.is_empty() { "0" } else { digits }
}

/// The text in form NFC.
pub fn composed(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        _ => Cow::Owned(text.nfc().collect()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    /// The row of one id among others.
    fn row(rows: &[&str], id: &str) -> Option<usize> {
        Index::new(rows.iter().copied()).meet(&[id]).rows[0]
    }

    #[test]
    fn one_image_is_found_however_its_id_is_written() {
        let rows = ["00000.png", "pics/00012", "caf\u{e9}", "x.y", "a/b/c.JPG"];
        for (id, found) in [
            ("00000.png", Some(0)),
            ("00000", Some(0)),
            ("0", Some(0)),
            ("0.0", Some(0)),
            ("0.00", Some(0)),
            (" 0 ", Some(0)),
            ("0.png", Some(0)),
            ("00000.PNG", Some(0)),
            ("00000.jpg", Some(0)),
            ("./00000.png", Some(0)),
            ("pics/00000.png", Some(0)),
            ("pics\\00000.png", Some(0)),
            ("C:\\my pics\\00000.png", Some(0)),
            ("12.0", Some(1)),
            ("pics\\12.jpeg", Some(1)),
            ("all/pics/12", Some(1)),
            ("other/12", None),
            ("cafe\u{301}", Some(2)),
            ("cafe\u{301}.png", Some(2)),
            ("cafe", None),
            ("x", None),
            ("x.y.png", Some(3)),
            ("c", Some(4)),
            ("b/c.jpg", Some(4)),
            ("a/c.jpg", None),
            ("C.jpg", None),
            ("1", None),
            ("0.5", None),
            ("-0", None),
            ("", None),
        ] {
            assert_eq!(row(&rows, id), found, "{id:?}");
        }
    }

    #[test]
    fn the_same_in_both_directions() {
        let written = [
            "00007",
            "7",
            "7.0",
            "pics/00007.png",
            "./7.PNG",
            "pics\\7.jpg",
        ];
        for one in written {
            for other in written {
                assert_eq!(row(&[one, "8"], other), Some(0), "{one} {other}");
            }
        }
    }

    #[test]
    fn the_nearest_wins_and_what_is_doubtful_is_not_guessed() {
        assert_eq!(row(&["01", "1"], "1"), Some(1));
        assert_eq!(row(&["01", "1"], "01"), Some(0));
        assert_eq!(row(&["a/1.png", "a/1.jpg"], "1.jpg"), Some(1));
        assert_eq!(row(&["a/1.png", "a/1.jpg"], "1.JPG"), None);
        assert_eq!(row(&["a/1.png", "b/1.png"], "b/1"), Some(1));
        assert_eq!(row(&["1.png", "a/1.png", "b/a/1.png"], "a/1.jpg"), Some(1));
        assert_eq!(row(&["00000.png", "0.png"], "00000"), Some(0));
        let doubtful = Index::new(["01", "1", "2"]).meet(&["001"]);
        let several = Fault::Several {
            asked: 0,
            rows: [0, 1],
        };
        assert_eq!(
            (doubtful.rows, doubtful.faults),
            (vec![None], vec![several])
        );
        assert_eq!(row(&["a/1.png", "b/1.png"], "1"), None);
    }

    #[test]
    fn names_of_labels_are_one_in_both_unicode_forms() {
        let names = ["e\u{301}t\u{e9}", "ete", "01"].map(String::from);
        for (name, place) in [
            ("\u{e9}t\u{e9}", Some(0)),
            ("e\u{301}te\u{301}", Some(0)),
            ("ete", Some(1)),
            ("1", None),
            ("01.png", None),
        ] {
            assert_eq!(place_of_name(&names, name), place, "{name}");
        }
        let both = ["\u{e9}", "e\u{301}"].map(String::from);
        assert_eq!(place_of_name(&both, "e\u{301}"), Some(1));
        assert!(are_same_names(&both, &[both[1].clone(), both[0].clone()]));
        assert!(!are_same_names(&both, &both[..1]) && !is_same_name("a", "A"));
    }

    #[test]
    fn all_faults_are_named_in_order() {
        let met = Index::new(["00", "1", "2"]).meet(&["0", "x", "0.0", "2", "y"]);
        assert_eq!(met.rows, [Some(0), None, None, Some(2), None]);
        assert_eq!(
            met.faults,
            [
                Fault::Missing { asked: 1 },
                Fault::Twice {
                    asked: [0, 2],
                    row: 0
                },
                Fault::Missing { asked: 4 },
            ]
        );
        assert_eq!(met.unmet(3), [1]);
    }

    #[test]
    fn what_was_overlooked_is_said_once() {
        let note = |index: Index<'_>, asked: &[&str]| index.meet(asked).note("t.csv");
        assert_eq!(note(Index::new(["0", "1"]), &["1", "0"]), None);
        assert_eq!(
            note(Index::new(["00000", "00001"]), &["00000", "1", "0"]).unwrap(),
            "ids of t.csv were matched without their leading zeros: `1` is `00001`"
        );
        assert_eq!(
            note(Index::new(["a", "b"]), &["x/a.png", "b"]).unwrap(),
            "ids of t.csv were matched without their folders, without their extensions: `x/a.png` is `a`"
        );
        // Files are called by their stems, by custom.
        let files = || Index::of_files(["x/a.png", "x/b.png"]);
        assert_eq!(note(files(), &["a", "x/b"]), None);
        assert_eq!(
            note(files(), &["a.jpg", "b"]).unwrap(),
            "ids of t.csv were matched with another extension: `a.jpg` is `x/a.png`"
        );
        assert_eq!(
            note(Index::new(["e\u{301}"]), &["\u{e9}"]).unwrap(),
            "ids of t.csv were matched in another Unicode form: `\u{e9}` is `e\u{301}`"
        );
    }
}
