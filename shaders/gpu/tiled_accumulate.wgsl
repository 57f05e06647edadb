// Pass 2 of 2, for GPUs: every output is a sum of stored products, one a tap; or, of a convolution in splits, its own
// sum in each (terms_own.wgsl: one tap, and no slots).
//
//   Y[n, i, y, x] = epilogue( sum_t g(i, t) * P[slot(i, t), n, y * stride_y + ky * dilation_y - pad_top,
//                                                              x * stride_x + kx * dilation_x - pad_left] )
//
// With learned positions it is the blend of two such sums (blend.wgsl), over the products of two neighbouring segments.
// The gains g are 1 unless there are some (gains.wgsl).
//
// Layouts   products [splits, slots, images, H, W], of which P is the sum over splits (splits_*.wgsl); table from
//           `slots_at`: slot(i, t) [O, NEIGHBOURS, T]. Y and residual as in gather.
// Tile      LANES * 4 pixels of the flattened [images, OH, OW] by ROWS output channels. How a lane's four pixels lie,
//           and how their products are loaded, is a part (terms_*.wgsl).
//
//           All lanes have the same channels, so that slots, gains, scales and biases are loaded once a workgroup,
//           where compilers know that. Neighbouring channels read the same products for neighbouring taps (with step
//           C, 8 channels read 16 rows of P instead of 72): a tile of channels finds them in the first-level cache.
// Grid      pixel tiles x channel tiles, flattened (pixel tiles fastest) and folded.
// Requires  4 storage buffers with a residual, 3 without.
//
// What compilers of real GPUs make of it is in benches/results/isa-*.

const LANES: u32 = 64u;
const ROWS: u32 = 8u;
// Of the kernel; 0 where only the uniform knows.
const TERM_ROWS: u32 = 0u;
const TERM_COLUMNS: u32 = 0u;

struct Params {
    conv: Geometry,
    tiles: u32,
    pixel_tiles: u32,
    pixels: u32,           // of this dispatch: images * OH * OW
    images: u32,           // in this chunk
    slots_at: u32,
    scale_at: u32,
    bias_at: u32,
    splits: u32,
    split_size: u32,       // values of one
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = linear_workgroup(workgroup, grid);
    if tile >= params.tiles {
        return;
    }
    let first_channel = tile / params.pixel_tiles * ROWS;
    let pixel = pixels_of(tile % params.pixel_tiles * LANES * 4u, lane);
    let valid = pixel < vec4<u32>(params.pixels);
    let out_plane = params.conv.out_height * params.conv.out_width;
    let image = pixel / out_plane;
    let within = pixel % out_plane;
    let begin = begin_of(image, within, valid);
    let slot_size = params.images * params.conv.height * params.conv.width;
    let kernel_height = select(TERM_ROWS, params.conv.kernel_height, TERM_ROWS == 0u);
    let kernel_width = select(TERM_COLUMNS, params.conv.kernel_width, TERM_COLUMNS == 0u);
    let taps = kernel_height * kernel_width;

    var sums: array<array<vec4<f32>, NEIGHBOURS>, ROWS>;
    for (var ky = 0u; ky < kernel_height; ky++) {
        for (var kx = 0u; kx < kernel_width; kx++) {
            let place = place_of(begin, ky, kx);
            let tap = ky * kernel_width + kx;
            for (var r = 0u; r < ROWS; r++) {
                let channel = min(first_channel + r, params.conv.out_channels - 1u);
                let gain = gain_of(channel, tap);
                for (var k = 0u; k < NEIGHBOURS; k++) {
                    let slot = slot_of(channel, k, tap, taps) * slot_size;
                    sums[r][k] += gain * whole_term(place, slot, kx);
                }
            }
        }
    }

    let in_batch = params.conv.first_image + image;
    let of_residual = in_batch * params.conv.out_channels * out_plane + within;
    let to = (in_batch * params.conv.channels_total + params.conv.channel_offset) * out_plane + within;
    for (var r = 0u; r < ROWS; r++) {
        let channel = first_channel + r;
        if channel < params.conv.out_channels {
            let from_residual = residual_quad(of_residual + channel * out_plane, valid);
            let sum = blend(fraction_of(channel), sums[r][0], sums[r][NEIGHBOURS - 1u]);
            store_quad(to + channel * out_plane, valid, epilogue(affine_of(channel), sum, from_residual));
        }
    }
}
