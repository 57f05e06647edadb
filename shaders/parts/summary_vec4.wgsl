// Weights of four consecutive channels, when they lie together: channel stride 1, no boundary, bases and channels
// multiples of 4. `base` is where channel 0 of the tap begins. Channels past the last, which dense weights are padded
// with, may come out as anything finite: X is zero there.
fn weight_quad(base: i32, channel: u32) -> vec4<f32> {
    return summary_whole((u32(base) + channel) >> 2u);
}

// The same for kernels that keep the place of channel `first` through a tap: of channels `first + channel` on.
fn weight_place(base: i32, first: u32) -> u32 {
    return (u32(base) + first) >> 2u;
}

fn weight_after(place: u32, first: u32, channel: u32) -> vec4<f32> {
    return summary_whole(place + (channel >> 2u));
}
