// The rows of a tile by its pixels, over the channels of one tap: multiplied as they are. A lane loads the weights of
// one row a block, and the others take them from it by shuffles.
const LOAD_ROWS: u32 = 1u; // rows whose weights a lane loads
const LOADS: u32 = ROW_BLOCKS;

fn multiply_rows(
    sums: ptr<function, Sums>, own: array<Row, LOADS>, at: array<vec4<u32>, QUADS>, valid: array<vec4<bool>, QUADS>,
        plane: u32,
) {
    for (var channel = 0u; channel < params.conv.channels; channel += 4u) {
        var x = array<array<vec4<f32>, 4>, QUADS>();
        for (var q = 0u; q < QUADS; q++) {
            for (var k = 0u; k < 4u; k++) {
                let exists = vec4<bool>(channel + k < params.conv.channels);
                x[q][k] = input_quad(at[q] + (channel + k) * plane, valid[q] & exists);
            }
        }
        for (var b = 0u; b < LOADS; b++) {
            let weights = own[b].gain * blended_quad(own[b].fraction, own[b].first, own[b].next, channel);
            for (var l = 0u; l < SUBGROUP; l++) {
                let w = subgroupShuffle(weights, l);
                for (var q = 0u; q < QUADS; q++) {
                    (*sums)[b][l][q] += w.x * x[q][0] + w.y * x[q][1] + w.z * x[q][2] + w.w * x[q][3];
                }
            }
        }
    }
}
