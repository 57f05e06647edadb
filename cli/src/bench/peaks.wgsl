// Peak of f32 multiply-adds: twelve independent chains a thread, no memory. The body is long,
// so that the loop costs nothing.
//
// out[thread] = the sum of the chains, so that nothing can be left out. Grid: any number of workgroups on x.
// Requires: WebGPU core.

@group(0) @binding(0) var<storage, read_write> out: array<f32>;

const STEPS: u32 = 64u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    // Unknown to the compiler, and such that the chains stay finite.
    let start = f32(id.x & 63u) * 0.001;
    let scale = vec4<f32>(0.5 + start);
    let shift = vec4<f32>(start);
    var a = vec4<f32>(start, 0.1, 0.2, 0.3);
    var b = a + 0.4;
    var c = a + 0.8;
    for (var step = 0u; step < STEPS; step += 1u) {
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
    }
    let sum = a + b + c;
    out[id.x] = sum.x + sum.y + sum.z + sum.w;
}
