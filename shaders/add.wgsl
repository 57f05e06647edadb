// Sum of two tensors of one shape, or a copy of one, with an activation; into channels of a wider tensor.
//
//   Y[n, channel_offset + c, p] = activation( A[n, c, p] + B[n, c, p] )          B only with a residual
//
// Layouts   A, B [N, C, H, W], Y [N, channels_total, H, W].
// Grid      one thread a quad of elements, flattened and folded.
//
//! parts: grid, input_scalar | input_vec4, residual_none | residual_scalar | residual_vec4, output_scalar | output_vec4

const LANES: u32 = 64u;
const ACTIVATION: u32 = 0u; // 0 none, 1 ReLU

struct Params {
    elements: u32,         // N * C * H * W
    image_elements: u32,   // C * H * W
    image_stride: u32,     // channels_total * H * W
    first: u32,            // channel_offset * H * W
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let element = vec4<u32>((linear_workgroup(workgroup, grid) * LANES + lane) * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let valid = element < vec4<u32>(params.elements);
    var value = input_quad(element, valid) + residual_quad(element, valid);
    if ACTIVATION == 1u {
        value = max(value, vec4<f32>(0.0));
    }
    let image = element / params.image_elements;
    store_quad(image * params.image_stride + params.first + element % params.image_elements, valid, value);
}
