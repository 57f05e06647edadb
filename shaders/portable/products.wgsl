// Shared products, pass 1 of 2: the product of every base with every input pixel, once, and in the Q form the sum of
// the taps of one kernel row while the products are at hand.
//
//   P[u, n, y, x] = sum_c f[ base(u) + c * channel_stride ] * X[n, c, y, x]
//   a GEMM: bases x C x pixels
//   Q[v, n, y, o] = sum_k P[v + k * row_step, n, y, o * stride_x + k * dilation_x - pad_left]     k < row_taps
//
// The plain form is the Q form with row_taps = 1, stride_x = 1, pad_left = 0: it stores P itself, after the base stage
// if there is one (base_stage.wgsl).
//
// Layouts   X [N, C, H, W]; products [slots, images, H, pitch], pitch = columns rounded up to 4, so that rows are
//           aligned. table: bases at 0 [groups * rows], slots at `slots_at` [groups * rows]: where a row of Q is
//           stored, or `slots` for rows that no filter reads; a base stage at `stage_at` [groups * rows, 2].
// Tile      LANES_Y * ROWS bases by up to LANES_X * QUADS quads of pixels. The pixels are `tile_rows` image rows (of
//           the flattened [images, H]) times `tile_width` columns: whole rows where they fit, else segments that
//           overlap by the kernel's width, so that every sum over a kernel row stays inside the tile:
//
//              bases |  P tile in workgroup memory  | --barrier-->  sums over k, stored as aligned quads
//                    +--- tile_rows * tile_width ---+
//
//           The last (row_taps - 1) * row_step bases of a tile only feed the others: row tiles overlap by them.
// Grid      pixel tiles (segments fastest) x row tiles x groups, flattened and folded.
// Requires  LANES_Y * ROWS * LANES_X * QUADS * 16 bytes of workgroup memory; 4 storage buffers.

const LANES_X: u32 = 8u;
const LANES_Y: u32 = 8u;
const ROWS: u32 = 8u;
const QUADS: u32 = 2u;
const TILE_ROWS: u32 = LANES_Y * ROWS;
const TILE_PIXELS: u32 = LANES_X * QUADS * 4u;

