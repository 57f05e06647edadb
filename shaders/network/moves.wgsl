// Values put elsewhere: a place is five digits, of which read and written place are linear functions.
//
//   Y[written_first + n * written_image + a * written_a + .. + e * written_e]
//       = X[read_first + n * read_image + a * read_a + .. + e * read_e]          a < A, b < size_b, .., e < size_e
//
// So slices, axes in another order, blocks of pixels as channels, shuffled channels and values side by side are one
// kernel. Where digits go on from one to the next in both tensors they are one; the last is never of one value.
//
// Layouts   X, Y anything of f32.
// Grid      one thread a quad of the last digit's values, flattened and folded.

const LANES: u32 = 64u;

struct Params {
    images: u32,           // N
    image_quads: u32,      // of an image
    row_quads: u32,        // of the last digit
    size_b: u32,
    size_c: u32,
    size_d: u32,
    size_e: u32,
    read_first: u32,
    read_image: u32,
    read_a: u32,
    read_b: u32,
    read_c: u32,
    read_d: u32,
    read_e: u32,
    written_first: u32,
    written_image: u32,
    written_a: u32,
    written_b: u32,
    written_c: u32,
    written_d: u32,
    written_e: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = linear_workgroup(workgroup, grid) * LANES + lane;
    let image = index / params.image_quads;
    let within = index - image * params.image_quads;
    let row = within / params.row_quads;
    let e = vec4<u32>((within - row * params.row_quads) * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let d = row % params.size_d;
    let upper = row / params.size_d;
    let c = upper % params.size_c;
    let a_and_b = upper / params.size_c;
    let b = a_and_b % params.size_b;
    let a = a_and_b / params.size_b;
    let valid = (e < vec4<u32>(params.size_e)) & vec4<bool>(image < params.images);
    let read = params.read_first + image * params.read_image
        + a * params.read_a + b * params.read_b + c * params.read_c + d * params.read_d;
    let written = params.written_first + image * params.written_image
        + a * params.written_a + b * params.written_b + c * params.written_c + d * params.written_d;
    store_quad(written + e * params.written_e, valid, input_quad(read + e * params.read_e, valid));
}
