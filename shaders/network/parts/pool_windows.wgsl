// The windows of a pool: what part of the input each covers, and where its value goes.
struct Params {
    elements: u32,         // N * C * OH * OW
    channels: u32,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    channels_total: u32,
    channel_offset: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    pad_top: u32,
    pad_left: u32,
    padded_height: u32,    // top + H + bottom
    padded_width: u32,
    average: u32,
    count_padding: u32,
    blocks: u32,           // of a window, where one is cut into several
    block: u32,            // taps of a block
}

@group(0) @binding(0) var<uniform> params: Params;

struct Window {
    first: u32,            // where its first tap inside the input is
    rows: u32,             // of taps inside the input
    columns: u32,
    count: f32,            // what an average divides by, at least 1: padding may be more than 2^32 values
    output: u32,           // where its value goes
}

fn window_of(element: u32) -> Window {
    let out_plane = params.out_height * params.out_width;
    let plane = element / out_plane;
    let within = element % out_plane;
    let first_y = within / params.out_width * params.stride_y;
    let first_x = within % params.out_width * params.stride_x;
    // In the padded input.
    let end_y = min(first_y + params.kernel_height, params.padded_height);
    let end_x = min(first_x + params.kernel_width, params.padded_width);
    let top = max(first_y, params.pad_top);
    let left = max(first_x, params.pad_left);
    let rows = max(min(end_y, params.pad_top + params.height), top) - top;
    let columns = max(min(end_x, params.pad_left + params.width), left) - left;
    let first = (plane * params.height + top - params.pad_top) * params.width + left - params.pad_left;
    let inside = f32(rows) * f32(columns);
    let count = select(inside, f32(end_y - first_y) * f32(end_x - first_x), params.count_padding == 1u);
    let channel = plane / params.channels * params.channels_total + params.channel_offset + plane % params.channels;
    return Window(first, rows, columns, max(count, 1.0), channel * out_plane + within);
}
