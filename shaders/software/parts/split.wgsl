// Quotients and remainders of four consecutive numbers, by one division: a software adapter divides lane by lane.
struct Split {
    quotient: vec4<u32>,
    remainder: vec4<u32>,
}

fn split_quad(first: u32, divisor: u32) -> Split {
    let quotient = first / divisor;
    var split = Split(vec4<u32>(quotient), vec4<u32>(first - quotient * divisor));
    for (var k = 1u; k < 4u; k++) {
        let next = split.remainder[k - 1u] + 1u;
        split.remainder[k] = select(next, 0u, next == divisor);
        split.quotient[k] = split.quotient[k - 1u] + select(0u, 1u, next == divisor);
    }
    return split;
}
