//! The one file that a verb writes: checked before the work, written after it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use soup_data::files::write_packed;
use soup_decide::Predictions;

use crate::console::Report;
use crate::failure::Usage;

/// Endings of files with probabilities.
pub const PREDICTIONS: [&str; 3] = ["csv", "csv.gz", "npy"];

/// Where a verb writes to: a file, or stdout, which then holds nothing else.
#[derive(Clone, Debug)]
pub struct Output {
    path: PathBuf,
    is_stdout: bool,
}

impl Output {
    /// `path` as given with `flag`, `-` for stdout. `endings` are the formats there are; a name without one means the
    /// first.
    ///
    /// # Errors
    /// A folder; an ending that says another format.
    pub fn new(path: &Path, flag: &str, endings: &[&str]) -> Result<Self> {
        const STDOUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
        let found = fs::metadata(path);
        let output = Self {
            path: path.to_path_buf(),
            is_stdout: STDOUT.iter().any(|name| path == Path::new(name)),
        };
        let refuse = |problem: String| Usage(format!("{flag} {}: {problem}", path.display()));
        if found.as_ref().is_ok_and(fs::Metadata::is_dir) {
            return Err(refuse("it is a folder; name a file in it".into()).into());
        }
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        let ends = |ending: &&str| {
            name.strip_suffix(*ending)
                .is_some_and(|rest| rest.ends_with('.'))
        };
        // Devices and pipes have names of their own.
        let is_special = output.is_stdout || found.is_ok_and(|found| !found.is_file());
        if !is_special && name.trim_start_matches('.').contains('.') && !endings.iter().any(ends) {
            let known: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
            let problem = format!(
                "no format has that ending; end the name in {}",
                known.join(", ")
            );
            return Err(refuse(problem).into());
        }
        Ok(output)
    }

    /// Whether results go to stdout.
    pub fn is_stdout(&self) -> bool {
        self.is_stdout
    }

    /// Writes the file whole, packed where its name ends in `.gz`; or to stdout, as it is.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        if !self.is_stdout {
            return Ok(write_packed(&self.path, bytes)?);
        }
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            // A reader that went away wants no more.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => Ok(result.map_err(soup_data::Error::io("write", "stdout"))?),
        }
    }

    /// Writes probabilities in the format that the name says; CSV to stdout.
    pub fn write_predictions(&self, predictions: &Predictions) -> Result<()> {
        if self.is_stdout {
            return self.write(predictions.to_csv().as_bytes());
        }
        Ok(predictions.write(&self.path)?)
    }

    /// What the verb found out: on stderr where the file is on stdout.
    pub fn report(&self, facts: impl Serialize, text: String) -> Result<Report> {
        let report = Report::new(facts, text)?;
        Ok(if self.is_stdout {
            report.on_stderr()
        } else {
            report
        })
    }
}
