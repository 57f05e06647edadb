// Fused: shared products in one dispatch. A workgroup multiplies the bases that a tile of filters reads by a block of
// pixels, keeps the products in workgroup memory, and adds them up there: products never reach the device's memory.
//
//   P[u, p]       = sum_c f[ base(u) + c * channel_stride ] * X[n, c, p]       zero outside the picture
//   Y[n, i, y, x] = epilogue( sum_t g(i, t) * P[ row(i, t), stride * (y, x) + dilation * t - pad ] )
//
// With learned positions it is the blend of two such sums (blend.wgsl), over two neighbouring segments.
//
// Layouts   X [N, C, H, W], Y [N, channels_total, OH, OW] from channel `channel_offset` on, residual [N, O, OH, OW].
//           table: for every filter tile its bases [tiles of filters, TILE_ROWS], its group, and where those filters
//           begin that are finished with every row of its threads [tiles of filters, ROWS + 1]; filters in that order
//           [O]; and for every tap of every filter its row in the filter's tile [O, NEIGHBOURS, T], 8 of the bits.
// Tile      LANES_Y * ROWS bases by LANES_X * QUADS quads of pixels. The pixels are a block of the input with the halo
//           that its outputs' taps need, or several whole images; rows of `pitch` pixels one after another, and image
//           after image `image_rows` of them. Whole rows have their padding in common: what one reads past its right
//           end is the left padding of the next. The four values of a quad are `span` positions apart, a quarter of
//           the block each, so that a tap is the same number of quads away for all four, whatever stride and alignment:
//
//             positions of the block   |--- x ---|--- y ---|--- z ---|--- w ---|     quad j: j, span + j, ..
//             a row of P in memory     |  quads 0 .. span, x to w  | y z w 0 .. |    and what taps read past `span`
//
//           The reduction takes DEPTH channels at a time, double-buffered: while they are multiplied, the loads of the
//           next are in flight, and nothing is done to what is loaded before that. A thread holds every LANES_Y-th row.
//           Then products go to workgroup memory, `step_rows` of a thread's rows a step, into a ring of rows: with one
//           base a filter one step's rows are enough, neighbouring bases need the last ones of the step before. The
//           filters whose last base has come are finished: a thread has POSITIONS quads of outputs of one filter.
// Grid      blocks x tiles of filters, flattened (blocks fastest) and folded.
// Requires  16 * MEMORY + 8 * DEPTH * LANES_Y * ROWS bytes of workgroup memory; 4 storage buffers, 5 with a residual.

const LANES_X: u32 = 8u;
const LANES_Y: u32 = 8u;
const ROWS: u32 = 4u;
const QUADS: u32 = 2u;
const DEPTH: u32 = 4u;
const MEMORY: u32 = 832u;  // quads
const POSITIONS: u32 = 2u;
const TILE_ROWS: u32 = LANES_Y * ROWS;
const TILE_QUADS: u32 = LANES_X * QUADS;
const THREADS: u32 = LANES_X * LANES_Y;
const DEPTH_QUADS: u32 = DEPTH / 4u;
const WEIGHT_ITEMS: u32 = TILE_ROWS * DEPTH_QUADS;
const WEIGHT_LOADS: u32 = (WEIGHT_ITEMS + THREADS - 1u) / THREADS;
const PIXEL_LOADS: u32 = TILE_QUADS * DEPTH / THREADS;
const CHANNELS_A_LOAD: u32 = THREADS / TILE_QUADS;

