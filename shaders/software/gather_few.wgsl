// Gather of few pixels for devices with small subgroups: the same maths as `software/gather.wgsl` where a tile of
// pixels would be mostly empty (the last of 14x14, a linear layer for one image). Lanes are output channels instead of
// pixels.
//
//   Y[n, i, p] = epilogue( sum_t sum_c W(i, c, t) * X[n, c, stride * p + dilation * t - pad] )
//   W(i, c, t) = f[ base(i, t) + c * channel_stride ]                      table[i * T + t] = base(i, t)
//
// With learned positions W is the blend of two such weights: table[(i * 2 + k) * T + t] = base k of (i, t), see
// blend.wgsl. With gains it is g(i, t) times that, see gains.wgsl.
//
// Layouts   X [N, C, H, W], Y [N, channels_total, OH, OW] from channel `channel_offset` on, residual [N, O, OH, OW].
// Tile      one quad of pixels (four consecutive pixels of the flattened [N, OH, OW]) by ROW_BLOCKS * SUBGROUP output
//           channels of one group. A lane keeps one vec4 sum a block:
//
//                        a quad
//                       +--------+
//           channel 0   | lane 0 |    it loads the weights of its own channels, and of SUBGROUP channels of X one,
//           channel 1   | lane 1 |    others take them by shuffles: a load of X serves all rows, one of weights 4
//              ...      |  ...   |
//                       +--------+
//
// Grid      channel tiles x quads x groups, flattened (channel tiles fastest: they share X) and folded. Quads begin at
//           `first_pixel`: those before are another dispatch.
// Requires  subgroups of exactly SUBGROUP lanes; 4 storage buffers, 5 with a residual. No workgroup memory.

const SUBGROUP: u32 = 8u;
const ROW_BLOCKS: u32 = 4u;

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
    let pixel = params.first_pixel + (pixel_tile - group * params.pixel_tiles) * 4u;
    let plane = params.conv.height * params.conv.width;
    let out_plane = params.conv.out_height * params.conv.out_width;

    let of_plane = split_quad(pixel, out_plane);
    let of_row = split_quad(pixel, params.conv.out_width);
    let image = of_plane.quotient;
    // The input pixel of tap 0; above and left of the input it wraps around to large numbers, which comparisons refuse.
    let first_y = (of_row.quotient - image * params.conv.out_height) * params.conv.stride_y - params.conv.pad_top;
    let first_x = of_row.remainder * params.conv.stride_x - params.conv.pad_left;
    let exists = vec4<u32>(pixel) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.pixels);
    // Of block b, the lane's own filter.
    var own: array<u32, ROW_BLOCKS>;
    var fractions: array<f32, ROW_BLOCKS>;
    for (var b = 0u; b < ROW_BLOCKS; b++) {
        own[b] = group * params.filters + min(first_filter + b * SUBGROUP + lane, params.filters - 1u);
        fractions[b] = fraction_of(own[b]);
    }
    var sums: array<vec4<f32>, ROW_BLOCKS>;

    let taps = params.conv.kernel_height * params.conv.kernel_width;
    // Weights end with the last quad of channels; X is zero past the last channel.
    let last_quad = (params.conv.channels - 1u) & 0xfffffffcu;
    var ky = 0u;
    var kx = 0u;
    for (var tap = 0u; tap < taps; tap++) {
        let y = first_y + ky * params.conv.dilation_y;
        let x = first_x + kx * params.conv.dilation_x;
        let valid = (y < vec4<u32>(params.conv.height)) & (x < vec4<u32>(params.conv.width)) & exists;
        let at = (image * params.conv.in_channels + first_channel) * plane + y * params.conv.width + x;
        kx += 1u;
        if kx == params.conv.kernel_width {
            kx = 0u;
            ky += 1u;
        }
        var first = array<i32, ROW_BLOCKS>();
        var next = array<i32, ROW_BLOCKS>();
        var gains = array<f32, ROW_BLOCKS>();
        for (var b = 0u; b < ROW_BLOCKS; b++) {
            gains[b] = gain_of(own[b], tap);
            first[b] = i32(table[own[b] * NEIGHBOURS * taps + tap]);
            next[b] = i32(table[(own[b] * NEIGHBOURS + NEIGHBOURS - 1u) * taps + tap]);
        }
        for (var channel = 0u; channel < params.conv.channels; channel += SUBGROUP) {
            let of_lane = channel + lane;
            let loaded = input_quad(at + of_lane * plane, valid & vec4<bool>(of_lane < params.conv.channels));
            var of_quad = array<array<vec4<f32>, 4>, SUBGROUP / 4u>();
            for (var k = 0u; k < SUBGROUP / 4u; k++) {
                for (var e = 0u; e < 4u; e++) {
                    of_quad[k][e] = subgroupShuffle(loaded, k * 4u + e);
                }
            }
            for (var k = 0u; k < SUBGROUP / 4u; k++) {
                let quad = min(channel + k * 4u, last_quad);
                for (var b = 0u; b < ROW_BLOCKS; b++) {
                    let w = gains[b] * blended_quad(fractions[b], first[b], next[b], quad);
                    sums[b] += w.x * of_quad[k][0] + w.y * of_quad[k][1] + w.z * of_quad[k][2] + w.w * of_quad[k][3];
                }
            }
        }
    }

    for (var b = 0u; b < ROW_BLOCKS; b++) {
        let filter_index = first_filter + b * SUBGROUP + lane;
        let channel = group * params.filters + filter_index;
        let valid = exists & vec4<bool>(filter_index < params.filters);
        let addend = residual_quad((image * params.conv.out_channels + channel) * out_plane + of_plane.remainder,
            valid);
        let to = (image * params.conv.channels_total + params.conv.channel_offset + channel) * out_plane
            + of_plane.remainder;
        store_quad(to, valid, epilogue(affine_of(own[b]), sums[b], addend));
    }
}
