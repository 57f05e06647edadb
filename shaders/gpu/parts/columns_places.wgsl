// The columns of an implicit GEMM, quads of neighbouring output pixels, for any window, stride and padding: the four
// have places of their own, and a channel of theirs is four loads.
//
//   X[n, g * C + c, stride * p + dilation * t - pad]                                    zero outside
struct Column {
    // At tap 0, channel `first`. Above and left of the input y and x wrap around to large numbers, which comparisons
    // refuse; `origin` does too, and wraps back where it is used.
    origin: vec4<u32>,
    y: vec4<u32>,
    x: vec4<u32>,
    // At the present tap; outside a place that may be loaded from.
    at: vec4<u32>,
    inside: vec4<bool>,
}

// The column of four pixels from `pixel` on.
fn column_of(pixel: u32, group: u32) -> Column {
    let plane = params.conv.out_height * params.conv.out_width;
    let pixels = vec4<u32>(pixel) + vec4<u32>(0u, 1u, 2u, 3u);
    let image = pixels / plane + params.conv.first_image;
    let within = pixels % plane;
    let first_channel = group * params.conv.group_channels + params.conv.first_channel;
    var column: Column;
    let y = within / params.conv.out_width * params.conv.stride_y - params.conv.pad_top;
    column.x = within % params.conv.out_width * params.conv.stride_x - params.conv.pad_left;
    let begin = (image * params.conv.in_channels + first_channel) * params.conv.height * params.conv.width;
    column.origin = begin + y * params.conv.width + column.x;
    // Pixels past the last are outside at every tap.
    column.y = select(vec4<u32>(0x80000000u), y, pixels < vec4<u32>(params.pixels));
    return column;
}

// The same at another tap, for channels from `first` on.
fn column_at(column: Column, depth: Depth, first: u32) -> Column {
    let down = depth.ky * params.conv.dilation_y;
    let right = depth.kx * params.conv.dilation_x;
    var next = column;
    // `&`, not `&&`, which is a branch to some compilers.
    next.inside = (column.y + down < vec4<u32>(params.conv.height)) & (column.x + right < vec4<u32>(params.conv.width));
    let at = select(vec4<u32>(0u), column.origin + (down * params.conv.width + right), next.inside);
    let begin = select(existing(first, 1u), first, WHOLE == 1u);
    next.at = at + begin * (params.conv.height * params.conv.width);
    return next;
}

// Channel `first + channel` of the four pixels, of what lies outside anything.
fn load_column(column: Column, first: u32, channel: u32) -> vec4<Input> {
    var further = channel;
    if WHOLE == 0u {
        further = existing(first + channel, 1u) - existing(first, 1u);
    }
    let i = column.at + further * (params.conv.height * params.conv.width);
    return vec4<Input>(input[i.x], input[i.y], input[i.z], input[i.w]);
}

// What `load_column` has loaded; zero outside, and where there is no such channel.
fn kept_column(column: Column, first: u32, channel: u32, quad: vec4<f32>) -> vec4<f32> {
    if WHOLE == 1u {
        return select(vec4<f32>(0.0), quad, column.inside);
    }
    return select(vec4<f32>(0.0), quad, column.inside & vec4<bool>(first + channel < params.conv.channels));
}
