// Weights in f32, one at a time.
@group(0) @binding(2) var<storage, read> summary: array<f32>;

fn stored_weight(index: u32) -> f32 {
    return summary[index];
}
