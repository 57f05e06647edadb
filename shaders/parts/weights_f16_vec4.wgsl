// Weights in f16, two a word, four at a time. They are packed, so that no device needs f16 in shaders.
@group(0) @binding(2) var<storage, read> summary: array<vec2<u32>>;

fn summary_whole(quad: u32) -> vec4<f32> {
    let words = summary[quad];
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}
