// max(0, value) - min(|value|, end) * share: what activations are that fall from the value itself to 0, with a share
// of a half where the value is 0 and of nothing, 1e-38, from `end` on. So nothing cancels, and nothing overflows.
// What is not finite is made by bits: of -infinity 0 times infinity is left, NaN; others stay.
fn without(value: vec4<f32>, share: vec4<f32>, end: f32) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(value);
    let rest = max(value, vec4<f32>(0.0)) - min(abs(value), vec4<f32>(end)) * share;
    // A quiet NaN's bit, for -infinity and NaNs with a sign.
    let quiet = bits | select(vec4<u32>(0u), vec4<u32>(0x400000u), bits >= vec4<u32>(0xff800000u));
    return select(rest, bitcast<vec4<f32>>(quiet), (bits & vec4<u32>(0x7fffffffu)) >= vec4<u32>(0x7f800000u));
}

