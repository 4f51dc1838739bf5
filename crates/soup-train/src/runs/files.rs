//! Files that are whole or not there.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use soup_data::files::{replace, sync_parent};

use crate::Error;

/// Writes a file under a temporary name, syncs it and renames it over `path`. Whatever goes wrong
/// (a full disk, a kill at any moment), `path` holds its old contents or the new ones, whole.
///
/// The temporary name is always the same, so what a killed process left is overwritten and nothing
/// piles up. Two processes must not write the same file at once: callers hold the run's or the
/// fold's lock.
///
/// # Errors
/// [`Error::File`] with the path.
pub fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Error> {
    replace(path, ".partial", write).map_err(Error::file(path, "write"))
}

/// Writes a short file by [`write_file`].
///
/// # Errors
/// [`Error::File`] with the path.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_file(path, |file| file.write_all(bytes))
}

/// Renames a file within its folder and syncs the folder.
///
/// # Errors
/// [`Error::File`] with the path.
pub fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::file(from, "rename"))?;
    sync_parent(to);
    Ok(())
}

/// Removes a file that may be missing.
///
/// # Errors
/// [`Error::File`] with the path.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::file(path, "remove")(error))
        }
        _ => Ok(()),
    }
}

/// Removes what killed processes left half-written in a folder; its lock must be held.
///
/// # Errors
/// [`Error::File`].
pub fn remove_leftovers(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::file(folder, "list"))? {
        let path = entry.map_err(Error::file(folder, "list"))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "partial" || extension == "tmp")
        {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Reads a text file, or `None` where there is none.
///
/// # Errors
/// [`Error::File`] with the path.
pub fn read_text(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file(path, "read")(error)),
    }
}

/// Makes a folder and those above it.
///
/// # Errors
/// [`Error::File`] with the path.
pub fn make_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::file(path, "make this folder"))
}

/// `path` with something added to its last name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.ckpt");
        write_bytes(&path, b"old").unwrap();
        let error = write_file(&path, |file| {
            file.write_all(b"half of the new")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert!(
            error.to_string().contains("last.ckpt: cannot write"),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        write_bytes(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    /// `/dev/full` is a disk without room.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.ckpt");
        write_bytes(&path, b"old").unwrap();
        std::os::unix::fs::symlink("/dev/full", with_suffix(&path, ".partial")).unwrap();
        let error = write_bytes(&path, &vec![0; 4 << 20]).unwrap_err();
        assert!(error.to_string().contains("No space left"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
