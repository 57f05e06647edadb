// Lines of values of images [before, length, after], and shares of their values.
struct Params {
    lines: u32,            // N * before * after
    image_lines: u32,      // before * after
    length: u32,
    after: u32,
    read_first: u32,
    read_image: u32,
    written_first: u32,
    written_image: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

struct Line {
    read: u32,             // where its first value is
    written: u32,
}

fn line_of(index: u32) -> Line {
    let image = index / params.image_lines;
    let within = index - image * params.image_lines;
    let before = within / params.after;
    let first = before * params.length * params.after + within - before * params.after;
    let read = params.read_first + image * params.read_image + first;
    return Line(read, params.written_first + image * params.written_image + first);
}

fn share_of(logarithm: u32, distance: f32, sum: f32) -> f32 {
    if logarithm == 1u {
        return distance - log(sum);
    }
    return exp(distance) / sum;
}
