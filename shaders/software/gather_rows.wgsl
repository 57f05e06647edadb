// Gather for devices with small subgroups, a kernel row at a time: `software/gather.wgsl` for layers whose outputs
// stand in the columns of their inputs (stride 1 and no dilation along x, OW >= W), which loads X once a kernel row
// instead of once a tap.
//
//   Y[n, i, y, x] = epilogue( sum_t sum_c W(i, c, t) * X[n, c, stride_y * y + dilation_y * ky - pad_top, x + kx -
//       PAD_LEFT] )
//   W(i, c, t) = f[ base(i, t) + c * channel_stride ]                      table[i * T + t] = base(i, t)      t = (ky,
//   kx)
//
// With learned positions W is the blend of two such weights: table[(i * 2 + k) * T + t] = base k of (i, t), see
// blend.wgsl.
//
// Layouts   X [N, C, H, W], Y [N, channels_total, OH, OW] from channel `channel_offset` on, residual [N, O, OH, OW].
// Tile      SUBGROUP * QUADS quads of pixels (four consecutive pixels of the flattened [N, OH, OW]) by
//           ROW_BLOCKS * SUBGROUP output channels of one group. A lane keeps ROW_BLOCKS * SUBGROUP * QUADS vec4 sums;
//           it loads the weights of one row a block, which the others take from it by shuffles:
//
//               beside    lane 0     lane 1    ...  lane 7    beside
//                     +----------+----------+---+----------+
//           channels  | 2 quads  | 2 quads  |   | 2 quads  |  a load of weights serves SUBGROUP rows, one of X all rows
//                     +----------+----------+---+----------+     and ROW_TAPS taps
//
// Window    A lane loads the input pixels under its outputs and has PAD_LEFT pixels to the left of them and the rest of
//           ROW_TAPS - 1 to the right from the lanes beside it. What lies beyond the ends of the tile is spread over
//           the lanes, four channels at a time, and takes one load for 3 taps and 8 lanes. From tap to tap the window
//           moves by a pixel; columns that lie outside the image are masked at every tap.
// Grid      channel tiles x pixel tiles x groups, flattened (channel tiles fastest: they share X) and folded. Tiles
//           begin at `first_pixel`: a last tile that would be half empty is a dispatch of its own, with QUADS = 1.
// Requires  subgroups of exactly SUBGROUP lanes; 4 storage buffers, 5 with a residual. No workgroup memory.

const SUBGROUP: u32 = 8u;
const ROW_BLOCKS: u32 = 4u;
const QUADS: u32 = 2u;
const ROW_TAPS: u32 = 3u;
const PAD_LEFT: u32 = 1u;

