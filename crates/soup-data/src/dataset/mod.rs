//! Data sets as people have them: a folder or zip of pictures, and a table of 0/1 labels.

mod table;

pub use table::LabelTable;
