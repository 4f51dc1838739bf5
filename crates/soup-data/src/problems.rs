//! All that is wrong with an input, so that one round of repair is enough.

use std::fmt;

use crate::{Error, Result};

/// Faults of one input, in the order in which they were found: the first [`SHOWN`](Self::SHOWN) are
/// kept, the rest is counted.
///
/// ```
/// use soup_data::problems::Problems;
/// use soup_data::Error;
///
/// let mut problems = Problems::default();
/// problems.push(Error::table("t.csv", 2, "it is blank"));
/// problems.push(Error::table("t.csv", 7, "it is blank"));
/// let error = problems.check().unwrap_err();
/// assert_eq!(error.to_string(), "2 problems:\n  t.csv, row 2: it is blank\n  t.csv, row 7: it is blank");
/// ```
#[derive(Debug, Default)]
pub struct Problems {
    shown: Vec<Error>,
    count: usize,
}

impl Problems {
    /// How many faults are spelled out.
    pub const SHOWN: usize = 100;

    /// Adds a fault; all of its own where it is [`Error::Several`].
    pub fn push(&mut self, error: Error) {
        match error {
            Error::Several(several) => self.append(*several),
            error => {
                self.count += 1;
                if self.shown.len() < Self::SHOWN {
                    self.shown.push(error);
                }
            }
        }
    }

    /// Adds the faults of another input, such as its images after its table.
    pub fn append(&mut self, other: Self) {
        self.count += other.count;
        let room = Self::SHOWN - self.shown.len();
        self.shown.extend(other.shown.into_iter().take(room));
    }

    /// Number of faults.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The faults that are spelled out.
    pub fn shown(&self) -> &[Error] {
        &self.shown
    }

    /// Fine where nothing is wrong.
    ///
    /// # Errors
    /// The fault, where there is one; [`Error::Several`] where there are more.
    pub fn check(mut self) -> Result<()> {
        match (self.count, self.shown.pop()) {
            (0, _) | (_, None) => Ok(()),
            (1, Some(only)) => Err(only),
            (_, Some(last)) => {
                self.shown.push(last);
                Err(Error::Several(Box::new(self)))
            }
        }
    }
}

impl Extend<Error> for Problems {
    fn extend<T: IntoIterator<Item = Error>>(&mut self, errors: T) {
        errors.into_iter().for_each(|error| self.push(error));
    }
}

/// A line a fault, then how many are not shown.
impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} problems:", self.count)?;
        for error in &self.shown {
            write!(formatter, "\n  {error}")?;
        }
        match self.count - self.shown.len() {
            0 => Ok(()),
            more => write!(formatter, "\n  and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn rows(rows: std::ops::Range<u64>) -> Problems {
        let mut problems = Problems::default();
        problems.extend(rows.map(|row| Error::table("t.csv", row, "it is blank")));
        problems
    }

    #[test]
    fn one_fault_is_itself_and_none_is_fine() {
        assert!(rows(0..0).check().is_ok());
        let error = rows(2..3).check().unwrap_err();
        assert_eq!(error.to_string(), "t.csv, row 2: it is blank");
    }

    #[test]
    fn a_hundred_are_shown_and_the_rest_counted_however_they_came_together() {
        let mut problems = rows(0..60);
        problems.push(rows(60..130).check().unwrap_err());
        problems.append(rows(130..250));
        assert_eq!(problems.count(), 250);
        let error = problems.check().unwrap_err();
        assert!(error.is_bad_data());
        let text = error.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (102, "250 problems:"));
        assert_eq!(lines[100], "  t.csv, row 99: it is blank");
        assert_eq!(lines[101], "  and 150 more");
    }
}
