//! Shaders as files, one file a variant, for other compilers. For those of drivers: with `FS_SHADER_TEXTS=FOLDER` the
//! tests write what plans of GPU layers ask for, and lists of which plan has which. For those of browsers: `browsers`.
//! Without a folder they do nothing.

mod browsers;
mod by_gpu;
mod fused;
mod gpu;
mod predictions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder that an environment variable names, if texts are asked for.
fn folder(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from)?;
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
