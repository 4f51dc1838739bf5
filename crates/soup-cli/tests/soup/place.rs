//! A folder of one test, and the program run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// An empty folder that only this test uses.
pub struct Place {
    folder: PathBuf,
}

/// What the program left behind.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("soup")
            .join(test);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Names of the files in the folder, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The program, to be run here with arguments parted by spaces.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_soup"));
        command
            .args(arguments.split_whitespace())
            .current_dir(&self.folder)
            .env_remove("COLUMNS")
            .stdin(Stdio::null());
        command
    }

    pub fn soup(&self, arguments: &str) -> Outcome {
        let output = self.command(arguments).output().unwrap();
        let outcome = Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
        outcome
    }

    /// Runs a verb that must succeed and gives its JSON object.
    #[track_caller]
    pub fn json(&self, arguments: &str) -> Value {
        let outcome = self.soup(&format!("{arguments} --json"));
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert_eq!(outcome.stdout.lines().count(), 1, "{}", outcome.stdout);
        serde_json::from_str(&outcome.stdout).unwrap()
    }

    /// Runs a verb that must fail; gives its message.
    #[track_caller]
    pub fn failure(&self, code: i32, arguments: &str) -> String {
        let outcome = self.soup(arguments);
        assert_eq!(outcome.code, code, "{arguments}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "", "{arguments}");
        outcome.stderr
    }
}

/// Where the founding contest's files lie. Tests that need them are ignored unless asked for, and fail without them.
pub fn contest_data() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    assert!(
        folder.is_dir(),
        "the contest's files are not at {}",
        folder.display()
    );
    folder
}
