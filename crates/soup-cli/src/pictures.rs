//! Pictures to be answered for, with their ids.

use std::sync::Arc;

use soup_data::Examples;
use soup_data::compose::{ComposedExamples, Composer};

/// Pictures of one shape and the id of each.
pub struct Pictures {
    examples: Box<dyn Examples>,
    ids: Vec<String>,
}

impl Pictures {
    /// The pictures that `soup compose` writes for this seed and count, without reading them back.
    pub fn composed(composer: Composer, seed: u64, count: u64) -> Self {
        let examples = ComposedExamples {
            composer: Arc::new(composer),
            seed,
            count,
        };
        Self {
            examples: Box::new(examples),
            ids: (0..count).map(|index| format!("{index:05}")).collect(),
        }
    }

    /// The pictures.
    pub fn examples(&self) -> &dyn Examples {
        &*self.examples
    }

    /// The id of each picture, in their order.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }
}
