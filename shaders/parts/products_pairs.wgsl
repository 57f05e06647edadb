// Products, four columns of a row at a time, in two loads.
@group(0) @binding(1) var<storage, read> products: array<vec2<u64>>;

fn products_quad(quad: u32) -> vec4<f32> {
    return quad_of(products[quad]);
}
