// One level of Hankel products: rows (g0, g1) and (g1, g2), in halves of a tap, by an input (x0, x1).
//
//   m0 = (g0 - g1) x0,  m1 = g1 (x0 + x1),  m2 = (g2 - g1) x1          rows m0 + m1, m1 + m2
const LOAD_ROWS: u32 = 2u; // rows whose weights a lane loads
const PRODUCTS: u32 = 3u;

fn weights_of(g: array<vec4<f32>, 3>) -> array<vec4<f32>, 3> {
    return array<vec4<f32>, 3>(g[0] - g[1], g[1], g[2] - g[1]);
}

fn inputs_of(x: array<vec4<f32>, 2>) -> array<vec4<f32>, 3> {
    return array<vec4<f32>, 3>(x[0], x[0] + x[1], x[1]);
}

fn rows_of(m: array<vec4<f32>, 3>) -> array<vec4<f32>, 2> {
    return array<vec4<f32>, 2>(m[0] + m[1], m[1] + m[2]);
}
