//! No schedule.

use serde::{Deserialize, Serialize};

/// The base rate throughout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Constant {}
