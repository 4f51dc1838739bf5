//! Files that are there whole or not at all: the one way in which everything is written. Read, they have a bound: a
//! device has no end, what is packed may unpack to anything, and a file may grow while it is read.
//!
//! Only a regular file is replaced. A link stays, and what it leads to is replaced; a device, a pipe, a socket
//! or an open descriptor (`/dev/stdout`, `/dev/fd/3`) is written into. A file that was there keeps its mode
//! and, where the system lets us, its owner.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use crate::{Error, Result};

/// Writes a file by [`replace`], under a temporary name of this process, so that two may write the same
/// file. Missing folders are made.
///
/// # Errors
/// [`Error::Output`] where a folder stands in the way, [`Error::Io`] with the path; an older file is
/// then intact.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let refuse = |problem: &str| Error::Output {
        path: path.into(),
        problem: problem.into(),
    };
    if path.is_dir() {
        return Err(refuse("it is a folder; name a file in it"));
    }
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder).map_err(|source| match source.kind() {
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
                refuse("what should be its folder is a file; name another place")
            }
            _ => Error::io("create the folder", folder)(source),
        })?;
    }
    let suffix = format!(".{}.partial", std::process::id());
    replace(path, &suffix, |file| file.write_all(bytes)).map_err(Error::io("write", path))
}

/// As [`write_whole`], gzipped where the name ends in `.gz`.
///
/// # Errors
/// As [`write_whole`].
pub fn write_packed(path: &Path, bytes: &[u8]) -> Result<()> {
    let is_gz = |extension: &std::ffi::OsStr| extension.eq_ignore_ascii_case("gz");
    if !path.extension().is_some_and(is_gz) {
        return write_whole(path, bytes);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let packed = (encoder.write_all(bytes))
        .and_then(|()| encoder.finish())
        .map_err(Error::io("compress", path))?;
    write_whole(path, &packed)
}

/// Writes as JSON what runs depend on: a file that is there is never replaced. Writing the same again is allowed.
///
/// # Errors
/// [`Error::OtherData`] where another one is already there, those of `read`, and of [`write_whole`].
pub(crate) fn write_once<T: PartialEq + Serialize>(
    path: &Path,
    kind: &str,
    value: &T,
    read: impl Fn(&Path) -> Result<T>,
) -> Result<()> {
    if path.is_file() {
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

/// Bytes of a table or an array at most, unpacked.
const MOST: u64 = 1 << 30;
/// Bytes of settings at most.
const MOST_SETTINGS: u64 = 16 << 20;

/// The bytes of a table or an array: 1 GiB at most.
///
/// # Errors
/// The system's, and [`io::ErrorKind::FileTooLarge`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_up_to(File::open(path)?, MOST)
}

/// What a gzip file unpacks to: 1 GiB at most.
///
/// # Errors
/// Those of damaged data, and [`io::ErrorKind::FileTooLarge`].
pub fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    read_up_to(flate2::read::MultiGzDecoder::new(bytes), MOST)
}

/// The text of a file of settings.
///
/// # Errors
/// The system's, and [`io::ErrorKind::FileTooLarge`] for more than 16 MiB.
pub fn read_settings(path: &Path) -> io::Result<String> {
    let bytes = read_up_to(File::open(path)?, MOST_SETTINGS)?;
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// All that there is to read, where it is not more than so many bytes.
///
/// # Errors
/// The system's, and [`io::ErrorKind::FileTooLarge`].
fn read_up_to(source: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_into(source, &mut bytes, most)?;
    Ok(bytes)
}

/// [`read`] from anywhere, behind what is in `bytes` already.
pub(crate) fn read_into(source: impl Read, bytes: &mut Vec<u8>, most: u64) -> io::Result<()> {
    let read = source.take(most + 1).read_to_end(bytes)?;
    if read as u64 > most {
        let problem = format!("it has more than {} MiB", most >> 20);
        return Err(io::Error::new(ErrorKind::FileTooLarge, problem));
    }
    Ok(())
}

/// The bytes of a file, unpacked where they are gzipped, whatever its name says: 1 GiB at most.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Format`] where the gzip data is damaged, and what the system says.
pub fn read_unpacked(path: &Path) -> Result<Vec<u8>> {
    let bytes = read(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => Error::NotFound {
            path: path.into(),
            hint: "check the name".into(),
        },
        _ => Error::io("read", path)(source),
    })?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    unpack(&bytes).map_err(|error| {
        if error.kind() == ErrorKind::FileTooLarge {
            return Error::io("unpack", path)(error);
        }
        Error::format(
            path,
            format!("the gzip data is damaged ({error})"),
            "restore the file from its source",
        )
    })
}

/// Writes a file under its name with `suffix`, syncs it and renames it. A reader, or the next run after a crash,
/// sees the old file or the new one. A suffix that is always the same, where a lock keeps other processes away, lets
/// what a killed process left be overwritten.
///
/// # Errors
/// The first one of the system's; the temporary file is then removed, as it may be what fills the
/// disk.
pub fn replace(
    path: &Path,
    suffix: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let (path, old) = match Destination::of(path)? {
        Destination::Stream(path) => {
            // Behind what is there: a descriptor may be open for appending, and no other stream has a place.
            let stream = OpenOptions::new().append(true).open(path)?;
            return written(stream, write).map(drop);
        }
        Destination::File(path, old) => (path, old),
    };
    let mut partial = path.clone().into_os_string();
    partial.push(suffix);
    let partial = Path::new(&partial);
    let done = (|| {
        let created = File::create(partial).or_else(|error| {
            // What a killed process left may have the mode of a file that is only read.
            fs::remove_file(partial).map_err(|_| error)?;
            File::create(partial)
        });
        let file = match created {
            Ok(file) => file,
            // A file that may be written in a folder that may not (one file lent to a container).
            Err(error) if old.is_some() && takes_no_file(&error) => {
                let file = OpenOptions::new().write(true).truncate(true).open(&path);
                return written(file.map_err(|_| error)?, write)?.sync_all();
            }
            Err(error) => return Err(error),
        };
        if let Some(old) = &old {
            keep(old, partial)?;
        }
        written(file, write)?.sync_all()?;
        match fs::rename(partial, &path) {
            // A file that is mounted by itself cannot be replaced, only filled.
            Err(error) if old.is_some() && error.kind() == ErrorKind::ResourceBusy => {
                fs::copy(partial, &path)?;
                fs::remove_file(partial)
            }
            renamed => renamed,
        }
    })();
    if done.is_err() {
        let _ = fs::remove_file(partial);
        return done;
    }
    sync_parent(&path);
    Ok(())
}

fn written(
    file: File,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<File> {
    let mut file = BufWriter::with_capacity(1 << 20, file);
    write(&mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)
}

fn takes_no_file(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
}

/// Gives a new file the mode of the old one, and its owner where we may.
fn keep(old: &Metadata, new: &Path) -> io::Result<()> {
    let own = fs::metadata(new)?;
    if !own.is_file() {
        return Ok(());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, chown};
        if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
            // Only root may; another user's file then becomes ours, as ever.
            let _ = chown(new, Some(old.uid()), Some(old.gid()));
        }
    }
    fs::set_permissions(new, old.permissions())
}

