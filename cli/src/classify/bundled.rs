//! The model and the images inside the binary, so that it runs from any directory.

macro_rules! model {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../../models/", $name)))
    };
}

/// A small network for CIFAR-10 whose filters have one base each, and gains, in 8 bits; and its file name.
pub(super) const MODEL: (&str, &[u8]) = model!("air-base-c-8bit.safetensors");

macro_rules! images {
    ($($class:literal),*) => {
        &[$(($class, include_bytes!(concat!("../../../models/images/", $class, ".png")))),*]
    };
}

/// The first CIFAR-10 test image of every class, with the class.
pub(super) const IMAGES: &[(&str, &[u8])] =
    images!["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
