//! Files appear whole or not at all.

use std::fs;
use std::path::Path;

use soup_data::Error;
use soup_data::files::write_whole;

use crate::Result;

/// Writes a file whole or not at all ([`write_whole`]). Missing folders are created.
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
    Ok(write_whole(path, bytes)?)
}
