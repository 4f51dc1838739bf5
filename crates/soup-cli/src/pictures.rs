//! Pictures to be answered for, with their ids and labels.

use std::path::Path;

use soup_data::Examples;
use soup_data::dataset::{Channels, Columns, Dataset, LabelTable};
use soup_data::pack::Pack;

/// Pictures of one shape, the id of each, and the labels where there are any.
pub struct Pictures {
    examples: Box<dyn Examples>,
    table: LabelTable,
}

impl Pictures {
    /// The pictures of a pack, a folder or a zip file.
    pub fn open(path: &Path) -> soup_data::Result<Self> {
        if Pack::is_pack(path) {
            let pack = Pack::open(path)?;
            let table = pack.table().clone();
            let examples = Box::new(pack);
            return Ok(Self { examples, table });
        }
        let dataset = Dataset::open(path, &Columns::default())?;
        let table = dataset.table().clone();
        Ok(Self {
            examples: Box::new(dataset.examples(Channels::default())?),
            table,
        })
    }

    /// The pictures.
    pub fn examples(&self) -> &dyn Examples {
        &*self.examples
    }

    /// The id of each picture, in their order.
    pub fn ids(&self) -> &[String] {
        self.table.ids()
    }

    /// Ids, label names and labels.
    pub fn table(&self) -> &LabelTable {
        &self.table
    }
}
