//! From the name of a device to the engine that runs networks on it: the one place that knows engines by name.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use soup_cpu::{Cpu, Options};
use soup_engine::{Device, Engine, Pool, reference::Reference};

/// Where networks run, by name: the key `train.device` and the flag `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceName {
    /// The fastest that is there.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The plain interpreter that engines are judged by: slow, for tests and tiny networks.
    Reference,
}

/// No device of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no device `{0}`; known are {names}", names = DeviceName::ALL.map(DeviceName::name).join(", "))]
pub struct UnknownDevice(pub String);

impl DeviceName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Cpu, Self::Reference];

    /// The device, which works on these threads of the host.
    pub fn open(self, pool: Arc<Pool>) -> Device {
        let engine: Arc<dyn Engine> = match self.settled() {
            Self::Auto | Self::Cpu => Arc::new(Cpu::new(Options {
                pool: Some(Arc::clone(&pool)),
                ..Options::default()
            })),
            Self::Reference => Arc::new(Reference::new(Arc::clone(&pool))),
        };
        Device { engine, pool }
    }

    /// As [`open`](Self::open), on so many threads of its own; 0 takes one a core.
    pub fn with_threads(self, threads: usize) -> Device {
        self.open(Arc::new(Pool::new(threads)))
    }

    /// The device that is meant on this machine.
    pub fn settled(self) -> Self {
        match self {
            Self::Auto => Self::Cpu,
            chosen => chosen,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Reference => "reference",
        }
    }
}

impl std::str::FromStr for DeviceName {
    type Err = UnknownDevice;

    fn from_str(name: &str) -> Result<Self, UnknownDevice> {
        let found = Self::ALL.into_iter().find(|device| device.name() == name);
        found.ok_or_else(|| UnknownDevice(name.to_owned()))
    }
}

impl std::fmt::Display for DeviceName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
