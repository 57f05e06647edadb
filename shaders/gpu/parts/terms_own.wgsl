// A filter's sums lie in a slot of its own, pixel by pixel of the output: those of a convolution in splits. There is
// one tap. A lane's pixels lie LANES apart; neighbouring lanes load and store neighbouring pixels.
fn pixels_of(first: u32, lane: u32) -> vec4<u32> {
    return vec4<u32>(first + lane) + vec4<u32>(0u, 1u, 2u, 3u) * LANES;
}

struct Begin {
    at: vec4<u32>,
    valid: vec4<bool>,
}

fn begin_of(image: vec4<u32>, within: vec4<u32>, valid: vec4<bool>) -> Begin {
    let at = image * (params.conv.out_height * params.conv.out_width) + within;
    return Begin(select(vec4<u32>(0u), at, valid), valid);
}

struct Place {
    at: vec4<u32>,
    inside: vec4<bool>,
}

fn place_of(begin: Begin, ky: u32, kx: u32) -> Place {
    return Place(begin.at, begin.valid);
}

fn term_quad(place: Place, slot: u32, kx: u32) -> vec4<f32> {
    let i = place.at + slot;
    let loaded = vec4<f32>(products[i.x], products[i.y], products[i.z], products[i.w]);
    return select(vec4<f32>(0.0), loaded, place.inside);
}

fn slot_of(channel: u32, k: u32, tap: u32, taps: u32) -> u32 {
    return channel;
}
