//! Who trains what: claims that any number of processes may make on one folder, on one machine or on
//! several that share it.
//!
//! A claim is a file that only one process can create. Every process shows that it lives by writing its
//! own file in `workers/` again and again; where that has stopped, its claims are stale and are taken
//! over. Ages are differences between times that the same file system wrote, so the clocks of the
//! machines do not matter. A process that was only held up notices that its claim is gone and stops.
//! (On one machine the fold's own lock keeps two processes apart even then.)

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use soup_train::{Error, runs::files};

use super::directory::SweepDirectory;

/// A process that works on a sweep.
#[derive(Debug)]
pub struct Worker {
    directory: SweepDirectory,
    name: String,
    stale: Duration,
    shared: Arc<Shared>,
    beat: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ends: AtomicBool,
    /// The claim at hand, and the flag that says that it was lost.
    claim: Mutex<Option<(PathBuf, Arc<AtomicBool>)>>,
}

/// A trial that is this process's own until this is dropped.
#[derive(Debug)]
pub struct Claim<'a> {
    worker: &'a Worker,
    path: PathBuf,
    lost: Arc<AtomicBool>,
}

impl Worker {
    /// Enters the sweep and begins to show that it lives. Claims of processes that have not shown it
    /// for `stale` may be taken over.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn start(directory: &SweepDirectory, stale: Duration) -> Result<Self, Error> {
        let folder = directory.file("workers");
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let stem = format!("{}-{:x}", std::process::id(), now.as_nanos());
        let name = (0..)
            .map(|again| format!("{stem}-{again}"))
            .find_map(|name| match create(&folder.join(&name), &name) {
                Ok(true) => Some(Ok(name)),
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            })
            .unwrap_or_else(|| Ok(stem.clone()))?;
        let shared = Arc::new(Shared::default());
        let (own, path, id) = (Arc::clone(&shared), folder.join(&name), name.clone());
        let pause = (stale / 5).min(Duration::from_secs(1));
        let beat = std::thread::spawn(move || {
            while !own.ends.load(Ordering::Relaxed) {
                // A beat that fails (a full disk, a network that is away) makes the claim stale in time.
                let _ = fs::write(&path, &id);
                if let Some((claim, lost)) = own
                    .claim
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .as_ref()
                    && fs::read_to_string(claim).is_ok_and(|holder| holder != id)
                {
                    lost.store(true, Ordering::Relaxed);
                }
                std::thread::park_timeout(pause);
            }
        });
        Ok(Self {
            directory: directory.clone(),
            name,
            stale,
            shared,
            beat: Some(beat),
        })
    }

    /// Name of this process in the sweep.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Claims `name`, if no living process has it.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn claim(&self, name: &str) -> Result<Option<Claim<'_>>, Error> {
        let path = self.directory.file("claims").join(name);
        if !create(&path, &self.name)? {
            if !self.is_stale(&path)? {
                return Ok(None);
            }
            // Of several that see it stale, one takes it and the others see a fresh one.
            let _lock = self.directory.lock()?;
            if !self.is_stale(&path)? {
                return Ok(None);
            }
            if let Some(dead) = files::read_text(&path)?.filter(|name| !name.is_empty()) {
                files::remove(&self.directory.file("workers").join(dead))?;
            }
            files::remove(&path)?;
            if !create(&path, &self.name)? {
                return Ok(None);
            }
        }
        let lost = Arc::new(AtomicBool::new(false));
        *self.at_hand() = Some((path.clone(), Arc::clone(&lost)));
        Ok(Some(Claim {
            worker: self,
            path,
            lost,
        }))
    }

    /// Whether the holder of a claim has shown no life for too long.
    fn is_stale(&self, claim: &Path) -> Result<bool, Error> {
        let Some(holder) = files::read_text(claim)? else {
            return Ok(true);
        };
        let workers = self.directory.file("workers");
        // The holder writes its name right after it made the claim, and may have died in between.
        let shown = [
            claim.to_owned(),
            workers.join(if holder.is_empty() { "-" } else { &holder }),
        ];
        let last = shown.iter().filter_map(|path| written(path)).max();
        let now = written(&workers.join(&self.name));
        Ok(match (last, now) {
            // A life shown later than now is one from before the machine's clock was set back.
            (Some(last), Some(now)) => {
                let apart = now
                    .duration_since(last)
                    .unwrap_or_else(|error| error.duration());
                apart > self.stale
            }
            _ => false,
        })
    }

    fn at_hand(&self) -> std::sync::MutexGuard<'_, Option<(PathBuf, Arc<AtomicBool>)>> {
        self.shared
            .claim
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        if let Some(beat) = self.beat.take() {
            beat.thread().unpark();
            let _ = beat.join();
        }
        let _ = files::remove(&self.directory.file("workers").join(&self.name));
    }
}

