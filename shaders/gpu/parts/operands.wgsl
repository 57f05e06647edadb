// The operands of an implicit GEMM: rows of the summary by pixels of the input, four channels at a time. A kernel says
// with DEPTH how many channels of a tap a step takes.
//
//   f[ base(g, r, t) + c * channel_stride ]        X[n, g * C + c, stride * p + dilation * t - pad]
//   base(g, r, t) = table[(g * rows + r) * T + t]                                       T = KH * KW, 1 for products
//
// Filters with learned positions are blended from two bases: base k of (g, r, t) = table[((g * rows + r) * 2 + k) * T +
// t]. Those with gains are multiplied by g(r, t), see gains.wgsl.
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
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;

// Where a step is in the reduction: channels from `channel` on, of a tap. Past the last tap all loads are zero.
struct Depth {
    tap: u32,
    ky: u32,
    kx: u32,
    channel: u32,
}

fn deeper(at: Depth) -> Depth {
    var next = at;
    next.channel += DEPTH;
    if next.channel >= params.conv.channels {
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

// An output pixel: where its input begins. Above and left of the input y and x wrap around to large numbers, which
// comparisons refuse.
struct Pixel {
    at: u32,
    y: u32,
    x: u32,
    valid: bool,
}

fn pixel_at(pixel: u32, group: u32) -> Pixel {
    let plane = params.conv.out_height * params.conv.out_width;
    let image = pixel / plane + params.conv.first_image;
    let within = pixel % plane;
    let first_channel = group * params.conv.group_channels + params.conv.first_channel;
    return Pixel(
        (image * params.conv.in_channels + first_channel) * params.conv.height * params.conv.width,
        within / params.conv.out_width * params.conv.stride_y - params.conv.pad_top,
        within % params.conv.out_width * params.conv.stride_x - params.conv.pad_left,
        pixel < params.pixels,
    );
}

// Four channels of X, for one tap of a pixel.
fn load_pixel(pixel: Pixel, depth: Depth, quad: u32) -> vec4<f32> {
    let y = pixel.y + depth.ky * params.conv.dilation_y;
    let x = pixel.x + depth.kx * params.conv.dilation_x;
    let inside = pixel.valid && y < params.conv.height && x < params.conv.width && depth.ky < params.conv.kernel_height;
    let channel = vec4<u32>(depth.channel + quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let valid = vec4<bool>(inside) & (channel < vec4<u32>(params.conv.channels));
    return input_quad(pixel.at + channel * (params.conv.height * params.conv.width) + y * params.conv.width + x, valid);
}

// Four channels of f, for one tap of a row.
fn load_row(row: u32, depth: Depth, quad: u32) -> vec4<f32> {
    let taps = params.conv.kernel_height * params.conv.kernel_width;
    let channel = depth.channel + quad * 4u;
    let tap = min(depth.tap, taps - 1u);
    let at = row * NEIGHBOURS * taps + tap;
    let first = i32(table[at]);
    let next = i32(table[at + (NEIGHBOURS - 1u) * taps]);
    // The load is clamped, because `select` evaluates both sides.
    let weights = blended_quad(fraction_of(row), first, next, min(channel, (params.conv.channels - 1u) / 4u * 4u));
    return select(vec4<f32>(0.0), gain_of(row, tap) * weights, channel < params.conv.channels);
}
