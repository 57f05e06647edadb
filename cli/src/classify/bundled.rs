//! The model and the images inside the binary, so that it runs from any directory.

/// The bundled model's file name in `models/`.
pub(super) const MODEL_NAME: &str = "resnet20-fs4.5.safetensors";

/// ResNet-20 for CIFAR-10, tap-major with a step of 2C.
pub(super) const MODEL: &[u8] = include_bytes!("../../tests/data/tiny.safetensors");

macro_rules! images {
    ($($class:literal),*) => {
        &[$(($class, include_bytes!(concat!("../../../models/images/", $class, ".png")))),*]
    };
}

/// The first CIFAR-10 test image of every class, with the class.
pub(super) const IMAGES: &[(&str, &[u8])] =
    images!["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
