// Shared products, pass 2 of 2, for GPUs: every output is a sum of stored products, one a tap.
//
//   Y[n, i, y, x] = epilogue( sum_t g(i, t) * P[slot(i, t), n, y * stride_y + ky * dilation_y - pad_top,
//                                                              x * stride_x + kx * dilation_x - pad_left] )
//
// With learned positions it is the blend of two such sums (blend.wgsl), over the products of two neighbouring segments.
// The gains g are 1 unless there are some (gains.wgsl).
//
// Layouts   products [slots, images, H, W]; table from `slots_at`: slot(i, t) [O, NEIGHBOURS, T]. Y and residual as in
//           gather.
// Tile      LANES_X * 4 pixels of the flattened [images, OH, OW] by LANES_Y * ROWS output channels:
//
//                   pixels: lane x holds x, x + LANES_X, ...
//                 +---------------------------+
//        channels | lane y holds ROWS in a row|     neighbouring lanes load and store neighbouring pixels
//                 +---------------------------+
//
//           Neighbouring channels read the same products for neighbouring taps (with step C, 16 channels read 24 rows
//           of P instead of 144): a tile of channels finds them in the first-level cache.
// Grid      pixel tiles x channel tiles, flattened (pixel tiles fastest) and folded.
// Requires  4 storage buffers with a residual, 3 without.
//
// Predicted, not measured, for a large GPU: a tap is a coalesced load that the cache serves at 128 bytes a cycle and
// processor, 1 to 2 cycles a warp; nine of them take half as long as writing the output to memory. Sums over kernel
// rows in pass 1 (the Q form) would save two thirds of them, but cost its tiles a halo (3 to 12 % of the product pass),
// a trip through workgroup memory and alignment: about as much, so pass 1 stays a plain GEMM.

const LANES_X: u32 = 64u;
const LANES_Y: u32 = 4u;
const ROWS: u32 = 4u;

struct Params {
    conv: Geometry,
    tiles: u32,
    pixel_tiles: u32,
    pixels: u32,           // of this dispatch: images * OH * OW
    images: u32,           // in this chunk
    slots_at: u32,
    scale_at: u32,
    bias_at: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
) {
    let tile = linear_workgroup(workgroup, grid);
    if tile >= params.tiles {
        return;
    }
    let first_channel = (tile / params.pixel_tiles * LANES_Y + lane.y) * ROWS;
    let pixel = vec4<u32>(tile % params.pixel_tiles * LANES_X * 4u + lane.x) + vec4<u32>(0u, 1u, 2u, 3u) * LANES_X;
    let valid = pixel < vec4<u32>(params.pixels);
    let out_plane = params.conv.out_height * params.conv.out_width;
    let image = pixel / out_plane;
    let within = pixel % out_plane;
    // Above and left of the input these wrap around to large numbers, which the comparisons refuse.
    let first_y = within / params.conv.out_width * params.conv.stride_y - params.conv.pad_top;
    let first_x = within % params.conv.out_width * params.conv.stride_x - params.conv.pad_left;
    let slot_size = params.images * params.conv.height * params.conv.width;
    let taps = params.conv.kernel_height * params.conv.kernel_width;

    var sums: array<array<vec4<f32>, NEIGHBOURS>, ROWS>;
    var tap = 0u;
    for (var ky = 0u; ky < params.conv.kernel_height; ky++) {
        let y = first_y + ky * params.conv.dilation_y;
        let inside_y = valid & (y < vec4<u32>(params.conv.height));
        for (var kx = 0u; kx < params.conv.kernel_width; kx++) {
            let x = first_x + kx * params.conv.dilation_x;
            let inside = inside_y & (x < vec4<u32>(params.conv.width));
            let at = (image * params.conv.height + y) * params.conv.width + x;
            for (var r = 0u; r < ROWS; r++) {
                let channel = min(first_channel + r, params.conv.out_channels - 1u);
                let gain = gain_of(channel, tap);
                for (var k = 0u; k < NEIGHBOURS; k++) {
                    let slot = table[params.slots_at + (channel * NEIGHBOURS + k) * taps + tap] * slot_size;
                    sums[r][k] += gain * products_quad(slot + at, inside);
                }
            }
            tap += 1u;
        }
    }

    for (var r = 0u; r < ROWS; r++) {
        let channel = first_channel + r;
        if channel < params.conv.out_channels {
            let in_batch = params.conv.first_image + image;
            let from_residual = residual_quad((in_batch * params.conv.out_channels + channel) * out_plane + within,
                valid);
            let to = (in_batch * params.conv.channels_total + params.conv.channel_offset + channel) * out_plane
                + within;
            let sum = blend(fraction_of(channel), sums[r][0], sums[r][NEIGHBOURS - 1u]);
            store_quad(to, valid, epilogue(affine_of(channel), sum, from_residual));
        }
    }
}
