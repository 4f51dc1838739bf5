//! Weights in safetensors files, under timm's names.
//!
//! [`save`] writes what timm's `load_state_dict(strict=True)` takes. [`load`] takes exactly the
//! graph's parameters; [`crate::pretrained`] also takes weights of a network for other input channels or labels, and files
//! of other formats. An [`Archive`] holds several networks. Values are read from 16-, 32- or 64-bit floats and written as
//! `f32`.

mod read;
mod write;

pub use read::{Archive, from_bytes, load, read_metadata};
pub use write::{Part, save, to_bytes};
