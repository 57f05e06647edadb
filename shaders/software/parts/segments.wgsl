// Rows of products are segments of the summary themselves: never a blend of two.
const NEIGHBOURS: u32 = 1u;

fn blended_quad(fraction: f32, first: i32, next: i32, channel: u32) -> vec4<f32> {
    return weight_quad(first, channel);
}
