// What is done to a product before taps add it up: activation(scale * product + bias), with numbers of its base's own.
// `table` then holds both of every row, scale and bias, from `stage_at` on, as the bits of f32.
const BASE_STAGE: u32 = 0u; // 1 where there is one
const BASE_ACTIVATION: u32 = 0u;

fn staged(row: u32, product: vec4<f32>) -> vec4<f32> {
    if BASE_STAGE == 0u {
        return product;
    }
    let at = params.stage_at + 2u * row;
    return activated(BASE_ACTIVATION, bitcast<f32>(table[at]) * product + bitcast<f32>(table[at + 1u]));
}
