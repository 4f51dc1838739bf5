//! Pictures to be answered for, with their ids.

use std::path::Path;
use std::sync::Arc;

use soup_data::Examples;
use soup_data::compose::{ComposedExamples, Composer};
use soup_data::dataset::{Channels, Columns, Dataset};
use soup_data::pack::Pack;

/// Pictures of one shape and the id of each.
pub struct Pictures {
    examples: Box<dyn Examples>,
    ids: Vec<String>,
}

impl Pictures {
    /// The pictures of a pack, a folder or a zip file.
    pub fn open(path: &Path) -> soup_data::Result<Self> {
        if Pack::is_pack(path) {
            let pack = Pack::open(path)?;
            let ids = pack.ids().to_vec();
            let examples = Box::new(pack);
            return Ok(Self { examples, ids });
        }
        let dataset = Dataset::open(path, &Columns::default())?;
        let ids = dataset.table().ids().to_vec();
        Ok(Self {
            examples: Box::new(dataset.examples(Channels::default())?),
            ids,
        })
    }

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
