//! Weights in safetensors files, under timm's names.
//!
//! [`save`] writes what timm's `load_state_dict(strict=True)` takes. [`load`] takes exactly the
//! graph's parameters;
//! [`load_adapted`] also takes weights of a network for other input channels or labels. An
//! [`Archive`] holds several networks. Values are read from 16-, 32- or 64-bit floats and written as
//! `f32`.

mod error;
mod read;
mod write;

pub use error::SafetensorsError;
pub use read::{
    Archive, Loaded, from_bytes, from_bytes_adapted, load, load_adapted, read_metadata,
};
pub use write::{Part, save, to_bytes};

/// Ending of the counters that PyTorch's batch norms keep and nothing here needs.
const COUNTER: &str = ".num_batches_tracked";
