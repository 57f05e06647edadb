// Tiled: implicit GEMM in tiles of workgroup memory, for GPUs. One kernel computes convolutions directly and, as a 1x1
// convolution whose filters are the bases, the products of pass 1; what is done with the sums is a part, and how
// columns are loaded is another.
//
//   S[g, r, p] = sum_t sum_c f[ base(g, r, t) + c * channel_stride ] * X[n, g * C + c, stride * p + dilation * t - pad]
//   base(g, r, t) = table[(g * rows + r) * T + t]                                            T = KH * KW, 1 for
//   products
//
// The left matrix is read from the summary where it lies: with step C its rows follow each other there, with smaller
// steps they overlap and caches see to it that each value comes from memory once.
//
// Layouts   X [N, C * groups, H, W]. Pixels p are those of the flattened [images, OH, OW], from `first_image` on.
// Tile      LANES_Y * ROWS rows by LANES_X * QUADS * 4 pixels, DEPTH channels of one tap at a time, double-buffered:
//
//                     X: quads of pixels    +-- pixels --+
//                                      DEPTH|            |     while a step is multiplied, the loads of the next are in
//           f: channel by channel           +------------+     flight; one barrier a step
//              rows | DEPTH  |              |    sums    |
//                   +--------+              +------------+     a thread holds ROWS rows side by side, and every
//                                                              LANES_X-th quad of pixels
//
//           A thread loads and stages always the same quad of pixels, so that it is placed once a tap. SLICES groups of
//           LANES_X * LANES_Y threads share the channels of a step and add up in the end, in a fixed order, where there
//           are too few tiles to fill a device.
//           Where even those are too few, the reduction is split: workgroups of their own add up the steps of each
//           split, and pass 2 adds their sums.
// Grid      pixel tiles x row tiles x groups x splits, flattened (pixel tiles fastest) and folded.
// Requires  SLICES * DEPTH * 8 * (padded rows + pixels of a tile) bytes of workgroup memory; 4 storage buffers, 5 with
//           a residual.
//
// With 8x8 sums a thread a channel is 64 multiply-adds for 16 words of workgroup memory. What compilers of real GPUs
// make of it is in benches/results/isa-*.

const LANES_X: u32 = 8u;
const LANES_Y: u32 = 8u;
const SLICES: u32 = 1u;
const ROWS: u32 = 8u;
const QUADS: u32 = 2u;
const DEPTH: u32 = 8u;
const STEP: u32 = SLICES * DEPTH;
const TILE_ROWS: u32 = LANES_Y * ROWS;
// In workgroup memory a thread's rows begin at a quad, so that compilers load four at a time.
const PADDED_ROWS: u32 = (ROWS + 3u) / 4u * 4u;
const ROW_PLACES: u32 = LANES_Y * PADDED_ROWS;
const TILE_QUADS: u32 = LANES_X * QUADS;
const THREADS: u32 = LANES_X * LANES_Y;
const DEPTH_QUADS: u32 = DEPTH / 4u;
const ROW_ITEMS: u32 = TILE_ROWS * DEPTH_QUADS;
const ROW_LOADS: u32 = (ROW_ITEMS + THREADS - 1u) / THREADS;
// Threads are a multiple of the quads.
const CHANNELS_APART: u32 = THREADS / TILE_QUADS;
const COLUMN_LOADS: u32 = DEPTH / CHANNELS_APART;
const COLUMNS: u32 = DEPTH * TILE_QUADS;

// Two buffers a slice, [DEPTH, TILE_QUADS] of X and [DEPTH, ROW_PLACES] of f.
var<workgroup> columns: array<vec4<f32>, 2u * SLICES * COLUMNS>;
var<workgroup> rows: array<f32, 2u * SLICES * DEPTH * ROW_PLACES>;

