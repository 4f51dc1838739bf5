//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::{Error, Result};

/// Writes to a temporary name beside `path`, syncs, and renames.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = Path::new(&name);
    let written = File::create(partial)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(partial, path))
        .map_err(Error::io("write", path));
    if written.is_err() {
        // The first error is the one to report; a left-over partial file does no harm.
        let _ = fs::remove_file(partial);
        return written;
    }
    sync_parent(path);
    Ok(())
}

/// Makes a rename in the folder of `path` last through a power cut, where the system can.
pub(crate) fn sync_parent(path: &Path) {
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