impl Claim<'_> {
    /// Whether another process took it over.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        *self.worker.at_hand() = None;
        // Only under the lock: another process may be taking it over.
        let Ok(_lock) = self.worker.directory.lock() else {
            return;
        };
        if fs::read_to_string(&self.path).is_ok_and(|holder| holder == self.worker.name) {
            let _ = files::remove(&self.path);
        }
    }
}

/// Creates a file with the worker's name in it; whether it was not there.
fn create(path: &Path, name: &str) -> Result<bool, Error> {
    let created = File::options().write(true).create_new(true).open(path);
    match created.and_then(|mut file| file.write_all(name.as_bytes())) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Error::file(path, "create")(error)),
    }
}

fn written(path: &Path) -> Option<SystemTime> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn sweep() -> (tempfile::TempDir, SweepDirectory) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["claims", "workers"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let directory = SweepDirectory::at(folder.path());
        (folder, directory)
    }

    #[test]
    fn a_claim_is_one_workers_until_it_is_given_back() {
        let (_folder, directory) = sweep();
        let [one, two] =
            [0, 1].map(|_| Worker::start(&directory, Duration::from_secs(60)).unwrap());
        let claim = one.claim("c").unwrap().unwrap();
        assert!(two.claim("c").unwrap().is_none());
        assert!(one.claim("c").unwrap().is_none());
        drop(claim);
        assert!(two.claim("c").unwrap().is_some());
        drop((one, two));
        assert_eq!(fs::read_dir(directory.file("workers")).unwrap().count(), 0);
    }

    #[test]
    fn a_dead_workers_claim_is_taken_over_though_the_clock_was_set_back() {
        let (_folder, directory) = sweep();
        let claim = directory.file("claims/c");
        fs::write(&claim, "dead").unwrap();
        let worker = Worker::start(&directory, Duration::from_secs(60)).unwrap();
        assert!(worker.claim("c").unwrap().is_none());
        let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
        let file = File::options().write(true).open(&claim).unwrap();
        file.set_modified(tomorrow).unwrap();
        assert!(worker.claim("c").unwrap().is_some());
    }

    #[test]
    fn of_many_workers_one_takes_over_what_a_dead_one_left() {
        let (_folder, directory) = sweep();
        fs::write(directory.file("claims/c"), "dead").unwrap();
        fs::write(directory.file("claims/d"), "").unwrap();
        let workers: Vec<_> = (0..6)
            .map(|_| Worker::start(&directory, Duration::from_millis(300)).unwrap())
            .collect();
        assert!(workers[0].claim("c").unwrap().is_none(), "not stale yet");
        std::thread::sleep(Duration::from_millis(700));
        for name in ["c", "d"] {
            let claims: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = workers
                    .iter()
                    .map(|worker| scope.spawn(|| worker.claim(name).unwrap()))
                    .collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .collect()
            });
            assert_eq!(claims.iter().flatten().count(), 1, "{name}");
        }
    }

    #[test]
    fn a_worker_that_was_held_up_notices_that_its_claim_is_gone() {
        let (_folder, directory) = sweep();
        let worker = Worker::start(&directory, Duration::from_millis(100)).unwrap();
        let claim = worker.claim("c").unwrap().unwrap();
        fs::write(directory.file("claims/c"), "another").unwrap();
        for _ in 0..200 {
            if claim.is_lost() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(claim.is_lost());
        drop(claim);
        assert_eq!(
            fs::read_to_string(directory.file("claims/c")).unwrap(),
            "another"
        );
    }
}
