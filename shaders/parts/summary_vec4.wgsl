// Weights of four consecutive channels, when they lie together: channel stride 1, no boundary, bases and channels
// multiples of 4. `base` is where channel 0 of the tap begins.
alias Weight = f32;

@group(0) @binding(2) var<storage, read> summary: array<vec4<Weight>>;

fn weight_quad(base: i32, channel: u32) -> vec4<f32> {
    return vec4<f32>(summary[(u32(base) + channel) >> 2u]);
}