// Where a row of the tile lies in a channel; where rows are padded, with its quad of channels: compilers compute it for
// every step otherwise.
fn place_of_row(row: u32, quad: u32) -> u32 {
    if PADDED_ROWS == ROWS {
        return row;
    }
    return quad * 4u * ROW_PLACES + row / ROWS * PADDED_ROWS + row % ROWS;
}

// Lays down four channels of a row.
fn stage_row(buffer: u32, place: u32, quad: u32, weights: vec4<f32>) {
    let channel = select(0u, quad * 4u, PADDED_ROWS == ROWS);
    let at = (buffer * DEPTH + channel) * ROW_PLACES + place;
    rows[at] = weights.x;
    rows[at + ROW_PLACES] = weights.y;
    rows[at + 2u * ROW_PLACES] = weights.z;
    rows[at + 3u * ROW_PLACES] = weights.w;
}

// Adds the products of one channel: of quads from `column` on, LANES_X apart, and of rows from `row` on.
fn multiply_channel(column: u32, row: u32, sums: ptr<function, array<array<vec4<f32>, QUADS>, ROWS>>) {
    var x: array<vec4<f32>, QUADS>;
    for (var q = 0u; q < QUADS; q++) {
        x[q] = columns[column + q * LANES_X];
    }
    for (var r = 0u; r < ROWS; r++) {
        let w = rows[row + r];
        for (var q = 0u; q < QUADS; q++) {
            (*sums)[r][q] += w * x[q];
        }
    }
}

// Adds the products of the step that lies in `buffer`. Four channels are written out, since some compilers unroll no
// loops as large as this.
fn multiply(buffer: u32, lane: vec2<u32>, sums: ptr<function, array<array<vec4<f32>, QUADS>, ROWS>>) {
    let column = buffer * COLUMNS + lane.x;
    let row = buffer * DEPTH * ROW_PLACES + lane.y * PADDED_ROWS;
    for (var k = 0u; k < DEPTH; k += 4u) {
        multiply_channel(column + k * TILE_QUADS, row + k * ROW_PLACES, sums);
        multiply_channel(column + (k + 1u) * TILE_QUADS, row + (k + 1u) * ROW_PLACES, sums);
        multiply_channel(column + (k + 2u) * TILE_QUADS, row + (k + 2u) * ROW_PLACES, sums);
        multiply_channel(column + (k + 3u) * TILE_QUADS, row + (k + 3u) * ROW_PLACES, sums);
    }
}

