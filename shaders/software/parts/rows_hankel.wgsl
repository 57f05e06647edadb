// The rows of a tile by its pixels, over the channels of one tap, where rows begin a piece of a tap after one another:
// PRODUCTS products of pieces for LOAD_ROWS rows of LOAD_ROWS pieces (`hankel_once.wgsl`, `hankel_twice.wgsl`;
// docs/method.md, Hankel products). Consecutive rows are windows of one run of pieces. A lane loads such a run a block,
// and the others take its combinations from it by shuffles.
const LOADS: u32 = (ROW_BLOCKS + LOAD_ROWS - 1u) / LOAD_ROWS;
const PIECES: u32 = 2u * LOAD_ROWS - 1u;

fn multiply_rows(
    sums: ptr<function, Sums>, own: array<Row, LOADS>, at: array<vec4<u32>, QUADS>, valid: array<vec4<bool>, QUADS>,
        plane: u32,
) {
    let piece = params.conv.channels / LOAD_ROWS;
    // Pieces of rows that do not exist may lie behind the summary's end; any other will do for them.
    var begins: array<array<i32, PIECES>, LOADS>;
    for (var b = 0u; b < LOADS; b++) {
        for (var i = 0u; i < PIECES; i++) {
            let begin = own[b].first + i32(i * piece);
            begins[b][i] = select(own[b].first, begin, u32(begin) + piece <= params.conv.summary_length);
        }
    }
    var products: array<array<array<array<vec4<f32>, QUADS>, PRODUCTS>, SUBGROUP>, LOADS>;
    for (var channel = 0u; channel < piece; channel += 4u) {
        // Of every combination of pieces, four channels.
        var x = array<array<array<vec4<f32>, PRODUCTS>, 4>, QUADS>();
        for (var q = 0u; q < QUADS; q++) {
            for (var k = 0u; k < 4u; k++) {
                var pieces = array<vec4<f32>, LOAD_ROWS>();
                for (var i = 0u; i < LOAD_ROWS; i++) {
                    pieces[i] = input_quad(at[q] + (channel + i * piece + k) * plane, valid[q]);
                }
                x[q][k] = inputs_of(pieces);
            }
        }
        for (var b = 0u; b < LOADS; b++) {
            var pieces = array<vec4<f32>, PIECES>();
            for (var i = 0u; i < PIECES; i++) {
                pieces[i] = weight_quad(begins[b][i], channel);
            }
            let weights = weights_of(pieces);
            for (var l = 0u; l < SUBGROUP; l++) {
                if (b * SUBGROUP + l) * LOAD_ROWS < ROW_BLOCKS * SUBGROUP {
                    for (var i = 0u; i < PRODUCTS; i++) {
                        let w = subgroupShuffle(weights[i], l);
                        for (var q = 0u; q < QUADS; q++) {
                            products[b][l][i][q] += w.x * x[q][0][i] + w.y * x[q][1][i] + w.z * x[q][2][i]
                                + w.w * x[q][3][i];
                        }
                    }
                }
            }
        }
    }
    for (var b = 0u; b < LOADS; b++) {
        for (var l = 0u; l < SUBGROUP; l++) {
            let first = (b * SUBGROUP + l) * LOAD_ROWS;
            if first < ROW_BLOCKS * SUBGROUP {
                for (var q = 0u; q < QUADS; q++) {
                    var of_quad = array<vec4<f32>, PRODUCTS>();
                    for (var i = 0u; i < PRODUCTS; i++) {
                        of_quad[i] = products[b][l][i][q];
                    }
                    let rows = rows_of(of_quad);
                    for (var i = 0u; i < LOAD_ROWS; i++) {
                        (*sums)[first / SUBGROUP][first % SUBGROUP + i][q] += rows[i];
                    }
                }
            }
        }
    }
}
