// Shared products, pass 1 of 2, for devices with small subgroups (software Vulkan): the same maths as `products.wgsl`,
// one subgroup a workgroup, everything in registers.
//
//   P[u, n, y, x] = sum_c f[ base(u) + c * channel_stride ] * X[n, c, y, x]
//   a GEMM: bases x C x pixels
//   Q[v, n, y, o] = sum_k P[u + row_of_tap(kind, k), n, y, o * STRIDE_X + k * DILATION_X - PAD_LEFT]     k < ROW_TAPS
//
// v is one of SUM_KINDS sums that begin at row u, a multiple of SUMS_APART (`sums_even.wgsl`, `sums_uneven.wgsl`). The
// plain form is the Q form with ROW_TAPS = 1, STRIDE_X = 1, PAD_LEFT = 0: it stores P itself, after the base stage if
// there is one (base_stage.wgsl).
//
// Layouts   as in `products.wgsl`: X [N, C, H, W]; products [slots, images, H, pitch]; table: bases at 0 [groups *
//           rows], slots at `slots_at` [groups * rows, SUM_KINDS]; a base stage at `stage_at` [groups *
//           rows, 2].
// Tile      ROW_BLOCKS * SUBGROUP bases by SUBGROUP * QUADS quads of pixels, of which `tile_pixels` are used: whole
//           image rows for the Q form, so that no sum reaches over the tile's ends. Image rows too wide for a tile are
//           cut into segments that overlap by `halo` pixels on the left and at least as many as the taps need on the
//           right.
//
//                       lane 0     lane 1    ...  lane 7
//                     +----------+----------+---+----------+     a lane keeps ROW_BLOCKS * SUBGROUP * QUADS vec4 sums.
//              bases  | 2 quads  | 2 quads  |  | 2 quads  |  It loads QUADS quads a channel, and the weights of one row
//                     +----------+----------+---+----------+     a block, which the others take from it by shuffles
//
//           Where bases begin half or a quarter of a tap after one another, a lane loads the
//           weights of two or four rows at a time, as a run of pieces that they share (`rows_hankel.wgsl`).
//           Neighbouring pixels are in the lane itself or in the next one: sums along a row are shuffles by a constant.
//           The loops are there to be unrolled, so that every sum is a register; each indexes an array of its own
//           length, which Mesa takes as a reason to unroll it whatever it costs.
// Grid      row tiles x segments x pixel tiles x groups, flattened (row tiles fastest: they share X) and folded.
// Requires  subgroups of exactly SUBGROUP lanes, 4 storage buffers. No workgroup memory.

const SUBGROUP: u32 = 8u;
const ROW_BLOCKS: u32 = 4u;
const QUADS: u32 = 2u;
const ROW_TAPS: u32 = 3u;
const STRIDE_X: u32 = 1u;
const DILATION_X: u32 = 1u;
const PAD_LEFT: u32 = 1u;
const WHOLE_QUADS: u32 = 0u; // image rows and rows of sums are whole quads

const ROWS: u32 = ROW_BLOCKS * SUBGROUP;
// Rows that a tile finishes: the others feed them.
const SUM_ROWS: u32 = (ROWS - FEEDING) / SUMS_APART * SUMS_APART;
const SUM_QUADS: u32 = QUADS / STRIDE_X;
const LANE_PIXELS: u32 = QUADS * 4u;
// Lanes that a row sum may reach to the left.
const PAD_LANES: u32 = (PAD_LEFT + LANE_PIXELS - 1u) / LANE_PIXELS;

struct Params {
    conv: Geometry,
    tiles: u32,
    row_tiles: u32,
    segments: u32,
    pixel_tiles: u32,
    rows: u32,             // bases a group, at most
    plane: u32,            // H * W
    pixels: u32,           // images of this chunk * H * W
    tile_pixels: u32,      // pixels from one tile to the next
    segment_pixels: u32,   // columns from one segment to the next
    halo: u32,             // columns before a segment's own
    columns: u32,          // of products
    pitch: u32,            // columns rounded up to quads
    slot_pitch: u32,       // images of this chunk * H * pitch
    slots_at: u32,
    slots: u32,
    stage_at: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;

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
    let row_tile = tile / params.row_tiles;
    let first_row = (tile - row_tile * params.row_tiles) * SUM_ROWS;
    let pixel_tile = row_tile / params.segments;
    let segment = row_tile - pixel_tile * params.segments;
    let group = pixel_tile / params.pixel_tiles;
    let first_channel = group * params.conv.group_channels + params.conv.first_channel;
    let first_pixel = (pixel_tile - group * params.pixel_tiles) * params.tile_pixels;

