// Plain form where outputs stand in the columns of their inputs, a constant number of pixels beside those that a tap
// reads (stride and dilation 1): quads are put together from two neighbours in a row of products, one whole and of the
// other what is missing.
const PAD_LEFT: u32 = 1u;

// The term of kernel column `kx` for output quad `x_quad`, from row `row` of the products; zero unless `inside`.
fn term_quad(row: u32, inside: bool, x_quad: u32, kx: u32) -> vec4<f32> {
    let shift = i32(kx) - i32(PAD_LEFT);
    let offset = u32(shift) & 3u;
    let row_quads = params.pitch >> 2u;
    // Left of the row both wrap around to large numbers, which the comparisons refuse.
    let quad = x_quad + u32(shift >> 2u);
    let first = row * row_quads + quad;
    let has_first = inside && quad < row_quads;
    let has_next = inside && quad + 1u < row_quads;
    var value: vec4<f32>;
    switch offset {
        case 0u: {
            value = products_whole(select(0u, first, has_first));
        }
        case 1u: {
            let next = products_at(select(0u, first * 4u + 4u, has_next));
            value = vec4<f32>(products_whole(select(0u, first, has_first)).yzw, next);
        }
        case 2u: {
            let low = products_whole(select(0u, first, has_first));
            value = vec4<f32>(low.zw, products_whole(select(0u, first + 1u, has_next)).xy);
        }
        default: {
            let last = products_at(select(0u, first * 4u + 3u, has_first));
            value = vec4<f32>(last, products_whole(select(0u, first + 1u, has_next)).xyz);
        }
    }
    let x = vec4<u32>(x_quad * 4u + u32(shift)) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(0.0), value, (x < vec4<u32>(params.conv.width)) & vec4<bool>(inside));
}
