// Products, four columns of a row at a time.
@group(0) @binding(1) var<storage, read> products: array<vec4<f32>>;

fn products_quad(quad: u32) -> vec4<f32> {
    return products[quad];
}
