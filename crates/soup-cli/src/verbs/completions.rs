//! `soup completions`: what a shell completes, and manual pages.

use std::{fs, io, path::PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_complete::Shell;
use serde::Serialize;
use serde_json::json;

use crate::console::Report;

/// Print completions for a shell, or write manual pages
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup completions bash > ~/.local/share/bash-completion/completions/soup
  soup completions zsh > ~/.zfunc/_soup
  soup completions fish > ~/.config/fish/completions/soup.fish
  soup completions --man ~/.local/share/man/man1")]
pub struct Arguments {
    /// The shell
    #[arg(required_unless_present = "man")]
    shell: Option<Shell>,

    /// Writes soup.1 and a page for each verb into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "shell")]
    man: Option<PathBuf>,
}

#[derive(Serialize)]
struct Facts {
    pages: Vec<PathBuf>,
}

/// `command` is the whole program as clap knows it.
pub fn run(arguments: &Arguments, mut command: Command) -> Result<Report> {
    if let Some(folder) = &arguments.man {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        clap_mangen::generate_to(command, folder)
            .with_context(|| format!("cannot write into {}", folder.display()))?;
        let mut pages = pages(folder)?;
        pages.sort();
        let text = format!("{} pages in {}", pages.len(), folder.display());
        return Report::new(Facts { pages }, text);
    }
    let Some(shell) = arguments.shell else {
        return Report::new(json!({}), String::new());
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "soup", &mut script);
    let script = String::from_utf8(script)?;
    Report::new(
        json!({"shell": shell.to_string(), "script": script}),
        script,
    )
}

fn pages(folder: &std::path::Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let is_page = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("soup"))
    };
    Ok(paths
        .collect::<io::Result<Vec<_>>>()?
        .into_iter()
        .filter(is_page)
        .collect())
}
