// Weights in f16, two a word, one at a time. They are packed, so that no device needs f16 in shaders.
@group(0) @binding(2) var<storage, read> summary: array<u32>;

fn summary_at(index: u32) -> f32 {
    return unpack2x16float(summary[index >> 1u] >> ((index & 1u) * 16u)).x;
}
