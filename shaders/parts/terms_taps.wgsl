// Plain form: term t of an output is the product of tap t. Any window, any starts.
//
//   P[ slot, n, y * stride_y + ky * dilation_y - pad_top, x * stride_x + kx * dilation_x - pad_left ]      t = ky * KW + kx
@group(0) @binding(1) var<storage, read> products: array<f32>;

// The term of quad `quad` of the output plane; `first_row` is where the slot's image begins.
fn term_quad(first_row: u32, quad: u32, term: u32) -> vec4<f32> {
    // Above and left of the input these wrap around to large numbers, which the comparisons refuse.
    let y = quad / params.row_quads * params.stride_y + term / params.kernel_width * params.dilation_y - params.pad_top;
    let out_x = vec4<u32>(quad % params.row_quads * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let x = out_x * params.stride_x + term % params.kernel_width * params.dilation_x - params.pad_left;
    let inside = (x < vec4<u32>(params.width)) & vec4<bool>(y < params.height && quad < params.plane_quads);
    let at = select(vec4<u32>(0u), (first_row + y) * params.pitch + x, inside);
    let value = vec4<f32>(products[at.x], products[at.y], products[at.z], products[at.w]);
    return select(vec4<f32>(0.0), value, inside);
}
