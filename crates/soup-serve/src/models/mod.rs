//! The models that are served, each under a name, each to be replaced while requests run.

mod served;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use axum::http::StatusCode;
use soup_engine::Device;

pub use served::Served;

use crate::{Refusal, ServeError};

/// Models by name, in the order in which they were named.
#[derive(Debug)]
pub struct Models {
    slots: Vec<Slot>,
    batch: usize,
    device: Device,
}

/// A model file or run, and what it held when it was last read.
#[derive(Debug)]
struct Slot {
    name: String,
    path: PathBuf,
    current: RwLock<Arc<Served>>,
}

impl Models {
    /// Reads `model.soup` files and runs, and plans their networks for single images and batches.
    ///
    /// # Errors
    /// [`ServeError`] names the path that cannot be served.
    pub fn open(paths: &[PathBuf], batch: usize, device: &Device) -> Result<Self, ServeError> {
        let mut slots: Vec<Slot> = Vec::new();
        for path in paths {
            let name = name_of(path)?;
            if let Some(other) = slots.iter().find(|slot| slot.name == name) {
                return Err(ServeError::Twice {
                    name,
                    first: other.path.clone(),
                    second: path.clone(),
                });
            }
            let served = Served::load(&name, path, batch, device)?;
            slots.push(Slot {
                name,
                path: path.clone(),
                current: RwLock::new(Arc::new(served)),
            });
        }
        if slots.is_empty() {
            return Err(ServeError::Setting("no model was named".to_owned()));
        }
        Ok(Self {
            slots,
            batch,
            device: device.clone(),
        })
    }

    /// Every model as it is now.
    pub fn all(&self) -> impl Iterator<Item = Arc<Served>> {
        self.slots.iter().map(Slot::current)
    }

    /// The model of this name, or the only one.
    ///
    /// # Errors
    /// 404 where there is none of this name, 400 where no name was given and there are several.
    pub fn get(&self, name: Option<&str>) -> Result<Arc<Served>, Refusal> {
        match (name, &self.slots[..]) {
            (Some(name), _) => Ok(self.slot(name)?.current()),
            (None, [only]) => Ok(only.current()),
            (None, _) => Err(Refusal::request(format!(
                "several models are served; name one of them with ?model=: {}",
                self.names()
            ))),
        }
    }

    /// Reads a model's file again. Requests that run keep the model that they began with; where the
    /// file is bad, the old model stays.
    ///
    /// # Errors
    /// 404 where there is none of this name, 422 where its file cannot be served.
    pub fn reload(&self, name: &str) -> Result<(), Refusal> {
        let slot = self.slot(name)?;
        let served = Served::load(name, &slot.path, self.batch, &self.device).map_err(|error| {
            tracing::error!(model = name, %error, "a model stays as it is: its file is bad");
            let problem = format!("{error}; the model stays as it was");
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, problem)
        })?;
        *slot.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(served);
        tracing::info!(model = name, "read again");
        Ok(())
    }

    /// Reads all files again; what is bad is logged.
    pub fn reload_all(&self) {
        for slot in &self.slots {
            // Logged where it is known.
            let _ = self.reload(&slot.name);
        }
    }

    fn slot(&self, name: &str) -> Result<&Slot, Refusal> {
        let found = self.slots.iter().find(|slot| slot.name == name);
        found.ok_or_else(|| {
            let problem = format!("no model has this name; served are: {}", self.names());
            Refusal::new(StatusCode::NOT_FOUND, problem)
        })
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.slots.iter().map(|slot| slot.name.as_str()).collect();
        names.join(", ")
    }
}

impl Slot {
    fn current(&self) -> Arc<Served> {
        // An Arc is whole whoever panicked.
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }
}

/// A file's stem, a run's folder.
fn name_of(path: &Path) -> Result<String, ServeError> {
    let name = if path.is_dir() {
        // `.` and `runs/first/..` have no name of their own.
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        whole.file_name().map(|name| name.to_owned())
    } else {
        path.file_stem().map(|name| name.to_owned())
    };
    let name = name.and_then(|name| name.into_string().ok());
    let is_plain = |name: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !name.is_empty() && name.chars().all(plain) && !name.starts_with('.')
    };
    name.filter(is_plain)
        .ok_or_else(|| ServeError::Name(path.to_path_buf()))
}
