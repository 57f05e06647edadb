// The uniform and the table of the gather kernels of the `subgroup` family.
struct Params {
    tiles: u32,
    pixel_tiles: u32,
    channel_tiles: u32,
    first_pixel: u32,      // of this dispatch
    pixels: u32,           // N * OH * OW
    channels: u32,         // of a group, or of the part of its sum that is computed
    first_channel: u32,    // of the part, in its group
    group_channels: u32,   // C / groups
    in_channels: u32,      // C
    height: u32,
    width: u32,
    filters: u32,          // O / groups
    out_channels: u32,     // O
    out_height: u32,
    out_width: u32,
    channels_total: u32,
    channel_offset: u32,
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
    scale_at: u32,         // where the scales begin in `table`
    bias_at: u32,
    weight_scale: f32,     // of weights in 8 bits
    weight_zero: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;

