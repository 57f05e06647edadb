// Weights of four consecutive channels, for every window and boundary. `base` is where channel 0 of the tap begins;
// channels past the last are zero.
const BOUNDARY: u32 = 0u; // 0 none, 1 zero outside, 2 wrap

// The value at `index`, by the boundary's rule; wrapped indices are inside already.
fn value_at(index: u32) -> f32 {
    if BOUNDARY == 1u {
        // Negative indices are large as u32. The load is clamped, because `select` evaluates both sides.
        let value = summary_at(min(index, params.conv.summary_length - 1u));
        return select(0.0, value, index < params.conv.summary_length);
    }
    return summary_at(index);
}

fn weight_quad(base: i32, channel: u32) -> vec4<f32> {
    var index = u32(base + i32(channel) * params.conv.channel_stride);
    if BOUNDARY == 2u {
        // The only division: a wrapped stride is at most the length, so a step passes the end at most once.
        index %= params.conv.summary_length;
    }
    var weights: vec4<f32>;
    for (var k = 0u; k < 4u; k++) {
        let exists = channel + k < params.conv.channels;
        weights[k] = select(0.0, value_at(select(0u, index, exists)), exists);
        index += u32(params.conv.channel_stride);
        if BOUNDARY == 2u {
            index -= select(0u, params.conv.summary_length, index >= params.conv.summary_length);
        }
    }
    return weights;
}

// The same for kernels that keep the place of channel `first` through a tap: of channels `first + channel` on.
fn weight_place(base: i32, first: u32) -> u32 {
    return u32(base);
}

fn weight_after(place: u32, first: u32, channel: u32) -> vec4<f32> {
    return weight_quad(i32(place), first + channel);
}
