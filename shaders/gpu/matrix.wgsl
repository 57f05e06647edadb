// Matrix: the implicit GEMM of tiled.wgsl on cooperative matrices, 16x16x16, f16 times f16 into f32.
//
//   S[g, r, p] = sum_t sum_c f[ base(g, r, t) + c * channel_stride ] * X[n, g * C + c, stride * p + dilation * t - pad]
//
// Layouts   as in tiled.wgsl, X in f16. Weights become f16 when they are staged, however they are stored.
// Tile      SUBGROUPS * 16 rows by 128 pixels, DEPTH channels of one tap at a time, double-buffered. A subgroup holds 2
//           x 4 matrices, 32 rows by 64 pixels; two subgroups side by side, pairs of them one above the other:
//
//                     X: pixels of a channel        +---------+---------+
//                        in a row                   |  64     |  64     |
//           f: DEPTH channels of a row in a row     +---------+---------+
//                                     32 rows | |   | 0: 2x4  | 1: 2x4  |
//                                     32 rows | |   | 2: 2x4  | 3: 2x4  |
//
//           Rows in workgroup memory are 8 values longer than DEPTH, or than the pixels, so that the 16 rows of a
//           matrix begin in different banks. WGSL cannot reach into a matrix: in the end each goes through workgroup
//           memory.
// Grid      pixel tiles x row tiles x groups x splits, flattened (pixel tiles fastest) and folded.
// Requires  f16, wgpu's experimental cooperative matrices; 4 storage buffers, 5 with a residual. Subgroups of LANES:
//           with smaller ones the surplus computes what others compute, and does not store it.
//           SUBGROUPS * (DEPTH + 8) * 64 + DEPTH * 544 + SUBGROUPS * 1024 bytes of workgroup memory.
//
// Translated and validated, never run: no adapter at hand had cooperative matrices. What compilers make of it is in
// benches/results/isa-*.

const SUBGROUPS: u32 = 4u;
const LANES: u32 = 32u;
const DEPTH: u32 = 16u;
const STEP: u32 = DEPTH;
const TILE_ROWS: u32 = SUBGROUPS * 16u;
const TILE_PIXELS: u32 = 128u;
const TILE_QUADS: u32 = TILE_PIXELS / 4u;
const THREADS: u32 = SUBGROUPS * LANES;
const DEPTH_QUADS: u32 = DEPTH / 4u;
const ROW_LOADS: u32 = TILE_ROWS * DEPTH_QUADS / THREADS;
// Threads are a multiple of the quads.
const CHANNELS_APART: u32 = THREADS / TILE_QUADS;
const COLUMN_LOADS: u32 = DEPTH / CHANNELS_APART;
const ROW_PITCH: u32 = DEPTH + 8u;
const COLUMN_PITCH: u32 = TILE_PIXELS + 8u;
const BUFFER: u32 = TILE_ROWS * ROW_PITCH + DEPTH * COLUMN_PITCH;

// Two buffers, each a tile of f, [TILE_ROWS, ROW_PITCH], then one of X, [DEPTH, COLUMN_PITCH].
var<workgroup> tiles: array<f16, 2u * BUFFER>;
// One matrix of sums a subgroup, row-major.
var<workgroup> block: array<f32, SUBGROUPS * 256u>;

fn stage(at: u32, values: vec4<f16>) {
    tiles[at] = values.x;
    tiles[at + 1u] = values.y;
    tiles[at + 2u] = values.z;
    tiles[at + 3u] = values.w;
}

