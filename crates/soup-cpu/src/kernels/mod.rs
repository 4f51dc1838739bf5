//! The inner loops, written once over [`crate::simd::Simd`].

#![expect(
    clippy::needless_range_loop,
    reason = "loops over the registers of a block read as the indices of the formula"
)]

pub(crate) mod activation;
pub(crate) mod depthwise;
pub(crate) mod filters;
pub(crate) mod gather;
pub(crate) mod gemm;
pub(crate) mod softmax;
pub(crate) mod statistics;
pub(crate) mod vector;
pub(crate) mod view;
pub(crate) mod winograd;