struct Params {
    conv: Geometry,
    tiles: u32,
    segments: u32,         // tiles across an image row
    pixel_tiles: u32,      // segments * tiles down the flattened rows
    row_tiles: u32,
    rows: u32,             // bases a group, padded to the largest group
    rows_per_tile: u32,    // bases a tile finishes
    images: u32,           // in this chunk
    tile_width: u32,
    tile_rows: u32,
    segment_columns: u32,  // output columns a segment finishes
    columns: u32,          // output columns
    pitch: u32,
    row_taps: u32,
    row_step: u32,
    whole_rows: u32,       // 1: tiles begin at column 0; 0: where their first output column reads
    slots_at: u32,
    slots: u32,
    stage_at: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> products: array<vec4<f32>>;

var<workgroup> tile_products: array<vec4<f32>, TILE_ROWS * TILE_PIXELS / 4u>;

// Products of base `row` of the tile at four pixels of it.
fn products_at(row: u32, pixel: vec4<u32>) -> vec4<f32> {
    let first = row * (TILE_PIXELS / 4u);
    return vec4<f32>(
        tile_products[first + (pixel.x >> 2u)][pixel.x & 3u],
        tile_products[first + (pixel.y >> 2u)][pixel.y & 3u],
        tile_products[first + (pixel.z >> 2u)][pixel.z & 3u],
        tile_products[first + (pixel.w >> 2u)][pixel.w & 3u],
    );
}

// The same for four consecutive pixels from `pixel` on, in two loads. Pixels outside the tile come out as anything.
fn products_from(row: u32, pixel: i32) -> vec4<f32> {
    let first = row * (TILE_PIXELS / 4u);
    let quad = pixel >> 2u;
    let last = i32(TILE_PIXELS / 4u) - 1;
    let a = tile_products[first + u32(clamp(quad, 0, last))];
    let b = tile_products[first + u32(clamp(quad + 1, 0, last))];
    switch pixel & 3 {
        case 1: { return vec4<f32>(a.yzw, b.x); }
        case 2: { return vec4<f32>(a.zw, b.xy); }
        case 3: { return vec4<f32>(a.w, b.xyz); }
        default: { return a; }
    }
}

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
    @builtin(local_invocation_index) lane_index: u32,
) {
    let tile = linear_workgroup(workgroup, grid);
    if tile >= params.tiles {
        return;
    }
    let segment = tile % params.segments;
    let first_image_row = tile % params.pixel_tiles / params.segments * params.tile_rows;
    let first_row = tile / params.pixel_tiles % params.row_tiles * params.rows_per_tile;
    let group = tile / params.pixel_tiles / params.row_tiles;
    let first_channel = group * params.conv.group_channels + params.conv.first_channel;
    // Left of the input this wraps around to a large number, which the comparisons below refuse.
    let reads_from = segment * params.segment_columns * params.conv.stride_x - params.conv.pad_left;
    let first_column = select(reads_from, 0u, params.whole_rows == 1u);
    let image_rows = params.images * params.conv.height;
    let plane = params.conv.height * params.conv.width;

    var at: array<vec4<u32>, QUADS>;
    var valid: array<vec4<bool>, QUADS>;
    for (var q = 0u; q < QUADS; q++) {
        let pixel = vec4<u32>((q * LANES_X + lane.x) * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
        let image_row = pixel / params.tile_width + first_image_row;
        let column = pixel % params.tile_width + first_column;
        valid[q] = (image_row < vec4<u32>(image_rows)) & (column < vec4<u32>(params.conv.width))
            & (pixel < vec4<u32>(params.tile_width * params.tile_rows));
        let image = image_row / params.conv.height + params.conv.first_image;
        at[q] = (image * params.conv.in_channels + first_channel) * plane
            + image_row % params.conv.height * params.conv.width + column;
    }
    var bases: array<i32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
        let row = min(first_row + lane.y * ROWS + r, params.rows - 1u);
        bases[r] = i32(table[group * params.rows + row]);
    }
    var sums: array<array<vec4<f32>, QUADS>, ROWS>;
    for (var channel = 0u; channel < params.conv.channels; channel += 4u) {
        var x = array<array<vec4<f32>, 4>, QUADS>();
        for (var q = 0u; q < QUADS; q++) {
            for (var k = 0u; k < 4u; k++) {
                let exists = vec4<bool>(channel + k < params.conv.channels);
                x[q][k] = input_quad(at[q] + (channel + k) * plane, valid[q] & exists);
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            let w = weight_quad(bases[r], channel);
            for (var q = 0u; q < QUADS; q++) {
                sums[r][q] += w.x * x[q][0] + w.y * x[q][1] + w.z * x[q][2] + w.w * x[q][3];
            }
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        for (var q = 0u; q < QUADS; q++) {
            tile_products[(lane.y * ROWS + r) * (TILE_PIXELS / 4u) + q * LANES_X + lane.x] = sums[r][q];
        }
    }
    workgroupBarrier();

    // Every thread sums and stores some of the tile's quads of output columns.
    let first_out = segment * params.segment_columns;
    let quads = (min(params.segment_columns, params.columns - first_out) + 3u) / 4u;
    let items = params.rows_per_tile * params.tile_rows * quads;
    for (var item = lane_index; item < items; item += LANES_X * LANES_Y) {
        let quad = item % quads;
        let tile_row = item / quads % params.tile_rows;
        let row = item / quads / params.tile_rows;
        let image_row = first_image_row + tile_row;
        if first_row + row >= params.rows || image_row >= image_rows {
            continue;
        }
        let slot = table[params.slots_at + group * params.rows + first_row + row];
        if slot == params.slots {
            continue;
        }
        let out_column = vec4<u32>(first_out + quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
        var sum = vec4<f32>(0.0);
        for (var k = 0u; k < params.row_taps; k++) {
            let of_tap = k * params.conv.dilation_x - params.conv.pad_left - first_column;
            let column = out_column * params.conv.stride_x + of_tap;
            let inside = column < vec4<u32>(params.tile_width);
            let source_row = row + k * params.row_step;
            let row_begin = tile_row * params.tile_width;
            var value = vec4<f32>();
            if params.conv.stride_x == 1u {
                // Where the quad hangs over the row's ends it reads neighbours, which `inside` refuses.
                value = products_from(source_row, i32(row_begin + column.x));
            } else {
                value = products_at(source_row, select(vec4<u32>(0u), column, inside) + row_begin);
            }
            sum += select(vec4<f32>(0.0), value, inside);
        }
        let to = (slot * image_rows + image_row) * params.pitch + first_out + quad * 4u;
        products[to >> 2u] = staged(group * params.rows + first_row + row, sum);
    }
}
