// Gather for devices with small subgroups (software Vulkan): the same maths as `gather.wgsl`, one subgroup a workgroup.
//
//   Y[n, i, p] = epilogue( sum_t sum_c W(i, c, t) * X[n, c, stride * p + dilation * t - pad] )
//   W(i, c, t) = f[ base(i, t) + c * channel_stride ]                      table[i * T + t] = base(i, t)
//
// With learned positions W is the blend of two such weights: table[(i * 2 + k) * T + t] = base k of (i, t), see
// blend.wgsl. With gains it is g(i, t) times that, see gains.wgsl.
//
// Layouts   X [N, C, H, W], Y [N, channels_total, OH, OW] from channel `channel_offset` on, residual [N, O, OH, OW].
// Tile      SUBGROUP * QUADS quads of pixels (four consecutive pixels of the flattened [N, OH, OW]) by
//           ROW_BLOCKS * SUBGROUP output channels of one group. A lane keeps ROW_BLOCKS * SUBGROUP * QUADS vec4 sums;
//           it loads the weights of one row a block, which the others take from it by shuffles:
//
//                       lane 0     lane 1    ...  lane 7
//                     +----------+----------+---+----------+
//           channels  | 2 quads  | 2 quads  |   | 2 quads  |  a load of weights serves SUBGROUP rows, one of X all rows
//                     +----------+----------+---+----------+
//
//           Where filters begin half or a quarter of a tap after one another, a lane loads the weights of two or four
//           rows at a time, as a run of pieces that they share (`rows_hankel.wgsl`).
// Grid      channel tiles x pixel tiles x groups, flattened (channel tiles fastest: they share X) and folded. Tiles
//           begin at `first_pixel`: a last tile that would be half empty is a dispatch of its own, with QUADS = 1.
// Requires  subgroups of exactly SUBGROUP lanes; 4 storage buffers, 5 with a residual. No workgroup memory.

const SUBGROUP: u32 = 8u;
const ROW_BLOCKS: u32 = 4u;
const QUADS: u32 = 2u;

@compute @workgroup_size(SUBGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let tile = linear_workgroup(workgroup, grid);
    if tile >= params.tiles {
        return;
    }
    // Remainders by products: every division is a loop over lanes on a software adapter.
    let pixel_tile = tile / params.channel_tiles;
    let first_filter = (tile - pixel_tile * params.channel_tiles) * ROW_BLOCKS * SUBGROUP;
    let group = pixel_tile / params.pixel_tiles;
    let first_channel = group * params.conv.group_channels + params.conv.first_channel;
    let first_pixel = params.first_pixel + (pixel_tile - group * params.pixel_tiles) * QUADS * SUBGROUP * 4u;
    let plane = params.conv.height * params.conv.width;
    let out_plane = params.conv.out_height * params.conv.out_width;

    var image: array<vec4<u32>, QUADS>;
    var within: array<vec4<u32>, QUADS>;
    // The input pixel of tap 0; above and left of the input it wraps around to large numbers, which comparisons refuse.
    var first_y: array<vec4<u32>, QUADS>;
    var first_x: array<vec4<u32>, QUADS>;
    var exists: array<vec4<bool>, QUADS>;
    for (var q = 0u; q < QUADS; q++) {
        let pixel = first_pixel + (q * SUBGROUP + lane) * 4u;
        let of_plane = split_quad(pixel, out_plane);
        let of_row = split_quad(pixel, params.conv.out_width);
        image[q] = of_plane.quotient;
        within[q] = of_plane.remainder;
        first_y[q] = (of_row.quotient - image[q] * params.conv.out_height) * params.conv.stride_y - params.conv.pad_top;
        first_x[q] = of_row.remainder * params.conv.stride_x - params.conv.pad_left;
        exists[q] = vec4<u32>(pixel) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.pixels);
    }
    // Of block b, the lane's own filter.
    var own: array<u32, ROW_BLOCKS>;
    for (var b = 0u; b < ROW_BLOCKS; b++) {
        own[b] = group * params.filters + min(first_filter + b * SUBGROUP + lane, params.filters - 1u);
    }
    // And of those it loads.
    var loaded: array<u32, LOADS>;
    var fractions: array<f32, LOADS>;
    for (var b = 0u; b < LOADS; b++) {
        let filter_index = first_filter + (b * SUBGROUP + lane) * LOAD_ROWS;
        loaded[b] = group * params.filters + min(filter_index, params.filters - 1u);
        fractions[b] = fraction_of(loaded[b]);
    }
    var sums: Sums;

    let taps = params.conv.kernel_height * params.conv.kernel_width;
    var ky = 0u;
    var kx = 0u;
    for (var tap = 0u; tap < taps; tap++) {
        var at = array<vec4<u32>, QUADS>();
        var valid = array<vec4<bool>, QUADS>();
        for (var q = 0u; q < QUADS; q++) {
            let y = first_y[q] + ky * params.conv.dilation_y;
            let x = first_x[q] + kx * params.conv.dilation_x;
            valid[q] = (y < vec4<u32>(params.conv.height)) & (x < vec4<u32>(params.conv.width)) & exists[q];
            at[q] = (image[q] * params.conv.in_channels + first_channel) * plane + y * params.conv.width + x;
        }
        kx += 1u;
        if kx == params.conv.kernel_width {
            kx = 0u;
            ky += 1u;
        }
        var rows = array<Row, LOADS>();
        for (var b = 0u; b < LOADS; b++) {
            let first = i32(table[loaded[b] * NEIGHBOURS * taps + tap]);
            let next = i32(table[(loaded[b] * NEIGHBOURS + NEIGHBOURS - 1u) * taps + tap]);
            rows[b] = Row(first, next, fractions[b], gain_of(loaded[b], tap));
        }
        multiply_rows(&sums, rows, at, valid, plane);
    }

    for (var b = 0u; b < ROW_BLOCKS; b++) {
        let own_affine = affine_of(own[b]);
        for (var l = 0u; l < SUBGROUP; l++) {
            let affine = Affine(subgroupShuffle(own_affine.scale, l), subgroupShuffle(own_affine.bias, l));
            let filter_index = first_filter + b * SUBGROUP + l;
            let channel = group * params.filters + filter_index;
            for (var q = 0u; q < QUADS; q++) {
                let valid = exists[q] & vec4<bool>(filter_index < params.filters);
                let addend = residual_quad((image[q] * params.conv.out_channels + channel) * out_plane + within[q],
                    valid);
                let to = (image[q] * params.conv.channels_total + params.conv.channel_offset + channel) * out_plane
                    + within[q];
                store_quad(to, valid, epilogue(affine, sums[b][l][q], addend));
            }
        }
    }
}
