//! Every variant that a browser may get, for `web/tests/tint.test.mjs`: with `FS_BROWSER_TEXTS=FOLDER`.

use std::collections::BTreeMap;

use crate::kernels::Variant;

/// What wgpu can ask of a browser's device among the features that kernels use.
const FEATURES: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY.union(wgpu::Features::SHADER_F16);

#[test]
fn variants_of_browsers_as_texts() {
    let Some(folder) = super::folder("FS_BROWSER_TEXTS") else { return };
    let all = Variant::all();
    let descriptions = all.iter().map(|listed| listed.variant.describe());
    let texts: BTreeMap<_, _> = descriptions
        .filter(|description| FEATURES.contains(description.needs()))
        .map(|description| (description.label(), description.source()))
        .collect();
    eprintln!("{} texts for browsers, of {} variants", texts.len(), all.len());
    super::write(&folder, texts);
}
