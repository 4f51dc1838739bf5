//! Where words go: results to stdout, everything else to stderr.

use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::Value;
use soup_train::config::renamed::Renamed;

use crate::failure::{self, Kind};

/// What a verb found out, for scripts and for people.
pub struct Report {
    json: Value,
    text: String,
    on_stderr: bool,
}

impl Report {
    /// `facts` becomes the JSON object, `text` is what a person reads.
    pub fn new(facts: impl Serialize, text: String) -> anyhow::Result<Self> {
        let json = serde_json::to_value(facts)?;
        Ok(Self {
            json,
            text,
            on_stderr: false,
        })
    }

    /// Leaves stdout to the file that the verb wrote there.
    pub fn on_stderr(self) -> Self {
        Self {
            on_stderr: true,
            ..self
        }
    }
}

fn bold(color: AnsiColor) -> Style {
    Style::new().bold().fg_color(Some(color.into()))
}

/// The two streams.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    json: bool,
    quiet: bool,
}

impl Console {
    /// `json`: one JSON object instead of text; `quiet`: no progress.
    pub fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether progress is not wanted.
    pub fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Whether stderr is a terminal that wants colour.
    pub fn is_colored(self) -> bool {
        anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
    }

    /// A line on stderr about what goes on.
    pub fn note(self, line: &str) {
        if !self.quiet {
            let _ = writeln!(anstream::stderr(), "{line}");
        }
    }

    /// A line on stderr about what a person should know in any case.
    pub fn warn(self, line: &str) {
        let yellow = bold(AnsiColor::Yellow);
        let _ = writeln!(anstream::stderr(), "{yellow}warning{yellow:#}: {line}");
    }

    /// A line on stderr about what may be done better.
    pub fn hint(self, line: &str) {
        if !self.quiet {
            let cyan = bold(AnsiColor::Cyan);
            let _ = writeln!(anstream::stderr(), "{cyan}hint{cyan:#}: {line}");
        }
    }

    /// A hint for each setting that was given by its old name.
    pub fn renamed(self, keys: &[Renamed]) {
        keys.iter().for_each(|key| self.hint(&key.to_string()));
    }

    /// Lines on stderr that a person should know.
    pub fn notes(self, lines: &[String]) {
        lines.iter().for_each(|line| self.note(line));
    }

    /// The end of a verb that did its work.
    pub fn report(self, report: &Report) -> ExitCode {
        let text = if self.json {
            report.json.to_string()
        } else {
            report.text.trim_end().to_owned()
        };
        if report.on_stderr {
            self.note(&text);
            return ExitCode::SUCCESS;
        }
        self.print(&text)
    }

    /// The end of a verb that did not.
    pub fn failure(self, error: &anyhow::Error) -> ExitCode {
        let kind = Kind::of(error);
        let message = failure::message(error);
        let hint = failure::hint(error);
        let mut stderr = anstream::stderr().lock();
        let (red, cyan) = (bold(AnsiColor::Red), bold(AnsiColor::Cyan));
        let _ = writeln!(stderr, "{red}error{red:#}: {message}");
        if let Some(hint) = &hint {
            let _ = writeln!(stderr, "{cyan}hint{cyan:#}: {hint}");
        }
        if self.json {
            let code = kind.exit_code();
            let mut object = serde_json::json!({"error": message, "hint": hint, "exit_code": code});
            if let Some(problems) = failure::problems(error) {
                object["problems"] = problems.into();
            }
            self.print(&object.to_string());
        }
        ExitCode::from(kind.exit_code())
    }

    /// Prints to stdout. A reader that went away (`soup models | head -1`) wants no more, and that
    /// is no failure; a full disk is one.
    fn print(self, text: &str) -> ExitCode {
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let _ = writeln!(anstream::stderr(), "error: cannot write to stdout: {error}");
                ExitCode::from(Kind::Failed.exit_code())
            }
            _ => ExitCode::SUCCESS,
        }
    }
}
