//! Files appear whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use soup_data::Error;

use crate::Result;

/// Writes a file under a temporary name beside it, syncs it and renames it, so that a reader (or
/// the next run after a crash) never sees half of it. Missing folders are created.
///
/// # Errors
/// What the system says when a folder or the file cannot be written; an older file is then intact.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| {
        // The error that counts is the first one; a leftover is only untidy.
        let _ = fs::remove_file(&temporary);
        Error::io("write", path)(source).into()
    })
}
