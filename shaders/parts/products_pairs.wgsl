// Products, four columns of a row at a time, in two loads.
@group(0) @binding(1) var<storage, read> products: array<vec2<u64>>;

fn products_quad(quad: u32) -> vec4<f32> {
    return quad_of(products[quad]);
}

// One column, in one load.
fn product_value(at: u32) -> f32 {
    let pair = products[at >> 2u][(at >> 1u) & 1u];
    return bitcast<f32>(u32(pair >> ((at & 1u) * 32u)));
}
