//! Locks that the kernel releases when their process dies.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use crate::Error;

/// A lock on a file, held until it is dropped or its process dies, however it dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    fn open(path: &Path) -> Result<File, Error> {
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(Error::file(path, "open"))
    }

    /// Whether the system lets this process open the lock.
    pub fn can_be_taken(path: &Path) -> bool {
        Self::open(path).is_ok()
    }

    /// Takes the lock `path` on `subject`, or refuses where another process has it.
    ///
    /// # Errors
    /// [`Error::Busy`] naming `subject`, or [`Error::File`].
    pub fn take(path: &Path, subject: &Path) -> Result<Self, Error> {
        let file = Self::open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Busy(subject.to_owned())),
            Err(TryLockError::Error(error)) => Err(Error::file(path, "lock")(error)),
        }
    }

    /// Takes the lock `path`, waiting for another process to give it back.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn wait(path: &Path) -> Result<Self, Error> {
        let file = Self::open(path)?;
        file.lock().map_err(Error::file(path, "lock"))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_second_taker_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path, folder.path()).unwrap();
        assert!(matches!(
            Lock::take(&path, folder.path()),
            Err(Error::Busy(_))
        ));
        drop(first);
        Lock::take(&path, folder.path()).unwrap();
        Lock::wait(&path).unwrap();
    }
}
