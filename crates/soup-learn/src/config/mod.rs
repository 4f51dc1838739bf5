//! Settings.
pub mod compare;
mod decode;
mod error;
mod overrides;

pub use decode::decode;
pub use error::ConfigError;
pub use overrides::apply;
