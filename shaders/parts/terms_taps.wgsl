// Plain form: a term of an output is the product of one tap. Any window, any starts.
@group(0) @binding(1) var<storage, read> products: array<f32>;

// The term of kernel column `kx` for output quad `x_quad`, from row `row` of the products; zero unless `inside`.
fn term_quad(row: u32, inside: bool, x_quad: u32, kx: u32) -> vec4<f32> {
    // Left of the input this wraps around to large numbers, which the comparison refuses.
    let x = (vec4<u32>(x_quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u)) * params.conv.stride_x + kx * params.conv.dilation_x - params.conv.pad_left;
    let exists = (x < vec4<u32>(params.conv.width)) & vec4<bool>(inside);
    let at = select(vec4<u32>(0u), row * params.pitch + x, exists);
    let value = vec4<f32>(products[at.x], products[at.y], products[at.z], products[at.w]);
    return select(vec4<f32>(0.0), value, exists);
}