/// What a path leads to.
enum Destination {
    /// A regular file, there or not, links followed.
    File(PathBuf, Option<Metadata>),
    /// Something that is written into.
    Stream(PathBuf),
}

impl Destination {
    fn of(path: &Path) -> io::Result<Self> {
        /// As many as Linux follows.
        const LINKS: usize = 40;
        let mut path = path.to_path_buf();
        for _ in 0..LINKS {
            if is_descriptor(&path) {
                return Ok(Self::Stream(path));
            }
            let kind = match fs::symlink_metadata(&path) {
                Ok(kind) => kind,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Ok(Self::File(path, None));
                }
                Err(error) => return Err(error),
            };
            if kind.is_symlink() {
                let target = fs::read_link(&path)?;
                path = path.parent().unwrap_or(Path::new("")).join(target);
            } else if kind.is_file() {
                return Ok(Self::File(path, Some(kind)));
            } else if kind.is_dir() {
                return Err(ErrorKind::IsADirectory.into());
            } else {
                return Ok(Self::Stream(path));
            }
        }
        Err(io::Error::other("its links lead in a circle"))
    }
}

/// Whether a path names something that a process holds open: what it is open for would be lost in a new file.
fn is_descriptor(path: &Path) -> bool {
    let Some(folder) = path.parent().filter(|folder| folder.ends_with("fd")) else {
        return false;
    };
    let folder = folder.canonicalize().unwrap_or_default();
    folder.starts_with("/proc") || folder == Path::new("/dev/fd")
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

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_longer_than_the_bound_is_refused() {
        assert_eq!(read_up_to(&[1, 2, 3][..], 3).unwrap(), [1, 2, 3]);
        let error = read_up_to(io::repeat(0), 1 << 20).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert_eq!(error.to_string(), "it has more than 1 MiB");
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("there")).unwrap();
        fs::write(at("there/real"), "old").unwrap();
        fs::set_permissions(at("there/real"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("there/real", at("one")).unwrap();
        symlink("one", at("two")).unwrap();
        write_whole(&at("two"), b"new").unwrap();
        assert_eq!(fs::read(at("there/real")).unwrap(), b"new");
        assert_eq!(fs::read_link(at("two")).unwrap(), Path::new("one"));
        assert!(at("one").is_symlink());
        let mode = fs::metadata(at("there/real")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        // One that leads nowhere yet.
        symlink("there/later", at("three")).unwrap();
        write_whole(&at("three"), b"x").unwrap();
        assert_eq!(fs::read(at("there/later")).unwrap(), b"x");
        symlink("circle", at("circle")).unwrap();
        let error = write_whole(&at("circle"), b"x").unwrap_err();
        assert!(error.to_string().contains("circle"), "{error}");
        assert_eq!(files(&at("there")), ["later", "real"]);
        assert_eq!(
            files(folder.path()),
            ["circle", "one", "there", "three", "two"]
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_descriptor_is_written_into_behind_what_is_there() {
        use std::os::fd::AsRawFd;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "before,").unwrap();
        let open = OpenOptions::new().append(true).open(&path).unwrap();
        let name = PathBuf::from(format!("/dev/fd/{}", open.as_raw_fd()));
        write_whole(&name, b"behind").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before,behind");
        assert_eq!(files(folder.path()), ["log"]);
    }

    #[test]
    fn a_device_stays_one() {
        // Written into, or refused, but never replaced.
        for device in ["/dev/null", "/dev/full"] {
            let device = Path::new(device);
            if !device.exists() {
                continue;
            }
            let result = write_whole(device, b"x");
            assert_eq!(result.is_ok(), device.ends_with("null"));
            assert!(!fs::metadata(device).unwrap().is_file());
        }
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        write_whole(&folder.path().join("new/folder/file"), b"x").unwrap();
        fs::write(&file, "").unwrap();
        for (path, part) in [
            (
                folder.path().join("new"),
                "it is a folder; name a file in it",
            ),
            (file.join("x"), "its folder is a file"),
            (file.join("x/y"), "its folder is a file"),
        ] {
            let error = write_whole(&path, b"x").unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
