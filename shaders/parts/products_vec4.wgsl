// Products, four columns of a row at a time.
@group(0) @binding(1) var<storage, read> products: array<vec4<f32>>;

fn products_quad(quad: u32) -> vec4<f32> {
    return products[quad];
}

// One column.
fn product_value(at: u32) -> f32 {
    return products[at >> 2u][at & 3u];
}