@compute @workgroup_size(LANES_X, LANES_Y, SLICES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
) {
    let tile = linear_workgroup(workgroup, grid);
    if tile >= params.tiles {
        return;
    }
    let split = tile / params.split_tiles;
    let first_pixel = tile % params.pixel_tiles * TILE_QUADS * 4u;
    let first_row = tile / params.pixel_tiles % params.row_tiles * TILE_ROWS;
    let group = tile % params.split_tiles / params.pixel_tiles / params.row_tiles;
    let thread = lane.y * LANES_X + lane.x;

    // What this thread loads of a step: of its quad of pixels every CHANNELS_APART-th channel, and of some rows four
    // channels each. Whoever has no row left loads and stages the last once more, the same values
    // to the same place.
    let buffers = lane.z * 2u;
    let own_channel = thread / TILE_QUADS;
    let own_quad = thread % DEPTH_QUADS;
    let of_column = lane.z * DEPTH + own_channel;
    let of_row = lane.z * DEPTH + own_quad * 4u;
    var column = column_of(first_pixel + thread % TILE_QUADS * 4u, group);
    var own_rows: array<u32, ROW_LOADS>;
    var own_places: array<u32, ROW_LOADS>;
    for (var i = 0u; i < ROW_LOADS; i++) {
        own_rows[i] = min((thread + i * THREADS) / DEPTH_QUADS, TILE_ROWS - 1u);
        own_places[i] = place_of_row(own_rows[i], own_quad);
    }

    var weights: array<Weights, ROW_LOADS>;
    var from_f: array<vec4<f32>, ROW_LOADS>;
    var from_x: array<vec4<Input>, COLUMN_LOADS>;
    var sums: array<array<vec4<f32>, QUADS>, ROWS>;
    let own_steps = steps_of(split);
    let steps = own_steps.y - own_steps.x;
    var depth = depth_of(own_steps.x);
    // Step k is loaded, k - 1 is multiplied, k is staged. Step 0 is loaded before, the last is multiplied after.
    column = column_at(column, depth, of_column);
    for (var i = 0u; i < ROW_LOADS; i++) {
        weights[i] = weights_of(row_of(group, first_row + own_rows[i]), depth, of_row);
        from_f[i] = load_weights(weights[i], of_row, depth.channel);
    }
    for (var i = 0u; i < COLUMN_LOADS; i++) {
        from_x[i] = load_column(column, of_column, depth.channel + i * CHANNELS_APART);
    }
    for (var i = 0u; i < ROW_LOADS; i++) {
        stage_row(buffers, own_places[i], own_quad, kept_weights(weights[i], of_row, depth.channel, from_f[i]));
    }
    for (var i = 0u; i < COLUMN_LOADS; i++) {
        columns[buffers * COLUMNS + thread + i * THREADS] =
            kept_column(column, of_column, depth.channel + i * CHANNELS_APART, vec4<f32>(from_x[i]));
    }
    workgroupBarrier();
    for (var step = 1u; step < steps; step++) {
        depth = deeper(depth);
        if ONE_TAP == 0u && depth.channel == 0u {
            column = column_at(column, depth, of_column);
            for (var i = 0u; i < ROW_LOADS; i++) {
                weights[i] = weights_of(row_of(group, first_row + own_rows[i]), depth, of_row);
            }
        }
        for (var i = 0u; i < ROW_LOADS; i++) {
            from_f[i] = load_weights(weights[i], of_row, depth.channel);
        }
        for (var i = 0u; i < COLUMN_LOADS; i++) {
            from_x[i] = load_column(column, of_column, depth.channel + i * CHANNELS_APART);
        }
        multiply(buffers + (step - 1u) % 2u, lane.xy, &sums);
        // The other buffer: the last barrier has seen to it that nobody reads it any more.
        let to = buffers + step % 2u;
        for (var i = 0u; i < ROW_LOADS; i++) {
            stage_row(to, own_places[i], own_quad, kept_weights(weights[i], of_row, depth.channel, from_f[i]));
        }
        for (var i = 0u; i < COLUMN_LOADS; i++) {
            columns[to * COLUMNS + thread + i * THREADS] =
                kept_column(column, of_column, depth.channel + i * CHANNELS_APART, vec4<f32>(from_x[i]));
        }
        workgroupBarrier();
    }
    multiply(buffers + (steps - 1u) % 2u, lane.xy, &sums);

    if SLICES > 1u {
        workgroupBarrier();
        // Every other slice lays its sums down in turn, a row at a time, and slice 0 adds them to its own.
        for (var slice = 1u; slice < SLICES; slice++) {
            for (var r = 0u; r < ROWS; r++) {
                if lane.z == slice {
                    for (var q = 0u; q < QUADS; q++) {
                        columns[q * THREADS + thread] = sums[r][q];
                    }
                }
                workgroupBarrier();
                if lane.z == 0u {
                    for (var q = 0u; q < QUADS; q++) {
                        sums[r][q] += columns[q * THREADS + thread];
                    }
                }
                workgroupBarrier();
            }
        }
        if lane.z > 0u {
            return;
        }
    }

    var spots: array<Spot, QUADS>;
    for (var q = 0u; q < QUADS; q++) {
        spots[q] = spot_of(split, first_pixel + (q * LANES_X + lane.x) * 4u);
    }
    for (var r = 0u; r < ROWS; r++) {
        let row = first_row + lane.y * ROWS + r;
        if row < params.rows {
            for (var q = 0u; q < QUADS; q++) {
                store_sums(group, row, spots[q], sums[r][q]);
            }
        }
    }
}
