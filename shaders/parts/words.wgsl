// Quads of f32 moved as two words of 64 bits: to a software adapter every load or store is a loop over lanes and words.
fn quad_of(pair: vec2<u64>) -> vec4<f32> {
    let low = vec2<u32>(pair);
    let high = vec2<u32>(pair >> vec2<u32>(32u));
    return bitcast<vec4<f32>>(vec4<u32>(low.x, high.x, low.y, high.y));
}

fn pair_of(quad: vec4<f32>) -> vec2<u64> {
    let words = bitcast<vec4<u32>>(quad);
    return vec2<u64>(words.xz) | (vec2<u64>(words.yw) << vec2<u32>(32u));
}
