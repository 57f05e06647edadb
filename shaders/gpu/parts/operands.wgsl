// What implicit GEMMs have in common: their uniform, where they are in the reduction, and the rows of the summary. The
// columns are a part of their own (columns_*.wgsl). A kernel says with STEP how many channels of a tap a step takes.
//
//   f[ base(g, r, t) + c * channel_stride ]
//   base(g, r, t) = table[(g * rows + r) * T + t]                                       T = KH * KW, 1 for products
//
// Filters with learned positions are blended from two bases: base k of (g, r, t) = table[((g * rows + r) * 2 + k) * T +
// t]. Those with gains are multiplied by g(r, t), see gains.wgsl.
//
// Whatever is needed of a row or a column through a tap is computed when the tap changes. Columns, and weights of f32
// that lie together, are loaded without any mask or branch, since compilers wait for a loaded value where it is first
// needed, or where a block ends; what does not exist is masked when it is staged. Blends, weights one by one, and those
// of fewer bits are computed where they are loaded.
const WHOLE: u32 = 0u; // 1 where channels are a multiple of STEP
const ONE_TAP: u32 = 0u; // 1 where there is one

struct Params {
    conv: Geometry,
    tiles: u32,
    pixel_tiles: u32,
    row_tiles: u32,
    rows: u32,             // a group: filters or bases
    pixels: u32,           // of this dispatch: images * OH * OW
    scale_at: u32,
    bias_at: u32,
    slots_at: u32,         // products only: where the slot of every row stands in `table`
    slots: u32,            // the slot of rows that are not stored
    stage_at: u32,         // of a base stage
    splits: u32,           // parts of the reduction that workgroups of their own add up
    split_tiles: u32,      // tiles of one
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;

// Where a step is in the reduction: channels from `channel` on, of a tap.
struct Depth {
    tap: u32,
    ky: u32,
    kx: u32,
    channel: u32,
}

fn deeper(at: Depth) -> Depth {
    var next = at;
    next.channel += STEP;
    if ONE_TAP == 0u && next.channel >= params.conv.channels {
        next.channel = 0u;
        next.tap += 1u;
        next.kx += 1u;
        if next.kx == params.conv.kernel_width {
            next.kx = 0u;
            next.ky += 1u;
        }
    }
    return next;
}

// Row `row` of a group among those of all, or where the group has no such row its last.
fn row_of(group: u32, row: u32) -> u32 {
    return group * params.rows + min(row, params.rows - 1u);
}

// The first step of a split's part of the reduction, and the first after it.
fn steps_of(split: u32) -> vec2<u32> {
    let steps = params.conv.kernel_height * params.conv.kernel_width * ((params.conv.channels + STEP - 1u) / STEP);
    return vec2<u32>(split, split + 1u) * steps / params.splits;
}

// Where a step is.
fn depth_of(step: u32) -> Depth {
    if ONE_TAP == 1u {
        return Depth(0u, 0u, 0u, step * STEP);
    }
    let steps = (params.conv.channels + STEP - 1u) / STEP;
    let tap = step / steps;
    return Depth(tap, tap / params.conv.kernel_width, tap % params.conv.kernel_width, step % steps * STEP);
}

// `channel`, or the last one of those of its kind, `size` apart, that exists.
fn existing(channel: u32, size: u32) -> u32 {
    return min(channel, (params.conv.channels - 1u) / size * size);
}

// A tap of a row: where both segments of a filter with a learned position begin, at channel `first`.
struct Weights {
    at: array<u32, NEIGHBOURS>,
    fraction: f32,
    gain: f32,
}

fn weights_of(row: u32, depth: Depth, first: u32) -> Weights {
    let at = row * NEIGHBOURS * params.conv.kernel_height * params.conv.kernel_width + depth.tap;
    var weights: Weights;
    weights.fraction = fraction_of(row);
    weights.gain = gain_of(row, depth.tap);
    for (var k = 0u; k < NEIGHBOURS; k++) {
        let base = i32(table[at + k * params.conv.kernel_height * params.conv.kernel_width]);
        weights.at[k] = weight_place(base, select(existing(first, 4u), first, WHOLE == 1u));
    }
    return weights;
}

// Weights of four channels from `first + channel` on. Where these do not exist they are some others of the row's.
fn load_weights(weights: Weights, first: u32, channel: u32) -> vec4<f32> {
    var further = channel;
    if WHOLE == 0u {
        further = existing(first + channel, 4u) - existing(first, 4u);
    }
    let quad = weight_after(weights.at[0], first, further);
    if NEIGHBOURS == 1u {
        return quad;
    }
    return blend(weights.fraction, quad, weight_after(weights.at[NEIGHBOURS - 1u], first, further));
}

// What `load_weights` has loaded, with the gain of its tap; zero where there are no channels.
fn kept_weights(weights: Weights, first: u32, channel: u32, quad: vec4<f32>) -> vec4<f32> {
    let gained = select(weights.gain * quad, quad, GAINS == 0u);
    if WHOLE == 1u {
        return gained;
    }
    return select(vec4<f32>(0.0), gained, first + channel < params.conv.channels);
}