struct Params {
    conv: Geometry,
    tiles: u32,
    blocks: u32,           // columns of blocks * rows of them * blocks of images
    blocks_x: u32,
    blocks_y: u32,
    block_width: u32,      // outputs
    block_height: u32,
    block_images: u32,
    images: u32,
    pitch: u32,            // positions from one row of the block to the next
    image_rows: u32,       // rows of the block from one image to the next
    image_outputs: u32,    // rows of outputs from one image to the next: image_rows / stride_y
    span: u32,             // positions a quarter of the block
    row_quads: u32,        // of a row of products
    output_rows: u32,      // a quarter of the block: span / pitch / stride_y
    thread_rows: u32,      // output_rows / POSITIONS, rounded up
    steps: u32,
    step_rows: u32,        // of a thread
    window: u32,           // rows of products in workgroup memory: the last ones of those that have come
    quad_pitch: u32,       // from one quad of a row to the next: an odd number of rows, so that no bank is met twice
    bases_at: u32,         // where these begin in `table`
    groups_at: u32,
    finished_at: u32,
    filters_at: u32,
    taps_at: u32,
    row_shift: u32,        // where a tap's row begins in its word
    stage_at: u32,         // of the rows of tiles
    scale_at: u32,
    bias_at: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;

// Two buffers of X, [DEPTH, TILE_QUADS] each; then products, [row_quads, quad_pitch].
var<workgroup> tile_quads: array<vec4<f32>, MEMORY>;
// Two buffers of f, [DEPTH, TILE_ROWS] each, the rows of a thread together.
var<workgroup> tile_weights: array<f32, 2u * DEPTH * TILE_ROWS>;

// Four pixels of a block: where channel 0 of theirs is, or 0 for those outside the picture.
struct Pixels {
    at: vec4<u32>,
    inside: vec4<bool>,
}

// Those of a quad of a block that begins at `corner`: column, row and image. Left of and above the picture columns and
// rows wrap around to large numbers, which the comparisons refuse.
fn pixels_of(quad: u32, corner: vec3<u32>) -> Pixels {
    let position = vec4<u32>(quad) + vec4<u32>(0u, 1u, 2u, 3u) * params.span;
    let block_row = position / params.pitch;
    let block_image = block_row / params.image_rows;
    let x = position - block_row * params.pitch + corner.x;
    let y = block_row - block_image * params.image_rows + corner.y;
    let image = block_image + corner.z;
    let exists = (block_image < vec4<u32>(params.block_images)) & (image < vec4<u32>(params.images))
        & vec4<bool>(quad < params.span);
    let inside = exists & (x < vec4<u32>(params.conv.width)) & (y < vec4<u32>(params.conv.height));
    let at = (image * params.conv.in_channels * params.conv.height + y) * params.conv.width + x;
    return Pixels(select(vec4<u32>(0u), at, inside), inside);
}

// The rows of products that are kept when all before `end` have come: the first, and its place.
fn kept_rows(end: u32) -> vec2<u32> {
    let first = max(end, params.window) - params.window;
    return vec2<u32>(first, first % params.window);
}

// Where such a row lies among those of a quad: each takes the place of the one a window before.
fn place_of(row: u32, kept: vec2<u32>) -> u32 {
    let place = row - kept.x + kept.y;
    return place - select(0u, params.window, place >= params.window);
}

fn multiply(buffer: u32, lane: vec2<u32>, sums: ptr<function, array<array<vec4<f32>, QUADS>, ROWS>>) {
    for (var k = 0u; k < DEPTH; k++) {
        // Nothing is computed in the loops that need not be: compilers unroll so much, and not more.
        let pixels = (buffer * DEPTH + k) * TILE_QUADS + lane.x;
        let weights = ((buffer * DEPTH + k) * LANES_Y + lane.y) * ROWS;
        var x = array<vec4<f32>, QUADS>();
        for (var q = 0u; q < QUADS; q++) {
            x[q] = tile_quads[pixels + q * LANES_X];
        }
        for (var r = 0u; r < ROWS; r++) {
            let w = tile_weights[weights + r];
            for (var q = 0u; q < QUADS; q++) {
                (*sums)[r][q] += w * x[q];
            }
        }
    }
}

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let tile = linear_workgroup(workgroup, grid);
    if tile >= params.tiles {
        return;
    }
    let filter_tile = tile / params.blocks;
    let block = tile - filter_tile * params.blocks;
    let block_y = block / params.blocks_x % params.blocks_y;
    // Column, row and image of the block's first output, and where its first tap reads.
    let first = vec3<u32>(block % params.blocks_x * params.block_width, block_y * params.block_height,
        block / params.blocks_x / params.blocks_y * params.block_images);
    let corner = vec3<u32>(first.x * params.conv.stride_x - params.conv.pad_left,
        first.y * params.conv.stride_y - params.conv.pad_top, first.z);
    let plane = params.conv.height * params.conv.width;
    let first_channel = table[params.groups_at + filter_tile] * params.conv.group_channels + params.conv.first_channel;