    // The lane's first pixel, counted from the tile's first; left of the image it wraps around to a large number.
    let lane_pixel = segment * params.segment_pixels - params.halo + lane * LANE_PIXELS;
    var at: array<vec4<u32>, QUADS>;
    var valid: array<vec4<bool>, QUADS>;
    for (var q = 0u; q < QUADS; q++) {
        let within = vec4<u32>(lane_pixel + q * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
        let pixel = within + first_pixel;
        valid[q] = (within < vec4<u32>(params.tile_pixels)) & (pixel < vec4<u32>(params.pixels));
        let image = split_quad(pixel.x, params.plane);
        at[q] = ((image.quotient + params.conv.first_image) * params.conv.in_channels + first_channel) * params.plane
            + image.remainder;
    }
    // Of block b, the lane's own row: where its sums go.
    var slots: array<array<u32, SUM_KINDS>, ROW_BLOCKS>;
    for (var b = 0u; b < ROW_BLOCKS; b++) {
        let row = first_row + b * SUBGROUP + lane;
        let entry = (group * params.rows + min(row, params.rows - 1u)) * SUM_KINDS;
        for (var kind = 0u; kind < SUM_KINDS; kind++) {
            slots[b][kind] = select(params.slots, table[params.slots_at + entry + kind], row < params.rows);
        }
    }
    // And the bases of those it loads.
    var own: array<Row, LOADS>;
    for (var b = 0u; b < LOADS; b++) {
        let row = first_row + (b * SUBGROUP + lane) * LOAD_ROWS;
        let base = i32(table[group * params.rows + min(row, params.rows - 1u)]);
        own[b] = Row(base, base, 0.0, 1.0);
    }
    var sums: Sums;
    multiply_rows(&sums, own, at, valid, params.plane);

    // Where the lane's sums go, and which products of each lie inside the image row.
    var to: array<vec4<u32>, SUM_QUADS>;
    var stored: array<vec4<bool>, SUM_QUADS>;
    var inside: array<array<vec4<bool>, ROW_TAPS>, SUM_QUADS>;
    for (var q = 0u; q < SUM_QUADS; q++) {
        let within = vec4<u32>(lane_pixel) + (vec4<u32>(q * 4u) + vec4<u32>(0u, 1u, 2u, 3u)) * STRIDE_X;
        let pixel = within + first_pixel;
        // Rows are whole numbers of strides, so the columns of sums follow each other from row to row like pixels.
        let sum = split_quad(pixel.x / STRIDE_X, params.conv.width / STRIDE_X);
        to[q] = sum.quotient * params.pitch + sum.remainder;
        // Of overlapping segments, the one whose own columns these are.
        let own = within - segment * params.segment_pixels < vec4<u32>(params.segment_pixels);
        stored[q] = own & (within < vec4<u32>(params.tile_pixels)) & (pixel < vec4<u32>(params.pixels))
            & (sum.remainder < vec4<u32>(params.columns));
        for (var k = 0u; k < ROW_TAPS; k++) {
            for (var e = 0u; e < 4u; e++) {
                // A tap in the sum's own column is inside, and so are those under its quad where rows are whole quads.
                // That they are constants saves most masks: a blend each.
                let source = e * STRIDE_X + k * DILATION_X - PAD_LEFT;
                let in_quad = source == e * STRIDE_X || (WHOLE_QUADS == 1u && source < 4u * STRIDE_X);
                inside[q][k][e] = in_quad || sum.remainder[e] * STRIDE_X
                    + k * DILATION_X - PAD_LEFT < params.conv.width;
            }
        }
    }
    for (var b = 0u; b < ROW_BLOCKS; b++) {
        var block_slots = array<array<u32, SUM_KINDS>, SUBGROUP>();
        for (var l = 0u; l < SUBGROUP; l++) {
            for (var kind = 0u; kind < SUM_KINDS; kind++) {
                block_slots[l][kind] = subgroupShuffle(slots[b][kind], l);
            }
        }
        for (var l = 0u; l < SUBGROUP; l++) {
            let first = b * SUBGROUP + l;
            if first < SUM_ROWS && first % SUMS_APART == 0u {
                for (var kind = 0u; kind < SUM_KINDS; kind++) {
                    let slot = block_slots[l][kind];
                    for (var q = 0u; q < SUM_QUADS; q++) {
                        var sum = vec4<f32>(0.0);
                        for (var k = 0u; k < ROW_TAPS; k++) {
                            let row = first + row_of_tap(kind, k);
                            var value = vec4<f32>();
                            for (var e = 0u; e < 4u; e++) {
                                // The source pixel, counted from the first of the lane PAD_LANES before this one.
                                let source = (q * 4u + e) * STRIDE_X + k * DILATION_X
                                    + PAD_LANES * LANE_PIXELS - PAD_LEFT;
                                let quad = source % LANE_PIXELS / 4u;
                                let product = sums[row / SUBGROUP][row % SUBGROUP][quad][source % 4u];
                                let lanes = source / LANE_PIXELS;
                                if lanes == PAD_LANES {
                                    value[e] = product;
                                } else {
                                    value[e] = subgroupShuffle(product, (lane + lanes - PAD_LANES) % SUBGROUP);
                                }
                            }
                            sum += select(vec4<f32>(0.0), value, inside[q][k]);
                        }
                        // Rows past the last are not stored, and have the stage of the last.
                        let row = group * params.rows + min(first_row + first, params.rows - 1u);
                        let valid = stored[q] & vec4<bool>(slot < params.slots);
                        store_quad(slot * params.slot_pitch + to[q], valid, staged(row, sum));
                    }
                }
            }
        }
    }
}