const LANE_PIXELS: u32 = QUADS * 4u;
// Pixels beside the tile, those a window moves to, and the loads for four channels of them.
const BESIDE: u32 = ROW_TAPS - 1u;
const BESIDE_LOADS: u32 = (BESIDE * 4u + SUBGROUP - 1u) / SUBGROUP;

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
    // The row of kernel row 0 (above the input it wraps around to large numbers, which comparisons refuse) and the
    // column.
    var first_y: array<vec4<u32>, QUADS>;
    var column: array<vec4<u32>, QUADS>;
    var exists: array<vec4<bool>, QUADS>;
    for (var q = 0u; q < QUADS; q++) {
        let pixel = first_pixel + lane * LANE_PIXELS + q * 4u;
        let of_plane = split_quad(pixel, out_plane);
        let of_row = split_quad(pixel, params.conv.out_width);
        image[q] = of_plane.quotient;
        within[q] = of_plane.remainder;
        first_y[q] = (of_row.quotient - image[q] * params.conv.out_height) * params.conv.stride_y - params.conv.pad_top;
        column[q] = of_row.remainder;
        exists[q] = vec4<u32>(pixel) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.pixels);
    }
    // Value v of those beside the tile is channel v % 4 of pixel v / 4, counted from the left; lane v % SUBGROUP loads
    // it.
    var beside_at: array<u32, BESIDE_LOADS>;
    var beside_y: array<u32, BESIDE_LOADS>;
    var beside_exists: array<bool, BESIDE_LOADS>;
    for (var i = 0u; i < BESIDE_LOADS; i++) {
        let p = (i * SUBGROUP + lane) / 4u;
        let pixel = first_pixel - PAD_LEFT + p + select(SUBGROUP * LANE_PIXELS, 0u, p < PAD_LEFT);
        let row = pixel / params.conv.out_width;
        let x = pixel - row * params.conv.out_width;
        let of_image = row / params.conv.out_height;
        beside_at[i] = (of_image * params.conv.in_channels + first_channel) * plane + x;
        beside_y[i] = (row - of_image * params.conv.out_height) * params.conv.stride_y - params.conv.pad_top;
        beside_exists[i] = p < BESIDE && pixel < params.pixels && x < params.conv.width;
    }
    // Of block b, the lane's own filter.
    var own: array<u32, ROW_BLOCKS>;
    var fractions: array<f32, ROW_BLOCKS>;
    for (var b = 0u; b < ROW_BLOCKS; b++) {
        own[b] = group * params.filters + min(first_filter + b * SUBGROUP + lane, params.filters - 1u);
        fractions[b] = fraction_of(own[b]);
    }
    var sums: array<array<array<vec4<f32>, QUADS>, SUBGROUP>, ROW_BLOCKS>;

    let taps = params.conv.kernel_height * ROW_TAPS;
    for (var ky = 0u; ky < params.conv.kernel_height; ky++) {
        var at = array<vec4<u32>, QUADS>();
        var valid = array<vec4<bool>, QUADS>();
        for (var q = 0u; q < QUADS; q++) {
            let y = first_y[q] + ky * params.conv.dilation_y;
            valid[q] = (y < vec4<u32>(params.conv.height)) & (column[q] < vec4<u32>(params.conv.width)) & exists[q];
            at[q] = (image[q] * params.conv.in_channels + first_channel) * plane + y * params.conv.width + column[q];
        }
        var row_at = array<u32, BESIDE_LOADS>();
        var row_valid = array<bool, BESIDE_LOADS>();
        for (var i = 0u; i < BESIDE_LOADS; i++) {
            let y = beside_y[i] + ky * params.conv.dilation_y;
            row_valid[i] = beside_exists[i] && y < params.conv.height;
            row_at[i] = beside_at[i] + y * params.conv.width;
        }
        var bases = array<array<array<i32, NEIGHBOURS>, ROW_BLOCKS>, ROW_TAPS>();
        for (var t = 0u; t < ROW_TAPS; t++) {
            for (var b = 0u; b < ROW_BLOCKS; b++) {
                for (var k = 0u; k < NEIGHBOURS; k++) {
                    bases[t][b][k] = i32(table[(own[b] * NEIGHBOURS + k) * taps + ky * ROW_TAPS + t]);
                }
            }
        }
        for (var channel = 0u; channel < params.conv.channels; channel += 4u) {
            var loaded = array<array<vec4<f32>, 4>, QUADS>();
            for (var q = 0u; q < QUADS; q++) {
                for (var k = 0u; k < 4u; k++) {
                    let is_channel = vec4<bool>(channel + k < params.conv.channels);
                    loaded[q][k] = input_quad(at[q] + (channel + k) * plane, valid[q] & is_channel);
                }
            }
            var beside = array<f32, BESIDE_LOADS>();
            for (var i = 0u; i < BESIDE_LOADS; i++) {
                let of_channel = channel + (i * SUBGROUP + lane) % 4u;
                beside[i] = input_value(row_at[i] + of_channel * plane, row_valid[i]
                    && of_channel < params.conv.channels);
            }
            // The window at the first tap, and the pixels it moves to.
            var x = array<array<vec4<f32>, 4>, QUADS>();
            var next = array<array<f32, BESIDE>, 4>();
            for (var k = 0u; k < 4u; k++) {
                for (var q = 0u; q < QUADS; q++) {
                    for (var e = 0u; e < 4u; e++) {
                        // The pixel, counted from the first of the lane before.
                        let pixel = q * 4u + e + LANE_PIXELS - PAD_LEFT;
                        let value = loaded[pixel % LANE_PIXELS / 4u][k][pixel % 4u];
                        if pixel < LANE_PIXELS {
                            let v = (q * 4u + e) * 4u + k;
                            let left = subgroupShuffle(beside[v / SUBGROUP], v % SUBGROUP);
                            x[q][k][e] = select(subgroupShuffle(value, (lane + SUBGROUP - 1u) % SUBGROUP), left,
                                lane == 0u);
                        } else {
                            x[q][k][e] = value;
                        }
                    }
                }
                for (var n = 0u; n < BESIDE; n++) {
                    let pixel = n + 2u * LANE_PIXELS - PAD_LEFT;
                    let value = loaded[pixel % LANE_PIXELS / 4u][k][pixel % 4u];
                    if pixel < 2u * LANE_PIXELS {
                        next[k][n] = value;
                    } else {
                        let v = n * 4u + k;
                        let right = subgroupShuffle(beside[v / SUBGROUP], v % SUBGROUP);
                        next[k][n] = select(subgroupShuffle(value, (lane + 1u) % SUBGROUP), right,
                            lane == SUBGROUP - 1u);
                    }
                }
            }
            // As many taps as ROW_TAPS, but the compiler must not know it: unrolled, they outgrow the instruction
            // cache.
            for (var kx = 0u; kx < params.conv.kernel_width; kx++) {
                var of_tap = array<array<vec4<f32>, 4>, QUADS>();
                for (var q = 0u; q < QUADS; q++) {
                    let inside = column[q] + kx - PAD_LEFT < vec4<u32>(params.conv.width);
                    for (var k = 0u; k < 4u; k++) {
                        of_tap[q][k] = select(vec4<f32>(0.0), x[q][k], inside);
                    }
                }
                for (var b = 0u; b < ROW_BLOCKS; b++) {
                    let weights = blended_quad(fractions[b], bases[0][b][0], bases[0][b][NEIGHBOURS - 1u], channel);
                    for (var l = 0u; l < SUBGROUP; l++) {
                        let w = subgroupShuffle(weights, l);
                        for (var q = 0u; q < QUADS; q++) {
                            sums[b][l][q] += w.x * of_tap[q][0] + w.y * of_tap[q][1] + w.z * of_tap[q][2]
                                + w.w * of_tap[q][3];
                        }
                    }
                }
                // On to the next tap: the window by a pixel; the bases round, as the next channels begin with the first
                // tap.
                for (var k = 0u; k < 4u; k++) {
                    for (var q = 0u; q < QUADS; q++) {
                        let after = select(next[k][0], x[(q + 1u) % QUADS][k].x, q + 1u < QUADS);
                        x[q][k] = vec4<f32>(x[q][k].yzw, after);
                    }
                    for (var n = 0u; n < BESIDE; n++) {
                        next[k][n] = next[k][(n + 1u) % BESIDE];
                    }
                }
                let first = bases[0];
                for (var r = 0u; r < ROW_TAPS; r++) {
                    bases[r] = bases[(r + 1u) % ROW_TAPS];
                }
                bases[ROW_TAPS - 1u] = first;
            }
        }
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