    // A thread loads one quad of pixels, every CHANNELS_A_LOAD-th channel of it, and one quad of channels of some rows.
    let own_channel = thread / TILE_QUADS;
    let own_pixels = pixels_of(thread % TILE_QUADS, corner).at + first_channel * plane;
    let own_offset = own_channel * plane;
    var bases: array<i32, WEIGHT_LOADS>;
    for (var i = 0u; i < WEIGHT_LOADS; i++) {
        let own_row = min(thread + i * THREADS, WEIGHT_ITEMS - 1u) / DEPTH_QUADS;
        bases[i] = i32(table[params.bases_at + filter_tile * TILE_ROWS + own_row % ROWS * LANES_Y + own_row / ROWS]);
    }
    let last_quad = (params.conv.channels - 1u) / 4u * 4u;
    let rounds = (params.conv.channels + DEPTH - 1u) / DEPTH;
    var from_x: array<vec4<f32>, PIXEL_LOADS>;
    var from_f: array<vec4<f32>, WEIGHT_LOADS>;
    var sums: array<array<vec4<f32>, QUADS>, ROWS>;
    // Round k multiplies what round k - 1 has loaded; round 0 only loads.
    for (var round = 0u; round <= rounds; round++) {
        if round < rounds {
            for (var i = 0u; i < PIXEL_LOADS; i++) {
                // Past the last channel the first is loaded, and left out below.
                let channel = round * DEPTH + i * CHANNELS_A_LOAD;
                let exists = channel + own_channel < params.conv.channels;
                let at = own_pixels + select(0u, channel * plane + own_offset, exists);
                from_x[i] = vec4<f32>(input_at(at.x), input_at(at.y), input_at(at.z), input_at(at.w));
            }
            for (var i = 0u; i < WEIGHT_LOADS; i++) {
                let channel = round * DEPTH + (thread + i * THREADS) % DEPTH_QUADS * 4u;
                from_f[i] = weight_quad(bases[i], min(channel, last_quad));
            }
        }
        if round > 0u {
            multiply((round - 1u) % 2u, lane.xy, &sums);
        }
        if round < rounds {
            // The other buffer: the last barrier has seen to it that nobody reads it any more.
            let to = round % 2u * DEPTH;
            for (var i = 0u; i < PIXEL_LOADS; i++) {
                let exists = round * DEPTH + i * CHANNELS_A_LOAD + own_channel < params.conv.channels;
                tile_quads[to * TILE_QUADS + thread + i * THREADS] = select(vec4<f32>(0.0), from_x[i], exists);
            }
            for (var i = 0u; i < WEIGHT_LOADS; i++) {
                let item = thread + i * THREADS;
                if WEIGHT_ITEMS % THREADS == 0u || item < WEIGHT_ITEMS {
                    let channel = item % DEPTH_QUADS * 4u;
                    let exists = round * DEPTH + channel < params.conv.channels;
                    let weights = select(vec4<f32>(0.0), from_f[i], exists);
                    let at = (to + channel) * TILE_ROWS + item / DEPTH_QUADS;
                    tile_weights[at] = weights.x;
                    tile_weights[at + TILE_ROWS] = weights.y;
                    tile_weights[at + 2u * TILE_ROWS] = weights.z;
                    tile_weights[at + 3u * TILE_ROWS] = weights.w;
                }
            }
        }
        workgroupBarrier();
    }

    // Which of the thread's pixels are inside the picture, a bit each: fewer registers than as many conditions.
    var of_quads = vec4<u32>(0u);
    for (var q = 0u; q < QUADS; q++) {
        of_quads |= select(vec4<u32>(0u), vec4<u32>(1u << q), pixels_of(q * LANES_X + lane.x, corner).inside);
    }
    let inside = of_quads.x | (of_quads.y << 8u) | (of_quads.z << 16u) | (of_quads.w << 24u);
    for (var step = 0u; step < params.steps; step++) {
        let first_row = step * params.step_rows;
        let end_row = min(first_row + params.step_rows, ROWS);
        let kept = kept_rows(end_row * LANES_Y);
        for (var q = 0u; q < QUADS; q++) {
            let quad = q * LANES_X + lane.x;
            let bits = vec4<u32>(inside) & (vec4<u32>(1u, 1u << 8u, 1u << 16u, 1u << 24u) << vec4<u32>(q));
            for (var r = 0u; r < ROWS; r++) {
                // Tiles may have more quads than the block.
                if r >= first_row && r < end_row && quad < params.span {
                    // Outside the picture are none.
                    let row = filter_tile * TILE_ROWS + r * LANES_Y + lane.y;
                    let products = select(vec4<f32>(0.0), staged(row, sums[r][q]), bits != vec4<u32>(0u));
                    tile_quads[quad * params.quad_pitch + place_of(r * LANES_Y + lane.y, kept)] = products;
                }
            }
        }
        workgroupBarrier();
        // Taps that reach past a quarter of the block read the next one. Not where sums are stored: a loop around those
        // that are in registers is more than some compilers unroll.
        for (var r = first_row; r < end_row; r++) {
            let row = place_of(r * LANES_Y + lane.y, kept);
            for (var quad = params.span + lane.x; quad < params.row_quads; quad += LANES_X) {
                var source = quad - params.span;
                var quarters = 1u;
                while source >= params.span {
                    source -= params.span;
                    quarters += 1u;
                }
                var products = tile_quads[source * params.quad_pitch + row];
                for (var quarter = 0u; quarter < quarters; quarter++) {
                    products = vec4<f32>(products.yzw, 0.0);
                }
                tile_quads[quad * params.quad_pitch + row] = products;
            }
        }
        workgroupBarrier();
        let finished = params.finished_at + filter_tile * (ROWS + 1u);
        let first_place = table[finished + first_row];
        let threads_a_filter = params.thread_rows * params.block_width;
        let items = (table[finished + end_row] - first_place) * threads_a_filter;
        for (var item = thread; item < items; item += THREADS) {
            let place = item / threads_a_filter;
            finish(first_place + place, item - place * threads_a_filter, first, kept);
        }
        workgroupBarrier();
    }
}

