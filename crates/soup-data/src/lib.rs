//! Where pictures and labels come from: data sets, the pack, folds, transforms, glyph sources and
//! the composer.
