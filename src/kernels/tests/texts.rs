//! The shaders of plans as files, for driver compilers: with `FS_SHADER_TEXTS=FOLDER` the tests write what plans of
//! GPU layers ask for, one file a variant, and lists of which plan has which; without, they do nothing.

mod by_gpu;
mod fused;
mod gpu;
mod predictions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where texts go, if they are asked for.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("FS_SHADER_TEXTS").map(PathBuf::from)?;
    std::fs::create_dir_all(&folder).expect("a folder");
    Some(folder)
}

/// Writes a file a label.
fn write(folder: &Path, texts: BTreeMap<String, String>) {
    std::fs::create_dir_all(folder).expect("a folder");
    for (label, text) in texts {
        std::fs::write(folder.join(format!("{label}.wgsl")), text).expect("a file");
    }
}
