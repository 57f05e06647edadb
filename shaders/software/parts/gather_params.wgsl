// The uniform and the table of the gather kernels of the `subgroup` family.
struct Params {
    conv: Geometry,
    tiles: u32,
    pixel_tiles: u32,
    channel_tiles: u32,
    first_pixel: u32,      // of this dispatch
    pixels: u32,           // N * OH * OW
    filters: u32,          // O / groups
    scale_at: u32,         // where the scales begin in `table`
    bias_at: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> table: array<u32>;

