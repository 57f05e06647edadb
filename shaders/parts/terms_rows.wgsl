// Q form: term k of an output is the row sum of kernel row k, at the output's own column. Rows of products are whole quads.
//
//   Q[ slot, n, y * stride_y + k * dilation_y - pad_top, x ]
@group(0) @binding(1) var<storage, read> products: array<vec4<f32>>;

// The term of quad `quad` of the output plane; `first_row` is where the slot's image begins.
fn term_quad(first_row: u32, quad: u32, term: u32) -> vec4<f32> {
    // Above the input this wraps around to a large number, which the comparison refuses.
    let y = quad / params.row_quads * params.stride_y + term * params.dilation_y - params.pad_top;
    let inside = y < params.height && quad < params.plane_quads;
    let at = select(0u, (first_row + y) * (params.pitch >> 2u) + quad % params.row_quads, inside);
    return select(vec4<f32>(0.0), products[at], inside);
}
