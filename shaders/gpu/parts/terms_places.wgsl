// A lane's pixels lie LANES apart, and each has a place of its own: any window, stride and padding. Neighbouring lanes
// load and store neighbouring pixels.
fn pixels_of(first: u32, lane: u32) -> vec4<u32> {
    return vec4<u32>(first + lane) + vec4<u32>(0u, 1u, 2u, 3u) * LANES;
}

// Where the products of tap 0 lie, in slot 0. Above and left of the input all wrap around to large numbers, which the
// comparisons refuse.
struct Begin {
    at: vec4<u32>,
    y: vec4<u32>,
    x: vec4<u32>,
}

fn begin_of(image: vec4<u32>, within: vec4<u32>, valid: vec4<bool>) -> Begin {
    let y = within / params.conv.out_width * params.conv.stride_y - params.conv.pad_top;
    let x = within % params.conv.out_width * params.conv.stride_x - params.conv.pad_left;
    let at = (image * params.conv.height + y) * params.conv.width + x;
    return Begin(at, select(vec4<u32>(0x80000000u), y, valid), x);
}

// The same at a tap; outside a place that may be loaded from.
struct Place {
    at: vec4<u32>,
    inside: vec4<bool>,
}

fn place_of(begin: Begin, ky: u32, kx: u32) -> Place {
    let down = ky * params.conv.dilation_y;
    let right = kx * params.conv.dilation_x;
    let inside = (begin.y + down < vec4<u32>(params.conv.height)) & (begin.x + right < vec4<u32>(params.conv.width));
    return Place(select(vec4<u32>(0u), begin.at + (down * params.conv.width + right), inside), inside);
}

// The products of the tap, of the slot that begins at `slot`; zero outside.
fn term_quad(place: Place, slot: u32, kx: u32) -> vec4<f32> {
    let i = place.at + slot;
    let loaded = vec4<f32>(products[i.x], products[i.y], products[i.z], products[i.w]);
    return select(vec4<f32>(0.0), loaded, place.inside);
}

// The slot of a filter's tap, of its segment `k`.
fn slot_of(channel: u32, k: u32, tap: u32, taps: u32) -> u32 {
    return table[params.slots_at + (channel * NEIGHBOURS + k) * taps + tap];
}
