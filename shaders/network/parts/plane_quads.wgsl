// Four pixels of one channel of one image: what a thread works on where every value stands for itself. Two divisions
// tell where they are, however many channels the tensors have.
struct PlaneQuad {
    image: u32,
    channel: u32,
    pixel: vec4<u32>,
    valid: vec4<bool>,
}

fn plane_quad(index: u32) -> PlaneQuad {
    let plane_quads = (params.plane + 3u) >> 2u;
    let row = index / plane_quads;
    let image = row / params.channels;
    let pixel = vec4<u32>((index - row * plane_quads) * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let valid = (pixel < vec4<u32>(params.plane)) & vec4<bool>(image < params.images);
    return PlaneQuad(image, row - image * params.channels, pixel, valid);
}

// Where the quad is in a tensor [N, channels_total, H, W], of which the channels from `channel_offset` on are meant.
fn quad_in(quad: PlaneQuad, channels_total: u32, channel_offset: u32) -> vec4<u32> {
    return (quad.image * channels_total + channel_offset + quad.channel) * params.plane + quad.pixel;
}
