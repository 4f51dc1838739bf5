//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use crate::{Error, Result};

/// Writes a file under a temporary name beside `path` (that of this process, so that two may write
/// the same file), syncs it and renames it. A reader, or the next run after a crash, sees the old
/// file or the new one.
///
/// # Errors
/// [`Error::Io`] with the path; an older file is then intact.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    write_through(Path::new(&name), path, |file| file.write_all(bytes))
        .map_err(Error::io("write", path))
}

/// Writes as JSON what runs depend on: a file that is there is never replaced. Writing the same again is allowed.
///
/// # Errors
/// [`Error::OtherData`] where another one is already there, those of `read`, and [`Error::Io`].
pub(crate) fn write_once<T: PartialEq + Serialize>(
    path: &Path,
    kind: &str,
    value: &T,
    read: impl Fn(&Path) -> Result<T>,
) -> Result<()> {
    if path.exists() {
        if read(path)? == *value {
            return Ok(());
        }
        return Err(Error::OtherData {
            path: path.into(),
            problem: format!("another {kind} is already there, and runs may depend on it"),
            hint: "choose another name, or remove it first".into(),
        });
    }
    let text = serde_json::to_vec(value).map_err(|error| {
        Error::format(
            path,
            format!("cannot be written: {error}"),
            "report this as a bug",
        )
    })?;
    write_whole(path, &text)
}

/// As [`write_whole`], through a temporary name in the same folder that the caller chooses: always
/// the same one where a lock keeps other processes away, so that what a killed process left is
/// overwritten.
///
/// # Errors
/// The first one of the system's; the temporary file is then removed, as it may be what fills the
/// disk.
pub fn write_through(
    partial: &Path,
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let written = (|| {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(partial)?);
        write(&mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        fs::rename(partial, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(partial);
        return written;
    }
    sync_parent(path);
    Ok(())
}

/// Makes a rename in the folder of `path` last through a power cut, where the system can.
pub fn sync_parent(path: &Path) {
    #[cfg(unix)]
    if let Some(Ok(folder)) = path.parent().map(|parent| {
        File::open(if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        })
    }) {
        // Some file systems cannot sync a folder; the file itself is already synced.
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = path;
}
