// Weights in 8 bits, four a word, one or four at a time: w = q * weight_scale + weight_zero. Shifts and masks, because
// browsers have `unpack4xU8` only with a language feature.
@group(0) @binding(2) var<storage, read> summary: array<u32>;

fn summary_at(index: u32) -> f32 {
    let q = (summary[index >> 2u] >> ((index & 3u) * 8u)) & 255u;
    return f32(q) * params.conv.weight_scale + params.conv.weight_zero;
}

fn summary_whole(quad: u32) -> vec4<f32> {
    let q = (vec4<u32>(summary[quad]) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
    return vec4<f32>(q) * params.conv.weight_scale + params.conv.weight_zero;
}
