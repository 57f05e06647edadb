// value / (1 + |value|), of sizes whose quotient drivers have: 1 from 1e30 on. By bits infinity, which is NaN then, and
// NaN, which stays one.
fn activate(value: vec4<f32>) -> vec4<f32> {
    let cut = clamp(value, vec4<f32>(-1e30), vec4<f32>(1e30));
    let bits = bitcast<vec4<u32>>(value);
    let quiet = bitcast<vec4<f32>>(bits | vec4<u32>(0x400000u));
    return select(cut / (1.0 + abs(cut)), quiet, (bits & vec4<u32>(0x7fffffffu)) >= vec4<u32>(0x7f800000u));
}
