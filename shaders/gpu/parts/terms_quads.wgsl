// A lane's pixels are a quad of neighbours in one row, in place: windows three wide, stride and dilation 1, one pixel
// of padding left of rows of whole quads. A tap in the middle is one load, one beside it that load and the pixel next
// to the quad.
fn pixels_of(first: u32, lane: u32) -> vec4<u32> {
    return vec4<u32>(first + lane * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
}

// Where the products of the middle tap of the first kernel row lie, in slot 0. Above the input y wraps around to a
// large number, which the comparison refuses.
struct Begin {
    at: u32,
    y: u32,
    has_left: bool,
    has_right: bool,
}

fn begin_of(image: vec4<u32>, within: vec4<u32>, valid: vec4<bool>) -> Begin {
    let y = within.x / params.conv.width - params.conv.pad_top;
    let x = within.x % params.conv.width;
    let at = (image.x * params.conv.height + y) * params.conv.width + x;
    return Begin(at, select(0x80000000u, y, valid.x), x > 0u, x + 4u < params.conv.width);
}

// The same at a kernel row; outside a place that may be loaded from, and so are the pixels beside a row.
struct Place {
    at: u32,
    beside: u32,
    inside: bool,
    has_beside: bool,
}

fn place_of(begin: Begin, ky: u32, kx: u32) -> Place {
    let inside = begin.y + ky < params.conv.height;
    let at = select(0u, begin.at + ky * params.conv.width, inside);
    let has_beside = inside & select(begin.has_left, begin.has_right, kx == 2u);
    return Place(at, select(at, select(at - 1u, at + 4u, kx == 2u), has_beside), inside, has_beside);
}

// The products of the tap, of the slot that begins at `slot`; zero outside.
fn term_quad(place: Place, slot: u32, kx: u32) -> vec4<f32> {
    let quad = select(vec4<f32>(0.0), products[(place.at + slot) >> 2u], place.inside);
    if kx == 1u {
        return quad;
    }
    let at = place.beside + slot;
    let beside = select(0.0, products[at >> 2u][at & 3u], place.has_beside);
    if kx == 0u {
        return vec4<f32>(beside, quad.xyz);
    }
    return vec4<f32>(quad.yzw, beside);
}

// The slot of a filter's tap, of its segment `k`.
fn slot_of(channel: u32, k: u32, tap: u32, taps: u32) -> u32 {
    return table[params.slots_at + (channel * NEIGHBOURS + k) * taps + tap];
}
