//! The method: what a Filter Summary is, and what a convolution by it is. Pure data that knows no device.

pub(crate) mod activation;
pub(crate) mod algorithm;
pub(crate) mod base_stage;
pub(crate) mod conv2d;
pub(crate) mod erf;
pub(crate) mod finite;
pub(crate) mod params;
pub(crate) mod placement;
pub(crate) mod problem;
pub(crate) mod quantization;
pub(crate) mod reduction;
pub(crate) mod sharing;
pub(crate) mod starts;
pub(crate) mod storage;
pub(crate) mod summary;
pub(crate) mod wanted;
pub(crate) mod window;
