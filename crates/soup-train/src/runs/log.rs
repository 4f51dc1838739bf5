//! The log of a fold: lines that survive a kill.

use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::Error;

/// A text file that grows by whole lines. What a killed process wrote after its last checkpoint is
/// cut off when the log is opened again, so that a resumed run's log equals an uninterrupted one's
/// except for the times.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Log {
    /// Opens or makes a log and cuts it to its first `keep` bytes.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn open(path: &Path, keep: u64) -> Result<Self, Error> {
        let opened = (|| {
            let mut file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)?;
            let length = keep.min(file.metadata()?.len());
            file.set_len(length)?;
            file.seek(SeekFrom::Start(length))?;
            Ok((file, length))
        })();
        let (file, length) = opened.map_err(Error::file(path, "open"))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            length,
        })
    }

    /// Adds a line with the time in front; further lines of `text` are indented under it.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn line(&mut self, text: &str) -> Result<(), Error> {
        let text = format!(
            "{} {}\n",
            timestamp(SystemTime::now()),
            text.trim_end().replace('\n', "\n    ")
        );
        self.file
            .write_all(text.as_bytes())
            .map_err(Error::file(&self.path, "write"))?;
        self.length += text.len() as u64;
        Ok(())
    }

    /// Brings all lines to disk and gives the log's length, for a checkpoint.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn sync(&mut self) -> Result<u64, Error> {
        self.file
            .sync_data()
            .map_err(Error::file(&self.path, "sync"))?;
        Ok(self.length)
    }
}

/// A moment in UTC as `2026-11-23T20:17:26Z`. Moments before 1970 give 1970.
pub fn timestamp(moment: SystemTime) -> String {
    let seconds = moment
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days to a civil date (Hinnant, "chrono-compatible low-level date algorithms"): years begin in
    // March, so that the leap day is their last.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// The moment that [`timestamp`] wrote; none for any other text.
pub fn moment(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str| text.parse::<u64>().ok();
    let mut date = date.split('-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.split(':').map(number);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let sound = (1970..10_000).contains(&year) && (1..=12).contains(&month);
    let sound = sound && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    if !sound || date.next().is_some() || time.next().is_some() {
        return None;
    }
    // Hinnant's algorithm the other way round.
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::fs;

    use super::*;

    #[test]
    fn lines_after_the_checkpoint_are_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        let mut log = Log::open(&path, 0).unwrap();
        log.line("first\nsecond").unwrap();
        let kept = log.sync().unwrap();
        log.line("lost").unwrap();
        fs::write(
            &path,
            format!("{}half a li", fs::read_to_string(&path).unwrap()),
        )
        .unwrap();
        let mut log = Log::open(&path, kept).unwrap();
        log.line("third").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text
            .lines()
            .map(|line| &line[line.len().min(4)..])
            .collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].ends_with("Z first"));
        assert_eq!(lines[1], "second");
        assert!(lines[2].ends_with("Z third"));
        // A log that a crash of the machine cut short is not filled up with zeros.
        assert_eq!(Log::open(&path, 1 << 20).unwrap().length, text.len() as u64);
    }

    /// Against `date --utc`.
    #[test]
    fn timestamps_are_civil() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_795_465_046, "2026-11-23T20:17:26Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let then = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(timestamp(then), text);
            assert_eq!(moment(text), Some(then));
        }
        for text in [
            "",
            "2026-11-23",
            "2026-13-23T20:17:26Z",
            "1969-11-23T20:17:26Z",
            "2026-11-23T20:17:26",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
