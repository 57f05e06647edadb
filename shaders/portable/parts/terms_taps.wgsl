// Plain form: a term of an output is the product of one tap. Any window, any starts.
// The term of kernel column `kx` for output quad `x_quad`, from row `row` of the products; zero unless `inside`.
fn term_quad(row: u32, inside: bool, x_quad: u32, kx: u32) -> vec4<f32> {
    let column = vec4<u32>(x_quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    // Left of the input this wraps around to large numbers, which the comparison refuses.
    let x = column * params.conv.stride_x + kx * params.conv.dilation_x - params.conv.pad_left;
    return products_quad(row * params.pitch + x, (x < vec4<u32>(params.conv.width)) & vec4<bool>(inside));
}