// Finishes a quad of outputs in every `thread_rows`-th row, of the filter at a place in their list.
fn finish(place: u32, first_quad: u32, first: vec3<u32>, kept: vec2<u32>) {
    let filter_index = table[params.filters_at + place];
    let row = first_quad / params.block_width;
    let column = first_quad - row * params.block_width;
    let row_pitch = params.conv.stride_y * params.pitch;
    var at: array<u32, POSITIONS>;
    for (var p = 0u; p < POSITIONS; p++) {
        // Past the last row the last is read.
        let own_row = min(row + p * params.thread_rows, params.output_rows - 1u);
        at[p] = (own_row * row_pitch + column * params.conv.stride_x) * params.quad_pitch;
    }
    let taps = params.conv.kernel_height * params.conv.kernel_width;
    let first_gain = filter_index * taps;
    var sums: array<array<vec4<f32>, POSITIONS>, NEIGHBOURS>;
    for (var k = 0u; k < NEIGHBOURS; k++) {
        let tap_at = params.taps_at + (filter_index * NEIGHBOURS + k) * taps;
        // Row and gain of the next tap are loaded while one is added.
        var tap = 0u;
        var next_row = table[tap_at];
        var next_gain = gain_of(0u, first_gain);
        for (var ky = 0u; ky < params.conv.kernel_height; ky++) {
            var shift = ky * params.conv.dilation_y * params.pitch * params.quad_pitch;
            for (var kx = 0u; kx < params.conv.kernel_width; kx++) {
                let begin = place_of((next_row >> params.row_shift) & 255u, kept) + shift;
                let gain = next_gain;
                tap = min(tap + 1u, taps - 1u);
                next_row = table[tap_at + tap];
                next_gain = gain_of(0u, first_gain + tap);
                for (var p = 0u; p < POSITIONS; p++) {
                    sums[k][p] += gain * tile_quads[begin + at[p]];
                }
                shift += params.conv.dilation_x * params.quad_pitch;
            }
        }
    }

    let affine = affine_of(filter_index);
    let fraction = fraction_of(filter_index);
    let out_plane = params.conv.out_height * params.conv.out_width;
    let channel = params.conv.channel_offset + filter_index;
    let x = first.x + column;
    let quarters = vec4<u32>(0u, 1u, 2u, 3u) * params.output_rows;
    for (var p = 0u; p < POSITIONS; p++) {
        let own_row = row + p * params.thread_rows;
        var y = quarters + own_row;
        var image = vec4<u32>(first.z);
        var valid = vec4<bool>(x < params.conv.out_width && own_row < params.output_rows);
        var to = ((first.z * params.conv.channels_total + channel) * params.conv.out_height + first.y + own_row)
            * params.conv.out_width + x + quarters * params.conv.out_width;
        if params.block_images > 1u {
            // Whole images, one below the other.
            let block_image = y / params.image_outputs;
            y -= block_image * params.image_outputs;
            image += block_image;
            valid &= (block_image < vec4<u32>(params.block_images)) & (image < vec4<u32>(params.images));
            to = ((image * params.conv.channels_total + channel) * params.conv.out_height + y) * params.conv.out_width
                + x;
        }
        valid &= (y < vec4<u32>(params.block_height)) & (first.y + y < vec4<u32>(params.conv.out_height));
        // The residual has no other channels.
        let others = params.conv.channels_total - params.conv.out_channels;
        let residual_at = to - (image * others + params.conv.channel_offset) * out_plane;
        let sum = blend(fraction, sums[0][p], sums[NEIGHBOURS - 1u][p]);
        store_quad(to, valid, epilogue(affine, sum, residual_quad(residual_at, valid)));
    }
}
