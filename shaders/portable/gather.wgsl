// Gather: implicit-GEMM convolution that reads every weight straight from the summary (or from dense weights in the
// same layout, which makes this the dense baseline too).
//
//   Y[n, i, p] = epilogue( sum_t sum_c W(i, c, t) * X[n, c, stride * p + dilation * t - pad] )
//   W(i, c, t) = f[ base(i, t) + c * channel_stride ]                      table[i * T + t] = base(i, t)
//
// With learned positions W is the blend of two such weights: table[(i * 2 + k) * T + t] = base k of (i, t), see
// blend.wgsl. With gains it is g(i, t) times that, see gains.wgsl.
//
// Layouts   X [N, C, H, W], Y [N, channels_total, OH, OW] from channel `channel_offset` on, residual [N, O, OH, OW].
// Tile      LANES_X * QUADS quads of pixels (four consecutive pixels of the flattened [N, OH, OW]) by LANES_Y * ROWS
//           output channels of one group:
//
//                   quads: lane x holds x, x + LANES_X, ...
//                 +---------------------------+
//        channels | lane y holds ROWS in a row|     a thread keeps ROWS * QUADS vec4 sums in registers; its loads of X
//                 +---------------------------+     are shared by ROWS channels, its loads of f by 4 * QUADS pixels
//
// Grid      pixel tiles x channel tiles x groups, flattened (pixel tiles fastest) and folded.
// Requires  nothing beyond WebGPU's defaults; no workgroup memory. 4 storage buffers, 5 with a residual.

const LANES_X: u32 = 8u;
const LANES_Y: u32 = 8u;
const ROWS: u32 = 8u;
const QUADS: u32 = 2u;

struct Params {
    conv: Geometry,
    tiles: u32,
    pixel_tiles: u32,
    channel_tiles: u32,
    pixels: u32,           // N * OH * OW
    filters: u32,          // O / groups
    scale_at: u32,         // where the scales begin in `table`
    bias_at: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;

// Four consecutive output pixels.
struct Quad {
    image: vec4<u32>,
    y: vec4<u32>,
    x: vec4<u32>,
    valid: vec4<bool>,
}

fn quad_at(first_pixel: u32) -> Quad {
    let pixel = vec4<u32>(first_pixel) + vec4<u32>(0u, 1u, 2u, 3u);
    let plane = params.conv.out_height * params.conv.out_width;
    let within = pixel % plane;
    return Quad(pixel / plane, within / params.conv.out_width, within % params.conv.out_width,
        pixel < vec4<u32>(params.pixels));
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
    let pixel_tile = tile % params.pixel_tiles;
    let group = tile / params.pixel_tiles / params.channel_tiles;
    let first_channel = group * params.conv.group_channels + params.conv.first_channel;
    let first_filter = (tile / params.pixel_tiles % params.channel_tiles * LANES_Y + lane.y) * ROWS;
    let plane = params.conv.height * params.conv.width;
    let taps = params.conv.kernel_height * params.conv.kernel_width;

    var quads: array<Quad, QUADS>;
    for (var q = 0u; q < QUADS; q++) {
        quads[q] = quad_at(((pixel_tile * QUADS + q) * LANES_X + lane.x) * 4u);
    }
    var fractions: array<f32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
        fractions[r] = fraction_of(min(first_filter + r, params.filters - 1u) + group * params.filters);
    }
    var sums: array<array<vec4<f32>, QUADS>, ROWS>;

    for (var tap = 0u; tap < taps; tap++) {
        let tap_y = tap / params.conv.kernel_width * params.conv.dilation_y;
        let tap_x = tap % params.conv.kernel_width * params.conv.dilation_x;
        var at = array<vec4<u32>, QUADS>();
        var valid = array<vec4<bool>, QUADS>();
        for (var q = 0u; q < QUADS; q++) {
            // Above and left of the input these wrap around to large numbers, which the comparison refuses.
            let y = quads[q].y * params.conv.stride_y + tap_y - params.conv.pad_top;
            let x = quads[q].x * params.conv.stride_x + tap_x - params.conv.pad_left;
            let inside_y = y < vec4<u32>(params.conv.height);
            let inside_x = x < vec4<u32>(params.conv.width);
            valid[q] = inside_y & inside_x & quads[q].valid;
            at[q] = (quads[q].image * params.conv.in_channels + first_channel) * plane + y * params.conv.width + x;
        }
        var bases = array<array<i32, NEIGHBOURS>, ROWS>();
        var gains = array<f32, ROWS>();
        for (var r = 0u; r < ROWS; r++) {
            let filter_index = min(first_filter + r, params.filters - 1u) + group * params.filters;
            gains[r] = gain_of(filter_index, tap);
            for (var k = 0u; k < NEIGHBOURS; k++) {
                bases[r][k] = i32(table[(filter_index * NEIGHBOURS + k) * taps + tap]);
            }
        }
        for (var channel = 0u; channel < params.conv.channels; channel += 4u) {
            var x = array<array<vec4<f32>, 4>, QUADS>();
            for (var q = 0u; q < QUADS; q++) {
                for (var k = 0u; k < 4u; k++) {
                    let exists = vec4<bool>(channel + k < params.conv.channels);
                    x[q][k] = input_quad(at[q] + (channel + k) * plane, valid[q] & exists);
                }
            }
            for (var r = 0u; r < ROWS; r++) {
                let w = gains[r] * blended_quad(fractions[r], bases[r][0], bases[r][NEIGHBOURS - 1u], channel);
                for (var q = 0u; q < QUADS; q++) {
                    sums[r][q] += w.x * x[q][0] + w.y * x[q][1] + w.z * x[q][2] + w.w * x[q][3];
                }
            }
        }
    }

    let out_plane = params.conv.out_height * params.conv.out_width;
    for (var r = 0u; r < ROWS; r++) {
        if first_filter + r < params.filters {
            let channel = group * params.filters + first_filter + r;
            let affine = affine_of(channel);
            for (var q = 0u; q < QUADS; q++) {
                let quad = quads[q];
                let within = quad.y * params.conv.out_width + quad.x;
                let from_residual = residual_quad((quad.image * params.conv.out_channels + channel) * out_plane
                    + within, quad.valid);
                let value = epilogue(affine, sums[r][q], from_residual);
                let to = (quad.image * params.conv.channels_total + params.conv.channel_offset
                    + channel) * out_plane + within;
                store_quad(to, quad.valid, value);
            }
        }
    }
}