// Stores the block that each subgroup has laid down, rows below `rows`; `row` and `pixel` are where this subgroup's
// begins.
fn store_block(rows: u32, split: u32, group: u32, row: u32, pixel: u32, subgroup: u32, lane: u32, lanes: u32) {
    workgroupBarrier();
    // Four neighbouring pixels of a row at a time.
    for (var item = lane; item < 64u; item += lanes) {
        let within = item / 4u;
        let column = item % 4u * 4u;
        let at = subgroup * 256u + within * 16u + column;
        if row + within < rows {
            let sums = vec4<f32>(block[at], block[at + 1u], block[at + 2u], block[at + 3u]);
            store_sums(group, row + within, spot_of(split, pixel + column), sums);
        }
    }
    workgroupBarrier();
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) any_subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_size) lanes: u32,
) {
    // Matrices want uniform control flow, and naga takes no return for uniform: the surplus computes the last tile
    // again and stores none of it.
    let place = linear_workgroup(workgroup, grid);
    let tile = min(place, params.tiles - 1u);
    // So do surplus subgroups; stored twice, a residual in the output's own place would be added twice.
    let stored_rows = select(0u, params.rows, (place < params.tiles) & (any_subgroup < SUBGROUPS));
    let first_pixel = tile % params.pixel_tiles * TILE_PIXELS;
    let first_row = tile / params.pixel_tiles % params.row_tiles * TILE_ROWS;
    let split = tile / params.split_tiles;
    let group = tile % params.split_tiles / params.pixel_tiles / params.row_tiles;
    let subgroup = any_subgroup % SUBGROUPS;
    // Of this subgroup, within the tile.
    let own_row = subgroup / 2u * 32u;
    let own_pixel = subgroup % 2u * 64u;

    // What this thread loads of a step: of its quad of pixels every CHANNELS_APART-th channel, and of some rows four
    // channels each.
    let own_channel = thread / TILE_QUADS;
    let of_row = thread % DEPTH_QUADS * 4u;
    var column = column_of(first_pixel + thread % TILE_QUADS * 4u, group);
    var weights: array<Weights, ROW_LOADS>;
    var from_f: array<vec4<f32>, ROW_LOADS>;
    var from_x: array<vec4<Input>, COLUMN_LOADS>;
    let own_steps = steps_of(split);
    let steps = own_steps.y - own_steps.x;
    var depth = depth_of(own_steps.x);
    var s00 = coop_mat16x16<f32, C>();
    var s01 = coop_mat16x16<f32, C>();
    var s02 = coop_mat16x16<f32, C>();
    var s03 = coop_mat16x16<f32, C>();
    var s10 = coop_mat16x16<f32, C>();
    var s11 = coop_mat16x16<f32, C>();
    var s12 = coop_mat16x16<f32, C>();
    var s13 = coop_mat16x16<f32, C>();
    column = column_at(column, depth, own_channel);
    for (var i = 0u; i < ROW_LOADS; i++) {
        weights[i] = weights_of(row_of(group, first_row + (thread + i * THREADS) / DEPTH_QUADS), depth, of_row);
        from_f[i] = load_weights(weights[i], of_row, depth.channel);
    }
    for (var i = 0u; i < COLUMN_LOADS; i++) {
        from_x[i] = load_column(column, own_channel, depth.channel + i * CHANNELS_APART);
    }
    for (var step = 0u; step < steps; step++) {
        let buffer = step % 2u * BUFFER;
        for (var i = 0u; i < ROW_LOADS; i++) {
            let at = buffer + (thread + i * THREADS) / DEPTH_QUADS * ROW_PITCH + of_row;
            stage(at, vec4<f16>(kept_weights(weights[i], of_row, depth.channel, from_f[i])));
        }
        let begin = buffer + TILE_ROWS * ROW_PITCH + thread % TILE_QUADS * 4u;
        for (var i = 0u; i < COLUMN_LOADS; i++) {
            let channel = depth.channel + i * CHANNELS_APART;
            let quad = kept_column(column, own_channel, channel, vec4<f32>(from_x[i]));
            stage(begin + (own_channel + i * CHANNELS_APART) * COLUMN_PITCH, vec4<f16>(quad));
        }
        // The one barrier of a step: whoever passes it has multiplied the step before, so that the next step may
        // overwrite that one's buffer.
        workgroupBarrier();
        // The loads of the next step are in flight while this one is multiplied; the last is loaded once more.
        if step + 1u < steps {
            depth = deeper(depth);
        }
        if ONE_TAP == 0u && depth.channel == 0u {
            column = column_at(column, depth, own_channel);
            for (var i = 0u; i < ROW_LOADS; i++) {
                weights[i] = weights_of(row_of(group, first_row + (thread + i * THREADS) / DEPTH_QUADS), depth, of_row);
            }
        }
        for (var i = 0u; i < ROW_LOADS; i++) {
            from_f[i] = load_weights(weights[i], of_row, depth.channel);
        }
        for (var i = 0u; i < COLUMN_LOADS; i++) {
            from_x[i] = load_column(column, own_channel, depth.channel + i * CHANNELS_APART);
        }
        for (var k = 0u; k < DEPTH; k += 16u) {
            let left = buffer + own_row * ROW_PITCH + k;
            let f0 = coopLoadT<coop_mat16x16<f16, A>>(&tiles[left], ROW_PITCH);
            let f1 = coopLoadT<coop_mat16x16<f16, A>>(&tiles[left + 16u * ROW_PITCH], ROW_PITCH);
            let right = buffer + TILE_ROWS * ROW_PITCH + k * COLUMN_PITCH + own_pixel;
            let x0 = coopLoadT<coop_mat16x16<f16, B>>(&tiles[right], COLUMN_PITCH);
            let x1 = coopLoadT<coop_mat16x16<f16, B>>(&tiles[right + 16u], COLUMN_PITCH);
            let x2 = coopLoadT<coop_mat16x16<f16, B>>(&tiles[right + 32u], COLUMN_PITCH);
            let x3 = coopLoadT<coop_mat16x16<f16, B>>(&tiles[right + 48u], COLUMN_PITCH);
            s00 = coopMultiplyAdd(f0, x0, s00);
            s01 = coopMultiplyAdd(f0, x1, s01);
            s02 = coopMultiplyAdd(f0, x2, s02);
            s03 = coopMultiplyAdd(f0, x3, s03);
            s10 = coopMultiplyAdd(f1, x0, s10);
            s11 = coopMultiplyAdd(f1, x1, s11);
            s12 = coopMultiplyAdd(f1, x2, s12);
            s13 = coopMultiplyAdd(f1, x3, s13);
        }
    }

    // naga writes stores of matrices only where the index is a value of its own and the stride a literal.
    let own = subgroup * 256u;
    let row = first_row + own_row;
    let pixel = first_pixel + own_pixel;
    coopStoreT(s00, &block[own], 16u);
    store_block(stored_rows, split, group, row, pixel, subgroup, lane, lanes);
    coopStoreT(s01, &block[own], 16u);
    store_block(stored_rows, split, group, row, pixel + 16u, subgroup, lane, lanes);
    coopStoreT(s02, &block[own], 16u);
    store_block(stored_rows, split, group, row, pixel + 32u, subgroup, lane, lanes);
    coopStoreT(s03, &block[own], 16u);
    store_block(stored_rows, split, group, row, pixel + 48u, subgroup, lane, lanes);
    coopStoreT(s10, &block[own], 16u);
    store_block(stored_rows, split, group, row + 16u, pixel, subgroup, lane, lanes);
    coopStoreT(s11, &block[own], 16u);
    store_block(stored_rows, split, group, row + 16u, pixel + 16u, subgroup, lane, lanes);
    coopStoreT(s12, &block[own], 16u);
    store_block(stored_rows, split, group, row + 16u, pixel + 32u, subgroup, lane, lanes);
    coopStoreT(s13, &block[own], 16u);
    store_block(stored_rows, split, group, row + 16u, pixel + 48u, subgroup, lane, lanes);
}
