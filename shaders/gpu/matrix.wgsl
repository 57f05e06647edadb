// Matrix: the implicit GEMM of tiled.wgsl on cooperative matrices, 16x16x16, f16 times f16 into f32.
//
//   S[g, r, p] = sum_t sum_c f[ base(g, r, t) + c * channel_stride ] * X[n, g * C + c, stride * p + dilation * t - pad]
//
// Layouts   as in tiled.wgsl, X in f16. Weights become f16 when they are staged, however they are stored.
// Tile      SUBGROUPS * 16 rows by 128 pixels, DEPTH channels of one tap at a time, double-buffered. A subgroup holds 2
//           x 4 matrices, 32 rows by 64 pixels; two subgroups side by side, pairs of them one above the other:
//
//                     X: DEPTH channels of a pixel  +---------+---------+
//                        in a row                   |  64     |  64     |
//           f: DEPTH channels of a row in a row     +---------+---------+
//                                     32 rows | |   | 0: 2x4  | 1: 2x4  |
//                                     32 rows | |   | 2: 2x4  | 3: 2x4  |
//
//           Rows in workgroup memory are 8 values longer than DEPTH, so that the 16 rows of a matrix begin in different
//           banks. WGSL cannot reach into a matrix: in the end each goes through workgroup memory.
// Grid      pixel tiles x row tiles x groups, flattened (pixel tiles fastest) and folded.
// Requires  f16, subgroups of 32, wgpu's experimental cooperative matrices; 4 storage buffers, 5 with a residual.
//           (SUBGROUPS * 16 + 128) * (DEPTH + 8) * 4 + SUBGROUPS * 1024 bytes of workgroup memory.
//
// Translated and validated, never run: no adapter at hand had cooperative matrices. Predicted for an H200: these are
// warp-level multiplications, half the rate of the warpgroup ones at best; a step of 16 channels is 8 of them, 6 loads
// of matrices and, for staging, 3 stores of 4 values a lane: a fifth to a quarter of the f16 peak, four times f32.

const SUBGROUPS: u32 = 4u;
const DEPTH: u32 = 16u;
const TILE_ROWS: u32 = SUBGROUPS * 16u;
const TILE_PIXELS: u32 = 128u;
const THREADS: u32 = SUBGROUPS * 32u;
const DEPTH_QUADS: u32 = DEPTH / 4u;
const ROW_LOADS: u32 = TILE_ROWS * DEPTH_QUADS / THREADS;
const PIXEL_LOADS: u32 = TILE_PIXELS * DEPTH_QUADS / THREADS;
const PITCH: u32 = DEPTH + 8u;
const BUFFER: u32 = (TILE_ROWS + TILE_PIXELS) * PITCH;

// Two buffers, each a tile of f, [TILE_ROWS, PITCH], then one of X, [TILE_PIXELS, PITCH].
var<workgroup> tiles: array<f16, 2u * BUFFER>;
// One matrix of sums a subgroup, row-major.
var<workgroup> block: array<f32, SUBGROUPS * 256u>;

fn stage(at: u32, values: vec4<f32>) {
    let halves = vec4<f16>(values);
    tiles[at] = halves.x;
    tiles[at + 1u] = halves.y;
    tiles[at + 2u] = halves.z;
    tiles[at + 3u] = halves.w;
}

