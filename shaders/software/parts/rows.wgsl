// Rows of a tile, each over a tap's channels: their sums, and where the weights of one begin (with a learned position,
// of two segments), and what multiplies them.
alias Sums = array<array<array<vec4<f32>, QUADS>, SUBGROUP>, ROW_BLOCKS>;

struct Row {
    first: i32,
    next: i32,
    fraction: f32,
    gain: f32,
}
