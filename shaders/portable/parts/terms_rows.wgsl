// Q form: a term of an output is the row sum of a kernel row, at the output's own column. Rows of products are whole
// quads. The term of output quad `x_quad`, from row `row` of the products; zero unless `inside`. `kx` is 0.
fn term_quad(row: u32, inside: bool, x_quad: u32, kx: u32) -> vec4<f32> {
    let at = select(0u, row * (params.pitch >> 2u) + x_quad, inside);
    return select(vec4<f32>(0.0), products_whole(at), inside);
}
