// What follows the sum: activation(scale * sum + bias + residual).
struct Affine {
    scale: f32,
    bias: f32,
}

fn affine_of(channel: u32) -> Affine {
    return Affine(scale_at(channel), bias_at(channel));
}

fn epilogue(affine: Affine, sum: vec4<f32>, residual: vec4<f32>) -> vec4<f32> {
    return activate(affine.scale * sum + affine.bias + residual);
}
