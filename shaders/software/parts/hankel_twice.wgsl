// Two levels of Hankel products: four rows of quarters of a tap, windows of the run g0 .. g6, by an input (x0, x1, x2,
// x3). The level of `hankel_once.wgsl` on pairs of rows and halves of a tap, then on rows and quarters in each of its
// three products.
const LOAD_ROWS: u32 = 4u; // rows whose weights a lane loads
const PRODUCTS: u32 = 9u;

fn weights_of(g: array<vec4<f32>, 7>) -> array<vec4<f32>, 9> {
    // The middle of three runs of three pieces, and what the outer ones have more.
    let left = array<vec4<f32>, 3>(g[0] - g[2], g[1] - g[3], g[2] - g[4]);
    let right = array<vec4<f32>, 3>(g[4] - g[2], g[5] - g[3], g[6] - g[4]);
    return array<vec4<f32>, 9>(
        left[0] - left[1], left[1], left[2] - left[1],
        g[2] - g[3], g[3], g[4] - g[3],
        right[0] - right[1], right[1], right[2] - right[1],
    );
}

fn inputs_of(x: array<vec4<f32>, 4>) -> array<vec4<f32>, 9> {
    let both = array<vec4<f32>, 2>(x[0] + x[2], x[1] + x[3]);
    return array<vec4<f32>, 9>(
        x[0], x[0] + x[1], x[1],
        both[0], both[0] + both[1], both[1],
        x[2], x[2] + x[3], x[3],
    );
}

fn rows_of(m: array<vec4<f32>, 9>) -> array<vec4<f32>, 4> {
    let middle = array<vec4<f32>, 2>(m[3] + m[4], m[4] + m[5]);
    return array<vec4<f32>, 4>(
        (m[0] + m[1]) + middle[0], (m[1] + m[2]) + middle[1],
        middle[0] + (m[6] + m[7]), middle[1] + (m[7] + m[8]),
    );
}
