// Images of other rows and columns: each picked of the input, or blended of two, or there without one of the input.
//
//   picked    Y[n, c, y, x] = X[n, c, row[y], column[x]], `value` where there is no such row or column
//   blended   Y[n, c, y, x] = (1 - v[x]) * L[row_1[x]] + v[x] * L[row_2[x]]
//             L[x] = (1 - u[y]) * X[n, c, row_1[y], x] + u[y] * X[n, c, row_2[y], x]
//
// Layouts   X [N, C, H, W] from `in_channel_offset` on in a tensor of `in_channels_total`, Y likewise. `table` holds of
//           every row of Y, then of every column, one word: the input's, or MISSING; blended three: two of the input,
//           and the share of the second.
// Grid      one thread a quad of a channel's output pixels, flattened and folded.

const LANES: u32 = 64u;
const BLENDS: u32 = 0u;
const MISSING: u32 = 0xffffffffu;

struct Params {
    images: u32,           // N
    channels: u32,         // C
    plane: u32,            // of the output
    out_height: u32,
    out_width: u32,
    height: u32,
    width: u32,
    in_channels_total: u32,
    in_channel_offset: u32,
    channels_total: u32,
    channel_offset: u32,
    value: u32,            // bits of an f32
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;

// Of rows or columns, four words of each one's.
fn words(which: vec4<u32>, word: u32) -> vec4<u32> {
    let at = select(which, which * 3u + word, BLENDS == 1u);
    return vec4<u32>(table[at.x], table[at.y], table[at.z], table[at.w]);
}

fn pixels(first: u32, row: vec4<u32>, column: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    return input_quad(first + row * params.width + column, valid);
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let quad = plane_quad(linear_workgroup(workgroup, grid) * LANES + lane);
    let pixel = select(vec4<u32>(0u), quad.pixel, quad.valid);
    let y = pixel / params.out_width;
    // Columns follow the rows in `table`.
    let x = pixel - y * params.out_width + params.out_height;
    let channel = quad.image * params.in_channels_total + params.in_channel_offset + quad.channel;
    let first = channel * params.height * params.width;
    let rows = words(y, 0u);
    let columns = words(x, 0u);
    var value = vec4<f32>(0.0);
    if BLENDS == 1u {
        let other_rows = words(y, 1u);
        let other_columns = words(x, 1u);
        let u = bitcast<vec4<f32>>(words(y, 2u));
        let v = bitcast<vec4<f32>>(words(x, 2u));
        let left = (1.0 - u) * pixels(first, rows, columns, quad.valid)
            + u * pixels(first, other_rows, columns, quad.valid);
        let right = (1.0 - u) * pixels(first, rows, other_columns, quad.valid)
            + u * pixels(first, other_rows, other_columns, quad.valid);
        value = (1.0 - v) * left + v * right;
    } else {
        let is_there = (rows != vec4<u32>(MISSING)) & (columns != vec4<u32>(MISSING));
        let picked = pixels(first, rows, columns, quad.valid & is_there);
        value = select(vec4<f32>(bitcast<f32>(params.value)), picked, is_there);
    }
    store_quad(quad_in(quad, params.channels_total, params.channel_offset), quad.valid, value);
}
