// Tiled: implicit GEMM in tiles of workgroup memory, for GPUs. One kernel computes convolutions directly and, as a 1x1
// convolution whose filters are the bases, the products of pass 1; what is done with the sums is a part.
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
//                     X: quads of channels  +-- pixels --+
//                                      DEPTH|            |     while a step is multiplied, the loads of the next are in
//           f: quads of channels            +------------+     flight; one barrier a step
//              rows | DEPTH  |              |    sums    |
//                   +--------+              +------------+     a thread holds every LANES_Y-th row and LANES_X-th pixel
//
//           Both tiles hold vectors of four channels. So loads of X are scalars, neighbouring lanes neighbouring
//           pixels, whatever stride, padding and alignment; those of f are vectors; and so is all traffic with
//           workgroup memory. SLICES groups of LANES_X * LANES_Y threads take turns over the steps and add up in the
//           end, in a fixed order, where there are too few tiles to fill a device.
// Grid      pixel tiles x row tiles x groups, flattened (pixel tiles fastest) and folded.
// Requires  SLICES * DEPTH * 8 * (rows + pixels of a tile) bytes of workgroup memory; 4 storage buffers, 5 with a
//           residual.
//
// Predicted, not measured, for a large GPU (132 processors of 128 lanes, 1.75 GHz, f32): with 8x8 sums a thread 4
// channels are 256 multiply-adds, 16 vector loads from workgroup memory (24 wavefronts of 128 bytes a warp against 64
// cycles of arithmetic) and, a 128x128 tile 8 channels deep, 5 global loads and some 20 index operations a 512
// multiply-adds: 80 to 85 % of the peak is the bound, 60 % what similar kernels reach. About 120 registers a thread
// leave two workgroups of 256 a processor.

const LANES_X: u32 = 8u;
const LANES_Y: u32 = 8u;
const SLICES: u32 = 1u;
const ROWS: u32 = 8u;
const QUADS: u32 = 2u;
const DEPTH: u32 = 8u;
const TILE_ROWS: u32 = LANES_Y * ROWS;
const TILE_PIXELS: u32 = LANES_X * QUADS * 4u;
const THREADS: u32 = LANES_X * LANES_Y;
const DEPTH_QUADS: u32 = DEPTH / 4u;
const ROW_ITEMS: u32 = TILE_ROWS * DEPTH_QUADS;
const ROW_LOADS: u32 = (ROW_ITEMS + THREADS - 1u) / THREADS;
const PIXEL_LOADS: u32 = TILE_PIXELS * DEPTH_QUADS / THREADS;
const BUFFER: u32 = (TILE_ROWS + TILE_PIXELS) * DEPTH_QUADS;

