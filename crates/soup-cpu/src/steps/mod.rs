//! The steps of a plan, one file a kind.

pub(crate) mod attention;
pub(crate) mod convolution;
pub(crate) mod depthwise;
pub(crate) mod dropout;
pub(crate) mod elementwise;
pub(crate) mod images;
pub(crate) mod linear;
pub(crate) mod max_pool;
pub(crate) mod norm;
pub(crate) mod pool;
pub(crate) mod weights;
pub(crate) mod winograd;