// Stores the block that each subgroup has laid down, rows below `rows`; `row` and `pixel` are where this subgroup's
// begins.
fn store_block(rows: u32, group: u32, row: u32, pixel: u32, subgroup: u32, lane: u32) {
    workgroupBarrier();
    // A lane takes four neighbouring pixels of two rows.
    for (var half = 0u; half < 2u; half++) {
        let within = half * 8u + lane / 4u;
        let column = lane % 4u * 4u;
        let at = subgroup * 256u + within * 16u + column;
        if row + within < rows {
            let sums = vec4<f32>(block[at], block[at + 1u], block[at + 2u], block[at + 3u]);
            store_sums(group, row + within, vec4<u32>(pixel + column) + vec4<u32>(0u, 1u, 2u, 3u), sums);
        }
    }
    workgroupBarrier();
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    // Matrices want uniform control flow, and naga takes no return for uniform: the surplus computes the last tile
    // again and stores none of it.
    let place = linear_workgroup(workgroup, grid);
    let tile = min(place, params.tiles - 1u);
    let stored_rows = select(0u, params.rows, place < params.tiles);
    let first_pixel = tile % params.pixel_tiles * TILE_PIXELS;
    let first_row = tile / params.pixel_tiles % params.row_tiles * TILE_ROWS;
    let group = tile / params.pixel_tiles / params.row_tiles;
    // Of this subgroup, within the tile.
    let own_row = subgroup / 2u * 32u;
    let own_pixel = subgroup % 2u * 64u;

    var pixels: array<Pixel, PIXEL_LOADS>;
    for (var i = 0u; i < PIXEL_LOADS; i++) {
        pixels[i] = pixel_at(first_pixel + (thread + i * THREADS) % TILE_PIXELS, group);
    }
    var rows: array<u32, ROW_LOADS>;
    for (var i = 0u; i < ROW_LOADS; i++) {
        rows[i] = group * params.rows + min(first_row + (thread + i * THREADS) / DEPTH_QUADS, params.rows - 1u);
    }
    var depth = Depth(0u, 0u, 0u, 0u);
    let rounds = params.conv.kernel_height * params.conv.kernel_width * ((params.conv.channels + DEPTH - 1u) / DEPTH);

    var from_f: array<vec4<f32>, ROW_LOADS>;
    var from_x: array<vec4<f32>, PIXEL_LOADS>;
    var s00 = coop_mat16x16<f32, C>();
    var s01 = coop_mat16x16<f32, C>();
    var s02 = coop_mat16x16<f32, C>();
    var s03 = coop_mat16x16<f32, C>();
    var s10 = coop_mat16x16<f32, C>();
    var s11 = coop_mat16x16<f32, C>();
    var s12 = coop_mat16x16<f32, C>();
    var s13 = coop_mat16x16<f32, C>();
    for (var i = 0u; i < ROW_LOADS; i++) {
        from_f[i] = load_row(rows[i], depth, (thread + i * THREADS) % DEPTH_QUADS);
    }
    for (var i = 0u; i < PIXEL_LOADS; i++) {
        from_x[i] = load_pixel(pixels[i], depth, (thread + i * THREADS) / TILE_PIXELS);
    }
    for (var round = 0u; round < rounds; round++) {
        let buffer = round % 2u * BUFFER;
        for (var i = 0u; i < ROW_LOADS; i++) {
            let item = thread + i * THREADS;
            stage(buffer + item / DEPTH_QUADS * PITCH + item % DEPTH_QUADS * 4u, from_f[i]);
        }
        for (var i = 0u; i < PIXEL_LOADS; i++) {
            let item = thread + i * THREADS;
            stage(buffer + (TILE_ROWS + item % TILE_PIXELS) * PITCH + item / TILE_PIXELS * 4u, from_x[i]);
        }
        // The one barrier of a round: whoever passes it has multiplied the round before, so that the next round may
        // overwrite that one's buffer.
        workgroupBarrier();
        // The loads of the next round are in flight while this one is multiplied; past the last they are masked or
        // clamped.
        depth = deeper(depth);
        for (var i = 0u; i < ROW_LOADS; i++) {
            from_f[i] = load_row(rows[i], depth, (thread + i * THREADS) % DEPTH_QUADS);
        }
        for (var i = 0u; i < PIXEL_LOADS; i++) {
            from_x[i] = load_pixel(pixels[i], depth, (thread + i * THREADS) / TILE_PIXELS);
        }
        for (var k = 0u; k < DEPTH; k += 16u) {
            let left = buffer + own_row * PITCH + k;
            let f0 = coopLoadT<coop_mat16x16<f16, A>>(&tiles[left], PITCH);
            let f1 = coopLoadT<coop_mat16x16<f16, A>>(&tiles[left + 16u * PITCH], PITCH);
            // The channels of a pixel lie together: X is column-major.
            let right = buffer + (TILE_ROWS + own_pixel) * PITCH + k;
            let x0 = coopLoad<coop_mat16x16<f16, B>>(&tiles[right], PITCH);
            let x1 = coopLoad<coop_mat16x16<f16, B>>(&tiles[right + 16u * PITCH], PITCH);
            let x2 = coopLoad<coop_mat16x16<f16, B>>(&tiles[right + 32u * PITCH], PITCH);
            let x3 = coopLoad<coop_mat16x16<f16, B>>(&tiles[right + 48u * PITCH], PITCH);
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
    store_block(stored_rows, group, row, pixel, subgroup, lane);
    coopStoreT(s01, &block[own], 16u);
    store_block(stored_rows, group, row, pixel + 16u, subgroup, lane);
    coopStoreT(s02, &block[own], 16u);
    store_block(stored_rows, group, row, pixel + 32u, subgroup, lane);
    coopStoreT(s03, &block[own], 16u);
    store_block(stored_rows, group, row, pixel + 48u, subgroup, lane);
    coopStoreT(s10, &block[own], 16u);
    store_block(stored_rows, group, row + 16u, pixel, subgroup, lane);
    coopStoreT(s11, &block[own], 16u);
    store_block(stored_rows, group, row + 16u, pixel + 16u, subgroup, lane);
    coopStoreT(s12, &block[own], 16u);
    store_block(stored_rows, group, row + 16u, pixel + 32u, subgroup, lane);
    coopStoreT(s13, &block[own], 16u);
    store_block(stored_rows, group, row + 16u, pixel + 48u, subgroup, lane);
}