// Two buffers a slice, each a tile of f, [DEPTH_QUADS, TILE_ROWS], then one of X, [DEPTH_QUADS, TILE_PIXELS].
var<workgroup> tiles: array<vec4<f32>, 2u * SLICES * BUFFER>;

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
    let first_pixel = tile % params.pixel_tiles * TILE_PIXELS;
    let first_row = tile / params.pixel_tiles % params.row_tiles * TILE_ROWS;
    let group = tile / params.pixel_tiles / params.row_tiles;
    let thread = lane.y * LANES_X + lane.x;
    let buffers = lane.z * 2u * BUFFER;

    var pixels: array<Pixel, PIXEL_LOADS>;
    for (var i = 0u; i < PIXEL_LOADS; i++) {
        pixels[i] = pixel_at(first_pixel + (thread + i * THREADS) % TILE_PIXELS, group);
    }
    var rows: array<u32, ROW_LOADS>;
    for (var i = 0u; i < ROW_LOADS; i++) {
        rows[i] = group * params.rows + min(first_row + (thread + i * THREADS) / DEPTH_QUADS, params.rows - 1u);
    }
    var depth = Depth(0u, 0u, 0u, 0u);
    for (var slice = 0u; slice < lane.z; slice++) {
        depth = deeper(depth);
    }
    let steps = params.conv.kernel_height * params.conv.kernel_width * ((params.conv.channels + DEPTH - 1u) / DEPTH);
    let rounds = (steps + SLICES - 1u) / SLICES;

    var from_f: array<vec4<f32>, ROW_LOADS>;
    var from_x: array<vec4<f32>, PIXEL_LOADS>;
    var sums: array<array<vec4<f32>, QUADS>, ROWS>;
    // Round k multiplies what round k - 1 has loaded; round 0 only loads.
    for (var round = 0u; round <= rounds; round++) {
        if round < rounds {
            for (var i = 0u; i < ROW_LOADS; i++) {
                from_f[i] = load_row(rows[i], depth, (thread + i * THREADS) % DEPTH_QUADS);
            }
            for (var i = 0u; i < PIXEL_LOADS; i++) {
                from_x[i] = load_pixel(pixels[i], depth, (thread + i * THREADS) / TILE_PIXELS);
            }
            for (var slice = 0u; slice < SLICES; slice++) {
                depth = deeper(depth);
            }
        }
        if round > 0u {
            let left = buffers + (round - 1u) % 2u * BUFFER;
            let right = left + TILE_ROWS * DEPTH_QUADS;
            for (var quad = 0u; quad < DEPTH_QUADS; quad++) {
                var x: array<array<vec4<f32>, 4>, QUADS>;
                for (var q = 0u; q < QUADS; q++) {
                    let at = right + quad * TILE_PIXELS + q * 4u * LANES_X + lane.x;
                    let a = tiles[at];
                    let b = tiles[at + LANES_X];
                    let c = tiles[at + 2u * LANES_X];
                    let d = tiles[at + 3u * LANES_X];
                    x[q][0] = vec4<f32>(a.x, b.x, c.x, d.x);
                    x[q][1] = vec4<f32>(a.y, b.y, c.y, d.y);
                    x[q][2] = vec4<f32>(a.z, b.z, c.z, d.z);
                    x[q][3] = vec4<f32>(a.w, b.w, c.w, d.w);
                }
                for (var r = 0u; r < ROWS; r++) {
                    let w = tiles[left + quad * TILE_ROWS + r * LANES_Y + lane.y];
                    for (var q = 0u; q < QUADS; q++) {
                        // One statement a product: each is a fused multiply-add where the device has it.
                        sums[r][q] += w.x * x[q][0];
                        sums[r][q] += w.y * x[q][1];
                        sums[r][q] += w.z * x[q][2];
                        sums[r][q] += w.w * x[q][3];
                    }
                }
            }
        }
        if round < rounds {
            // The other buffer: the last barrier has seen to it that nobody reads it any more.
            let to = buffers + round % 2u * BUFFER;
            for (var i = 0u; i < ROW_LOADS; i++) {
                let item = thread + i * THREADS;
                if ROW_ITEMS % THREADS == 0u || item < ROW_ITEMS {
                    tiles[to + item % DEPTH_QUADS * TILE_ROWS + item / DEPTH_QUADS] = from_f[i];
                }
            }
            for (var i = 0u; i < PIXEL_LOADS; i++) {
                tiles[to + TILE_ROWS * DEPTH_QUADS + thread + i * THREADS] = from_x[i];
            }
        }
        workgroupBarrier();
    }

    if SLICES > 1u {
        // Every other slice lays its sums down in turn, and slice 0 adds them to its own.
        for (var slice = 1u; slice < SLICES; slice++) {
            if lane.z == slice {
                for (var r = 0u; r < ROWS; r++) {
                    for (var q = 0u; q < QUADS; q++) {
                        tiles[(r * QUADS + q) * THREADS + thread] = sums[r][q];
                    }
                }
            }
            workgroupBarrier();
            if lane.z == 0u {
                for (var r = 0u; r < ROWS; r++) {
                    for (var q = 0u; q < QUADS; q++) {
                        sums[r][q] += tiles[(r * QUADS + q) * THREADS + thread];
                    }
                }
            }
            workgroupBarrier();
        }
        if lane.z > 0u {
            return;
        }
    }

    for (var q = 0u; q < QUADS; q++) {
        let pixel = vec4<u32>(first_pixel + q * 4u * LANES_X + lane.x) + vec4<u32>(0u, 1u, 2u, 3u) * LANES_X;
        for (var r = 0u; r < ROWS; r++) {
            let row = first_row + r * LANES_Y + lane.y;
            if row < params.rows {
                store_sums(group, row, pixel, sums[r][q]);
            }
        }
    }
}
