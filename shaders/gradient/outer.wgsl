// Gradients: what every base's weights contribute to the loss, as a product of two matrices whose common side are the
// pixels of all images, in splits.
//
//   dG[s, g * rows + r, c] = sum over pixels k = (n, q) of split s of  dP[n, g * rows + r, q] * X[n, g * C + c, q]
//
// Layouts   dP [images, groups * rows, H, W], X [N, groups * C, H, W], from `first_image` on, C channels of a group;
//           dG [splits, groups * rows, C].
// Tile      LANES_Y * ROWS bases by LANES_X * COLUMNS channels, DEPTH pixels at a time:
//
//               X: channels   +-- channels --+
//                        DEPTH|              |     DEPTH pixels of both lie in workgroup memory, pixel by pixel, while
//         dP: pixel by pixel  +--------------+     the loads of the next are in flight
//           bases | DEPTH  |  |     sums     |
//                 +--------+  +--------------+     a thread holds ROWS x 4 * COLUMN_QUADS sums
//
// Grid      channel tiles x base tiles x groups x splits, flattened (channel tiles fastest) and folded.
// Requires  4 * DEPTH * (bases + channels of a tile, each + PAD) bytes of workgroup memory.
//
// A split adds up at most 4096 pixels one after another, so that a gradient over a large batch loses no more than any
// other sum here; `overlap` adds the splits.

const LANES_X: u32 = 8u;
const LANES_Y: u32 = 8u;
const ROWS: u32 = 8u;
const COLUMN_QUADS: u32 = 2u;
const DEPTH: u32 = 16u;
const TILE_ROWS: u32 = LANES_Y * ROWS;
const TILE_COLUMNS: u32 = LANES_X * COLUMN_QUADS * 4u;
// Threads of one load write to places this much further apart, which are not all in one bank.
const PAD: u32 = 4u;
const ROW_PITCH: u32 = TILE_ROWS + PAD;
const COLUMN_PITCH: u32 = TILE_COLUMNS + PAD;
const THREADS: u32 = LANES_X * LANES_Y;
const DEPTH_QUADS: u32 = DEPTH / 4u;
const ROW_LOADS: u32 = TILE_ROWS * DEPTH_QUADS / THREADS;
const COLUMN_LOADS: u32 = TILE_COLUMNS * DEPTH_QUADS / THREADS;

struct Params {
    tiles: u32,
    column_tiles: u32,
    row_tiles: u32,
    groups: u32,
    rows: u32,             // of a group
    channels: u32,         // of a group
    plane: u32,            // H * W
    pixels: u32,           // images * H * W
    first_image: u32,
    span: u32,             // pixels of a split, a multiple of DEPTH
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

var<workgroup> tile_rows: array<f32, DEPTH * ROW_PITCH>;
var<workgroup> tile_columns: array<f32, DEPTH * COLUMN_PITCH>;

// Where four pixels lie in a tensor of `channels` planes from an image on, in one of them.
fn places(pixel: u32, first_image: u32, channels: u32, channel: u32) -> vec4<u32> {
    let pixels = pixel + vec4<u32>(0u, 1u, 2u, 3u);
    let images = pixels / params.plane;
    return ((first_image + images) * channels + channel) * params.plane + (pixels - images * params.plane);
}

fn column_quad(at: u32) -> vec4<f32> {
    return vec4<f32>(tile_columns[at], tile_columns[at + 1u], tile_columns[at + 2u], tile_columns[at + 3u]);
}

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
    let first_column = tile % params.column_tiles * TILE_COLUMNS;
    let first_row = tile / params.column_tiles % params.row_tiles * TILE_ROWS;
    let group = tile / params.column_tiles / params.row_tiles % params.groups;
    let split = tile / params.column_tiles / params.row_tiles / params.groups;
    let thread = lane.y * LANES_X + lane.x;
    let all_rows = params.groups * params.rows;
    let all_channels = params.groups * params.channels;
    let begin = split * params.span;
    let end = min(begin + params.span, params.pixels);

    var from_rows: array<vec4<f32>, ROW_LOADS>;
    var from_columns: array<vec4<f32>, COLUMN_LOADS>;
    var sums: array<array<vec4<f32>, COLUMN_QUADS>, ROWS>;
    let own_quad = thread % DEPTH_QUADS * 4u;
    let own_row = thread / DEPTH_QUADS;
    // The first turn only loads, the last only multiplies.
    let steps = (end - begin + DEPTH - 1u) / DEPTH;
    for (var step = 0u; step <= steps; step++) {
        if step > 0u {
            workgroupBarrier();
            for (var i = 0u; i < ROW_LOADS; i++) {
                let at = own_quad * ROW_PITCH + own_row + i * (THREADS / DEPTH_QUADS);
                tile_rows[at] = from_rows[i].x;
                tile_rows[at + ROW_PITCH] = from_rows[i].y;
                tile_rows[at + 2u * ROW_PITCH] = from_rows[i].z;
                tile_rows[at + 3u * ROW_PITCH] = from_rows[i].w;
            }
            for (var i = 0u; i < COLUMN_LOADS; i++) {
                let at = own_quad * COLUMN_PITCH + own_row + i * (THREADS / DEPTH_QUADS);
                tile_columns[at] = from_columns[i].x;
                tile_columns[at + COLUMN_PITCH] = from_columns[i].y;
                tile_columns[at + 2u * COLUMN_PITCH] = from_columns[i].z;
                tile_columns[at + 3u * COLUMN_PITCH] = from_columns[i].w;
            }
            workgroupBarrier();
        }
        if step < steps {
            let pixel = begin + step * DEPTH + own_quad;
            let exists = pixel + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(end);
            for (var i = 0u; i < ROW_LOADS; i++) {
                let row = first_row + own_row + i * (THREADS / DEPTH_QUADS);
                let at = places(pixel, 0u, all_rows, group * params.rows + row);
                from_rows[i] = products_quad(at, exists & vec4<bool>(row < params.rows));
            }
            for (var i = 0u; i < COLUMN_LOADS; i++) {
                let channel = first_column + own_row + i * (THREADS / DEPTH_QUADS);
                let at = places(pixel, params.first_image, all_channels, group * params.channels + channel);
                from_columns[i] = input_quad(at, exists & vec4<bool>(channel < params.channels));
            }
        }
        if step > 0u {
            for (var k = 0u; k < DEPTH; k++) {
                var x = array<vec4<f32>, COLUMN_QUADS>();
                for (var q = 0u; q < COLUMN_QUADS; q++) {
                    let at = k * COLUMN_PITCH + (lane.x * COLUMN_QUADS + q) * 4u;
                    x[q] = column_quad(at);
                }
                for (var r = 0u; r < ROWS; r++) {
                    let w = tile_rows[k * ROW_PITCH + lane.y * ROWS + r];
                    for (var q = 0u; q < COLUMN_QUADS; q++) {
                        sums[r][q] += w * x[q];
                    }
                }
            }
        }
    }

    for (var r = 0u; r < ROWS; r++) {
        let row = first_row + lane.y * ROWS + r;
        if row < params.rows {
            let to = ((split * params.groups + group) * params.rows + row) * params.channels;
            for (var q = 0u; q < COLUMN_QUADS; q++) {
                let column = first_column + (lane.x * COLUMN_QUADS + q) * 4u;
                for (var j = 0u; j < 4u; j++) {
                    if column + j < params.channels {
                        output[to + column + j] = sums[r][q][j];
                    }
                }
            }
        }
    }
}
