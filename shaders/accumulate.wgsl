// Shared products, pass 2 of 2: every output is a sum of stored products, one a kernel row (Q form) or one a tap (plain form).
//
//   Y[n, i, y, x] = epilogue( sum_k term k of slot(i, k) at (n, y, x) )              k < terms: KH, or KH * KW
//
// Layouts   products [slots, images, H, pitch] with pitch a multiple of 4; table from `slots_at`: slot(i, k) [O, terms].
//           Y and residual as in gather.
// Tile      a thread finishes QUADS quads of one output plane, `strips` apart, so that it looks the slots up once:
//
//             plane: | strip 0 | strip 1 | ... | strip 0 | strip 1 | ... |        neighbouring threads, neighbouring quads
//
// Grid      one thread a strip x O x images (strips fastest), flattened and folded.
// Requires  4 storage buffers with a residual, 3 without.
//
//! parts: grid, terms_rows | terms_taps, epilogue, residual_none | residual_scalar | residual_vec4,
//! output_scalar | output_vec4

const LANES: u32 = 64u;
const QUADS: u32 = 4u;

struct Params {
    threads: u32,          // strips * O * images
    strips: u32,           // quads of a plane / QUADS, rounded up
    plane_quads: u32,      // OH * quads a row of the output
    row_quads: u32,        // quads a row of the output
    terms: u32,
    height: u32,
    width: u32,
    pitch: u32,            // of products
    out_channels: u32,
    out_height: u32,
    out_width: u32,
    channels_total: u32,
    channel_offset: u32,
    first_image: u32,      // of this chunk
    images: u32,           // in this chunk
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    pad_top: u32,
    pad_left: u32,
    slots_at: u32,
    scale_at: u32,
    bias_at: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let thread = linear_workgroup(workgroup, grid) * LANES + lane;
    if thread >= params.threads {
        return;
    }
    let first_quad = thread % params.strips;
    let channel = thread / params.strips % params.out_channels;
    let image = thread / params.strips / params.out_channels;

    var sums: array<vec4<f32>, QUADS>;
    for (var term = 0u; term < params.terms; term++) {
        let slot = table[params.slots_at + channel * params.terms + term];
        let first_row = (slot * params.images + image) * params.height;
        for (var q = 0u; q < QUADS; q++) {
            sums[q] += term_quad(first_row, first_quad + q * params.strips, term);
        }
    }

    let affine = affine_of(channel);
    let out_plane = params.out_height * params.out_width;
    let residual_at = ((params.first_image + image) * params.out_channels + channel) * out_plane;
    let output_at = ((params.first_image + image) * params.channels_total + params.channel_offset + channel) * out_plane;
    for (var q = 0u; q < QUADS; q++) {
        let quad = first_quad + q * params.strips;
        let x = vec4<u32>(quad % params.row_quads * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
        let within = quad / params.row_quads * params.out_width + x;
        let valid = vec4<bool>(quad < params.plane_quads) & (x < vec4<u32>(params.out_width));
        let value = epilogue(affine, sums[q], residual_quad(residual_at + within, valid));
        store_quad(output_at + within, valid, value);
    }
}
