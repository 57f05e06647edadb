//! The model and the images inside the binary, so that it runs from any directory.

macro_rules! model {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../../models/", $name)))
    };
}

/// ResNet-20 for CIFAR-10, tap-major with a step of 2C, and its file name.
pub(super) const MODEL: (&str, &[u8]) = model!("resnet20-s2c.safetensors");

macro_rules! images {
    ($($class:literal),*) => {
        &[$(($class, include_bytes!(concat!("../../../models/images/", $class, ".png")))),*]
    };
}

/// The first CIFAR-10 test image of every class, with the class.
pub(super) const IMAGES: &[(&str, &[u8])] =
    images!["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
