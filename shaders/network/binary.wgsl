// Two tensors element by element, or a copy of one, with an activation. Each may be channels of a wider tensor, and
// have one value where the result has many.
//
//   Y[n, c, p] = activation( A[n, c, p] . B[n, c, p] )          B only with an operator, which is . (+, -, *, /)
//
// Layouts   A, B [N, C, H, W] by their strides from one image, channel, row and column to the next, 0 along what they
//           have one of; Y from `channel_offset` on in a tensor of `channels_total`.
// Forms     of A and B: 0 pixels lie as those of Y do, and are read in quads; 1 one value a channel; 2 any strides.
// Grid      one thread a quad of a channel's pixels, flattened and folded.

const LANES: u32 = 64u;
const OPERATOR: u32 = 0u; // 0 none, 1 +, 2 -, 3 *, 4 /
const LEFT_FORM: u32 = 0u;
const RIGHT_FORM: u32 = 0u;

struct Params {
    numbers: Numbers,      // of the activation
    images: u32,           // N
    channels: u32,         // C
    plane: u32,            // H * W
    width: u32,
    left_first: u32,       // where channel 0 of image 0 begins
    left_image: u32,       // strides
    left_channel: u32,
    left_row: u32,
    left_column: u32,
    right_first: u32,
    right_image: u32,
    right_channel: u32,
    right_row: u32,
    right_column: u32,
    channels_total: u32,
    channel_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

// Where pixels are of which a channel begins at `first`.
fn strided(first: u32, pixel: vec4<u32>, row: u32, column: u32) -> vec4<u32> {
    let y = pixel / params.width;
    return first + y * row + (pixel - y * params.width) * column;
}

fn left_quad(quad: PlaneQuad) -> vec4<f32> {
    let first = params.left_first + quad.image * params.left_image + quad.channel * params.left_channel;
    if LEFT_FORM == 0u {
        return input_quad(first + quad.pixel, quad.valid);
    }
    if LEFT_FORM == 1u {
        return vec4<f32>(input_value(first, quad.valid.x));
    }
    return input_quad(strided(first, quad.pixel, params.left_row, params.left_column), quad.valid);
}

fn right_quad(quad: PlaneQuad) -> vec4<f32> {
    let first = params.right_first + quad.image * params.right_image + quad.channel * params.right_channel;
    if RIGHT_FORM == 0u {
        return residual_quad(first + quad.pixel, quad.valid);
    }
    if RIGHT_FORM == 1u {
        return vec4<f32>(residual_value(first, quad.valid.x));
    }
    return residual_quad(strided(first, quad.pixel, params.right_row, params.right_column), quad.valid);
}

fn operated(left: vec4<f32>, right: vec4<f32>) -> vec4<f32> {
    if OPERATOR == 0u {
        return left;
    }
    if OPERATOR == 1u {
        return left + right;
    }
    if OPERATOR == 2u {
        return left - right;
    }
    if OPERATOR == 3u {
        return left * right;
    }
    return left / right;
}

fn numbers() -> Numbers {
    return params.numbers;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let quad = plane_quad(linear_workgroup(workgroup, grid) * LANES + lane);
    let value = activate(operated(left_quad(quad), right_quad(quad)));
    store_quad(quad_in(quad, params.channels_total, params.channel_offset), quad.valid, value);
}
