// The convolution, or the part of its sum, that a kernel computes: what the uniforms of all its kernels begin with.
struct Geometry {
    channels: u32,         // of a group, or of the part of its sum that is computed
    first_channel: u32,    // of the part, in its group
    group_channels: u32,   // C / groups
    in_channels: u32,      // C
    height: u32,
    width: u32,
    first_image: u32,      // of the dispatch
    out_channels: u32,     // O
    out_height: u32,
    out_width: u32,
    channels_total: u32,   // of the tensor that outputs are written to
    channel_offset: u32,   // where in it they begin
    kernel_height: u32,
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    pad_top: u32,
    pad_left: u32,
    channel_stride: i32,
    summary_length: u32,
    weight_scale: f32,     // of weights in 8 bits
    weight_zero: f32,
    numbers: Numbers,      // of the activation
}

fn numbers() -> Numbers {
    return params.conv.numbers;
}

