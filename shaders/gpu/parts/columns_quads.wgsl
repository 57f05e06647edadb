// The columns of an implicit GEMM, quads of neighbouring pixels, where these lie together in the input as well: windows
// of 1x1, stride 1, no padding, planes of whole quads. A channel of theirs is one load.
//
//   X[n, g * C + c, p]
struct Column {
    at: u32, // in quads
}

// The column of four pixels from `pixel` on; past the last it is the last.
fn column_of(pixel: u32, group: u32) -> Column {
    let plane = params.conv.height * params.conv.width;
    let existing_pixel = min(pixel, params.pixels - 4u);
    let image = existing_pixel / plane + params.conv.first_image;
    let first_channel = group * params.conv.group_channels + params.conv.first_channel;
    return Column(((image * params.conv.in_channels + first_channel) * plane + existing_pixel % plane) / 4u);
}

// The same for channels from `first` on: once, as there is one tap.
fn column_at(column: Column, depth: Depth, first: u32) -> Column {
    return Column(column.at + first * (params.conv.height * params.conv.width / 4u));
}

// Channel `first + channel` of the four pixels.
fn load_column(column: Column, first: u32, channel: u32) -> vec4<Input> {
    return input[column.at + channel * (params.conv.height * params.conv.width / 4u)];
}

// What `load_column` has loaded: all of it exists, or is not stored.
fn kept_column(column: Column, first: u32, channel: u32, quad: vec4<f32>) -> vec4<f32> {
    return quad;
}
